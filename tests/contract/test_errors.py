"""The error contract: a mistake is one clear 4xx, in one shape, and stores nothing."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from django.db import transaction
from django.test import Client
from pytest_django import Settings

from taskproject.accounts.models import User
from taskproject.input_errors import CODES
from tasks.models import Event, Label, Tag, Task, TaskList, TaskQuerySet
from tests.conftest import ApiClient, make_task
from tests.contract import malformed, malformed_members
from tests.contract.malformed import KILOBYTE, Case
from tests.support.copies import absent_database, copy_of
from tests.support.rows import tables
from tests.support.servers import Answer, Server, create_token, live_server

pytestmark = pytest.mark.either_database

# Over a socket. Of bodies, those suffice that are wrong in other ways than in one member.
CASES = [
    *malformed.CASES,
    *(case for case in malformed_members.CASES if not case.body),
]
MEMBERS = {"type", "title", "status", "detail", "instance", "code"}
# All that is anybody's to see.
EVERYTHING = ("/api/tasks", "/api/lists", "/api/tags", "/api/changes", "/api/me")
ERROR_MEMBERS = {"in", "pointer", "code", "detail"}
# None of our insides: tracebacks, statements, paths, names of libraries.
LEAKS = re.compile(
    rb"traceback|File \"|/work/|/tmp/|/home/|site-packages|\bINSERT INTO\b|\bSELECT \S+ FROM\b"
    rb"|\bUPDATE \"|psycopg|sqlite|pydantic|django|IntegrityError|tasks_task",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def server(migrated: str) -> Iterator[Server]:
    with copy_of(migrated) as url, live_server(url, WORKERS="1") as server:
        yield server


@pytest.fixture(scope="module")
def cut_off() -> Iterator[Server]:
    """A server whose database is away."""
    with live_server(
        absent_database(), WORKERS="1", DATABASE_CONNECT_TIMEOUT="1"
    ) as server:
        yield server


class World(NamedTuple):
    """The ids of what the cases speak of: two lists, a tag, and tasks of the caller's,
    and what is somebody else's."""

    id: int  # the task that most cases are about
    list: int = 0
    tag: int = 0
    top: int = 0  # has a subtask
    sub: int = 0
    trashed: int = 0
    theirs: int = 0
    their_list: int = 0
    their_tag: int = 0
    webhook: int = 0


Make = Callable[[str, Any], int]


def make_world(make: Make, make_theirs: Make, delete: Callable[[str], Any]) -> World:
    """Both make what is at a path from a body, and return its id."""
    task = make("tasks", {"title": "Buy milk", "description": "As it was"})
    make("lists", {"name": "Café"})
    top = make("tasks", {"title": "Top", "tags": ["home", "urgent"]})
    trashed = make("tasks", {"title": "Trashed"})
    delete(f"/api/tasks/{trashed}")
    tagged = make_theirs("tasks", {"title": "Theirs", "tags": ["theirs"]})
    return World(
        id=task,
        list=make("lists", {"name": "Shopping"}),
        tag=make("tags?limit=1", None),
        top=top,
        sub=make("tasks", {"title": "Sub", "parent": top}),
        trashed=trashed,
        theirs=tagged,
        their_list=make_theirs("lists", {"name": "Theirs"}),
        their_tag=make_theirs("tags", None),
        webhook=make("webhooks", {"url": "https://example.com/"}),
    )


def maker(send: Callable[..., Any]) -> Make:
    """Makes what is at a path by POST; of a tag, which is made with a task, tells the
    first one."""

    def make(path: str, body: Any) -> int:
        answer = send("POST" if body else "GET", f"/api/{path}", body).json()
        made: int = (answer if body else answer["items"][0])["id"]
        return made

    return make


def named(case: Case, world: World) -> tuple[str, bytes]:
    """The path and the body of the case, with ids for names."""
    body = case.body
    for name, key in world._asdict().items():
        body = body.replace(b'"@%s"' % name.encode(), b"%d" % key)
    return case.path.format(**world._asdict()), body


def stored() -> list[Any]:
    return tables(Task, TaskList, Tag, Label, Event, User)


def send(case: Case, client: ApiClient, world: World) -> Any:
    """Sends the case through the whole stack, without a socket."""
    path, body = named(case, world)
    extra: dict[str, Any] = {
        f"HTTP_{name.upper().replace('-', '_')}": value
        for name, value in case.headers.items()
    }
    if "HTTP_CONTENT_LENGTH" in extra:
        extra["CONTENT_LENGTH"] = extra.pop("HTTP_CONTENT_LENGTH")
    if "HTTP_TRANSFER_ENCODING" in extra:
        extra["CONTENT_LENGTH"] = ""
    # What is refused in the midst of its transaction is to be rolled back alone.
    with transaction.atomic():
        return client.generic(
            case.method, path, body, content_type=case.content_type, **extra
        )


def on_the_wire(case: Case, token: str, world: World) -> bytes:
    """The case as bytes for a socket."""
    headers = {"Host": "localhost", "Connection": "close"} | case.headers
    path, body = named(case, world)
    if case.token:
        headers["Authorization"] = f"Bearer {token}"
    if "Transfer-Encoding" in headers:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    elif case.body or case.method in ("POST", "PUT", "PATCH"):
        headers.setdefault("Content-Length", str(len(body)))
    if body and case.content_type:
        headers["Content-Type"] = case.content_type
    lines = [f"{case.method} {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def check(
    answer: Any, status: int, code: str, error: tuple[str, str] | None = None
) -> None:
    """That the answer is a problem as RFC 9457 means it, the one that was expected, with
    this one error where it is known which.

    `answer` is what Django's test client returns, or what came over a socket.
    """
    over_socket = isinstance(answer, Answer)
    body: bytes = answer.body if over_socket else answer.content
    headers = answer.headers
    assert (answer.status if over_socket else answer.status_code) == status
    assert headers["Content-Type"] == "application/problem+json"
    problem = json.loads(body)
    assert problem["code"] == code
    assert set(problem) - {"errors", "retry_after"} == MEMBERS
    assert str(problem.get("retry_after")) == str(headers.get("Retry-After"))
    assert problem["status"] == status
    assert problem["type"] == f"/api/problems#{code}"
    assert problem["title"] and problem["detail"]
    assert ("errors" in problem) == (code == "invalid")
    for wrong in problem.get("errors", []):
        assert ERROR_MEMBERS <= set(wrong)
        assert set(wrong) - ERROR_MEMBERS <= set(CODES[wrong["code"]])
        assert wrong["in"] in ("body", "query")
        assert re.fullmatch(r"(/[^/]*)*", wrong["pointer"])
        assert wrong["code"] and wrong["detail"]
    if error is not None:
        [wrong] = problem["errors"]
        assert (wrong["pointer"], wrong["code"]) == error
    assert len(problem.get("errors", [])) <= 100
    assert headers["X-Request-ID"]
    assert headers["Cache-Control"] == "private, no-cache"
    assert bool(headers.get("Allow")) == (status == 405)
    assert bool(headers.get("WWW-Authenticate")) == (status == 401)
    assert len(body) < 64 * KILOBYTE
    assert not LEAKS.search(body), body[:500]
    assert headers.get("Content-Length") == str(len(body))


@pytest.mark.parametrize("cases", [malformed.CASES, malformed_members.CASES])
def test_a_mistake_is_one_clear_problem_and_stores_nothing(
    cases: list[Case],
    api: ApiClient,
    bobs_api: ApiClient,
    nobody: ApiClient,
) -> None:
    world = make_world(
        maker(api.send), maker(bobs_api.send), lambda path: api.send("DELETE", path)
    )
    for client in (api, nobody):
        client.handler.enforce_csrf_checks = True  # as outside of tests
    before = stored()
    wrong: list[str] = []

    for case in cases:
        try:
            answer = send(case, api if case.token else nobody, world)
            check(answer, case.status, case.code, case.error)
            path = urlsplit(named(case, world)[0]).path
            if "%" not in path and ";" not in path:
                assert answer.json()["instance"] == path
        except (AssertionError, ValueError) as error:
            wrong.append(f"{case.name}: {str(error)[:200]}")

    assert not wrong, "\n".join(wrong)
    assert stored() == before


def test_a_mistake_gets_the_same_answer_over_a_socket(server: Server) -> None:
    secret = create_token(server.database_url, "bob")

    def as_bob(method: str, path: str, body: Any) -> Answer:
        return server.send(method, path, body, {"Authorization": f"Bearer {secret}"})

    world = make_world(
        maker(server.send), maker(as_bob), lambda path: server.send("DELETE", path)
    )
    before = [server.send("GET", path).body for path in EVERYTHING]
    wrong: list[str] = []

    for case in CASES:
        if not case.reaches_us:
            continue
        request = on_the_wire(case, server.token, world)
        try:
            answer = server.send_raw(request, case.method)
            check(answer, case.status, case.code, case.error)
        except (AssertionError, OSError, ValueError) as error:
            wrong.append(f"{case.name}: {str(error)[:200]}")

    assert not wrong, "\n".join(wrong)
    assert [server.send("GET", path).body for path in EVERYTHING] == before


def test_what_a_server_refuses_itself_is_400_too(server: Server) -> None:
    for case in CASES:
        if not case.reaches_us:
            request = on_the_wire(case, server.token, World(1))
            assert server.send_raw(request, case.method).status == 400, case.name


def test_the_middle_of_a_wide_body_is_not_repeated_in_the_answer(
    api: ApiClient,
) -> None:
    answer = api.send("POST", "/api/tasks", {"title": "a", "x" * 5_000: 1})

    assert answer.status_code == 422
    assert len(answer.content) < 2 * KILOBYTE


@pytest.mark.parametrize("debug", [False, True])
def test_a_fault_of_ours_is_500_and_tells_nothing(
    api: ApiClient,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    debug: bool,
) -> None:
    def fail(self: TaskQuerySet) -> list[Task]:
        raise RuntimeError(
            "SELECT secret FROM tasks_task -- /work/main/tasks/models.py"
        )

    monkeypatch.setattr(TaskQuerySet, "toggle", fail)
    settings.DEBUG = debug
    task = make_task(alice)

    answer = api.send("POST", f"/api/tasks/{task.pk}/toggle")

    check(answer, 500, "server_error")
    assert b"secret" not in answer.content
    assert Task.objects.get() == task


@pytest.mark.parametrize("debug", [False, True])
def test_an_unknown_path_of_the_api_is_a_problem(
    nobody: ApiClient, settings: Settings, debug: bool
) -> None:
    settings.DEBUG = debug

    for path in ("/api/nope", "/api/tasks/x", "/livez/nope"):
        check(nobody.send("GET", path), 404, "not_found")


def test_an_unknown_path_elsewhere_is_a_page(nobody: ApiClient) -> None:
    answer = nobody.send("GET", "/nope")

    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["X-Request-ID"]
    assert "tasks" not in answer.content.decode()


@pytest.mark.parametrize("debug", [False, True])
def test_a_foreign_host_is_refused_by_the_api(settings: Settings, debug: bool) -> None:
    settings.DEBUG = debug
    client = Client(headers={"Host": "evil.example"}, raise_request_exception=False)

    for path in ("/api/tasks", "/api/nope", "/livez/nope", "/api/openapi.json"):
        check(client.get(path), 400, "bad_host")


def test_a_foreign_host_gets_a_page_from_the_admin(db: None) -> None:
    client = Client(headers={"Host": "evil.example"}, raise_request_exception=False)

    page = client.get("/admin/login/")

    assert page.status_code == 400
    assert page.headers["Content-Type"].startswith("text/html")
    assert not LEAKS.search(page.content) and b"evil.example" not in page.content


def test_an_error_carries_cors_headers_for_an_allowed_origin(nobody: ApiClient) -> None:
    for path, status in (("/api/tasks", 401), ("/api/nope", 404), ("/livez/nope", 404)):
        answer = nobody.send("GET", path, headers={"Origin": "http://localhost:3000"})
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
        assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
    foreign = nobody.send(
        "GET", "/api/tasks", headers={"Origin": "https://evil.example"}
    )
    assert "Access-Control-Allow-Origin" not in foreign.headers


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "/api/tasks", None), ("POST", "/api/tasks", {"title": "a"}), ("GET", "/api/me", None),
     ("DELETE", "/api/tasks/1", None), ("GET", "/readyz", None)],
)  # fmt: skip
def test_a_database_that_is_away_is_503_with_retry_after(
    cut_off: Server, method: str, path: str, body: Any
) -> None:
    answer = cut_off.send(
        method, path, body, {"Authorization": "Bearer tk_" + "a" * 43}
    )

    check(answer, 503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert "Traceback" not in cut_off.output


@pytest.mark.parametrize(
    ("method", "advice"),
    [("GET", '<a class="button" href="">Try again</a>'), ("POST", "Reload this page")],
)
def test_the_admin_without_its_database_is_a_page_with_503(
    cut_off: Server, method: str, advice: str
) -> None:
    answer = cut_off.send(
        method,
        "/admin/",
        headers={"Cookie": "sessionid=" + "a" * 32, "Authorization": "none"},
    )

    assert answer.status == 503
    assert answer.headers["Content-Type"].startswith("text/html")
    assert int(answer.headers["Retry-After"]) >= 1
    assert not LEAKS.search(answer.body)
    page = answer.body.decode()
    assert advice in page and answer.headers["X-Request-ID"] in page
    assert "taskproject/theme.css" in page


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/livez", 200), ("GET", "/api/nope", 404), ("PUT", "/api/tasks", 405), ("GET", "/api/tasks", 401),
     ("GET", "/api/openapi.json", 200), ("GET", "/api/docs", 200)],
)  # fmt: skip
def test_what_needs_no_database_works_without_one(
    cut_off: Server, method: str, path: str, status: int
) -> None:
    answer = cut_off.send_raw(
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    )

    assert answer.status == status
