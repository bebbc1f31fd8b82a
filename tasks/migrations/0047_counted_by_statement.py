from importlib import import_module

from django.db import migrations

# The setting that migration 0019 introduced names the statement that has counted, by its
# time, which no other statement of the transaction has: those that follow are counted by
# the triggers, without being told so. Code of before this migration empties the setting.
FUNCTION = """CREATE OR REPLACE FUNCTION tasks_counted() RETURNS boolean LANGUAGE sql AS $$
    SELECT set_config('tasks.counted', statement_timestamp()::text, true) IS NOT NULL $$"""
WHEN = """WHEN (current_setting('tasks.counted', true)
    IS DISTINCT FROM statement_timestamp()::text)"""


def replace(schema_editor, function, when):
    if schema_editor.connection.vendor == "postgresql":
        before = import_module("tasks.migrations.0019_counted_statements")
        before.replace(schema_editor, function, when)


def forwards(apps, schema_editor):
    replace(schema_editor, FUNCTION, WHEN)


def backwards(apps, schema_editor):
    before = import_module("tasks.migrations.0019_counted_statements")
    replace(schema_editor, before.FUNCTION, before.WHEN)


class Migration(migrations.Migration):
    # In one transaction, so that no write is left uncounted, as 0019.

    dependencies = [
        ("tasks", "0046_order_of_creation"),
    ]

    operations = [
        migrations.RunPython(forwards, backwards),
    ]
