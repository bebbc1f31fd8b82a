from django.db import migrations, models

from taskproject.postgresql.operations import ReplaceIndexOnline

# The words of all owners' tasks, which on PostgreSQL the admin alone looked up; it looks
# among each owner's now, in `task_words`. Every write of a task made an entry in both.
DROP = "DROP INDEX CONCURRENTLY IF EXISTS task_search"
CREATE = """CREATE INDEX CONCURRENTLY task_search ON tasks_task
    USING gin (array_to_tsvector(string_to_array(search, ' ')))"""


def forwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP)


def backwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for statement in (DROP, CREATE):
            schema_editor.execute(statement)


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
        migrations.RunPython(forwards, backwards),
    ]
