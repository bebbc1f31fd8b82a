from django.db import migrations, models

from taskproject.postgresql.operations import AddIndexOnline


class Migration(migrations.Migration):
    # Beside the traffic; a run that failed can be repeated.
    atomic = False

    dependencies = [
        ("tasks", "0041_tallies_of_all_owners"),
    ]

    operations = [
        AddIndexOnline(
            model_name="task",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True), ("completed", False)),
                fields=["due_moment", "id"],
                name="task_open_due",
            ),
        ),
    ]
