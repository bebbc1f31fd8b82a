"""What the database itself refuses of tasks, lists, tags, labels and events"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from taskproject.accounts.models import User
from tasks.limits import FIRST_DAY, LAST_DAY
from tasks.models import Event, Label, Tag, Task, TaskList
from tests.conftest import make_task
from tests.support.rows import make_list

DAY = timedelta(days=1)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
BEFORE_ALL = datetime(1899, 12, 31, 23, 59, 59, 999_999, UTC)
AFTER_ALL = datetime(3000, 1, 1, tzinfo=UTC)


def assert_refused(constraint: str, model: Any, **fields: Any) -> None:
    before = list(model.objects.order_by("pk").values())

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        model.objects.create(**fields)

    assert list(model.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("task_title_length", {"title": ""}),
        ("task_title_trimmed", {"title": " x"}),
        ("task_title_trimmed", {"title": "x "}),
        ("task_description_length", {"description": "x" * 10_001}),
        ("task_completed_at_when_completed", {"completed": True}),
        ("task_completed_at_when_completed", {"completed_at": NOON}),
        ("task_version_positive", {"version": 0}),
        ("task_priority_known", {"priority": 5}),
        ("task_due_in_one_form", {"due_timezone": "UTC"}),
        ("task_due_in_one_form", {"due_at": NOON}),
        ("task_due_in_one_form", {"due_date": FIRST_DAY, "due_timezone": "UTC"}),
        (
            "task_due_in_one_form",
            {"due_date": FIRST_DAY, "due_at": NOON, "due_timezone": "UTC"},
        ),
        ("task_due_date_in_range", {"due_date": FIRST_DAY - DAY}),
        ("task_due_date_in_range", {"due_date": LAST_DAY + DAY}),
        ("task_due_date_in_range", {"due_date": date.max}),
        ("task_due_at_in_range", {"due_at": BEFORE_ALL, "due_timezone": "UTC"}),
        ("task_due_at_in_range", {"due_at": AFTER_ALL, "due_timezone": "UTC"}),
    ],
)
def test_a_task_keeps_to_its_bounds(
    alice: User, constraint: str, fields: dict[str, Any]
) -> None:
    given = {"owner": alice, "title": "x"} | fields
    assert_refused(constraint, Task, **given)
    with pytest.raises(ValidationError, match=constraint):
        Task(**given).validate_constraints()


@pytest.mark.parametrize(
    "fields",
    [
        {"priority": 4},
        {"completed": True, "completed_at": NOON},
        {"due_date": FIRST_DAY},
        {"due_date": LAST_DAY},
        {"due_at": BEFORE_ALL + timedelta(microseconds=1), "due_timezone": "UTC"},
        {"due_at": AFTER_ALL - timedelta(microseconds=1), "due_timezone": "x" * 64},
        {"external_id": "x" * 255},
        {"position": "z" * 1_000, "sorted_title": "🥛" * 200, "search": "x" * 100_000},
        {"tags": ["x" * 50] * 20},
    ],
)
def test_what_is_within_the_bounds_fits(alice: User, fields: dict[str, Any]) -> None:
    Task(owner=alice, title="x", **fields).validate_constraints()
    task = Task.objects.create(owner=alice, title="x", **fields)

    stored: dict[str, Any] = dict(Task.objects.values().get(pk=task.pk))
    assert {name: stored[name] for name in fields} == fields


@pytest.mark.parametrize(
    "fields", [{"external_id": "x" * 256}, {"due_at": NOON, "due_timezone": "x" * 65}]
)
def test_text_that_is_too_long_is_refused_where_the_column_knows(
    alice: User, fields: dict[str, Any]
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip(
            "SQLite's columns have no length; nothing but our code writes these"
        )

    with pytest.raises(DatabaseError), transaction.atomic():
        Task.objects.create(owner=alice, title="x", **fields)


def test_a_task_is_not_its_own_parent(alice: User) -> None:
    task = make_task(alice)

    with (
        pytest.raises(IntegrityError, match="task_not_its_own_parent"),
        transaction.atomic(),
    ):
        Task.objects.filter(pk=task.pk).update(parent=task)


def test_an_external_id_is_an_owners_once(alice: User, bob: User) -> None:
    make_task(alice, external_id="a")
    make_task(bob, external_id="a")
    make_task(alice)
    make_task(alice)

    with pytest.raises(IntegrityError, match="external_id"), transaction.atomic():
        Task.objects.create(owner=alice, title="x", external_id="a")


@pytest.mark.parametrize("field", ["list", "parent"])
def test_what_a_task_refers_to_must_be_there(alice: User, field: str) -> None:
    """Checked at the end of the transaction."""
    with pytest.raises(IntegrityError), transaction.atomic():
        Task.objects.create(owner=alice, title="x", **{f"{field}_id": 999_999})
        connection.check_constraints()


@pytest.mark.parametrize("field", ["list", "parent"])
def test_what_a_task_refers_to_cannot_go_away_past_the_verbs(
    alice: User, field: str
) -> None:
    referred: Any = make_list(alice) if field == "list" else make_task(alice, "Parent")
    fields: dict[str, Any] = {f"{field}_id": referred.pk}
    make_task(alice, **fields)

    with pytest.raises(IntegrityError), transaction.atomic():
        type(referred)._default_manager.filter(pk=referred.pk).delete()
        connection.check_constraints()


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("list_name_length", {"name": ""}),
        ("list_name_trimmed", {"name": " x"}),
        ("list_name_trimmed", {"name": "x "}),
        ("list_position_given", {"position": ""}),
        ("list_version_positive", {"version": 0}),
    ],
)
def test_a_list_keeps_to_its_bounds(
    alice: User, constraint: str, fields: dict[str, Any]
) -> None:
    given = {"name": "x", "key": "x", "position": "n"} | fields

    assert_refused(constraint, TaskList, owner=alice, **given)


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("tag_name_length", {"name": ""}),
        ("tag_name_trimmed", {"name": "x "}),
        ("tag_version_positive", {"version": 0}),
    ],
)
def test_a_tag_keeps_to_its_bounds(
    alice: User, constraint: str, fields: dict[str, Any]
) -> None:
    assert_refused(constraint, Tag, owner=alice, **{"name": "x", "key": "x"} | fields)


@pytest.mark.parametrize(("model", "length"), [(TaskList, 100), (Tag, 50)])
def test_a_name_is_bounded_in_characters(alice: User, model: Any, length: int) -> None:
    fields = {"owner": alice, "key": "x"}
    if model is TaskList:
        fields["position"] = "n"

    # PostgreSQL refuses it by the column's type, before any constraint.
    with pytest.raises(DatabaseError), transaction.atomic():
        model.objects.create(name="🥛" * (length + 1), **fields)
    model.objects.create(name="🥛" * length, **fields)

    assert len(model.objects.get().name) == length


@pytest.mark.parametrize("model", [TaskList, Tag])
def test_a_key_is_an_owners_once(alice: User, bob: User, model: Any) -> None:
    fields = {"name": "Home", "key": "home"}
    if model is TaskList:
        fields["position"] = "n"
    model.objects.create(owner=alice, **fields)
    model.objects.create(owner=bob, **fields)

    assert_refused("key", model, owner=alice, **fields | {"name": "HOME"})


def test_a_task_carries_a_tag_once(alice: User) -> None:
    task = make_task(alice, tags=["home"])
    tag = Tag.objects.get()

    assert_refused("label_once|tag_id", Label, task=task, tag=tag)


@pytest.mark.parametrize(
    "subject",
    [
        {},
        {"task_id": 1, "list_id": 1},
        {"list_id": 1, "tag_id": 1},
        {"task_id": 1, "list_id": 1, "tag_id": 1},
    ],
)
def test_an_event_is_of_one_row(alice: User, subject: dict[str, int]) -> None:
    fields = {"owner": alice, "verb": "edited", "version": 1, "at": timezone.now()}

    assert_refused("event_of_one_row", Event, **fields, **subject)
    with pytest.raises(ValidationError, match="event_of_one_row"):
        Event(**fields, **subject).validate_constraints()


def test_an_event_has_a_verb_that_is_known(alice: User) -> None:
    fields = {"owner": alice, "version": 1, "at": timezone.now(), "task_id": 1}

    assert_refused("event_verb_known", Event, verb="pondered", **fields)
    with pytest.raises(ValidationError, match="event_verb_known"):
        Event(verb="pondered", **fields).validate_constraints()
    for verb in Event.Verb:
        Event(verb=verb, **fields).validate_constraints()
        Event.objects.create(verb=verb, via="command", **fields)
