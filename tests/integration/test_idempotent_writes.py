"""Idempotency-Key on every unsafe method: each write of one row, and batches."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import ApiToken, User
from taskproject.api import api as tasks_api
from taskproject.models import StoredResponse
from tasks.models import CalendarFeed, Event, Tag, Task, TaskList, Webhook
from tests.conftest import BY, ApiClient, make_task, make_token
from tests.contract.document import OPERATIONS, operations
from tests.support.rows import tables

KEY = "3f2b1c9e-0a4d-4b4e-9a51-b4e2c2b3f7a0"


def stored() -> list[Any]:
    return tables(Task, TaskList, Tag, Event, StoredResponse)


class Write(NamedTuple):
    """A write of one row, made at version 1."""

    method: str
    path: str
    body: Any = None


WRITES = {
    "patch": Write("PATCH", "/api/tasks/{task}", {"title": "New"}),
    "put": Write("PUT", "/api/tasks/{task}", {"title": "New"}),
    "delete": Write("DELETE", "/api/tasks/{task}"),
    "delete for good": Write("DELETE", "/api/tasks/{task}?permanent=true"),
    "toggle": Write("POST", "/api/tasks/{task}/toggle"),
    "move": Write("POST", "/api/tasks/{task}/move", {"after": "other"}),
    "make a list": Write("POST", "/api/lists", {"name": "Work"}),
    "move a list": Write("POST", "/api/lists/{list}/move", {"after": "other_list"}),
    "patch a list": Write("PATCH", "/api/lists/{list}", {"name": "New"}),
    "delete a list": Write("DELETE", "/api/lists/{list}"),
    "rename a tag": Write("PATCH", "/api/tags/{tag}", {"name": "new"}),
    "delete a tag": Write("DELETE", "/api/tags/{tag}"),
    "patch oneself": Write("PATCH", "/api/me", {"timezone": "Asia/Tokyo"}),
}
every_write = pytest.mark.parametrize("name", WRITES)


def write(api: ApiClient, alice: User, name: str) -> Callable[[str], Any]:
    """Sends the write with this key, at the version that the row has now."""
    lists = TaskList.objects
    keys = {
        "list": lists.add(BY, owner_id=alice.pk, name="Home").pk,
        "other_list": lists.add(BY, owner_id=alice.pk, name="Last").pk,
        "task": make_task(alice, "One", tags=["errand"]).pk,
        "other": make_task(alice, "Two").pk,
        "tag": Tag.objects.get().pk,
    }
    method, path, body = WRITES[name]
    if body and "after" in body:
        body = {"after": keys[body["after"]]}
    headers = {"If-Match": '"1"'} if "{" in path else {}

    def send(key: str) -> Any:
        sent = headers | {"Idempotency-Key": key}
        return api.send(method, path.format(**keys), body, headers=sent)

    return send


@every_write
def test_a_retried_write_with_its_version_is_answered_as_the_first_was(
    api: ApiClient, alice: User, name: str
) -> None:
    send = write(api, alice, name)
    first = send(KEY)
    before = stored()

    again = send(KEY)

    status = {"delete": 204, "make": 201}.get(name.split()[0], 200)
    assert first.status_code == status
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for header in ("Content-Type", "ETag", "Content-Length", "Location"):
        assert again.headers.get(header) == first.headers.get(header)
    assert stored() == before


@pytest.mark.either_database
@every_write
def test_a_malformed_key_of_any_write_is_400(
    api: ApiClient, alice: User, name: str
) -> None:
    send = write(api, alice, name)
    before = stored()

    answer = send("malformed key")

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_key")
    assert stored() == before


#: By the ids of the operations.
KEYLESS = {
    "delete_me": Write("DELETE", "/api/me?confirm=alice"),
    "create_calendar": Write("POST", "/api/calendar"),
    "create_token": Write("POST", "/api/tokens", {"name": "Phone"}),
    "create_webhook": Write("POST", "/api/webhooks", {"url": "https://example.com/"}),
    "rotate_webhook": Write("POST", "/api/webhooks/{webhook}/rotate"),
}


@pytest.mark.parametrize("write", KEYLESS.values(), ids=KEYLESS)
def test_no_key_is_taken_where_no_response_is_stored(
    api: ApiClient, alice: User, write: Write
) -> None:
    webhook = Webhook.objects.issue(alice.pk, url="https://example.com/")
    path = write.path.format(webhook=webhook.pk)
    answer = api.send(write.method, path, write.body, headers={"Idempotency-Key": KEY})

    assert (answer.status_code, answer.json()["code"]) == (400, "key_refused")
    assert not StoredResponse.objects.exists() and not CalendarFeed.objects.exists()
    assert ApiToken.objects.get().user.is_active
    assert Webhook.objects.get().previous_secret == ""


def test_the_document_has_a_key_with_all_other_writes() -> None:
    document = tasks_api.get_openapi_schema()
    keyless = {
        name
        for name, operation in operations(document).items()
        if not OPERATIONS[name].startswith("GET")
        and "Idempotency-Key" not in {one["name"] for one in operation["parameters"]}
    }

    assert keyless == KEYLESS.keys()


def test_a_write_with_a_new_key_is_judged_by_its_version(
    api: ApiClient, alice: User
) -> None:
    send = write(api, alice, "patch")
    send(KEY)

    assert send("another").status_code == 412


@pytest.mark.django_db(transaction=True)
def test_a_key_takes_at_most_four_statements_more(alice: User) -> None:
    api, path = ApiClient(make_token(alice)), f"/api/tasks/{make_task(alice).pk}"

    def sent(title: str, headers: dict[str, str]) -> int:
        with CaptureQueriesContext(connection) as queries:
            api.send("PATCH", path, {"title": title}, headers=headers)
        return sum("SAVEPOINT" not in query["sql"] for query in queries)

    # The transaction's two, the claim of the key with the stored response, and the response.
    sent("Zero", {})
    without = sent("One", {})
    assert sent("Two", {"Idempotency-Key": "one"}) <= without + 4
    assert sent("Two", {"Idempotency-Key": "one"}) <= without + 2, "a replay"


@pytest.mark.django_db(transaction=True)
def test_a_task_with_a_key_is_counted_after_one_in_the_future(alice: User) -> None:
    """PostgreSQL's single statement does not insert it: others do, in its transaction."""
    api = ApiClient(make_token(alice))
    first = make_task(alice)
    Task.objects.filter(pk=first.pk).update(position="z" * 13)

    made = api.send("POST", "/api/tasks", {"title": "New"}, HTTP_IDEMPOTENCY_KEY=KEY)

    assert made.status_code == 201
    assert api.get("/api/tasks/counts").json()["open"] == 2


def test_the_document_tells_how_long_an_answer_is_kept(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IDEMPOTENCY_HOURS = 1_000
    monkeypatch.setattr(tasks_api, "_document", None)

    document = tasks_api.get_openapi_schema()
    monkeypatch.setattr(tasks_api, "_document", None)

    told = [
        parameter["description"]
        for operation in operations(document).values()
        for parameter in operation["parameters"]
        if parameter["name"] == "Idempotency-Key"
    ]
    assert told
    assert all(text.endswith("for 1,000 hours.") for text in told)
