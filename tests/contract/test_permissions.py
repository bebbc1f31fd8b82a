"""Who may do what: every operation of the document, in every way in.

A new operation needs a row in `TABLE`, and where its path has a new parameter or its
task must be in some state first, an entry in `PARAMETERS` or `PREPARE`.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from taskproject.accounts.models import ApiToken, User
from taskproject.api import api as api_object
from tasks.models import Task
from tests.conftest import ApiClient, make_task, make_token

# The caller is alice, the task is hers; the last two act on her task as somebody else.
WAYS = (
    "none", "read", "write", "read write", "expired", "revoked", "disabled",
    "session", "session csrf", "bob", "guest",
)  # fmt: skip
TABLE: dict[str, tuple[int, ...]] = {
    #                none read writ both expi revo disa sess csrf  bob guest
    "list_tasks":    (401, 200, 403, 200, 401, 401, 401, 200, 200, 200, 200),
    "create_task":   (401, 403, 201, 201, 401, 401, 401, 403, 201, 201, 201),
    "get_task":      (401, 200, 403, 200, 401, 401, 401, 200, 200, 404, 404),
    "replace_task":  (401, 403, 200, 200, 401, 401, 401, 403, 200, 404, 404),
    "update_task":   (401, 403, 200, 200, 401, 401, 401, 403, 200, 404, 404),
    "delete_task":   (401, 403, 204, 204, 401, 401, 401, 403, 204, 404, 404),
    "toggle_task":   (401, 403, 200, 200, 401, 401, 401, 403, 200, 404, 404),
    "complete_task": (401, 403, 200, 200, 401, 401, 401, 403, 200, 404, 404),
    "reopen_task":   (401, 403, 200, 200, 401, 401, 401, 403, 200, 404, 404),
    "restore_task":  (401, 403, 200, 200, 401, 401, 401, 403, 200, 404, 404),
    "list_trash":    (401, 200, 403, 200, 401, 401, 401, 200, 200, 200, 200),
    "list_history":  (401, 200, 403, 200, 401, 401, 401, 200, 200, 404, 404),
    "list_changes":  (401, 200, 403, 200, 401, 401, 401, 200, 200, 200, 200),
    "get_me":        (401, 200, 403, 200, 401, 401, 401, 200, 200, 200, 200),
    "list_problems": (200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200),
}  # fmt: skip
# What fills `{name}` in a path.
PARAMETERS: dict[str, Callable[[Task], str]] = {"task_id": lambda task: str(task.pk)}
# What an operation needs the task to be before it.
PREPARE: dict[str, Callable[[Task], None]] = {}
# The code of a refusal: of the way in, and of all that is 404.
CODES = {
    "none": "unauthenticated",
    "read": "insufficient_scope",
    "write": "insufficient_scope",
    "expired": "invalid_token",
    "revoked": "invalid_token",
    "disabled": "invalid_token",
    "session": "csrf_failed",
}
CELLS = [
    pytest.param(operation, way, status, id=f"{operation}-{way}")
    for operation, statuses in TABLE.items()
    for way, status in zip(WAYS, statuses, strict=True)
]


@pytest.fixture
def alice(db: None) -> User:
    """Without a password, whose hash would take longer than the test."""
    return User.objects.create(username="alice")


def document_operations() -> dict[str, tuple[str, str, Any]]:
    """The method, the path and an example body of each operation of the document."""
    document = api_object.get_openapi_schema()
    return {
        operation["operationId"]: (method.upper(), path, _example(document, operation))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def _example(document: Any, operation: Any) -> Any:
    if "requestBody" not in operation:
        return None
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    name = schema["$ref"].rpartition("/")[2]
    return document["components"]["schemas"][name]["examples"][0]


def come_in(way: str, alice: User, settings: Settings) -> Client:
    """A client that comes in this way."""
    match way:
        case "read" | "write" | "read write":
            return ApiClient(make_token(alice, way))
        case "expired":
            past = timezone.now() - timedelta(seconds=1)
            return ApiClient(make_token(alice, expires_at=past))
        case "revoked":
            return ApiClient(make_token(alice, revoked_at=timezone.now()))
        case "disabled":
            client = ApiClient(make_token(alice))
            User.objects.filter(pk=alice.pk).update(is_active=False)
            return client
        case "session" | "session csrf":
            client = ApiClient("")
            client.handler.enforce_csrf_checks = True
            client.force_login(alice)
            if way == "session csrf":
                token = client.get("/api/me").json()["csrf_token"]
                client.defaults["HTTP_X_CSRFTOKEN"] = token
            return client
        case "bob":
            return ApiClient(make_token(User.objects.create(username="bob")))
        case "guest":
            settings.API_GUEST = "guest"
    return ApiClient("")


def perform(client: Any, operation: str, task: Task) -> Any:
    method, path, body = document_operations()[operation]
    for name, value in PARAMETERS.items():
        path = path.replace(f"{{{name}}}", value(task))
    return client.send(method, path, body)


def test_the_table_names_every_operation_of_the_document() -> None:
    assert set(TABLE) == set(document_operations())


@pytest.mark.parametrize(("operation", "way", "status"), CELLS)
def test_each_way_in_may_do_what_the_table_says(
    alice: User, settings: Settings, operation: str, way: str, status: int
) -> None:
    task = make_task(alice)
    if operation in PREPARE:
        PREPARE[operation](task)
    client = come_in(way, alice, settings)
    before = list(Task.objects.values())

    answer = perform(client, operation, task)

    assert answer.status_code == status
    if status >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        code = "not_found" if status == 404 else CODES[way]
        assert answer.json()["code"] == code
        assert list(Task.objects.values()) == before
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    "operation", [name for name, row in TABLE.items() if row[WAYS.index("bob")] == 404]
)
def test_somebody_elses_task_looks_like_one_that_is_not_there(
    alice: User, settings: Settings, operation: str
) -> None:
    task, bob = make_task(alice), come_in("bob", alice, settings)
    theirs = perform(bob, operation, task)
    task.delete()
    task.pk = 2**62

    absent = perform(bob, operation, task)

    assert theirs.status_code == absent.status_code == 404
    assert _without_path(theirs.json()) == _without_path(absent.json())
    assert set(theirs.headers) == set(absent.headers)


def _without_path(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name != "instance"}


@pytest.mark.parametrize("way", ["bob", "guest"])
def test_a_list_holds_nothing_of_somebody_else(
    alice: User, settings: Settings, way: str
) -> None:
    task = make_task(alice)

    answer = perform(come_in(way, alice, settings), "list_tasks", task)

    assert answer.json() == {"items": [], "next_cursor": None}


def test_a_new_task_is_the_callers(alice: User, settings: Settings) -> None:
    for way, owner in (("session csrf", "alice"), ("bob", "bob"), ("guest", "guest")):
        task = make_task(alice)
        answer = perform(come_in(way, alice, settings), "create_task", task)
        assert Task.objects.get(pk=answer.json()["id"]).owner.username == owner


def test_a_token_stops_working_the_moment_it_is_revoked(alice: User) -> None:
    client = ApiClient(make_token(alice))
    assert client.get("/api/me").status_code == 200

    ApiToken.objects.revoke()

    assert client.get("/api/me").json()["code"] == "invalid_token"


def test_a_wrong_token_does_not_fall_through_to_session_or_guest(
    alice: User, settings: Settings
) -> None:
    settings.API_GUEST = "guest"
    client = ApiClient("tk_wrong")
    client.force_login(alice)

    assert client.get("/api/me").json()["code"] == "invalid_token"


def test_a_token_needs_no_csrf_token_beside_a_stray_session(alice: User) -> None:
    client = ApiClient(make_token(alice))
    client.handler.enforce_csrf_checks = True
    client.force_login(alice)

    assert client.send("POST", "/api/tasks", {"title": "Buy milk"}).status_code == 201


def test_a_disabled_users_session_is_nobody(alice: User, settings: Settings) -> None:
    client = come_in("session csrf", alice, settings)
    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert client.get("/api/tasks").json()["code"] == "unauthenticated"


def test_a_foreign_page_cannot_write_as_the_guest(
    nobody: ApiClient, settings: Settings
) -> None:
    settings.API_GUEST = "guest"

    answer = nobody.send(
        "POST",
        "/api/tasks",
        {"title": "Buy milk"},
        headers={"Origin": "https://evil.example"},
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "origin_refused")
    assert not Task.objects.exists()


@pytest.mark.parametrize(
    "path", ["/api/openapi.json", "/api/docs", "/livez", "/readyz"]
)
def test_the_document_and_the_health_are_public(nobody: ApiClient, path: str) -> None:
    assert nobody.get(path).status_code == 200
