"""The contents of a calendar feed: which tasks, within limits, and their iCalendar.

Calendars refuse large files (Google's reportedly those of 1 MB), so a feed is limited. The
tasks nearest to today are kept: first the open ones, alternately from today on and before
today, then the completed ones in the same way."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain, zip_longest
from typing import NamedTuple

from taskproject.sql import adapted, batched, fetch
from taskproject.times import midnight
from tasks.exports import record_of, select
from tasks.formats import TaskRecord, ics
from tasks.models.criteria import OPEN
from tasks.models.due_dates import NEVER

#: How long after its due date a task is still shown.
KEPT = timedelta(days=365)
#: Most tasks.
MAX_TASKS = 2_000
#: Most bytes, and those reserved for the lines before the first task.
SIZE = 900_000
HEAD = 2_000
#: Tasks that one statement reads.
PORTION = 250


class Side(NamedTuple):
    """The tasks on one side of today, open or completed."""

    completed: bool
    upcoming: bool

    def named(self, day: date | None) -> str:
        """A description of the tasks of this side that are due on a day and beyond it, or of all."""
        state = "completed" if self.completed else "open"
        if day is None:
            return f"{state} tasks"
        return (
            f"{state} tasks due on {day} or {'later' if self.upcoming else 'earlier'}"
        )


class Key(NamedTuple):
    """The key of a task that could be shown."""

    side: Side
    pk: int
    moment: datetime


SIDES = [Side(False, True), Side(False, False), Side(True, True), Side(True, False)]


def _found(number: int, limit: str) -> str:
    """The statement for the tasks of a side that are nearest to today."""
    side = SIDES[number]
    state = '"tasks_task"."completed"' if side.completed else OPEN
    bounds, order = (
        ("> %s AND {0} < %s", "ASC")
        if side.upcoming
        else ("<= %s AND {0} >= %s", "DESC")
    )
    moment = '"tasks_task"."due_moment"'
    return (
        f'SELECT * FROM (SELECT {number} AS "side", "id", "due_moment" FROM "tasks_task" '
        f'WHERE "owner_id" = %s AND "deleted_at" IS NULL AND {state} '
        f"AND {moment} {bounds.format(moment)} "
        f'ORDER BY "due_moment" {order}, "id" {order} LIMIT {limit}) "part{number}"'
    )


# If the open tasks fill the feed, completed ones are not searched.
_KEYS = (
    f'WITH "opened" AS ({_found(0, "%s")} UNION ALL {_found(1, "%s")}) '
    'SELECT * FROM "opened" UNION ALL {} UNION ALL {}'
).format(
    *(
        _found(
            number,
            '(SELECT CASE WHEN count(*) < %s THEN %s ELSE 0 END FROM "opened")',
        )
        for number in (2, 3)
    )
)


def write(owner_id: int, today: date, name: str) -> bytes:
    """The calendar of the owner's live tasks that are due since a year before today.

    At most MAX_TASKS tasks and SIZE bytes; the description of the calendar says what was left out."""
    keys = _keys(owner_id, today)
    size = HEAD + len(ics.END)
    pieces: list[tuple[datetime, int, bytes]] = []
    zones: list[bytes] = []
    described: set[str] = set()
    shown = 0
    for key, record in _records(owner_id, keys[:MAX_TASKS]):
        new = ics.new_zones(record, described) if record else []
        piece = ics.components(record) if record else b""
        size += len(piece) + sum(map(len, new))
        if size > SIZE:
            break
        shown += 1
        zones += new
        if piece:
            pieces.append((key.moment, key.pk, piece))
    description = _left_out(keys, shown)
    return b"".join(
        [
            ics.begin(name, description),
            *zones,
            *(piece for _, _, piece in sorted(pieces)),
            ics.END,
        ]
    )


def _keys(owner_id: int, today: date) -> list[Key]:
    """The tasks that could be shown, in the order of their priority; MAX_TASKS + 1 at most of each
    side."""
    begins = midnight(today)
    after = [owner_id, adapted(begins), adapted(NEVER)]
    before = [owner_id, adapted(begins), adapted(begins - KEPT)]
    most = MAX_TASKS + 1
    rows = fetch(
        _KEYS,
        [
            *after,
            most,
            *before,
            most,
            *after,
            MAX_TASKS,
            most,
            *before,
            MAX_TASKS,
            most,
        ],
        prepare=False,
    )
    sides: list[list[Key]] = [[] for _ in SIDES]
    for number, pk, moment in rows:
        if moment.tzinfo is None:  # SQLite's
            moment = moment.replace(tzinfo=UTC)
        sides[number].append(Key(SIDES[number], pk, moment))
    return [*_alternately(*sides[:2]), *_alternately(*sides[2:])]


def _alternately(*sides: Iterable[Key]) -> Iterator[Key]:
    return (key for key in chain.from_iterable(zip_longest(*sides)) if key)


def _records(
    owner_id: int, keys: Sequence[Key]
) -> Iterator[tuple[Key, TaskRecord | None]]:
    """The tasks, read in portions; None for those deleted meanwhile."""
    for portion in batched(keys, PORTION):
        places = ", ".join(["%s"] * len(portion))
        found = select(
            '"tasks_task"."owner_id" = %s AND "tasks_task"."deleted_at" IS NULL '
            f'AND "tasks_task"."id" IN ({places})',
            [owner_id, *(key.pk for key in portion)],
        )
        rows = {row[0]: row for row in found}
        for key in portion:
            row = rows.get(key.pk)
            yield key, None if row is None else record_of(row, None, None)


def _left_out(keys: Sequence[Key], shown: int) -> str:
    """A sentence about the tasks after the first `shown`; empty if there are none. Without a
    comma, which some calendars show with the backslash that escapes it in the file."""
    if shown >= len(keys):
        return ""
    first: dict[Side, date | None] = {}
    for key in keys[shown:]:
        # A day is stored as its end.
        first.setdefault(key.side, (key.moment - timedelta(microseconds=1)).date())
    if sum(not key.side.completed for key in keys) >= MAX_TASKS:  # none was searched
        first[Side(True, False)] = None
    return (
        f"Not everything fits into {MAX_TASKS} tasks and {SIZE // 1_000} KB. Left out: "
        f"{' and '.join(side.named(day) for side, day in first.items())}."
    )
