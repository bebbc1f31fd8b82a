"""Pagination and date hierarchy at a cost that does not depend on the number of tasks."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cached_property

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils import timezone

from tasks.models import Task, TaskQuerySet

COUNTED_PAGES = 100


class CappedPaginator(Paginator):
    """Counts the first hundred pages: counting a million rows takes a second, and so does
    skipping them. Other rows are found by filters or a search."""

    @cached_property
    def count(self) -> int:
        return min(len(self.keys), self.per_page * COUNTED_PAGES)

    @property
    def capped(self) -> bool:
        """Whether there are more rows than `count`."""
        return len(self.keys) > self.count

    @cached_property
    def keys(self) -> list[int]:
        """The primary keys of the rows that are counted, and of one more, in any order."""
        assert isinstance(self.object_list, QuerySet)
        most = self.per_page * COUNTED_PAGES
        rows = self.object_list.order_by().values_list("pk", flat=True)
        return list(rows[: most + 1])


class CalendarQuerySet(TaskQuerySet):
    """A queryset that gives the admin's date hierarchy all periods between the first and
    the last date.

    Django reads every row to leave out empty years, months and days; here they are
    listed, and their pages are empty.
    """

    _ends: tuple[datetime, datetime] | None = None
    _asked = False

    def aggregate(self, *args: object, **kwargs: object) -> dict[str, object]:
        """The first and the last date of all tasks, without the filters, by a statement
        for each: for both in one statement, SQLite reads the whole index."""
        if set(kwargs) != {"first", "last"}:
            return super().aggregate(*args, **kwargs)
        first, last = self._find_ends(Task.objects.all()) or (None, None)
        return {"first": first, "last": last}

    def datetimes(  # type: ignore[override]  # django-stubs types it as a QuerySet
        self, field_name: str, kind: str, *args: object, **kwargs: object
    ) -> list[datetime]:
        # `aggregate` was not called: within a year or a month, found by the index.
        ends = self._ends if self._asked else self._find_ends(self)
        if ends is None:
            return []
        zone = timezone.get_current_timezone()
        first, last = (end.astimezone(zone).date() for end in ends)
        return [
            datetime(day.year, day.month, day.day, tzinfo=zone)
            for day in _periods(first, last, kind)
        ]

    def _find_ends(self, tasks: TaskQuerySet) -> tuple[datetime, datetime] | None:
        dates = tasks.order_by("created_at").values_list("created_at", flat=True)
        first, last = dates.first(), dates.last()
        self._asked, self._ends = True, (first, last) if first and last else None
        return self._ends


def _periods(first: date, last: date, kind: str) -> Iterator[date]:
    """The first day of every year, month or day from `first` to `last`."""
    step = timedelta(days={"year": 366, "month": 31, "day": 1}[kind])

    def begin(day: date) -> date:
        return day.replace(
            month=1 if kind == "year" else day.month,
            day=day.day if kind == "day" else 1,
        )

    period = begin(first)
    while period <= last:
        yield period
        period = begin(period + step)
