"""SENTRY_DSN: what an event tells, and what it keeps to itself"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from pytest_django import Settings
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from taskproject import error_reports
from taskproject.accounts.models import User
from tests.conftest import ApiClient, make_task

pytestmark = pytest.mark.either_database

sent: list[str] = []


class Kept(Transport):
    """Keeps the events that would be sent."""

    def capture_envelope(self, envelope: Envelope) -> None:
        sent.append(envelope.serialize().decode())


@pytest.fixture
def events(settings: Settings) -> Iterator[list[str]]:
    settings.SENTRY_DSN = "http://public@127.0.0.1:9/1"
    sent.clear()
    error_reports.start(Kept)
    yield sent
    sentry_sdk.init()


def test_a_bug_in_an_operation_is_told_without_what_users_wrote(
    api: ApiClient,
    alice: User,
    token: str,
    events: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    title = token[::-1]  # which is nowhere in the code that the traceback shows
    task = make_task(alice, title)

    def broken(*_: Any, **__: Any) -> None:
        secret, task_title = token, task.title
        raise KeyError(secret, task_title)

    monkeypatch.setattr("tasks.api.tasks.read", broken)
    headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "mine"}
    answer = api.send("GET", f"/api/tasks/{task.pk}", headers=headers)

    assert answer.status_code == 500
    [text] = events
    event = json.loads(text.splitlines()[-1])
    [error] = event["exception"]["values"]
    assert error["type"] == "KeyError"
    assert error["stacktrace"]["frames"][-1]["function"] == "broken"
    assert event["extra"]["id"] == "mine"
    assert token not in text and title not in text
    assert not {"request", "user", "breadcrumbs"} & event.keys()


def test_what_clients_do_wrong_is_not_told(api: ApiClient, events: list[str]) -> None:
    assert api.send("GET", "/api/tasks/0").status_code == 404
    assert api.send("POST", "/api/tasks", {"title": ""}).status_code == 422

    assert events == []
