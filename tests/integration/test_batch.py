"""POST /api/tasks/batch: what is done, in order, and what is told of it."""

from typing import Any

import pytest
from pytest_django import Settings

from taskproject.accounts.models import User
from taskproject.models import StoredResponse
from tasks.models import Event, Tag, Task
from tests.conftest import BY as BY_COMMAND
from tests.conftest import ApiClient, make_task, make_token
from tests.support.answers import PLAIN, as_json
from tests.support.batches import (
    PATH,
    create,
    everything,
    op,
    results,
    send,
    statements,
    statuses,
    update,
)
from tests.support.rows import alone, event, latest, make_list, news
from tests.support.threads import at_once, request


@pytest.fixture(autouse=True)
def patience(settings: Settings) -> None:
    """These tests count statements; a loaded machine may take longer than a request."""
    settings.DATABASE_TIMEOUT = 30


# Each operation


def test_it_creates_a_task(api: ApiClient, alice: User) -> None:
    [result] = results(send(api, create("Buy milk")))

    task = Task.objects.get()
    assert task.owner == alice
    assert result == {"status": 201, "task": as_json(task)}
    given = {"title": "Buy milk", "version": 1} | PLAIN
    assert {name: result["task"][name] for name in given} == given


def test_it_creates_a_task_with_all_that_a_task_can_have(
    api: ApiClient, alice: User
) -> None:
    shopping, parent = make_list(alice), make_task(alice, "Party")
    body = {
        "title": "Buy milk",
        "description": "Oat",
        "completed": True,
        "list": shopping.pk,
        "parent": parent.pk,
        "tags": ["home", "urgent"],
        "priority": "high",
        "due_at": "2099-12-31T17:00:00Z",
        "due_timezone": "Europe/Berlin",
    }

    [result] = results(send(api, {"op": "create", "body": body}))

    assert result == {"status": 201, "task": as_json(Task.objects.newest_first()[0])}
    assert {name: result["task"][name] for name in body} == body


def test_an_instant_of_a_new_task_without_a_zone_gets_the_callers(
    api: ApiClient, alice: User
) -> None:
    User.objects.update(timezone="Asia/Tokyo")

    [result] = results(send(api, create("Call", due_at="2099-12-31T17:00:00Z")))

    assert result["task"]["due_timezone"] == "Asia/Tokyo"


def test_it_updates_the_members_that_are_sent_and_no_others(
    api: ApiClient, task: Task
) -> None:
    [result] = results(send(api, update(task.pk, title="Buy oat milk", tags=["x"])))

    assert result == {"status": 200, "task": as_json(task)}
    assert (task.title, task.description, task.tags) == ("Buy oat milk", "Oat", ["x"])
    assert task.version == 2


def test_it_deletes_a_task_into_the_trash(api: ApiClient, task: Task) -> None:
    [result] = results(send(api, op("delete", task.pk)))

    assert result == {"status": 204, "task": None}
    assert Task.objects.trashed().get() == task


@pytest.mark.parametrize(
    ("name", "before", "after", "version"),
    [
        ("complete", False, True, 2),
        ("complete", True, True, 1),
        ("reopen", True, False, 2),
        ("reopen", False, False, 1),
        ("toggle", False, True, 2),
        ("toggle", True, False, 2),
    ],
)
def test_it_completes_reopens_and_toggles(
    api: ApiClient, alice: User, name: str, before: bool, after: bool, version: int
) -> None:
    task = make_task(alice, completed=before)

    [result] = results(send(api, op(name, task.pk)))

    assert result == {"status": 200, "task": as_json(task)}
    assert (task.completed, task.version) == (after, version)


def test_it_restores_a_task_to_its_place_and_is_safe_to_repeat(
    api: ApiClient, alice: User
) -> None:
    task, live = make_task(alice), make_task(alice)
    Task.objects.filter(pk=task.pk).trash(BY_COMMAND)

    restored, again, untouched = results(
        send(api, *(op("restore", key) for key in (task.pk, task.pk, live.pk)))
    )

    assert restored == again == {"status": 200, "task": as_json(task)}
    assert (task.deleted_at, task.version) == (None, 3)
    told = Event.objects.latest("sequence")
    assert (told.task_id, told.verb, told.via) == (task.pk, "restored", "token")
    assert untouched == {"status": 200, "task": as_json(live)}
    assert live.version == 1


def test_a_task_whose_place_is_taken_is_restored_to_the_end(
    api: ApiClient, alice: User
) -> None:
    first, second, last = (make_task(alice) for _ in range(3))
    mine = Task.objects.filter(pk__in=[first.pk, second.pk])
    mine.trash(BY_COMMAND)
    mine.update(position=last.position)

    told = results(send(api, op("restore", first.pk), op("restore", second.pk)))

    places = [last.position, *(one["task"]["position"] for one in told)]
    assert places == sorted(set(places))


def test_it_moves_a_task_beside_another(api: ApiClient, alice: User) -> None:
    shopping = make_list(alice)
    first, second = (make_task(alice, it, list_id=shopping.pk) for it in "ab")
    task = make_task(alice, "moved")

    [result] = results(send(api, op("move", task.pk, body={"after": first.pk})))

    assert result == {"status": 200, "task": as_json(task)}
    assert task.list_id == shopping.pk
    assert first.position < task.position < second.position


def test_every_operation_is_told_in_the_order_in_which_they_came(
    api: ApiClient, alice: User
) -> None:
    tasks = [make_task(alice, f"Task {number}") for number in range(6)]
    keys = [task.pk for task in tasks]

    answer = send(
        api,
        op("complete", keys[5]),
        create("New"),
        op("complete", keys[0]),
        op("delete", keys[3]),
        op("complete", keys[4]),
        update(keys[2], title="Other"),
        op("move", keys[1], body={"before": keys[0]}),
    )

    told = results(answer)
    assert statuses(answer) == [200, 201, 200, 204, 200, 200, 200]
    new = Task.objects.newest_first()[0]
    shown = [tasks[5], new, tasks[0], None, tasks[4], tasks[2], tasks[1]]
    assert [one["task"] for one in told] == [task and as_json(task) for task in shown]


# One after the other


def test_a_task_toggled_twice_is_as_it_was_and_two_versions_on(
    api: ApiClient, task: Task
) -> None:
    first, second = results(send(api, *[op("toggle", task.pk)] * 2))

    assert (first["task"]["completed"], first["task"]["version"]) == (True, 2)
    assert (second["task"]["completed"], second["task"]["version"]) == (False, 3)
    assert second["task"] == as_json(task)


def test_the_later_of_two_updates_of_a_task_stays(api: ApiClient, task: Task) -> None:
    first, second = results(
        send(api, update(task.pk, title="One"), update(task.pk, title="Two"))
    )

    assert (first["task"]["title"], first["task"]["version"]) == ("One", 2)
    assert second["task"] == as_json(task)
    assert (task.title, task.version) == ("Two", 3)


def test_moves_are_made_one_after_the_other(api: ApiClient, alice: User) -> None:
    a, b, c = (make_task(alice, name).pk for name in "abc")

    answer = send(
        api,
        op("move", c, body={"before": a}),
        op("move", b, body={"before": c}),
        op("move", a, body={"before": b}),
    )

    assert statuses(answer) == [200, 200, 200]
    order = Task.objects.order_by("position").values_list("title", flat=True)
    assert list(order) == ["a", "b", "c"]


def test_new_tasks_have_places_in_the_order_in_which_they_came(api: ApiClient) -> None:
    send(api, *(create(f"Task {number:02}") for number in range(20)))

    for order in ("pk", "position"):
        titles = Task.objects.order_by(order).values_list("title", flat=True)
        assert list(titles) == sorted(titles)


def test_tasks_put_into_a_list_together_have_places_of_their_own_in_order(
    api: ApiClient, alice: User
) -> None:
    shopping = make_list(alice)
    keys = [make_task(alice, f"Task {number}").pk for number in range(20)]

    answer = send(api, *(update(key, list=shopping.pk) for key in reversed(keys)))

    places = [result["task"]["position"] for result in results(answer)]
    assert places == sorted(set(places))


def test_a_version_is_that_after_the_operations_before(
    api: ApiClient, task: Task
) -> None:
    answer = send(
        api,
        op("toggle", task.pk, version=1),
        op("toggle", task.pk, version=2),
        op("delete", task.pk, version=3),
    )

    assert statuses(answer) == [200, 200, 204]


def test_an_update_can_be_below_a_task_that_was_made_before(
    api: ApiClient, alice: User, task: Task
) -> None:
    other = make_task(alice, "Below")

    answer = send(api, update(other.pk, parent=task.pk), create("Too", parent=task.pk))

    assert [one["task"]["parent"] for one in results(answer)] == [task.pk] * 2
    assert as_json(task)["open_subtasks"] == 2


@pytest.mark.parametrize("name", ["complete", "toggle"])
def test_a_parent_tells_the_subtasks_that_were_open_at_its_turn(
    api: ApiClient, alice: User, name: str
) -> None:
    parent = make_task(alice, "Party")
    first, second = (make_task(alice, it, parent_id=parent.pk).pk for it in "ab")

    answer = send(api, op(name, first), op(name, parent.pk), op(name, second))

    shown = [one["task"]["open_subtasks"] for one in results(answer)]
    assert shown == [0, 1, 0]
    assert as_json(parent)["open_subtasks"] == 0


# Events


def test_there_is_one_event_of_each_change_in_order(
    api: ApiClient, alice: User, task: Task
) -> None:
    other = make_task(alice, "Other")
    since = latest(api)

    send(
        api,
        op("complete", task.pk),
        op("complete", other.pk),
        op("complete", other.pk),
        update(task.pk, title="Bread"),
        create("New", tags=["home"]),
        op("delete", other.pk),
    )

    new, tag = Task.objects.newest_first()[0], Tag.objects.get()
    done = {"completed": (False, True)}
    task_now, new_now = as_json(task), as_json(new)
    told = [
        event(alice, "completed", 2, task_id=task.pk, changes=done, task=task_now),
        event(alice, "completed", 2, task_id=other.pk, changes=done),
        event(
            alice,
            "edited",
            3,
            task_id=task.pk,
            changes={"title": ("Buy milk", "Bread")},
            task=task_now,
        ),
        event(alice, "created", 1, tag_id=tag.pk, changes={"name": (None, "home")}),
        event(
            alice,
            "created",
            1,
            task_id=new.pk,
            changes={"title": (None, "New"), "tags": (None, ["home"])},
            task=new_now,
        ),
        event(alice, "trashed", 3, task_id=other.pk),
    ]
    assert news(api, since) == told


def test_one_event_each_of_five_hundred(api: ApiClient, alice: User) -> None:
    send(api, *(create(f"Task {number}") for number in range(500)))

    events = Event.objects.in_order()
    keys = list(Task.objects.order_by("pk").values_list("pk", flat=True))
    assert [event.task_id for event in events] == keys
    assert {(event.verb, event.via) for event in events} == {("created", "token")}


# How many statements


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize(
    "name", ["create", "complete", "update", "delete", "toggle", "move"]
)
def test_five_hundred_take_as_many_statements_as_two(
    api: ApiClient, alice: User, name: str, atomic: bool
) -> None:
    shopping = make_list(alice)
    other = make_task(alice, "Other", list_id=shopping.pk)

    def batch(keys: list[int]) -> list[Any]:
        if name == "create":
            return [create(f"New {key}", tags=["x"]) for key in keys]
        if name == "update":
            fields = {"list": shopping.pk, "tags": ["x"], "due_date": "2099-01-01"}
            return [update(key, title=f"New {key}", **fields) for key in keys]
        body = {"body": {"before": other.pk}} if name == "move" else {}
        return [op(name, key, **body) for key in keys]

    def run(keys: list[int]) -> int:
        operations = batch(keys)
        Event.objects.all().delete()
        taken = statements(lambda: send(api, *operations, atomic=atomic))
        events = Event.objects.filter(via="token", task_id__isnull=False)
        assert events.count() == len(keys)
        return taken

    rows = [{"title": f"Task {number}", "tags": ["y"]} for number in range(504)]
    keys = [task.pk for task in Task.objects.add_all(BY_COMMAND, alice.pk, rows)]
    # The first request of all notes that the token was used and makes the tag.
    run(keys[:2])

    few, many = run(keys[2:4]), run(keys[4:])

    assert many == few <= 16


# Who may


def test_a_token_that_may_only_read_changes_nothing(alice: User, task: Task) -> None:
    before = everything()

    answer = send(ApiClient(make_token(alice, "read")), op("delete", task.pk))

    assert answer.status_code == 403
    assert answer.json()["code"] == "insufficient_scope"
    assert everything() == before


# Twice


def test_a_repeated_idempotency_key_replays_the_whole_answer(
    api: ApiClient, task: Task
) -> None:
    operations = (op("toggle", task.pk), create("New"), op("toggle", 2**40))
    first = send(api, *operations, atomic=False, **{"Idempotency-Key": "once"})
    before = everything()

    again = send(api, *operations, atomic=False, **{"Idempotency-Key": "once"})

    assert statuses(first) == [200, 201, 404]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.status_code, again.content) == (200, first.content)
    assert everything() == before


def test_an_atomic_batch_that_failed_can_be_sent_again_with_its_key(
    api: ApiClient, alice: User, task: Task
) -> None:
    other = make_task(alice, "In the trash")
    Task.objects.filter(pk=other.pk).trash(BY_COMMAND)
    operations = (op("complete", task.pk), op("complete", other.pk))
    body, key = {"operations": operations}, {"Idempotency-Key": "once"}
    assert alone(api, "POST", PATH, body, **key).status_code == 410
    assert not StoredResponse.objects.exists()
    Task.objects.filter(pk=other.pk).restore(BY_COMMAND)

    assert statuses(api.send("POST", PATH, body, headers=key)) == [200, 200]


# At the same moment


@pytest.mark.django_db(transaction=True)
def test_batches_at_once_are_each_done_whole_and_one_after_the_other(
    alice: User, token: str
) -> None:
    keys = [make_task(alice, f"Task {number}").pk for number in range(10)]
    forward = {"operations": [op("toggle", key) for key in keys]}
    backward = {"operations": [op("toggle", key) for key in reversed(keys)]}

    answers = at_once(
        [request(token, "POST", PATH, body) for body in [forward, backward] * 5]
    )

    versions = [{one["task"]["version"] for one in results(it)} for it in answers]
    assert sorted(map(tuple, versions)) == [(version,) for version in range(2, 12)]
    assert {task.completed for task in Task.objects.all()} == {False}
    assert Event.objects.filter(verb__in=["completed", "reopened"]).count() == 100


@pytest.mark.django_db(transaction=True)
def test_of_atomic_batches_at_once_with_the_same_versions_one_is_done(
    alice: User, token: str
) -> None:
    keys = [make_task(alice, f"Task {number}").pk for number in range(10)]
    operations = [op("complete", key, version=1) for key in keys]
    body = {"operations": operations}

    answers = at_once([request(token, "POST", PATH, body) for _ in range(6)])

    assert sorted(it.status_code for it in answers) == [200, *[412] * 5]
    losers = [it.json() for it in answers if it.status_code == 412]
    assert {loser["operation"] for loser in losers} == {0}
    assert {task.version for task in Task.objects.all()} == {2}
