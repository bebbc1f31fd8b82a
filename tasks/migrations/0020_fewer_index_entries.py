from django.db import migrations, models

from taskproject.postgresql.operations import ReplaceIndexOnline


class Migration(migrations.Migration):
    # Beside the traffic; a run that failed can be repeated.
    atomic = False

    dependencies = [
        ("tasks", "0019_counted_statements"),
    ]

    operations = [
        # Without the tasks in no list. Ascending: of a descending index, PostgreSQL
        # leaves every page half empty where ids grow.
        ReplaceIndexOnline(
            model_name="task",
            index=models.Index(
                condition=models.Q(("list__isnull", False)),
                fields=["list", "id"],
                name="task_list_newest",
            ),
            replaced=models.Index(fields=["list", "-id"], name="task_list_newest"),
        ),
    ]
