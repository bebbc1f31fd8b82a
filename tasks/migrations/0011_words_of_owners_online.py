from django.db import migrations

# On PostgreSQL the same as 0009 on SQLite: each word begins with whose it is. The index of
# all words stays for the admin. (It is the expression of `tasks.models.search`.) What an
# index of an expression tells the planner is gathered by ANALYZE alone.
POSTGRESQL = [
    "DROP INDEX CONCURRENTLY IF EXISTS task_words",
    """CREATE INDEX CONCURRENTLY task_words ON tasks_task
        USING gin (array_to_tsvector(string_to_array(owner_id::text || '_' ||
        replace(search, ' ', ' ' || owner_id::text || '_'), ' ')))""",
    "ANALYZE tasks_task",
]


def forwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for statement in POSTGRESQL:
            schema_editor.execute(statement)


def backwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX CONCURRENTLY IF EXISTS task_words")


class Migration(migrations.Migration):
    # Beside the traffic; a run that failed can be repeated.
    atomic = False

    dependencies = [
        ("tasks", "0010_tag_id"),
    ]

    operations = [
        migrations.RunPython(forwards, backwards),
    ]
