"""Numbers of the tasks of all owners, or of one, for the admin's dashboard.

They are sums of tallies and short ranges of indexes, so that they cost the same for any
number of tasks. Where a range may be long, at most `MOST` rows of it are counted."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from django.contrib.auth import get_user_model
from django.db.models import Count, Q, QuerySet, Sum, Window

from taskproject.models import Job
from taskproject.sql import ON_POSTGRESQL, adapted, fetch
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
        Webhook.objects.oldest_unsent(),
        job.created_at if job else None,
    )


def owners(owner_id: int | None) -> tuple[int, int, list[Owner]]:
    """The numbers of open and of completed tasks, and the owners with most open ones."""
    tallies = _tallies(owner_id, "all").order_by("-open", "owner_id")
    rows = tallies.annotate(
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
        tallies = _tallies(owner_id, "tag").filter(key=tag_id)
        tallies = tallies.filter(
            owner__in=Tag.objects.filter(pk=tag_id).values("owner")
        )
    elif list_id:
        tallies = _tallies(owner_id, "list").filter(key=list_id)
        its = TaskList.objects.filter(pk=list_id)
        tallies = tallies.filter(owner__in=its.values("owner"))
    else:
        kind = "all" if list_id is None else "list"
        tallies = _tallies(owner_id, kind).filter(key=0)
        # A search of the index for each owner, not a scan of the tallies of everything.
        people = get_user_model()._default_manager.order_by()
        tallies = tallies.filter(owner__in=people.values("pk"))
    found = tallies.aggregate(open=Sum("open"), completed=Sum("completed"))
    return found["open"] or 0, found["completed"] or 0


def lists(owner_id: int | None) -> list[tuple[TaskList, int]]:
    """The lists with most open tasks, and the number of these."""
    tallies = _tallies(owner_id, "list").filter(key__gt=0, open__gt=0)
    found = dict(tallies.order_by("-open", "key").values_list("key", "open")[:BUSIEST])
    rows = TaskList.objects.select_related("owner").in_bulk(found)
    return [(rows[key], number) for key, number in found.items() if key in rows]


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


def completed_by_day(owner_id: int | None, moments: Sequence[datetime]) -> list[int]:
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


def _tallies(owner_id: int | None, kind: str) -> QuerySet[Tally]:
    tallies = Tally.objects.filter(kind=kind)
    if owner_id is not None:
        return tallies.filter(owner_id=owner_id)
    if ON_POSTGRESQL:  # by the index tally_of_all_and_lists
        return tallies
    # A search for each owner, in half the time of reading the tallies of everything.
    people = get_user_model()._default_manager.order_by()
    return tallies.filter(owner__in=people.values("pk"))
