"""What a request costs, in a form that a busy machine cannot change: CPU time as a ratio
to that of a loop which takes its turn between. A guard, not a benchmark: the limits are
nearly three times what was measured: a path that becomes three times as dear fails."""

import io
import json
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from django.db import connection

from taskproject.accounts.models import User
from taskproject.wsgi import application
from tests.conftest import make_task, make_token

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 7
REQUESTS = 40  # a round
#: Of one request to one turn of the loop (0.25 ms where these were measured).
LIMITS = {
    "get": {"sqlite": 1.3, "postgresql": 1.3},
    "list": {"sqlite": 5.0, "postgresql": 4.3},
    "create": {"sqlite": 10.0, "postgresql": 5.6},
    "patch": {"sqlite": 10.5, "postgresql": 7.0},
    "toggle": {"sqlite": 9.0, "postgresql": 4.6},
}


def loop() -> None:
    """Work of the kind that answering is: dictionaries, strings and calls."""
    for number in range(20):
        row = {f"name{each}": each + number for each in range(20)}
        json.loads(json.dumps(row))


def cpu(work: Callable[[int], object]) -> float:
    before = time.process_time()
    for number in range(REQUESTS):
        work(number)
    return time.process_time() - before


@pytest.mark.parametrize("operation", [*LIMITS])
def test_a_request_costs_at_most_so_many_turns_of_a_loop(
    alice: User, operation: str
) -> None:
    ids = [make_task(alice, f"Task {number}").pk for number in range(60)]
    secret = make_token(alice)
    serial = count()

    def send(number: int) -> None:
        path, titled = (
            f"/api/tasks/{ids[number % 60]}",
            {"title": f"New {next(serial)}"},
        )
        method, path, body = {
            "get": ("GET", path, None),
            "list": ("GET", "/api/tasks", None),
            "create": ("POST", "/api/tasks", titled),
            "patch": ("PATCH", path, titled),
            "toggle": ("POST", f"{path}/toggle", None),
        }[operation]
        call(secret, method, path, body)

    for number in range(3):  # the token is let in, then the headers are learned
        send(number)
    # The least of the rounds: what else the machine does only ever adds to it.
    rounds = [(cpu(send), cpu(lambda _: loop())) for _ in range(ROUNDS)]
    ratio = min(spent for spent, _ in rounds) / min(turn for _, turn in rounds)

    assert ratio < LIMITS[operation][connection.vendor], f"{ratio:.1f} turns"


def call(secret: str, method: str, path: str, body: Any) -> None:
    content = json.dumps(body).encode() if body is not None else b""
    told: list[str] = []
    response = application(
        {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost",
            "HTTP_AUTHORIZATION": f"Bearer {secret}",
            "CONTENT_TYPE": "application/json" if content else "",
            "CONTENT_LENGTH": str(len(content)),
            "wsgi.input": io.BytesIO(content),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
        },
        lambda status, headers: told.append(status),
    )
    b"".join(response)
    assert told[0].startswith("2"), told
