"""Who may do what: every operation of the permission table, in every way in.

A new operation needs its success in `SUCCESS` unless it is 200, or 204 of a DELETE; where
its path has a new parameter, a member in `Rows`; and where the example of its body names a
row, an entry in `BODIES`.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from taskproject.accounts import oidc
from taskproject.accounts.deletion import receipt
from taskproject.accounts.models import ApiToken, Identity, User
from taskproject.accounts.permissions import PERMISSIONS, Access
from taskproject.api import api as api_object
from tasks.models import (
    CalendarFeed,
    Event,
    Tag,
    Task,
    TaskList,
    Webhook,
    WebhookDelivery,
)
from tests.conftest import BY, ApiClient, force_login, make_task, make_token
from tests.contract.document import resolve
from tests.support.answers import assert_a_credential_is_needed
from tests.support.issuer import AUDIENCE, Issuer
from tests.support.rows import make_job, make_list, missing_row, tables

# The caller is alice, the rows are hers; the last two act on hers as somebody else, and
# the guest comes last, because the setting stays.
WAYS = (
    "none", "read", "write", "read write", "expired", "revoked", "disabled",
    "session", "session csrf", "session header", "jwt", "jwt read", "jwt write",
    "jwt disabled", "bob", "guest",
)  # fmt: skip
#: The statuses that are not the usual ones.
SUCCESS = {
    "create_task": 201,
    "create_calendar": 201,
    "create_list": 201,
    "create_token": 201,
    "create_webhook": 201,
    "test_webhook": 202,
    "redeliver_webhook": 202,
}
OPERATIONS = [it for it in PERMISSIONS if "todo" not in it]
PROVIDER = Issuer("https://id.example.com")


def expected(operation: str, way: str) -> int:
    """The status, by the permission table."""
    access, (method, path, _) = PERMISSIONS[operation], document_operations()[operation]
    success = SUCCESS.get(operation, 204 if method == "DELETE" else 200)
    if not access.credentials:
        # Her calendar, and she is disabled.
        hers = operation == "read_calendar"
        return 404 if hers and way.endswith("disabled") else success
    if way in ("none", "expired", "revoked") or way.endswith("disabled"):
        return 401
    if way == "guest" and "guest" not in access.credentials:
        return 403
    scopes = {"read", "write"} & set(way.split())
    if scopes and access.scope not in scopes:
        return 403
    if way == "session" and method != "GET":
        return 403
    of_a_row = "{" in path or operation in ROWS_WITHOUT_ID
    return 404 if way in ("bob", "guest") and of_a_row else success


class Rows(NamedTuple):
    """The ids of what is alice's: what fills `{name}` in a path, and further ones."""

    task_id: int
    list_id: int
    tag_id: int
    other_task: int
    other_list: int
    secret: str  # of the calendar feed
    job_id: int
    token_id: int  # of a token that no way in uses
    receipt: str  # of a job, as of the deletion of a user
    webhook_id: int


ABSENT = Rows(2**62, 2**62, 2**62, 2**62, 2**62, "x", 2**62, 2**62, "x", 2**62)
# The bodies that name a row; the others are the examples of the document.
BODIES: dict[str, Callable[[Rows], Any]] = {
    "move_task": lambda rows: {"before": rows.other_task},
    "move_list": lambda rows: {"after": rows.other_list},
    "undo_changes": lambda rows: {
        "event": max(
            Event.objects.of_task(rows.task_id).values_list("pk", flat=True),
            default=2**62,
        )
    },
    # With the scope write alone too.
    "create_token": lambda rows: {"name": "Phone", "scopes": ["write"]},
}
#: The operations on a row of the caller that no path names.
ROWS_WITHOUT_ID = ("get_calendar", "delete_calendar", "undo_changes")
# The code of a refusal: of the way in, and of all that is 404.
CODES = {
    "none": "unauthenticated",
    "read": "insufficient_scope",
    "write": "insufficient_scope",
    "expired": "invalid_token",
    "revoked": "invalid_token",
    "disabled": "invalid_token",
    "jwt read": "insufficient_scope",
    "jwt write": "insufficient_scope",
    "jwt disabled": "invalid_token",
    "session": "csrf_failed",
    "guest": "forbidden",
}


@cache
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
    body = resolve(document, operation["requestBody"])
    schema = body["content"]["application/json"]["schema"]
    name = schema["$ref"].rpartition("/")[2]
    return document["components"]["schemas"][name]["examples"][0]


@pytest.fixture(autouse=True)
def provider(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """An identity provider whose key is known, so that nothing is fetched."""
    settings.OIDC_ISSUER, settings.OIDC_AUDIENCE = PROVIDER.url, [AUDIENCE]
    public = PROVIDER.keys["first"][1].public_key()
    known = SimpleNamespace(find=lambda kid, algorithm: public)
    monkeypatch.setattr(oidc, "keys", known)


def come_in(way: str, alice: User, settings: Settings) -> ApiClient:
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
            force_login(client, alice)
            if way == "session csrf":
                token = client.get("/api/me").json()["csrf_token"]
                client.defaults["HTTP_X_CSRFTOKEN"] = token
            return client
        case "session header":
            browser, client = ApiClient(""), ApiClient("")
            force_login(browser, alice)
            key = browser.cookies["sessionid"].value
            client.defaults["HTTP_X_SESSION_TOKEN"] = key
            client.handler.enforce_csrf_checks = True
            return client
        case "jwt" | "jwt read" | "jwt write" | "jwt disabled":
            Identity.objects.create(user=alice, issuer=PROVIDER.url, subject="u1")
            scope = way.replace("jwt ", "tasks:")
            if way == "jwt disabled":
                User.objects.filter(pk=alice.pk).update(is_active=False)
            return ApiClient(PROVIDER.token(scope=scope))
        case "bob":
            return ApiClient(make_token(User.objects.create(username="bob")))
        case "guest":
            settings.API_GUEST = "guest"
    return ApiClient("")


def make_rows(owner: User) -> Rows:
    """A task with a tag in a list, and another task and another list beside them."""
    lists = [make_list(owner, name) for name in ("First", "Second")]
    series: dict[str, Any] = {
        "due_date": date(2990, 1, 31),
        "recurrence": "FREQ=MONTHLY",
    }
    task = make_task(owner, list_id=lists[0].pk, tags=["home"], **series)
    tag = Tag.objects.owned_by(owner.pk).get()
    other = make_task(owner, "Another")
    _, secret = CalendarFeed.objects.issue(owner.pk)
    job = make_job(owner)
    token = ApiToken.objects.matching(make_token(owner)).get()
    ids = (task.pk, lists[0].pk, tag.pk, other.pk, lists[1].pk)
    webhook = Webhook.objects.issue(owner.pk, url="https://example.com/")
    return Rows(*ids, secret, job.pk, token.pk, receipt(job), webhook.pk)


def stored() -> list[Any]:
    kept = tables(Task, TaskList, Tag, Event, Webhook, WebhookDelivery)
    tokens = ApiToken.objects.values_list("pk", "name", "revoked_at")
    alice = User.objects.filter(username="alice").values_list("pk", "timezone")
    return [*kept, list(tokens), list(alice)]


def perform(client: Any, operation: str, rows: Rows) -> Any:
    method, path, body = document_operations()[operation]
    if operation == "delete_me":
        me = client.get("/api/me").json()
        path += f"?confirm={me.get('username', 'alice')}"
    if operation == "preview_recurrence":
        path += "?recurrence=FREQ%3DDAILY&due_date=2027-01-31"
    if operation in BODIES:
        body = BODIES[operation](rows)
    # What is refused in the midst of its transaction is to be rolled back alone.
    with transaction.atomic():
        return client.send(method, path.format(**rows._asdict()), body)


def test_the_table_names_every_operation_of_the_document() -> None:
    others = {name for name in PERMISSIONS if "todo" in name}

    assert set(PERMISSIONS) == set(document_operations()) | others


def test_the_documentation_shows_the_table() -> None:
    words = {"token": "API token", "oidc": "JWT"}
    rows: dict[Access, list[str]] = {}
    for name, access in PERMISSIONS.items():
        if "todo" not in name:
            method, path, _ = document_operations()[name]
            rows.setdefault(access, []).append(f"`{method} {path}`")
    table = [
        "| credentials | scope | operations |",
        "|---|---|---|",
        *(
            f"| {', '.join(words.get(it, it) for it in access.credentials) or secret} "
            f"| {f'`{access.scope}`' if access.scope else '–'} | {', '.join(operations)} |"
            for access, operations in rows.items()
            for secret in [f"the address {access.secret}" if access.secret else "none"]
        ),
    ]

    assert "\n".join(table) in Path("docs/api.md").read_text()


@pytest.mark.either_database
@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_way_in_may_do_what_the_table_says(
    alice: User, settings: Settings, subtests: pytest.Subtests, operation: str
) -> None:
    rows = make_rows(alice)
    path = document_operations()[operation][1].format(**rows._asdict())
    for way in WAYS:
        with subtests.test(way), undone():
            status, client = expected(operation, way), come_in(way, alice, settings)
            before = stored() if status >= 400 else None

            answer = perform(client, operation, rows)

            list(answer)  # read: a download keeps its slot until then
            assert answer.status_code == status
            if status >= 400:
                assert stored() == before
                assert_it_is_refused(answer, path, way)


def assert_it_is_refused(answer: Any, path: str, way: str) -> None:
    status = answer.status_code
    code = "not_found" if status == 404 else CODES[way]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert "ETag" not in answer.headers
    noun = re.search(r"/(task|list|tag|job|token|webhook)s/\d", path)
    if status == 404 and noun:
        assert answer.json() == missing_row(path, noun[1])
    if way == "none" and status == 401:
        assert_a_credential_is_needed(answer, path)
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@contextmanager
def undone() -> Iterator[None]:
    """Rolls back what is written in it."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize(
    "operation", [it for it in OPERATIONS if expected(it, "bob") == 404]
)
def test_somebody_elses_row_looks_like_one_that_is_not_there(
    alice: User, settings: Settings, operation: str
) -> None:
    rows, bob = make_rows(alice), come_in("bob", alice, settings)
    theirs = perform(bob, operation, rows)

    absent = perform(bob, operation, ABSENT)

    assert theirs.status_code == absent.status_code == 404
    assert _without_path(theirs.json()) == _without_path(absent.json())
    assert set(theirs.headers) == set(absent.headers)


def _without_path(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name != "instance"}


@pytest.mark.parametrize("way", ["bob", "guest"])
@pytest.mark.parametrize(
    "operation", ["list_tasks", "list_trash", "list_lists", "list_tags"]
)
def test_a_list_holds_nothing_of_somebody_else(
    alice: User, settings: Settings, operation: str, way: str
) -> None:
    rows = make_rows(alice)
    Task.objects.filter(pk=rows.other_task).trash(BY)

    answer = perform(come_in(way, alice, settings), operation, rows)

    assert answer.json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("way", ["bob", "guest"])
@pytest.mark.parametrize(
    "query",
    [
        "list={list_id}",
        "parent={task_id}",
        "tag=home",
        "q=milk",
        "list=none&sort=title",
    ],
)
def test_no_filter_finds_anything_of_somebody_else(
    alice: User, settings: Settings, query: str, way: str
) -> None:
    rows = make_rows(alice)
    make_task(alice, parent_id=rows.task_id)
    query = query.format(**rows._asdict())

    answer = come_in(way, alice, settings).get(f"/api/tasks?{query}")

    assert answer.json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("way", ["bob", "guest"])
def test_nothing_of_somebody_else_is_counted(
    alice: User, settings: Settings, way: str
) -> None:
    rows = make_rows(alice)

    answer = perform(come_in(way, alice, settings), "count_tasks", rows)

    assert not any(answer.json().values())


@pytest.mark.parametrize(
    ("operation", "member", "body"),
    [
        ("create_task", "list", lambda rows: {"title": "a", "list": rows.list_id}),
        ("create_task", "parent", lambda rows: {"title": "a", "parent": rows.task_id}),
        ("update_task", "list", lambda rows: {"list": rows.list_id}),
        ("update_task", "parent", lambda rows: {"parent": rows.other_task}),
        ("move_task", "before", lambda rows: {"before": rows.other_task}),
        ("move_list", "after", lambda rows: {"after": rows.other_list}),
    ],
)
def test_a_body_that_names_somebody_elses_row_names_none(
    alice: User,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    member: str,
    body: Callable[[Rows], Any],
) -> None:
    hers, client = make_rows(alice), come_in("bob", alice, settings)
    mine = make_rows(User.objects.get(username="bob"))
    problems = []
    for rows in (hers, ABSENT):
        before = stored()
        monkeypatch.setitem(BODIES, operation, constant(body(rows)))

        answer = perform(client, operation, mine)

        assert answer.status_code == 422
        [error] = answer.json()["errors"]
        assert error["pointer"] == f"/{member}"
        assert stored() == before
        problems.append(answer.json())
    assert problems[0] == problems[1]


def constant(body: Any) -> Callable[[Rows], Any]:
    return lambda rows: body


def test_a_tag_of_the_same_name_stays_somebody_elses(
    alice: User, settings: Settings
) -> None:
    rows, client = make_rows(alice), come_in("bob", alice, settings)

    answer = client.send("POST", "/api/tasks", {"title": "Mine", "tags": ["HOME"]})

    assert answer.json()["tags"] == ["HOME"]
    theirs, mine = Tag.objects.order_by("pk")
    assert (theirs.pk, theirs.name) == (rows.tag_id, "home")
    assert mine.owner.username == "bob"


def test_a_new_task_is_the_callers(alice: User, settings: Settings) -> None:
    rows = make_rows(alice)
    for way, owner in (("session csrf", "alice"), ("bob", "bob"), ("guest", "guest")):
        client = come_in(way, alice, settings)
        task = perform(client, "create_task", rows).json()["id"]
        assert Task.objects.get(pk=task).owner.username == owner
        made = perform(client, "create_list", rows).json()["id"]
        assert TaskList.objects.get(pk=made).owner.username == owner


@pytest.mark.either_database
def test_a_wrong_token_does_not_fall_through_to_session_or_guest(
    alice: User, settings: Settings
) -> None:
    settings.API_GUEST = "guest"
    client = ApiClient("tk_wrong")
    force_login(client, alice)

    assert client.get("/api/me").json()["code"] == "invalid_token"


@pytest.mark.parametrize(
    "path", ["/api/openapi.json", "/api/docs", "/livez", "/readyz"]
)
def test_the_document_and_the_health_are_public(nobody: ApiClient, path: str) -> None:
    assert nobody.get(path).status_code == 200
