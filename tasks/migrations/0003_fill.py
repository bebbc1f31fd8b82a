from datetime import UTC
from importlib import import_module

from django.db import migrations

BATCH = 1_000


def fill(apps, schema_editor):
    """Gives the tasks there are what they are sorted and found by, batch by batch."""
    connection = schema_editor.connection
    last, keys = 0, None
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                'SELECT "id", "created_at", "title", "description" FROM "tasks_task" '
                'WHERE "id" > %s ORDER BY "id" LIMIT %s',
                [last, BATCH],
            )
            columns = [column[0] for column in cursor.description]
            rows = [dict(zip(columns, row)) for row in cursor.fetchall()]
            if not rows:
                return
            # Takes 0.1 s to make its tables: not where there are no tasks.
            keys = keys or import_module("tasks.migrations._keys_2")
            cursor.executemany(
                'UPDATE "tasks_task" SET "position" = %s, "sorted_title" = %s, '
                '"search" = %s WHERE "id" = %s AND "position" = \'\'',
                [
                    (
                        keys.position_at_end(aware(row["created_at"]), number),
                        keys.sorted_as(row["title"]),
                        keys.searched_as(row["title"], row["description"]),
                        row["id"],
                    )
                    for number, row in enumerate(rows)
                ],
            )
        last = rows[-1]["id"]


def aware(moment):
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Migration(migrations.Migration):
    # A batch a transaction, so that no writer waits for all of them.
    atomic = False

    dependencies = [
        ("tasks", "0002_lists_tags_dues"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
    ]
