from django.db import migrations

# On PostgreSQL the triggers of migration 0006 that count new and changed tasks leave out
# a statement that has called tasks_counted() in its transaction: it has added to the
# tallies itself. Code of before this migration never calls it. (PostgreSQL inlines it.)
FUNCTION = """CREATE OR REPLACE FUNCTION tasks_counted() RETURNS boolean LANGUAGE sql
    AS $$ SELECT set_config('tasks.counted', 'on', true) = 'on' $$"""
ROWS = {
    "insert": "NEW TABLE AS after",
    "update": "OLD TABLE AS before NEW TABLE AS after",
}
WHEN = "WHEN (current_setting('tasks.counted', true) IS DISTINCT FROM 'on')"


def replace(schema_editor, function, when):
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute(function)
    for event, rows in ROWS.items():
        name = f"tasks_tally_task_{event}"
        schema_editor.execute(f"DROP TRIGGER {name} ON tasks_task")
        schema_editor.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON tasks_task REFERENCING {rows} "
            f"FOR EACH STATEMENT {when} EXECUTE FUNCTION {name}()"
        )


def forwards(apps, schema_editor):
    replace(schema_editor, FUNCTION, WHEN)


def backwards(apps, schema_editor):
    replace(schema_editor, "DROP FUNCTION IF EXISTS tasks_counted()", "")


class Migration(migrations.Migration):
    # In one transaction, so that no write is left uncounted; it is over at once, and
    # `migrate` bounds how long it may wait for its lock.

    dependencies = [
        ("tasks", "0018_location_online"),
    ]

    operations = [
        migrations.RunPython(forwards, backwards),
    ]
