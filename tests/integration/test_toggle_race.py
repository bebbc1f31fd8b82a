"""Changes at the same moment: real threads, each with a connection of its own."""

from typing import Any

import pytest

from taskproject.accounts.models import User
from tests.conftest import make_task
from tests.support.threads import at_once, request

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 8
TOGGLES = 25  # a thread


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
