"""Keys that an older release made of tasks' texts, brought up to date (see words.py)."""

from collections.abc import Iterator

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from tasks.models.words import CURRENT, searched_as, sorted_as

#: Rows that a statement looks at, and that a transaction writes.
LOOKED_AT = 5_000
WRITTEN = 200
Row = tuple[int, str, str]


def bring_up_to_date(connection: BaseDatabaseWrapper, written: int = WRITTEN) -> int:
    """Makes new keys for the tasks whose keys are of an older version; how many those
    were. Neither versions nor times of the tasks change.

    A transaction is `written` tasks. So it can be stopped at any time, and what is left
    is done when it is called again. It waits for no task that somebody is writing: it
    comes back to those, one by one, so that no two writers wait for each other.
    """
    changed, left = 0, []
    for first, last in _windows(connection):
        while rows := _stale(connection, first, last, written):
            first = rows[-1][0]
            done = _rewrite(connection, [row[0] for row in rows])
            changed += len(done)
            left += [key for key, _, _ in rows if key not in done]
    for key in left:
        changed += len(_rewrite(connection, [key], wait=True))
    return changed


def _windows(connection: BaseDatabaseWrapper) -> Iterator[tuple[int, int]]:
    """Ranges of keys, each above the first and up to the last, that hold all tasks."""
    last = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                'SELECT max("id") FROM (SELECT "id" FROM "tasks_task" WHERE "id" > %s '
                'ORDER BY "id" LIMIT %s) "part"',
                [last, LOOKED_AT],
            )
            [end] = cursor.fetchone()
        if end is None:
            return
        yield last, end
        last = end


def _stale(
    connection: BaseDatabaseWrapper, first: int, last: int, most: int
) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(
            'SELECT "id", "title", "description" FROM "tasks_task" WHERE "id" > %s '
            f'AND "id" <= %s AND NOT ({CURRENT}) ORDER BY "id" LIMIT %s',
            [first, last, most],
        )
        rows: list[Row] = cursor.fetchall()
        return rows


def _rewrite(
    connection: BaseDatabaseWrapper, keys: list[int], wait: bool = False
) -> set[int]:
    """The keys of the tasks that were written."""
    on_postgresql = connection.vendor == "postgresql"
    lock = "FOR UPDATE" if wait else "FOR UPDATE SKIP LOCKED"
    places = ", ".join(["%s"] * len(keys))
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(
            'SELECT "id", "title", "description" FROM "tasks_task" WHERE "id" IN '
            f'({places}) AND NOT ({CURRENT}) ORDER BY "id" {lock if on_postgresql else ""}',
            keys,
        )
        rows: list[Row] = cursor.fetchall()
        for key, title, description in rows:
            # One by one: the tallies look at several together for what they share.
            cursor.execute(
                'UPDATE "tasks_task" SET "search" = %s, "sorted_title" = %s '
                'WHERE "id" = %s',
                [searched_as(title, description), sorted_as(title), key],
            )
    return {row[0] for row in rows}
