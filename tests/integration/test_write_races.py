"""Writes at the same moment: real threads, each with a connection of its own."""

import time
from collections import Counter
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, transaction

from taskproject.accounts.models import User
from taskproject.models import StoredResponse
from taskproject.sqlite import base
from taskproject.sqlite.base import REST
from tasks.models import Actor, Event, Task
from tests.conftest import ApiClient, make_task
from tests.support.threads import PATIENCE, at_once, request

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 20
THREADS = 8
TOGGLES = 25  # a thread


def test_of_many_writers_with_if_match_exactly_one_wins_each_round(
    alice: User, token: str
) -> None:
    task = make_task(alice)
    path, writers = f"/api/tasks/{task.pk}", 10
    begin = Barrier(writers)

    def write(writer: int) -> list[Any]:
        answers = []
        for number in range(1, ROUNDS + 1):
            begin.wait(PATIENCE)
            body = {"title": f"Round {number} of {writer}"}
            patch = request(token, "PATCH", path, body, **{"If-Match": f'"{number}"'})
            answers.append(patch())
        return answers

    by_writer = at_once([partial(write, writer) for writer in range(writers)])

    for number, answers in enumerate(zip(*by_writer, strict=True), start=1):
        statuses = Counter(answer.status_code for answer in answers)
        assert statuses == {200: 1, 412: writers - 1}
        winner = next(answer for answer in answers if answer.status_code == 200)
        assert winner.json()["version"] == number + 1
        for loser in answers:
            if loser.status_code == 412:
                assert loser.json()["current"] == winner.json()
                assert loser.json()["changed"] == ["title"]
    events = Event.objects.of_task(task.pk).in_order()
    assert [event.version for event in events] == list(range(1, ROUNDS + 2))


def test_every_caller_sees_the_state_that_its_own_toggle_made(
    alice: User, token: str
) -> None:
    task = make_task(alice)
    toggle = request(token, "POST", f"/api/tasks/{task.pk}/toggle")

    def toggles() -> list[Any]:
        return [toggle() for _ in range(TOGGLES)]

    answers = [answer for some in at_once([toggles] * THREADS) for answer in some]

    assert {answer.status_code for answer in answers} == {200}
    bodies = [answer.json() for answer in answers]
    # The versions name each toggle's place in the order; every second one completes.
    assert sorted(body["version"] for body in bodies) == list(range(2, 202))
    assert all(body["completed"] == (body["version"] % 2 == 0) for body in bodies)
    assert sum(body["completed"] for body in bodies) == THREADS * TOGGLES // 2
    task.refresh_from_db()
    assert (task.completed, task.completed_at, task.version) == (False, None, 201)


def test_completing_at_once_completes_once(alice: User, token: str) -> None:
    task = make_task(alice)
    complete = request(token, "POST", f"/api/tasks/{task.pk}/complete")

    answers = at_once([complete] * THREADS)

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["completed_at"] for answer in answers}) == 1
    assert {answer.json()["version"] for answer in answers} == {2}


def test_of_twenty_requests_with_one_key_one_makes_a_row(
    alice: User, token: str
) -> None:
    body, headers = {"title": "Once"}, {"Idempotency-Key": "one"}

    def create() -> tuple[Any, int]:
        refusals = 0
        while True:
            answer = ApiClient(token).send("POST", "/api/tasks", body, headers=headers)
            if answer.status_code != 409:
                return answer, refusals
            assert answer.json()["code"] == "in_progress"
            assert answer.headers["Retry-After"] == "1"
            refusals += 1

    results = at_once([create] * 20)

    answers = [answer for answer, _ in results]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    replayed = Counter("Idempotency-Replayed" in answer.headers for answer in answers)
    assert replayed == {True: 19, False: 1}
    assert (Task.objects.count(), Event.objects.count()) == (1, 1)
    assert StoredResponse.objects.count() == 1


def test_toggles_with_one_key_each_flip_once_however_often_they_are_sent(
    alice: User, token: str
) -> None:
    task = make_task(alice)
    path = f"/api/tasks/{task.pk}/toggle"

    def toggle(key: str) -> None:
        for _ in range(2):
            while True:
                headers = {"Idempotency-Key": key}
                answer = ApiClient(token).send("POST", path, headers=headers)
                if answer.status_code != 409:
                    break
            assert answer.status_code == 200

    at_once([partial(toggle, f"key-{number % 5}") for number in range(10)])

    task.refresh_from_db()
    assert (task.version, task.completed) == (6, True)


@pytest.mark.parametrize("query", ["", "?permanent=true"])
def test_a_deleted_task_is_never_brought_back_by_a_change(
    alice: User, token: str, query: str
) -> None:
    allowed = {200, 404} if query else {200, 410}
    for _ in range(10):
        task = make_task(alice)
        path = f"/api/tasks/{task.pk}"

        deleted, *others = at_once(
            [
                request(token, "DELETE", path + query),
                request(token, "PATCH", path, {"title": "Back again"}),
                request(token, "PUT", path, {"title": "Back again"}),
                request(token, "POST", f"{path}/toggle"),
            ]
        )

        assert deleted.status_code == 204
        assert {answer.status_code for answer in others} <= allowed
        assert not Task.objects.live().exists()
        assert ApiClient(token).send("GET", path).status_code in allowed - {200}
        last = Event.objects.of_task(task.pk).latest("sequence")
        assert last.verb == ("deleted" if query else "trashed")
        changes = sum(answer.status_code == 200 for answer in others)
        assert last.version <= 2 + changes


def test_patches_of_different_fields_all_survive(alice: User, token: str) -> None:
    for _ in range(10):
        task = make_task(alice)
        path = f"/api/tasks/{task.pk}"

        answers = at_once(
            [
                request(token, "PATCH", path, {"title": "New title"}),
                request(token, "PATCH", path, {"description": "New description"}),
                request(token, "PATCH", path, {"completed": True}),
            ]
        )

        assert {answer.status_code for answer in answers} == {200}
        task.refresh_from_db()
        assert (task.title, task.description, task.completed, task.version) == (
            "New title",
            "New description",
            True,
            4,
        )


def test_deletions_at_once_leave_one_event(alice: User, token: str) -> None:
    for _ in range(5):
        task = make_task(alice)
        delete = request(token, "DELETE", f"/api/tasks/{task.pk}")

        answers = at_once([delete] * 6)

        statuses = Counter(answer.status_code for answer in answers)
        assert statuses == {204: 1, 410: 5}
        assert Event.objects.of_task(task.pk).filter(verb="trashed").count() == 1


def test_restores_at_once_leave_one_event(alice: User, token: str) -> None:
    task = make_task(alice)
    Task.objects.filter(pk=task.pk).trash(Actor(alice.pk, "token"))

    answers = at_once([request(token, "POST", f"/api/tasks/{task.pk}/restore")] * 6)

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["version"] for answer in answers} == {3}
    assert Event.objects.of_task(task.pk).filter(verb="restored").count() == 1


def test_a_long_transaction_leaves_time_for_the_writers_of_other_processes(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("SQLite's")
    monkeypatch.setattr(base, "REST", REST)  # the other tests have none
    with transaction.atomic():
        make_task(alice)
        time.sleep(0.1)
    ended = time.monotonic()

    make_task(alice)

    assert time.monotonic() - ended > 0.025  # They try every 2 ms.
