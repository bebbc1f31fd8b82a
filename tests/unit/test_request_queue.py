"""Who of those that wait for a thread is next, and who is refused."""

from collections.abc import Iterator
from typing import cast

import pytest
from pytest_django import Settings

from taskproject import request_queue
from taskproject.request_queue import Answer, Environ, Queue, Request, caller

pytestmark = pytest.mark.either_database


def waiting(settings: Settings, *callers: str) -> Queue:
    """A queue of requests of these callers, each with the number of its place. As many as may run
    are running."""
    settings.THREADS, settings.QUEUE = 1, 4
    queue = Queue()
    assert queue.admit(_request("zoe", 0))
    assert queue.admit(_request("yann", 0))
    for number, name in enumerate(callers):
        assert not queue.admit(_request(name, number))
    return queue


def _request(name: str, number: int) -> Request:
    scope = {"HTTP_AUTHORIZATION": name, "number": number}
    return Request(cast(Answer, None), scope)


def numbers(*requests: Request | None) -> list[int]:
    return [request.scope["number"] for request in requests if request]


def following(queue: Queue, ended: str = "zoe") -> Iterator[Request]:
    """What one thread runs after a request of this caller."""
    request = queue.following(_request(ended, 0))
    while request:
        yield request
        request = queue.following(request)


def test_callers_take_turns(settings: Settings) -> None:
    queue = waiting(settings, "alice", "alice", "alice", "bob", "carol", "bob")

    assert numbers(*following(queue)) == [0, 3, 4, 1, 5, 2]
    assert queue.admit(_request("alice", 9))


def test_one_thread_more_runs_requests_of_those_of_whom_none_is_running(
    settings: Settings,
) -> None:
    settings.THREADS = 2
    queue = Queue()
    admitted = [
        queue.admit(_request(name, number))
        for number, name in enumerate(["alice", "alice", "alice", "bob", "bob"])
    ]

    assert admitted == [True, True, False, True, False]
    assert numbers(*following(queue, "bob")) == [4]
    assert queue.admit(_request("carol", 5))
    # Of the three, one ends: two are running, as many as there are threads.
    assert numbers(*following(queue, "carol")) == []
    assert numbers(*following(queue, "alice")) == [2]
    assert queue.running == 1


def test_what_exceeds_it_is_the_newest_of_whoever_has_most(settings: Settings) -> None:
    queue = waiting(settings, "alice", "alice", "alice", "bob", "carol", "bob")

    assert numbers(*(queue.excess() for _ in range(3))) == [2, 5]


def test_of_callers_who_have_as_many_the_newest_is_refused(settings: Settings) -> None:
    queue = waiting(settings, "alice", "bob", "carol", "dave", "erin")

    assert numbers(queue.excess()) == [4]


def test_what_has_waited_too_long_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = waiting(settings, "alice", "bob", "alice")
    assert queue.expired() == []
    monkeypatch.setattr(request_queue, "LONGEST", 0)

    assert numbers(*queue.expired()) == [0, 2, 1]
    assert not [*following(queue)]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({"HTTP_AUTHORIZATION": "Bearer a", "HTTP_COOKIE": "b"}, "Bearer a"),
        ({"HTTP_X_SESSION_TOKEN": "c", "REMOTE_ADDR": "10.0.0.1"}, "c"),
        ({"HTTP_COOKIE": "sessionid=b", "REMOTE_ADDR": "10.0.0.1"}, "sessionid=b"),
        ({"HTTP_X_FORWARDED_FOR": "192.0.2.1", "REMOTE_ADDR": "::1"}, "192.0.2.1"),
        ({"REMOTE_ADDR": "10.0.0.1"}, "10.0.0.1"),
    ],
)
def test_a_caller_is_a_credential_or_else_an_address(
    scope: Environ, expected: str
) -> None:
    assert caller(scope) == expected
