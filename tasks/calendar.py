"""What a calendar that subscribes is shown: chosen, bounded, and written as iCalendar.

Calendars refuse large files (Google's is said to take less than 1 MB), so a feed has a
bound, and what is nearest to today is kept: the open tasks first, alternately from today
on and before it, then the completed ones in the same way.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain, islice, zip_longest
from typing import NamedTuple

from taskproject.sql import adapted, fetch
from tasks.exports import COLUMNS, record_of
from tasks.formats import ics
from tasks.models import Task
from tasks.models.criteria import OPEN
from tasks.models.due_dates import NEVER

#: How long after its day a task is still shown.
KEPT = timedelta(days=365)
#: Tasks at most.
MOST = 2_000
#: Bytes at most, and those of them that are for the lines before the first task.
SIZE = 900_000
HEAD = 2_000
#: Tasks that are read at a time.
PORTION = 250


class Side(NamedTuple):
    """Tasks on one side of today."""

    completed: bool
    upcoming: bool

    def named(self, day: date | None) -> str:
        """The tasks of this side that are due on a day and beyond it; all, without."""
        state = "completed" if self.completed else "open"
        if day is None:
            return f"{state} tasks"
        return (
            f"{state} tasks due on {day} or {'later' if self.upcoming else 'earlier'}"
        )


class Key(NamedTuple):
    """A task that could be shown."""

    side: Side
    pk: int
    moment: datetime


SIDES = [Side(False, True), Side(False, False), Side(True, True), Side(True, False)]


def _found(number: int, limit: str) -> str:
    """The nearest tasks of a side."""
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


# Where the open ones fill the feed, no completed one is looked for among them.
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
    """The calendar of the owner's live tasks that are due from a year before today on.

    At most MOST tasks and SIZE bytes; its description says what was left out.
    """
    keys = _keys(owner_id, today)
    size = HEAD + len(ics.END)
    pieces: list[tuple[datetime, int, bytes]] = []
    shown = 0
    for key, piece in _pieces(owner_id, keys[:MOST]):
        size += len(piece)
        if size > SIZE:
            break
        shown += 1
        if piece:
            pieces.append((key.moment, key.pk, piece))
    description = _left_out(keys, shown)
    return b"".join(
        [
            ics.begin(name, description),
            *(piece for _, _, piece in sorted(pieces)),
            ics.END,
        ]
    )


def _keys(owner_id: int, today: date) -> list[Key]:
    """The tasks that could be shown, in the order in which they come in; more than MOST
    where there are more."""
    begins = datetime(today.year, today.month, today.day, tzinfo=UTC)
    after = [owner_id, adapted(begins), adapted(NEVER)]
    before = [owner_id, adapted(begins), adapted(begins - KEPT)]
    most = MOST + 1
    rows = fetch(
        _KEYS,
        [*after, most, *before, most, *after, MOST, most, *before, MOST, most],
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


def _pieces(owner_id: int, keys: Sequence[Key]) -> Iterator[tuple[Key, bytes]]:
    """The tasks as iCalendar, read as they are wanted; nothing for one that is gone."""
    remaining = iter(keys)
    while portion := list(islice(remaining, PORTION)):
        tasks = Task.objects.owned_by(owner_id).live()
        found = tasks.filter(pk__in=[key.pk for key in portion]).values(*COLUMNS)
        rows = {row["pk"]: row for row in found}
        for key in portion:
            row = rows.get(key.pk)
            record = row and record_of(row, None, None)
            yield key, ics.components(record) if record else b""


def _left_out(keys: Sequence[Key], shown: int) -> str:
    """What those after the first `shown` are; empty where there are none. It has no comma,
    which some calendars show as it is written in the file: with a backslash."""
    if shown >= len(keys):
        return ""
    first: dict[Side, date | None] = {}
    for key in keys[shown:]:
        # A day is stored as its end.
        first.setdefault(key.side, (key.moment - timedelta(microseconds=1)).date())
    if sum(not key.side.completed for key in keys) >= MOST:  # none was looked for
        first[Side(True, False)] = None
    return (
        f"Not everything fits into {MOST} tasks and {SIZE // 1_000} KB. Left out: "
        f"{' and '.join(side.named(day) for side, day in first.items())}."
    )
