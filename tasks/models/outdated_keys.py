"""Updating of the search and sort keys of an older release (see words.py)."""

from collections.abc import Iterator

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from tasks.models.words import IS_CURRENT, search_key, sort_key

#: The numbers of rows that a statement reads, and that a transaction writes.
LOOKED_AT = 5_000
WRITTEN = 200
Row = tuple[int, str, str]


def bring_up_to_date(connection: BaseDatabaseWrapper, written: int = WRITTEN) -> int:
    """Updates the keys of tasks whose keys are of an older version; returns how many. Versions and
    times of the tasks do not change.

    Each transaction writes up to `written` tasks. It can be interrupted at any time, and the
    next call does the rest. Locked tasks are skipped and updated one by one at the end, so
    that no two writers wait for each other."""
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
    """Ranges of primary keys (exclusive, inclusive) that contain all tasks."""
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
            f'AND "id" <= %s AND NOT ({IS_CURRENT}) ORDER BY "id" LIMIT %s',
            [first, last, most],
        )
        rows: list[Row] = cursor.fetchall()
        return rows


def _rewrite(
    connection: BaseDatabaseWrapper, keys: list[int], wait: bool = False
) -> set[int]:
    """Updates the keys of these tasks; returns the primary keys of those written."""
    on_postgresql = connection.vendor == "postgresql"
    lock = "FOR UPDATE" if wait else "FOR UPDATE SKIP LOCKED"
    places = ", ".join(["%s"] * len(keys))
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(
            'SELECT "id", "title", "description" FROM "tasks_task" WHERE "id" IN '
            f'({places}) AND NOT ({IS_CURRENT}) ORDER BY "id" {lock if on_postgresql else ""}',
            keys,
        )
        rows: list[Row] = cursor.fetchall()
        for key, title, description in rows:
            # One by one: the triggers of the counts group the rows of a statement.
            cursor.execute(
                'UPDATE "tasks_task" SET "search" = %s, "sorted_title" = %s '
                'WHERE "id" = %s',
                [search_key(title, description), sort_key(title), key],
            )
    return {row[0] for row in rows}
