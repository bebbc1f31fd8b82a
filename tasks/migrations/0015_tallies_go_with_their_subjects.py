from django.db import migrations

# The count of a list's or a tag's tasks goes with the list or tag, whatever deletes that.
SUBJECTS = {"tag": "tasks_tag", "list": "tasks_tasklist"}
ORPHANS = """DELETE FROM tasks_tally WHERE kind = '{kind}' AND key <> 0
    AND NOT EXISTS (SELECT 1 FROM {table} subject WHERE subject.id = tasks_tally.key)"""
SQLITE = """CREATE TRIGGER tasks_tally_without_{kind} AFTER DELETE ON {table} BEGIN
    DELETE FROM tasks_tally WHERE owner_id = old.owner_id AND kind = '{kind}'
    AND key = old.id; END"""
FUNCTION = """CREATE OR REPLACE FUNCTION tasks_tally_without_{kind}() RETURNS trigger
    LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM tasks_tally tally USING gone WHERE tally.owner_id = gone.owner_id
    AND tally.kind = '{kind}' AND tally.key = gone.id; RETURN NULL; END $$"""
TRIGGER = """CREATE TRIGGER tasks_tally_without_{kind} AFTER DELETE ON {table}
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION tasks_tally_without_{kind}()"""


def drop(schema_editor, kind, table):
    on = f" ON {table}" if schema_editor.connection.vendor == "postgresql" else ""
    schema_editor.execute(f"DROP TRIGGER IF EXISTS tasks_tally_without_{kind}{on}")


def forwards(apps, schema_editor):
    on_postgresql = schema_editor.connection.vendor == "postgresql"
    made = [FUNCTION, TRIGGER] if on_postgresql else [SQLITE]
    for kind, table in SUBJECTS.items():
        drop(schema_editor, kind, table)
        # The trigger first: what is deleted from now on leaves nothing behind.
        for statement in [*made, ORPHANS]:
            schema_editor.execute(statement.format(kind=kind, table=table))


def backwards(apps, schema_editor):
    for kind, table in SUBJECTS.items():
        drop(schema_editor, kind, table)
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP FUNCTION tasks_tally_without_{kind}")


class Migration(migrations.Migration):
    # Not atomic: on PostgreSQL a trigger holds off writers until its transaction ends.
    atomic = False

    dependencies = [
        ("tasks", "0014_checks_said_once"),
    ]

    operations = [
        migrations.RunPython(forwards, backwards),
    ]
