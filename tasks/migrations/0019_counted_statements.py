from importlib import import_module

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


# A session keeps the plan of a trigger's first run. Made on few rows, it compared each of
# thousands of labels with each task (3 s for 5,000): many labels are planned each time.
LABELS = """CREATE OR REPLACE FUNCTION tasks_tally_label_{event}() RETURNS trigger
LANGUAGE plpgsql AS $$ BEGIN
    IF (SELECT count(*) FROM (SELECT FROM {rows} LIMIT 51) label) > 50 THEN
        EXECUTE $sql$ {apply} $sql$;
    ELSE
        {apply}
    END IF;
    RETURN NULL; END $$"""
AS_BEFORE = """CREATE OR REPLACE FUNCTION tasks_tally_label_{event}() RETURNS trigger
LANGUAGE plpgsql AS $$ BEGIN {apply} RETURN NULL; END $$"""


def plan_labels(schema_editor, function):
    tally = import_module("tasks.migrations.0006_tally")
    for event, sign, rows in (("insert", 1, "after"), ("delete", -1, "before")):
        parts = tally.LABELLED.format(sign=sign, table=rows)
        sums = tally.SUMS.format(parts=parts)
        apply = tally.APPLY.format(with_change="", sums=sums)
        schema_editor.execute(function.format(event=event, rows=rows, apply=apply))


def replace(schema_editor, function, when):
    schema_editor.execute(function)
    for event, rows in ROWS.items():
        name = f"tasks_tally_task_{event}"
        schema_editor.execute(f"DROP TRIGGER {name} ON tasks_task")
        schema_editor.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON tasks_task REFERENCING {rows} "
            f"FOR EACH STATEMENT {when} EXECUTE FUNCTION {name}()"
        )


def forwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        replace(schema_editor, FUNCTION, WHEN)
        plan_labels(schema_editor, LABELS)


def backwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        replace(schema_editor, "DROP FUNCTION IF EXISTS tasks_counted()", "")
        plan_labels(schema_editor, AS_BEFORE)


class Migration(migrations.Migration):
    # In one transaction, so that no write is left uncounted; it is over at once, and
    # `migrate` bounds how long it may wait for its lock.

    dependencies = [
        ("tasks", "0018_location_online"),
    ]

    operations = [
        migrations.RunPython(forwards, backwards),
    ]
