from django.db import migrations, models

from taskproject.postgresql.operations import AddConstraintOnline


class Migration(migrations.Migration):
    # Beside the traffic; a run that failed can be repeated.
    atomic = False

    dependencies = [
        ("tasks", "0022_client_id"),
    ]

    operations = [
        AddConstraintOnline(
            model_name="task",
            constraint=models.UniqueConstraint(
                condition=models.Q(("client_id__isnull", False)),
                fields=("owner", "client_id"),
                name="task_client_id_once",
            ),
        ),
    ]
