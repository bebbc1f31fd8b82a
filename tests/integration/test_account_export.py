"""GET /api/me/export: all that is the caller's, and nothing of others"""

import json
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from taskproject.accounts.api import personal_data
from taskproject.accounts.models import ApiToken, Identity, Invitation, User
from tasks.models import CalendarFeed, Task
from tests.conftest import BY, ApiClient, make_task, make_token
from tests.support.people import App, signed_in
from tests.support.rows import make_list

PATH = "/api/me/export"


def lines(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.content
    content = answer.getvalue()
    assert answer.headers["Content-Length"] == str(len(content))
    return [json.loads(line) for line in content.splitlines()]


def of(kind: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in found if line["kind"] == kind]


def test_it_has_the_account_without_secrets(anna: User) -> None:
    app = App()
    signed_in(app)
    app.api("GET", "/api/tasks")
    Identity.objects.create(user=anna, issuer="https://id.example.com", subject="42")
    secret = {"secret": "JBSWY3DPEHPK3PXP"}
    Authenticator.objects.create(user=anna, type="totp", data=secret)
    token = make_token(anna, "read")
    Invitation.objects.invite("bob@example.com", anna)
    Invitation.objects.invite(anna.email, None)
    Invitation.objects.invite("carol@example.com", None)
    _, address = CalendarFeed.objects.issue(anna.pk)

    answer = ApiClient(token).get(PATH)

    assert answer.headers["Content-Type"] == "application/jsonl"
    assert "account.jsonl" in answer.headers["Content-Disposition"]
    found = lines(answer)
    header, user, *_, end = found
    assert header == {"kind": "header", "format": "account", "version": 1}
    assert (user["id"], user["username"]) == (anna.pk, "anna")
    assert (user["email"], user["timezone"]) == ("anna@example.com", "UTC")
    assert set(user) == {"kind", *personal_data.USER}
    assert end == {"kind": "end", "records": len(found) - 2}
    [mail] = of("email_address", found)
    assert (mail["email"], mail["verified"]) == ("anna@example.com", True)
    assert of("identity", found)[0]["subject"] == "42"
    assert of("authenticator", found)[0]["type"] == "totp"
    assert of("session", found)[0]["ip"] == "127.0.0.1"
    assert of("token", found)[0]["scopes"] == "read"
    assert len(of("calendar", found)) == 1
    invited = {line["email"] for line in of("invitation", found)}
    assert invited == {"bob@example.com", "anna@example.com"}
    row = ApiToken.objects.get()
    hidden = (token, row.digest, secret["secret"], address, anna.password)
    assert not [one for one in (*hidden, app.session_token) if one in str(found)]


def test_it_has_lists_tags_tasks_and_events(
    api: ApiClient, alice: User, bob: User
) -> None:
    shopping = make_list(alice, "Shopping")
    task = make_task(alice, "Buy milk", list_id=shopping.pk, tags=["errand"])
    make_task(alice, "Buy oats", parent_id=task.pk)
    make_task(alice, "Done", completed=True)
    trashed = make_task(alice, "Trashed")
    Task.objects.filter(pk=trashed.pk).trash(BY)
    make_task(bob, "His", tags=["his"])
    make_list(bob, "His")

    found = lines(api.get(PATH))

    exported = api.get("/api/tasks/export").getvalue().splitlines()[1:-1]
    rows = [line for line in found if line["kind"] in ("list", "tag", "task")]
    assert rows == [json.loads(line) for line in exported]
    assert {line["title"] for line in of("task", found)} == {
        *("Buy milk", "Buy oats", "Done", "Trashed")
    }
    changes = api.get("/api/changes").json()["items"]
    names = set(of("event", found)[0]) - {"kind"}
    assert of("event", found) == [
        {"kind": "event", **{name: change[name] for name in names}}
        for change in changes
    ]
    assert len(changes) == 7


def test_it_reads_in_chunks(
    api: ApiClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        make_task(alice, f"Task {number}")
    whole = lines(api.get(PATH))
    with CaptureQueriesContext(connection) as at_once:
        api.get(PATH)
    monkeypatch.setattr(personal_data, "CHUNK", 2)
    monkeypatch.setattr("tasks.exports.CHUNK", 2)

    with CaptureQueriesContext(connection) as in_chunks:
        found = lines(api.get(PATH))

    assert found == whole
    assert len(in_chunks) == len(at_once) + 3 + 3


def test_the_guest_gets_nothing(nobody: ApiClient, settings: Settings) -> None:
    settings.API_GUEST = "guest"

    answer = nobody.get(PATH)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_without_anything_it_is_whole(api: ApiClient, alice: User) -> None:
    EmailAddress.objects.all().delete()

    assert [line["kind"] for line in lines(api.get(PATH))] == [
        *("header", "user", "token", "end")
    ]
