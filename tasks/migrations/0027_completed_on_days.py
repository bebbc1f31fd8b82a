from django.conf import settings
from django.db import migrations, models

from taskproject.postgresql.operations import AddIndexOnline


class Migration(migrations.Migration):
    # Beside the traffic; a run that failed can be repeated.
    atomic = False

    dependencies = [
        ("tasks", "0026_uploads"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexOnline(
            model_name="task",
            index=models.Index(
                condition=models.Q(
                    ("deleted_at__isnull", True), ("completed_at__isnull", False)
                ),
                fields=["completed_at", "owner"],
                name="task_completed",
            ),
        ),
    ]
