from django.db import migrations, models

from taskproject.postgresql.operations import ReplaceIndexOnline

OPEN = models.Q(("deleted_at__isnull", True), ("completed", False))


class Migration(migrations.Migration):
    # Beside the traffic; a run that failed can be repeated.
    atomic = False

    dependencies = [
        ("tasks", "0043_name_of_tallies"),
    ]

    operations = [
        # With what the admin filters by, so that tasks are counted without reading them.
        ReplaceIndexOnline(
            model_name="task",
            index=models.Index(
                condition=OPEN,
                fields=[
                    "due_moment",
                    "id",
                    "priority",
                    "list",
                    "due_date",
                    "due_at",
                    "completed",
                    "deleted_at",
                ],
                name="task_open_due",
            ),
            replaced=models.Index(
                condition=OPEN, fields=["due_moment", "id"], name="task_open_due"
            ),
        ),
    ]
