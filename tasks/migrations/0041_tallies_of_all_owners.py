from django.db import migrations, models

from taskproject.postgresql.operations import AddIndexOnline


class Migration(migrations.Migration):
    # Beside the traffic; a run that failed can be repeated.
    atomic = False

    dependencies = [
        ("tasks", "0040_recurrence_subtasks_online"),
    ]

    operations = [
        AddIndexOnline(
            model_name="tally",
            index=models.Index(
                condition=models.Q(("kind__in", ["all", "list"])),
                fields=["kind", "key"],
                name="tally_of_all_and_lists",
            ),
        ),
    ]
