"""Updating of the search and sort keys of an older release (see words.py)."""

from collections.abc import Iterator

from django.db import transaction

from taskproject.sql import ON_POSTGRESQL, Row, fetch
from tasks.models.words import IS_CURRENT, search_key, sort_key

#: The numbers of rows that a statement reads, and that a transaction writes.
LOOKED_AT = 5_000
WRITTEN = 200


def bring_up_to_date(written: int = WRITTEN) -> int:
    """Updates the keys of tasks whose keys are of an older version; returns how many. Versions and
    times of the tasks do not change.

    Each transaction writes up to `written` tasks. It can be interrupted at any time, and the
    next call does the rest. Locked tasks are skipped and updated one by one at the end, so
    that no two writers wait for each other."""
    changed, left = 0, []
    for first, last in _windows():
        while rows := _stale(
            '"id" > %s AND "id" <= %s', [first, last], f"LIMIT {written:d}"
        ):
            first = rows[-1][0]
            done = _rewrite([row[0] for row in rows])
            changed += len(done)
            left += [key for key, _, _ in rows if key not in done]
    for key in left:
        changed += len(_rewrite([key], wait=True))
    return changed


def _windows() -> Iterator[tuple[int, int]]:
    """Ranges of primary keys (exclusive, inclusive) that contain all tasks."""
    last = 0
    while True:
        [(end,)] = fetch(
            'SELECT max("id") FROM (SELECT "id" FROM "tasks_task" WHERE "id" > %s '
            f'ORDER BY "id" LIMIT {LOOKED_AT:d}) "part"',
            [last],
            prepare=False,
        )
        if end is None:
            return
        yield last, end
        last = end


def _stale(condition: str, keys: list[int], end: str) -> list[Row]:
    """The id, title and description of such tasks whose keys are of an older version."""
    return fetch(
        f'SELECT "id", "title", "description" FROM "tasks_task" WHERE {condition} '
        f'AND NOT ({IS_CURRENT}) ORDER BY "id" {end}',
        keys,
        prepare=False,
    )


def _rewrite(keys: list[int], wait: bool = False) -> set[int]:
    """Updates the keys of these tasks; returns the primary keys of those written."""
    lock = "FOR UPDATE" if wait else "FOR UPDATE SKIP LOCKED"
    places = ", ".join(["%s"] * len(keys))
    with transaction.atomic():
        rows = _stale(f'"id" IN ({places})', keys, lock if ON_POSTGRESQL else "")
        for key, title, description in rows:
            # One by one: the triggers of the counts group the rows of a statement.
            fetch(
                'UPDATE "tasks_task" SET "search" = %s, "sorted_title" = %s '
                'WHERE "id" = %s',
                [search_key(title, description), sort_key(title), key],
            )
    return {row[0] for row in rows}
