"""What stands in log lines: no secret, and nothing that users wrote"""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import IntegrityError, connection
from django.test import Client
from django.utils.log import AdminEmailHandler
from pytest_django import Settings

from taskproject import problems
from taskproject.accounts.models import User
from taskproject.logs import JSONFormatter
from tasks.models import Task
from tests.conftest import ApiClient, make_task, make_token

TEXT = "Xylophone"
PASSWORD = "Glockenspiel-47"
BODY: dict[str, Any] = {
    "title": f"{TEXT} title",
    "description": f'{TEXT}: (it\'s "quoted")\nand long',
    "tags": [f"{TEXT} tag"],
}


class Log(logging.Handler):
    """All lines, as they would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(JSONFormatter().format(record))

    def lacks(self, *secrets: str) -> None:
        assert self.lines
        for line in self.lines:
            for secret in (TEXT, PASSWORD, *secrets):
                assert secret not in line, line


@pytest.fixture
def log() -> Iterator[Log]:
    root, log = logging.getLogger(), Log()
    level = root.level
    root.setLevel(logging.INFO)
    root.addHandler(log)
    yield log
    root.removeHandler(log)
    root.setLevel(level)


def fail_in_python(*_: object, **values: Any) -> Any:
    return dict[str, str]()[str(values)]


def fail_in_the_database(*_: object, **values: Any) -> Any:
    """As a constraint does: PostgreSQL's message has the whole row."""
    with connection.cursor() as cursor:
        sql = "INSERT INTO tasks_task (title, description) VALUES (%s, %s)"
        try:
            cursor.execute(sql, [BODY["title"], BODY["description"]])
        except IntegrityError as error:
            raise RuntimeError(f"while writing {values}: {error}") from error


FAILURES = [fail_in_python, fail_in_the_database]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fail", FAILURES)
@pytest.mark.parametrize("debug", [False, True])
def test_errors_of_operations(
    alice: User,
    log: Log,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    fail: Callable[..., Any],
    debug: bool,
) -> None:
    settings.DEBUG = debug
    monkeypatch.setattr(Task.objects, "obtain", fail)
    token = make_token(alice)

    hot = ApiClient(token).send("POST", f"/api/tasks?q={TEXT}", BODY)
    assert hot.status_code == 422  # the query
    hot = ApiClient(token).send("POST", "/api/tasks", BODY)
    assert hot.status_code == 500

    log.lacks(token)
    assert '"traceback":' in log.lines[-2]
    assert fail.__name__ in log.lines[-2]


@pytest.mark.parametrize("debug", [False, True])
def test_errors_of_pages(
    staff: Client,
    alice: User,
    log: Log,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    debug: bool,
) -> None:
    settings.DEBUG = debug
    if debug:  # as settings.py does
        monkeypatch.setattr(logging.getLogger("django.request"), "level", logging.ERROR)
        logging.getLogger("django.request").manager._clear_cache()  # type: ignore[attr-defined]  # private
    staff.raise_request_exception = False
    task = make_task(alice, **BODY | {"tags": []})
    model = admin.site.get_model_admin(Task)
    monkeypatch.setattr(
        model, "changeform_view", lambda *_, **__: fail_in_python(title=TEXT)
    )

    path = f"/admin/tasks/task/{task.pk}/change/"
    answer = staff.post(f"{path}?_q={TEXT}", {"title": TEXT, "password": PASSWORD})

    assert answer.status_code == 500
    log.lacks(staff.cookies["sessionid"].value)
    assert '"traceback":' in "".join(log.lines)


@pytest.mark.django_db(transaction=True)
def test_refused_requests(api: ApiClient, alice: User, log: Log) -> None:
    api.send("POST", "/api/tasks", {"title": TEXT * 1_000, TEXT: TEXT})
    api.generic("POST", "/api/tasks", f'{{"{TEXT}'.encode(), "application/json")
    api.send("GET", f"/api/tasks?q={TEXT}&sort={TEXT}")
    api.send("POST", "/api/lists", {"name": TEXT})
    api.send("POST", "/api/lists", {"name": TEXT.lower()})
    token = make_token(alice)[:-1] + "x"
    assert ApiClient(token).send("GET", "/api/me").status_code == 401
    assert api.get("/api/tasks", headers={"X-Request-ID": f"{TEXT} {TEXT}"}).json()

    log.lacks(token)


def test_the_address_of_a_calendar(api: ApiClient, log: Log) -> None:
    address = api.send("POST", "/api/calendar").json()["url"]
    secret = address.rpartition("/")[2].removesuffix(".ics")
    path = address.partition("testserver")[2]

    assert Client().get(path).status_code == 200
    assert Client().get(f"{path}x").status_code == 404
    assert Client().post(path).status_code == 405

    log.lacks(secret)


@pytest.mark.usefixtures("carol")
def test_passwords_and_cookies(log: Log) -> None:
    fields = {"username": "carol", "password": PASSWORD}
    Client().post("/admin/login/", fields)
    Client().post(
        "/api/auth/app/v1/auth/login", fields, content_type="application/json"
    )
    Client(enforce_csrf_checks=True).post("/admin/login/", fields)

    log.lacks()


def test_no_logger_sends_mails() -> None:
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict]

    for logger in [*loggers, logging.getLogger()]:
        kinds = {type(handler) for handler in logger.handlers}
        assert AdminEmailHandler not in kinds, logger.name


def test_a_response_tells_nothing_either() -> None:
    assert TEXT not in str(problems.from_exception(KeyError(TEXT)).detail)
