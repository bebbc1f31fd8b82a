from importlib import import_module

from django.db import migrations, transaction

# New keys for what is not ASCII: letters with strokes, marks, scripts without spaces.
# Reads and writes go on meanwhile, and the release before knows these keys; what it still
# writes has old ones, which `manage.py purge` brings up to date.

LOOKED_AT = 5_000  # rows of one statement
WRITTEN = 200  # rows of one transaction
BYTES = {
    'postgresql': 'octet_length("search")',
    'sqlite': 'length(CAST("search" AS blob))',
}
# Keys of ASCII text are the same in all versions; the others have as many `|`.
STALE = """NOT ({bytes} = length("search") OR
    length("search") - length(replace("search", '|', '')) = 2)"""


def forwards(apps, schema_editor):
    connection = schema_editor.connection
    stale = STALE.format(bytes=BYTES[connection.vendor])
    left, end = [], 0
    while (window := _window(connection, end)) is not None:
        first, end = end, window
        while keys := _select(
            connection,
            f'"id" > %s AND "id" <= %s AND {stale} ORDER BY "id" LIMIT {WRITTEN}',
            [first, end],
        ):
            first = keys[-1]
            done = _rewrite(connection, keys, stale, 'FOR UPDATE SKIP LOCKED')
            left += [key for key in keys if key not in done]
    # One by one, so that no two writers wait for each other.
    for key in left:
        _rewrite(connection, [key], stale, 'FOR UPDATE')


def _window(connection, after):
    """The last key of the next LOOKED_AT tasks; None behind the last one."""
    with connection.cursor() as cursor:
        cursor.execute(
            'SELECT max("id") FROM (SELECT "id" FROM "tasks_task" WHERE "id" > %s '
            f'ORDER BY "id" LIMIT {LOOKED_AT}) "part"',
            [after],
        )
        return cursor.fetchone()[0]


def _select(connection, condition, parameters):
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT "id" FROM "tasks_task" WHERE {condition}', parameters)
        return [key for (key,) in cursor.fetchall()]


def _rewrite(connection, keys, stale, lock):
    """The keys of the tasks that were written."""
    made = import_module('tasks.migrations._keys_2')
    places = ', '.join(['%s'] * len(keys))
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(
            'SELECT "id", "title", "description" FROM "tasks_task" WHERE "id" IN '
            f'({places}) AND {stale} ORDER BY "id" '
            f'{lock if connection.vendor == "postgresql" else ""}',
            keys,
        )
        rows = cursor.fetchall()
        for key, title, description in rows:
            # One by one: the tallies look at several together for what they share.
            cursor.execute(
                'UPDATE "tasks_task" SET "search" = %s, "sorted_title" = %s '
                'WHERE "id" = %s',
                [made.searched_as(title, description), made.sorted_as(title), key],
            )
    return {row[0] for row in rows}


class Migration(migrations.Migration):
    # A few tasks a transaction. It can be stopped, and goes on where it was.
    atomic = False

    dependencies = [
        ('tasks', '0015_tallies_go_with_their_subjects'),
    ]

    operations = [
        migrations.RunPython(forwards, migrations.RunPython.noop, elidable=True),
    ]
