"""POST /api/tasks/batch: its cost, its repetition, and batches at the same moment. (That its
operations do what requests do is in test_batch_folded.py.)"""

from typing import Any

import pytest

from taskproject.accounts.models import User
from taskproject.models import StoredResponse
from tasks.models import Event, Task
from tests.conftest import BY as BY_COMMAND
from tests.conftest import ApiClient, make_task
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
from tests.support.rows import alone, make_list
from tests.support.threads import at_once, request

pytestmark = pytest.mark.usefixtures("patience")


# Each operation


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


# How many statements


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize(
    "name", ["create", "complete", "update", "delete", "toggle", "move"]
)
def test_many_take_as_many_statements_as_two(
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

    rows = [
        {"title": f"Task {number}", "tags": ["y"]}
        for number in range(504 if atomic else 54)
    ]
    keys = [task.pk for task in Task.objects.add_all(BY_COMMAND, alice.pk, rows)]
    # The first request of all notes that the token was used and makes the tag.
    run(keys[:2])

    few, many = run(keys[2:4]), run(keys[4:])

    assert many == few <= 16


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
