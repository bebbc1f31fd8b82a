"""Bodies where none is taken, without a length, and of more members than any object has."""

import json
import time
from io import BytesIO
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest as Request
from django.test import RequestFactory

from taskproject.accounts.models import User
from taskproject.inputs import check_body_headers
from taskproject.problems import LengthRequired
from tasks.models import Task
from tests.conftest import ApiClient, make_task

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.either_database]

VERSIONED = [
    ("POST", "/toggle"),
    ("POST", "/complete"),
    ("POST", "/reopen"),
    ("POST", "/restore"),
]
BODILESS = [*VERSIONED, ("DELETE", ""), ("DELETE", "?permanent=true"), ("GET", "")]
bodiless = pytest.mark.parametrize(("method", "suffix"), BODILESS)


@bodiless
def test_a_body_that_would_be_ignored_is_refused_and_nothing_is_done(
    api: ApiClient, alice: User, method: str, suffix: str
) -> None:
    task = make_task(alice)
    before = Task.objects.values().get()

    # By a token that is new here, and by one that is known.
    for body in ({"completed": True}, [1], "text", {"completed": True}):
        answer = api.send(method, f"/api/tasks/{task.pk}{suffix}", body)

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
        if (method, suffix) not in VERSIONED:
            told = answer.json()["detail"]
            assert told == "This operation takes no body; send none."
    assert Task.objects.values().get() == before


@bodiless
@pytest.mark.parametrize("content", ["{}", "null", " { } "])
def test_a_body_that_says_nothing_is_taken(
    api: ApiClient, alice: User, method: str, suffix: str, content: str
) -> None:
    path = f"/api/tasks/{make_task(alice).pk}{suffix}"

    answer = api.generic(method, path, content, content_type="application/json")

    assert answer.status_code in (200, 204)


@bodiless
def test_a_body_that_is_no_json_is_400(
    api: ApiClient, alice: User, method: str, suffix: str
) -> None:
    path = f"/api/tasks/{make_task(alice).pk}{suffix}"

    answer = api.generic(method, path, "{", content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("content", [b"", b"{}", b"x"])
def test_a_body_without_a_length_over_http_2_is_411(
    method: str, content: bytes
) -> None:
    environ = RequestFactory().generic(method, "/api/tasks", content).environ
    environ |= {"SERVER_PROTOCOL": "HTTP/2.0", "wsgi.input": BytesIO(content)}
    environ.pop("CONTENT_LENGTH", None)
    environ.pop("CONTENT_TYPE", None)

    if content:
        with pytest.raises(LengthRequired):
            check_body_headers(Request(environ))
    else:
        check_body_headers(Request(environ))


def many(count: int) -> dict[str, Any]:
    return {f"member{number}": 0 for number in range(count)}


@pytest.mark.parametrize(
    "body",
    [
        many(16_000),
        {"title": "New"} | many(16_000),
        {"operations": [{"op": "create", "body": many(16_000)}]},
        {"operations": [many(40) for _ in range(400)]},
        {"operations": [{"op": "create", "body": many(25)} for _ in range(450)]},
        {"operations": [0] * 100_000},
    ],
    ids=["members", "a task", "in a batch", "operations", "bodies", "numbers"],
)
@pytest.mark.parametrize("atomic", [True, False])
def test_what_a_body_of_unknown_members_costs_has_a_bound(
    api: ApiClient, body: dict[str, Any], atomic: bool
) -> None:
    batch = "operations" in body
    if batch and not atomic:
        body = body | {"atomic": False}
    content = json.dumps(body, separators=(",", ":"))
    assert len(content) < 262_144
    path = "/api/tasks/batch" if batch else "/api/tasks"
    began = time.process_time()

    answer = api.generic("POST", path, content, content_type="application/json")

    # As much as a valid batch of 500 may take; it was seconds.
    assert time.process_time() - began < 1.0
    assert answer.status_code in (200, 422)
    assert len(answer.content) < 2_000_000
    assert not Task.objects.exists()


def test_an_object_of_too_many_members_is_told_so(api: ApiClient) -> None:
    answer = api.send("POST", "/api/tasks", many(51))

    assert answer.status_code == 422
    assert answer.json()["detail"] == "Send at most 50 members in an object."


def test_unknown_parameters_are_told_up_to_a_hundred(api: ApiClient) -> None:
    query = "&".join(many(900))

    answer = api.send("GET", f"/api/tasks?{query}")

    assert (answer.status_code, len(answer.json()["errors"])) == (422, 100)


# Messages


@pytest.mark.parametrize(
    "query", ["tag[]=a&tag[]=b", "tag[]=a", "tag%5B%5D=a&tag%5B%5D=b"]
)
def test_a_parameter_in_brackets_is_unknown_first(api: ApiClient, query: str) -> None:
    for _ in range(2):
        answer = api.send("GET", f"/api/tasks?{query}")

        assert answer.status_code == 422
        assert answer.json()["errors"] == [
            {
                "in": "query",
                "pointer": "/tag[]",
                "code": "unknown",
                "detail": "Unknown parameter 'tag[]'; did you mean 'tag'?",
                "suggestion": "tag",
            }
        ]


def test_a_known_parameter_that_is_sent_twice_is_told_so(api: ApiClient) -> None:
    for _ in range(2):
        answer = api.send("GET", "/api/tasks?limit=2&limit=3")

        assert answer.status_code == 422
        assert answer.json()["detail"] == "Send the parameter limit once."


@pytest.mark.parametrize("value", [None, 3, True, ["high"], {}])
def test_a_priority_that_is_no_text_is_told_the_words(
    api: ApiClient, value: Any
) -> None:
    answer = api.send("POST", "/api/tasks", {"title": "New", "priority": value})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["detail"] == (
        "Send one of these words: none, low, medium, high, urgent."
    )
