from django.db import migrations

# On PostgreSQL: the id of a tag as a function of its owner and key. The planner calls a
# stable function to estimate how many tasks have the tag; of a subquery it takes the tag
# for one of average use, and read a million tasks to find the ten with a rare one. The
# cost is what calling it again for each row of a join is worth.
FUNCTION = """CREATE OR REPLACE FUNCTION tasks_tag_id(bigint, text)
    RETURNS bigint LANGUAGE plpgsql STABLE COST 1000 AS $$
    BEGIN RETURN (SELECT id FROM tasks_tag WHERE owner_id = $1 AND key = $2); END $$"""


def forwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FUNCTION)


def backwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION tasks_tag_id(bigint, text)")


class Migration(migrations.Migration):

    dependencies = [
        ("tasks", "0009_words_of_owners"),
    ]

    operations = [
        migrations.RunPython(forwards, backwards),
    ]
