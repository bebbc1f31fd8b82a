"""The pipeline (taskproject/pipeline.py, operations.py): statements of each request, and
tokens that a process has cached and that have changed since."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from django.test.client import ClientHandler
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from taskproject import pipeline, sql
from taskproject.accounts.models import ApiToken, User
from tasks.models import Event, Task, TaskList, listing, statements
from tasks.models.task_queryset import TaskQuerySet
from tests.conftest import BY, ApiClient, make_task, make_token
from tests.support.answers import as_json

pytestmark = pytest.mark.django_db(transaction=True)

#: A cookie has a request pass Django's middleware, and changes nothing else.
COOKIE = {"Cookie": "a=b"}
# Of one request; those of a transaction on SQLite are BEGIN, two for its timeout, COMMIT.
STATEMENTS = {
    "get": {"postgresql": 1, "sqlite": 1},
    "list": {"postgresql": 1, "sqlite": 1},
    "counts": {"postgresql": 2, "sqlite": 2},
    "create": {"postgresql": 1, "sqlite": 7},
    "patch": {"postgresql": 1, "sqlite": 7},
    "rename": {"postgresql": 1, "sqlite": 7},
    "reopen": {"postgresql": 1, "sqlite": 7},
    "toggle": {"postgresql": 1, "sqlite": 7},
    "reopened": {"postgresql": 1, "sqlite": 7},
    "completed": {"postgresql": 1, "sqlite": 5},  # it is so already
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
@pytest.mark.parametrize("headers", [{}, COOKIE], ids=["plain", "cookie"])
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
def test_a_cookie_changes_neither_bytes_nor_headers(
    known: ApiClient, task: Task, operation: str
) -> None:
    headers = {"X-Request-ID": "one", "Origin": "http://localhost:3000"}

    plain = known.send(*requests(task)[operation], headers=headers)
    other = known.send(*requests(task)[operation], headers=headers | COOKIE)

    assert plain.content == other.content
    assert dict(plain.headers) == dict(other.headers)


@pytest.mark.parametrize("charset", ["latin-1", "utf-16"])
@pytest.mark.parametrize("headers", [{}, COOKIE], ids=["plain", "cookie"])
def test_a_content_type_says_nothing_of_the_query(
    known: ApiClient, alice: User, charset: str, headers: dict[str, str]
) -> None:
    found = make_task(alice, "Äpfel")
    headers = headers | {"Content-Type": f"application/json; charset={charset}"}

    answer = known.send("GET", "/api/tasks?q=%C3%84pfel&limit=1", headers=headers)

    assert [item["id"] for item in answer.json()["items"]] == [found.pk]


@pytest.mark.parametrize("headers", [{}, COOKIE], ids=["plain", "cookie"])
def test_the_log_names_the_caller_of_too_many_parameters(
    known: ApiClient, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    query = "&".join(f"a{number}=1" for number in range(1_001))

    with caplog.at_level("INFO", "taskproject.requests"):
        known.send("GET", f"/api/tasks?{query}", headers=headers)

    [line] = [one.fields for one in caplog.records if hasattr(one, "fields")]
    assert (line["status"], line["via"]) == (400, "token")


@pytest.mark.parametrize("operation", ["create", "patch", "toggle", "reopened"])
def test_a_cookie_changes_neither_headers_nor_event_of_a_write(
    known: ApiClient, task: Task, operation: str
) -> None:
    method, path, body = requests(task)[operation]
    answers, events = [], []
    for headers in ({}, COOKIE):
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

    plain, other = answers
    assert plain.headers.keys() == other.headers.keys()
    for event, answer in zip(events, answers, strict=True):
        assert event.task_id == answer.json()["id"]
        assert event.version == answer.json()["version"]
    first, second = events
    assert (first.verb, first.via, first.actor_id) == (
        *(second.verb, second.via, second.actor_id),
    )
    assert first.changes == second.changes


@pytest.mark.parametrize("operation", [*STATEMENTS])
@pytest.mark.parametrize("change", ["revoked", "expired", "inactive", "scope", "gone"])
def test_a_token_that_opens_no_more_gets_and_changes_nothing(
    api: ApiClient, alice: User, task: Task, operation: str, change: str
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
    more: dict[str, Any]
    for more in ({}, {"tags": ["new"]}, {"list": None}):
        sent = body if body is None else {**body, **more}
        headers = {} if more else {"If-None-Match": "*"}

        answer = api.send(method, path, sent, headers=headers)

        assert answer.status_code == (403 if change == "scope" else 401), more
        now_there = (Task.objects.count(), Event.objects.count(), as_json(task))
        assert now_there == before, more


@pytest.mark.parametrize(("opens", "status"), [(True, 503), (False, 401)])
def test_a_handler_that_waited_in_vain_is_not_called_again(
    known: ApiClient, monkeypatch: pytest.MonkeyPatch, opens: bool, status: int
) -> None:
    """Although the last use of its token was more than a minute ago."""
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    if not opens:
        ApiToken.objects.all().revoke()
    calls = []

    def wait(*args: object, **fields: object) -> None:
        calls.append(fields)
        raise OperationalError("database is locked")

    monkeypatch.setattr(TaskQuerySet, "obtain", wait)

    answer = known.send("POST", "/api/tasks", {"title": "a"})

    assert answer.status_code == status
    assert len(calls) == 1


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

    alice.store(timezone="Etc/GMT+12")  # twelve hours behind
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


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_body_of_another_media_type_is_refused_when_the_use_is_noted(
    known: ApiClient, task: Task, method: str
) -> None:
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(hours=1))
    path = "/api/tasks" if method == "POST" else f"/api/tasks/{task.pk}"

    answer = known.generic(method, path, b'{"title": "New"}', "text/plain")

    assert answer.status_code == 415
    assert not Task.objects.filter(title="New").exists()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/tasks/{}/move", {"after": "{}"}),
        ("PATCH", "/api/tasks/{}", {"tags": ["errand"]}),
        ("PATCH", "/api/tasks/{}", {"title": "New"}),
        ("DELETE", "/api/tasks/{}?permanent=true", None),
    ],
)
def test_a_task_is_found_while_another_request_notes_the_use(
    known: ApiClient,
    alice: User,
    task: Task,
    method: str,
    path: str,
    body: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(hours=1))
    if body == {"after": "{}"}:
        body = {"after": make_task(alice).pk}

    def fetch_and_note(statement: str, *args: Any, **options: Any) -> Any:
        found = sql.fetch(statement, *args, **options)
        ApiToken.objects.update(last_used_at=timezone.now())
        return found

    monkeypatch.setattr(statements, "fetch", fetch_and_note)
    answer = known.send(method, path.format(task.pk), body)

    assert answer.status_code in (200, 204), answer.content


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
def test_a_cookie_changes_no_refusal(
    known: ApiClient, method: str, path: str, body: Any, status: int
) -> None:
    headers = {"X-Request-ID": "one"}

    plain = known.send(method, path, body, headers=headers)
    other = known.send(method, path, body, headers=headers | COOKIE)

    assert plain.status_code == other.status_code == status
    assert plain.content == other.content
    assert dict(plain.headers) == dict(other.headers)


def test_a_token_is_looked_up_by_each_process_once(
    alice: User, queries: CaptureQueriesContext
) -> None:
    client = ApiClient(make_token(alice))
    before = len(queries)

    client.send("GET", "/api/tasks")
    looked_up = len(queries)
    client.send("GET", "/api/tasks")

    assert looked_up - before > 1
    assert len(queries) - looked_up == 1


#: Refused requests, each with the successful one that it may cost no more than.
REFUSALS = {
    "missing": ("GET", "/api/tasks/999999", None, {}, 404, "get"),
    "unknown parameter": ("GET", "/api/tasks?complete=true", None, {}, 422, "list"),
    "no title": ("POST", "/api/tasks", {}, {}, 422, "create"),
    "toggle missing": ("POST", "/api/tasks/999999/toggle", None, {}, 404, "toggle"),
    "rename missing": ("PATCH", "/api/tasks/999999", {"title": "a"}, {}, 404, "rename"),
    "stale": (
        *("PATCH", "/api/tasks/{}", {"title": "a"}, {"If-Match": '"1"'}, 412),
        "rename",
    ),
    "stale toggle": (
        *("POST", "/api/tasks/{}/toggle", None, {"If-Match": '"1"'}, 412),
        "toggle",
    ),
}


@pytest.mark.parametrize("name", [*REFUSALS])
def test_a_refusal_costs_no_more_statements_than_a_success(
    known: ApiClient, task: Task, name: str
) -> None:
    method, path, body, headers, status, success = REFUSALS[name]
    Task.objects.filter(pk=task.pk).edit(BY, title="Newer")

    with CaptureQueriesContext(connection) as queries:
        answer = known.send(method, path.format(task.pk), body, headers=headers)

    assert answer.status_code == status
    statements = [query["sql"] for query in queries]
    assert len(statements) <= STATEMENTS[success][connection.vendor], statements


def test_a_stored_response_is_not_replayed_for_a_revoked_token(
    known: ApiClient, alice: User
) -> None:
    keyed = {"Idempotency-Key": "one"}
    known.send("POST", "/api/tasks", {"title": "New"}, headers=keyed)
    ApiToken.objects.all().revoke()

    answer = known.send("POST", "/api/tasks", {"title": "New"}, headers=keyed)

    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/tasks", {"titel": "New"}),
        ("GET", "/api/tasks?complete=true", None),
        ("GET", "/api/tasks/999999", None),
        ("PATCH", "/api/tasks/999999", {"title": "New"}),
        ("DELETE", "/api/tasks/999999", None),
        ("GET", "/api/lists/999999", None),
    ],
)
def test_a_refusal_is_not_for_a_revoked_token(
    known: ApiClient, method: str, path: str, body: Any
) -> None:
    ApiToken.objects.all().revoke()

    assert known.send(method, path, body).status_code == 401


@pytest.mark.parametrize(("length", "remembered"), [(100, True), (10_000, False)])
def test_only_short_hosts_are_remembered(
    known: ApiClient, settings: Settings, length: int, remembered: bool
) -> None:
    settings.ALLOWED_HOSTS = [".example.com"]
    host = f"{'a' * length}.example.com"

    assert known.get("/api/tasks", headers={"Host": host}).status_code == 200

    assert (host in pipeline._hosts) is remembered


def test_middleware_where_no_api_request_comes_is_refused_at_start(
    settings: Settings,
) -> None:
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.middleware.gzip.GZipMiddleware",
    ]

    with pytest.raises(ImproperlyConfigured, match="above .*PipelineMiddleware"):
        ClientHandler().load_middleware()


def test_middleware_above_the_pipeline_sees_api_requests(
    alice: User, settings: Settings
) -> None:
    settings.MIDDLEWARE = [
        "django.middleware.gzip.GZipMiddleware",
        *settings.MIDDLEWARE,
    ]
    make_task(alice, "a" * 200, description="b" * 300)

    client = ApiClient(make_token(alice))
    answer = client.send("GET", "/api/tasks", headers={"Accept-Encoding": "gzip"})

    assert answer.headers["Content-Encoding"] == "gzip"


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
