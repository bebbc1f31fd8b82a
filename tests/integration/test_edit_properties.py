"""Writes of one task by one statement, whose rules are SQL (tasks/models/assignments.py and
single_statement.py), do the same as turns of reading and writing, whose rules are Python
(new_values.py and task_events.py), which every write within a larger transaction takes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.db import transaction

from taskproject.accounts.models import User
from taskproject.problems import Invalid
from tasks.limits import FIRST_DAY, LAST_DAY
from tasks.models import Event, Reminder, Task
from tests.conftest import BY
from tests.support.tallies import assert_right

INSTANT = datetime(2026, 12, 31, tzinfo=UTC)
#: With and without words, in ASCII and not, of scripts without spaces, and what SQL uses.
TEXTS = ["Oat", "Größe | 1", "牛奶", "ตลาด oat", "!?", "\\ \"'%s$1{0}", "İ ﬁ", "🌱"]
DAYS = [FIRST_DAY, date(1969, 12, 31), INSTANT.date(), LAST_DAY]
#: A midnight in UTC is the end of a day, too.
INSTANTS = [
    datetime(1900, 1, 1, 12, tzinfo=UTC),
    INSTANT.astimezone(ZoneInfo("Asia/Tokyo")),
    *(INSTANT + step * timedelta(microseconds=10) for step in (-1, 0, 1)),
]
VALUES: dict[str, list[Any]] = {
    "title": TEXTS,
    "description": ["", *TEXTS],
    "location": [None, *TEXTS],
    "priority": [*range(5)],
    "completed": [True, False],
    "due_date": [None, *DAYS],
    "due_at": [None, *INSTANTS],
    "due_timezone": [None, "UTC", "Asia/Tokyo"],
}
#: The fields of new tasks.
NEW: list[dict[str, Any]] = [
    {},
    {"completed": True, "due_date": DAYS[0]},
    {"due_at": INSTANT, "due_timezone": "Asia/Tokyo", "tags": ["home"]},
    {"reminders": [{"minutes_before": 30, "hour": 9}], "due_date": LAST_DAY},
]
OWN = {"id", "position", "_state"}
TIMES = ("created_at", "updated_at", "completed_at", "deleted_at")


def random_edits(random: Random) -> Iterator[tuple[str, dict[str, Any]]]:
    for _ in range(40):
        names = random.sample([*VALUES], random.choice([1, 1, 2, 3]))
        fields = {name: random.choice(VALUES[name]) for name in names}
        yield "edit", {"zone": random.choice(["UTC", "Europe/Lisbon"]), **fields}
        if random.random() < 0.2:
            yield "toggle", {}
    yield "trash", {}


def written(
    owner: User,
    new: dict[str, Any],
    edits: list[tuple[str, dict[str, Any]]],
    around: Callable[[], AbstractContextManager[None]],
) -> tuple[Any, ...]:
    """What these writes of one task return and store, each within `around()`."""
    times: dict[datetime | None, int] = {}

    def shown(row: Mapping[str, Any]) -> dict[str, object]:
        """Of its times, which of them are the same."""
        same = {name: times.setdefault(row[name], len(times)) for name in TIMES}
        return {name: row[name] for name in row if name not in OWN} | same

    with around():
        task = Task.objects.add(BY, owner_id=owner.pk, title="Buy milk", **new)
    results: list[object] = [shown(vars(task))]
    for verb, fields in edits:
        write = getattr(Task.one(task.owner_id, task.pk), verb)
        try:
            with around():
                changed = write(BY, **fields).changed.values()
        except Invalid as problem:
            results.append((verb, fields, str(problem)))
        else:
            results.append((verb, fields, [shown(vars(it)) for it in changed]))
    [row] = Task.objects.filter(pk=task.pk).values()
    assert row["position"] == task.position
    events = Event.objects.of_task(task.pk).in_order()
    told = events.values_list("verb", "version", "changes", "actor", "via")
    at = [times[event.at] for event in events]
    reminders = Reminder.objects.filter(task_id=task.pk).values_list(
        "fire_at", "status"
    )
    return results, shown(row), [*told], at, [*reminders]


@pytest.mark.skipif(not settings.ON_POSTGRESQL, reason="SQLite writes by turns")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", range(len(NEW)))
def test_one_statement_writes_what_turns_write(alice: User, seed: int) -> None:
    edits = [*random_edits(Random(seed))]

    by_statements = written(alice, NEW[seed], edits, nullcontext)
    by_turns = written(alice, NEW[seed], edits, transaction.atomic)

    assert by_statements == by_turns
    assert_right()
