"""The short way (taskproject/express.py): the same answers, by fewer statements, and
nothing for a token that does not open any more."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from taskproject import express
from taskproject.accounts.models import ApiToken, User
from tasks.models import Event, Task, TaskList, listing
from tests.conftest import BY, ApiClient, make_task, make_token
from tests.support.answers import as_json

pytestmark = pytest.mark.django_db(transaction=True)

#: A cookie sends a request the long way, and changes nothing else.
LONG = {"Cookie": "a=b"}
# Of one request; those of a transaction on SQLite are BEGIN, two for its timeout, COMMIT.
STATEMENTS = {
    "get": {"postgresql": 1, "sqlite": 1},
    "list": {"postgresql": 1, "sqlite": 1},
    "counts": {"postgresql": 2, "sqlite": 2},
    "create": {"postgresql": 1, "sqlite": 7},
    "patch": {"postgresql": 2, "sqlite": 7},
    "rename": {"postgresql": 1, "sqlite": 7},
    "reopen": {"postgresql": 1, "sqlite": 7},
    "toggle": {"postgresql": 1, "sqlite": 7},
    "reopened": {"postgresql": 1, "sqlite": 7},
    "completed": {"postgresql": 2, "sqlite": 5},  # it is so already
}
Send = Callable[..., Any]


def requests(task: Task) -> dict[str, tuple[str, str, Any]]:
    path = f"/api/tasks/{task.pk}"
    return {
        "get": ("GET", path, None),
        "list": ("GET", "/api/tasks", None),
        "counts": ("GET", "/api/tasks/counts", None),
        "create": ("POST", "/api/tasks", {"title": "Buy milk", "priority": "high"}),
        "patch": ("PATCH", path, {"title": "Buy oat milk", "due_date": "2026-11-30"}),
        "rename": ("PATCH", path, {"title": "Buy oat milk"}),
        "reopen": ("PATCH", path, {"completed": False}),
        "toggle": ("POST", f"{path}/toggle", None),
        "reopened": ("POST", f"{path}/reopen", None),
        "completed": ("POST", f"{path}/complete", None),
    }


@pytest.fixture
def task(alice: User) -> Task:
    """With a value of every kind."""
    home = TaskList.objects.add(BY, owner_id=alice.pk, name="Home")
    task = make_task(
        alice,
        'Größe "4" \\ 🌱',
        description="a\nb",
        list_id=home.pk,
        tags=["errand", "ärgerlich"],
        priority=4,
        due_at=timezone.now() - timedelta(days=2),
        due_timezone="Europe/Lisbon",
        completed=True,
    )
    make_task(alice, "Child", parent_id=task.pk)
    return task


@pytest.mark.parametrize("operation", [*STATEMENTS])
def test_a_request_is_this_many_statements(
    known: ApiClient, task: Task, operation: str
) -> None:
    with CaptureQueriesContext(connection) as queries:
        answer = known.send(*requests(task)[operation])

    assert answer.status_code in (200, 201)
    statements = [query["sql"] for query in queries]
    assert len(statements) == STATEMENTS[operation][connection.vendor], statements


@pytest.mark.parametrize(
    "operation", [name for name in STATEMENTS if name not in ("list", "counts")]
)
@pytest.mark.parametrize("headers", [{}, LONG], ids=["short", "long"])
def test_the_answer_is_the_task_as_the_orm_reads_it(
    known: ApiClient, task: Task, operation: str, headers: dict[str, str]
) -> None:
    answer = known.send(*requests(task)[operation], headers=headers)

    stored = Task.objects.get(pk=answer.json()["id"])
    assert answer.content == orjson.dumps(as_json(stored))


@pytest.mark.parametrize("completed", ["", "true", "false"])
@pytest.mark.parametrize("sort", ["", "due", "-priority", "title", "position"])
def test_a_page_is_the_tasks_as_the_orm_reads_them(
    known: ApiClient, alice: User, task: Task, completed: str, sort: str
) -> None:
    for number in range(3):
        make_task(alice, f"Task {number}", completed=number == 1)
    query = "&".join(
        f"{name}={value}"
        for name, value in (("completed", completed), ("sort", sort))
        if value
    )

    answer = known.send("GET", f"/api/tasks?{query}")

    tasks = Task.objects.owned_by(alice.pk)
    if completed:
        tasks = tasks.filter(completed=completed == "true")
    column = listing.SORTS[sort.removeprefix("-") or "created"].column
    down = "-" if sort.startswith("-") or not sort else ""
    ordered = tasks.order_by(f"{down}{column}", f"{down}id")
    shown = {"items": [as_json(each) for each in ordered], "next_cursor": None}
    assert answer.content == orjson.dumps(shown)


@pytest.mark.parametrize("operation", ["get", "list", "counts"])
def test_both_ways_answer_the_same_bytes_and_headers(
    known: ApiClient, task: Task, operation: str
) -> None:
    headers = {"X-Request-ID": "one", "Origin": "http://localhost:3000"}

    short = known.send(*requests(task)[operation], headers=headers)
    long = known.send(*requests(task)[operation], headers=headers | LONG)

    assert short.content == long.content
    assert dict(short.headers) == dict(long.headers)


@pytest.mark.parametrize("charset", ["latin-1", "utf-16"])
@pytest.mark.parametrize("headers", [{}, LONG], ids=["short", "long"])
def test_a_content_type_says_nothing_of_the_query(
    known: ApiClient, alice: User, charset: str, headers: dict[str, str]
) -> None:
    found = make_task(alice, "Äpfel")
    headers = headers | {"Content-Type": f"application/json; charset={charset}"}

    answer = known.send("GET", "/api/tasks?q=%C3%84pfel&limit=1", headers=headers)

    assert [item["id"] for item in answer.json()["items"]] == [found.pk]


@pytest.mark.parametrize("headers", [{}, LONG], ids=["short", "long"])
def test_the_log_names_the_caller_of_too_many_parameters(
    known: ApiClient, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    query = "&".join(f"a{number}=1" for number in range(1_001))

    with caplog.at_level("INFO", "taskproject.requests"):
        known.send("GET", f"/api/tasks?{query}", headers=headers)

    [line] = [one.fields for one in caplog.records if hasattr(one, "fields")]
    assert (line["status"], line["via"]) == (400, "token")


@pytest.mark.parametrize("operation", ["create", "patch", "toggle", "reopened"])
def test_both_ways_answer_a_write_with_the_same_headers_and_event(
    known: ApiClient, task: Task, operation: str
) -> None:
    method, path, body = requests(task)[operation]
    answers, events = [], []
    for headers in ({}, LONG):
        answers.append(known.send(method, path, body, headers=headers))
        event = Event.objects.in_order().last()
        assert event is not None
        events.append(event)
        if operation == "patch":
            Task.objects.filter(pk=task.pk).edit(
                BY, zone="Europe/Lisbon", title=task.title, due_at=task.due_at
            )
        elif operation in ("toggle", "reopened"):
            Task.objects.filter(pk=task.pk).toggle(BY)

    short, long = answers
    assert short.headers.keys() == long.headers.keys()
    for event, answer in zip(events, answers, strict=True):
        assert event.task_id == answer.json()["id"]
        assert event.version == answer.json()["version"]
    first, second = events
    assert (first.verb, first.via, first.actor_id) == (
        *(second.verb, second.via, second.actor_id),
    )
    assert first.changes == second.changes


@pytest.mark.parametrize("extra", ["If-None-Match", "tags", "list"])
@pytest.mark.parametrize("operation", [*STATEMENTS])
@pytest.mark.parametrize("change", ["revoked", "expired", "inactive", "scope", "gone"])
def test_a_token_that_opens_no_more_gets_and_changes_nothing(
    api: ApiClient,
    alice: User,
    task: Task,
    operation: str,
    change: str,
    extra: str,
) -> None:
    for method in ("GET", "PATCH"):
        api.send(method, f"/api/tasks/{task.pk}", {} if method == "PATCH" else None)
    tokens, now = ApiToken.objects.all(), timezone.now()
    match change:
        case "revoked":
            tokens.revoke()
        case "expired":
            tokens.update(expires_at=now)
        case "inactive":
            User.objects.filter(pk=alice.pk).update(is_active=False)
        case "scope":
            reads = operation in ("get", "list", "counts")
            tokens.update(scopes="write" if reads else "read")
        case "gone":
            tokens.delete()
    before = (Task.objects.count(), Event.objects.count(), as_json(task))
    method, path, body = requests(task)[operation]
    headers = {}
    if extra == "If-None-Match":
        headers = {extra: "*"}
    elif body is not None:
        body = {**body, extra: ["new"] if extra == "tags" else None}

    answer = api.send(method, path, body, headers=headers)

    assert answer.status_code == (403 if change == "scope" else 401)
    assert (Task.objects.count(), Event.objects.count(), as_json(task)) == before


@pytest.mark.parametrize("operation", ["get", "create"])
def test_the_log_names_nobody_whose_token_opens_no_more(
    known: ApiClient, task: Task, operation: str, caplog: pytest.LogCaptureFixture
) -> None:
    ApiToken.objects.all().revoke()

    with caplog.at_level("INFO", "taskproject.requests"):
        known.send(*requests(task)[operation])

    [line] = [one.fields for one in caplog.records if hasattr(one, "fields")]
    assert (line["status"], line["user"], line["via"]) == (401, None, None)


def test_another_time_zone_of_the_users_counts_at_once(
    known: ApiClient, alice: User
) -> None:
    today = timezone.now().date()
    day = today - timedelta(days=1)
    task = make_task(alice, due_date=day)
    path = f"/api/tasks/{task.pk}"
    assert known.send("GET", path).json()["overdue"] is True

    alice.move_to("Etc/GMT+12")  # twelve hours behind
    answer = known.send("GET", path)

    behind = (timezone.now() - timedelta(hours=12)).date()
    assert answer.json()["overdue"] is (day < behind)


def test_the_last_use_is_still_noted(known: ApiClient, alice: User) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    ApiToken.objects.update(last_used_at=long_ago)

    known.send("GET", "/api/tasks")

    used = ApiToken.objects.get().last_used_at
    assert used is not None
    assert used > long_ago


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/tasks/1", None, 404),
        ("GET", "/api/tasks?complete=true", None, 422),
        ("GET", "/api/tasks?limit=1&limit=2", None, 422),
        ("POST", "/api/tasks", {"title": ""}, 422),
        ("POST", "/api/tasks", [], 422),
        ("POST", "/api/tasks", {"title": "a", "list": 10**9}, 422),
        ("PATCH", "/api/tasks/1", {"title": "a"}, 404),
        ("POST", "/api/tasks/1/toggle", None, 404),
        ("DELETE", "/api/tasks/1", None, 404),
        ("PUT", "/api/tasks", {}, 405),
    ],
)
def test_what_is_wrong_is_judged_the_long_way(
    known: ApiClient, method: str, path: str, body: Any, status: int
) -> None:
    headers = {"X-Request-ID": "one"}

    short = known.send(method, path, body, headers=headers)
    long = known.send(method, path, body, headers=headers | LONG)

    assert short.status_code == long.status_code == status
    assert short.content == long.content
    assert dict(short.headers) == dict(long.headers)


def test_a_token_of_another_process_is_remembered_when_it_was_let_in(
    alice: User, rf: Any
) -> None:
    secret = make_token(alice)
    request = rf.get("/api/tasks", headers={"Authorization": f"Bearer {secret}"})
    assert express.answer(request) is None

    ApiClient(secret).send("GET", "/api/tasks")

    assert express.answer(request) is not None


@pytest.mark.parametrize("word", ["äpfel", "牛奶"])
def test_bytes_that_a_client_did_not_encode_are_utf_8(
    known: ApiClient, alice: User, word: str
) -> None:
    found = [make_task(alice, word).pk for _ in range(2)]
    as_wsgi_has_them = f"q={word}&limit=1".encode().decode("latin-1")

    answer = known.send("GET", "/api/tasks", QUERY_STRING=as_wsgi_has_them)

    assert [item["id"] for item in answer.json()["items"]] == found[1:]
    following = answer.headers["Link"].partition(">")[0].removeprefix("<")
    items = known.send("GET", following).json()["items"]
    assert [item["id"] for item in items] == found[:1]
