"""The numbers on the first page of the admin, each with the filtered list that it counts."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import NamedTuple, Self

from django.http import HttpRequest
from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.utils.timesince import timesince

from taskproject import refusals
from taskproject.accounts.privileges import may_see, sees_all, viewer
from taskproject.models import Job
from tasks.models import Task, TaskList, overview
from tasks.models.due_dates import Clock, clock

DAYS = 30
#: How long work may wait before the page says so.
LATE = timedelta(minutes=1)
#: The statuses of requests that met what others had changed.
CONFLICTS = (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)
# The size of the chart, in the units of its viewBox.
WIDTH, HEIGHT, GAP = 600, 120, 4


class Figure(NamedTuple):
    """A number of tasks, and the address of their list."""

    label: str
    number: int
    address: str
    colour: str = ""
    #: The owner, if the label does not say whose tasks they are.
    note: str = ""

    @property
    def text(self) -> str:
        return f"{self.number:,}"


class Bar(NamedTuple):
    """A day of the chart: the number of tasks completed on it, and its rectangle."""

    day: date
    number: int
    address: str
    x: float
    y: float
    height: float
    #: Whether there are more than `number`.
    capped: bool

    @property
    def text(self) -> str:
        return _text(self.number, self.capped)


@dataclass
class Dashboard:
    figures: list[Figure]
    bars: list[Bar]
    owners: list[Figure]
    #: None for users who may not view lists.
    lists: list[Figure] | None
    #: The numbers of changes of the last 24 hours by what they were.
    writes: dict[str, int]
    zone: str
    #: When open and completed tasks, those of owners and those of lists, were counted; None: now.
    at: datetime | None
    #: Changes of thousands of tasks that go on in the background.
    jobs: int
    #: What waits for the worker, and for how long; None for users who see only their own tasks.
    backlog: list[str] | None
    #: The numbers of refused API requests by status; None likewise.
    refused: dict[int, int] | None

    width, height, bar_width = WIDTH, HEIGHT, WIDTH / DAYS - GAP

    @classmethod
    def of(cls, request: HttpRequest) -> Self | None:
        """The numbers that the user of the page may see."""
        if not may_see(request, Task):
            return None
        now = clock(viewer(request).timezone)
        # None: those of all users.
        whose = None if sees_all(request) else viewer(request).pk
        jobs = Job.objects.unfinished()
        days = [now.today - timedelta(days=back) for back in range(DAYS - 1, -2, -1)]
        sums = overview.sums(whose, now, days)
        due = overview.due(whose, now)
        return cls(
            figures=[
                Figure("Open", sums.open, _list(completed__exact=0)),
                Figure(
                    "Overdue",
                    due.overdue,
                    _list(due="overdue"),
                    "danger" if due.overdue else "",
                ),
                Figure(
                    "Due today",
                    due.today,
                    _list(due="today", completed__exact=0),
                    "warning" if due.today else "",
                ),
                Figure(
                    "Due in 7 days", due.week, _list(due="week", completed__exact=0)
                ),
                Figure("Completed", sums.completed, _list(completed__exact=1)),
            ],
            bars=_bars(now, days, sums.days),
            owners=[
                Figure(name, number, _list(owner=key, completed__exact=0))
                for key, name, number in sums.owners
            ],
            lists=_lists(sums.lists) if may_see(request, TaskList) else None,
            writes=overview.writes(whose, now.now - timedelta(days=1)),
            zone=str(now.zone),
            at=sums.at if sums.at < now.now else None,
            jobs=(jobs if whose is None else jobs.filter(owner_id=whose)).count(),
            backlog=_backlog(now.now) if whose is None else None,
            refused=refusals.by_status() if whose is None else None,
        )

    @property
    def completed_text(self) -> str:
        number = sum(bar.number for bar in self.bars)
        return _text(number, any(bar.capped for bar in self.bars))

    @property
    def changes(self) -> list[str]:
        return [f"{number:,} {verb}" for verb, number in self.writes.items()]

    @property
    def written_text(self) -> str:
        number = sum(self.writes.values())
        return _text(number, number >= overview.MOST)

    @property
    def refused_text(self) -> str:
        return f"{sum((self.refused or {}).values()):,}"

    @property
    def refusals(self) -> list[str]:
        """Conflicts, then the others by what their status says."""
        numbers = dict(self.refused or {})
        conflicts = sum(numbers.pop(status, 0) for status in CONFLICTS)
        return [
            *(
                [f"{conflicts:,} conflict{pluralize(conflicts)} (409, 412)"]
                if conflicts
                else []
            ),
            *(f"{number:,} × {_status(status)}" for status, number in numbers.items()),
        ]


def _backlog(now: datetime) -> list[str]:
    """Work that has waited longer than a worker that runs takes to begin it."""
    waiting = overview.waiting(now)
    return [
        f"{name}: for {timesince(since, now)}"
        for name, since in (
            ("Reminders", waiting.reminder),
            ("Webhooks", waiting.webhook),
            ("Changes of thousands of tasks", waiting.job),
        )
        if since is not None and now - since > LATE
    ]


def _status(status: int) -> str:
    """Such as "401 Unauthorized"."""
    known = status in {*HTTPStatus}
    return f"{status} {HTTPStatus(status).phrase}" if known else str(status)


def _text(number: int, capped: bool) -> str:
    return f"at least {number:,}" if capped else f"{number:,}"


def _lists(lists: list[overview.LongList]) -> list[Figure]:
    return [
        Figure(
            row.name,
            row.open,
            _list(list=row.key, completed__exact=0),
            note=row.owner,
        )
        for row in lists
    ]


def _bars(now: Clock, days: list[date], numbers: list[int]) -> list[Bar]:
    moments = [now.begin(day) for day in days]
    most = max(*numbers, 1)
    bars = []
    for place, number in enumerate(numbers):
        height = max(HEIGHT * number / most, 2 if number else 0)
        bars.append(
            Bar(
                days[place],
                min(number, overview.MOST),
                _completed(moments[place], moments[place + 1]),
                place * WIDTH / DAYS + GAP / 2,
                round(HEIGHT - height, 1),
                round(height, 1),
                number > overview.MOST,
            )
        )
    return bars


def _completed(start: datetime, end: datetime) -> str:
    return _list(completed_at__gte=start.isoformat(), completed_at__lt=end.isoformat())


def _list(**query: object) -> str:
    return reverse("admin:tasks_task_changelist", query=query)
