"""Numbers of the tasks of all owners, or of one, for the admin's dashboard.

They are sums of tallies and short ranges of indexes. Where a range may be long, at most `MOST`
rows of it are counted. What reads the tallies of every owner is kept for `KEPT` seconds where
there are many tasks."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from django.core.cache import cache
from django.db.models import BooleanField, Count, Q, QuerySet, Sum, Window
from django.db.models.expressions import RawSQL

from taskproject import __version__
from taskproject.models import Job
from taskproject.sql import adapted, fetch
from taskproject.times import midnight
from tasks.models.due_dates import Clock
from tasks.models.lists import TaskList
from tasks.models.reminders import Reminder
from tasks.models.tags import Tag
from tasks.models.tallies import Tally
from tasks.models.tasks import Task
from tasks.models.webhooks import Webhook

#: Most tasks completed on one day, and most events, that are counted.
MOST = 5_000
#: The number of owners and lists that are named.
BUSIEST = 5
#: For how many seconds sums are kept, from how many tasks on. (Of 1,000,000 tasks of 10,000
#: owners they take 70 ms of CPU.)
KEPT, MANY = 60, 100_000
# The condition of the index tally_of_all_and_lists, written out: SQLite uses a partial index
# only if the statement has its condition, without parameters.
_INDEXED = RawSQL(""""tasks_tally"."kind" IN ('all', 'list')""", [], BooleanField())
# A range of the index task_completed.
_COMPLETED = f"""SELECT count(*) FROM (SELECT 1 FROM "tasks_task"
    WHERE "completed_at" >= %s AND "completed_at" < %s AND "deleted_at" IS NULL{{}}
    LIMIT {MOST + 1}) "found" """
_WRITES = f"""SELECT "verb", count(*) FROM (SELECT "verb", "at" FROM "tasks_event" {{}}
    ORDER BY "sequence" DESC LIMIT {MOST}) "newest" WHERE "at" >= %s
    GROUP BY "verb" ORDER BY 2 DESC"""


class Owner(NamedTuple):
    """An owner with tasks."""

    key: int
    name: str
    open: int


class LongList(NamedTuple):
    """A list with open tasks, and the name of its owner."""

    key: int
    name: str
    owner: str
    open: int


class Sums(NamedTuple):
    """Numbers that are read from as many rows as there are owners, lists and tasks completed
    within a month."""

    at: datetime
    open: int
    completed: int
    #: Those with most open tasks.
    owners: list[Owner]
    lists: list[LongList]
    #: The numbers of tasks completed on each day, at most MOST + 1 each.
    days: list[int]


class Due(NamedTuple):
    """Numbers of open tasks: overdue, due today, and due today or in the six days after."""

    overdue: int
    today: int
    week: int


class Waiting(NamedTuple):
    """Since when the worker's oldest work has waited to be done; None if none waits."""

    reminder: datetime | None
    webhook: datetime | None
    job: datetime | None


def waiting(now: datetime) -> Waiting:
    """The work of all owners that is due. Three statements, one for each kind."""
    reminder = Reminder.objects.due(now).first()
    job = Job.objects.unfinished().first()
    return Waiting(
        reminder.fire_at if reminder else None,
        Webhook.objects.unsent()[0],
        job.created_at if job else None,
    )


def sums(owner_id: int | None, clock: Clock, days: Sequence[date]) -> Sums:
    """Those of all owners may be as old as KEPT seconds, if there are MANY tasks. `days` are days
    in the zone of the clock, the last of which is not counted."""
    key = f"overview-{__version__}-{clock.zone}-{clock.today}-{len(days)}"
    kept: Sums | None = cache.get(key) if owner_id is None else None
    if kept is not None:
        return kept
    counted = Sums(
        clock.now,
        *_owners(owner_id),
        _lists(owner_id),
        _completed_by_day(owner_id, [clock.begin(day) for day in days]),
    )
    if owner_id is None and counted.open + counted.completed >= MANY:
        cache.set(key, counted, KEPT)
    return counted


def _owners(owner_id: int | None) -> tuple[int, int, list[Owner]]:
    """The numbers of open and of completed tasks, and the owners with most open ones."""
    everyone = tallies(owner_id, "all").order_by("-open", "owner_id")
    rows = everyone.annotate(
        all_open=Window(Sum("open")), all_completed=Window(Sum("completed"))
    ).values_list("owner_id", "owner__username", "open", "all_open", "all_completed")
    found = list(rows[:BUSIEST])
    if not found:
        return 0, 0, []
    named = [Owner(*row[:3]) for row in found if row[2]]
    return int(found[0][3]), int(found[0][4]), named


def states(
    owner_id: int | None, list_id: int | None = None, tag_id: int | None = None
) -> tuple[int, int]:
    """The numbers of open and of completed tasks: all, those of a list (0: in no list), or
    those with a tag; of the owner, if one is given."""
    if tag_id is not None:
        rows = tallies(owner_id, "tag").filter(key=tag_id)
        rows = rows.filter(owner__in=Tag.objects.filter(pk=tag_id).values("owner"))
    elif list_id:
        rows = tallies(owner_id, "list").filter(key=list_id)
        its = TaskList.objects.filter(pk=list_id)
        rows = rows.filter(owner__in=its.values("owner"))
    else:
        kind = "all" if list_id is None else "list"
        rows = tallies(owner_id, kind).filter(key=0)
    found = rows.aggregate(open=Sum("open"), completed=Sum("completed"))
    return found["open"] or 0, found["completed"] or 0


def _lists(owner_id: int | None) -> list[LongList]:
    """The lists with most open tasks."""
    longest = tallies(owner_id, "list").filter(key__gt=0, open__gt=0)
    found = dict(longest.order_by("-open", "key").values_list("key", "open")[:BUSIEST])
    rows = TaskList.objects.select_related("owner").in_bulk(found)
    return [
        LongList(key, row.name, row.owner.username, number)
        for key, number in found.items()
        if (row := rows.get(key))
    ]


def due(owner_id: int | None, clock: Clock) -> Due:
    """Open tasks of whole days that are over everywhere are counted in an index; those of the
    days about `clock.today` are read. Two statements."""
    today = clock.today
    begin, end = (
        midnight(today - timedelta(days=1)),
        midnight(today + timedelta(days=9)),
    )
    opened = Task.objects.live().filter(completed=False)
    if owner_id is not None:
        opened = opened.filter(owner_id=owner_id)
    before = opened.filter(due_moment__lt=begin).count()
    present, first = clock.present.before(), clock.boundary(today).not_before()
    near = opened.filter(due_moment__gte=begin, due_moment__lte=end)
    numbers = near.aggregate(
        overdue=Count("pk", filter=present),
        today=Count("pk", filter=first & _before(clock, today + timedelta(days=1))),
        week=Count("pk", filter=first & _before(clock, today + timedelta(days=7))),
    )
    return Due(before + numbers["overdue"], numbers["today"], numbers["week"])


def _before(clock: Clock, day: date) -> Q:
    return clock.boundary(day).before()


def _completed_by_day(owner_id: int | None, moments: Sequence[datetime]) -> list[int]:
    """The numbers of tasks completed between each two of these instants, at most MOST + 1
    each. One statement."""
    mine = "" if owner_id is None else ' AND "owner_id" = %s'
    one = _COMPLETED.format(mine)
    ends = list(pairwise(moments))
    statement = " UNION ALL ".join(
        f"SELECT {place:d}, ({one})" for place in range(len(ends))
    )
    owner = [] if owner_id is None else [owner_id]
    values = [value for pair in ends for value in (*map(adapted, pair), *owner)]
    rows = fetch(statement, values, prepare=False)
    return [number for _, number in sorted(rows)]


def writes(owner_id: int | None, since: datetime) -> dict[str, int]:
    """The numbers of events since then by their verbs, of the newest MOST events."""
    mine = "" if owner_id is None else 'WHERE "owner_id" = %s'
    owner = [] if owner_id is None else [owner_id]
    rows = fetch(_WRITES.format(mine), [*owner, adapted(since)], prepare=False)
    return dict(rows)


def tallies(owner_id: int | None, kind: str) -> QuerySet[Tally]:
    """Those of the owner, or of all; of one kind, found by an index."""
    rows = Tally.objects.filter(kind=kind)
    if owner_id is not None:
        return rows.filter(owner_id=owner_id)
    return rows if kind == "tag" else rows.filter(_INDEXED)
