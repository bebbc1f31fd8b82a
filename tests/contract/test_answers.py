"""Every answer is what the OpenAPI document says: status, headers, media type, body."""

from datetime import date
from typing import Any

import pytest

from taskproject.accounts.deletion import receipt
from taskproject.accounts.models import ApiToken, User
from tasks.models import CalendarFeed, Event, Tag, Webhook
from tests.conftest import ApiClient, make_task, make_token
from tests.contract.document import OPERATIONS, fulfils
from tests.support.rows import alone, make_job, make_list

FILTERS = (
    "completed=false&list=none&parent=none&priority=none&priority=high&has_due=true"
    "&overdue=true&due_before=2999-12-31&due_after=1999-12-31T00:00:00Z"
    "&created_after=2000-01-01T00:00:00Z&updated_after=2000-01-01T00:00:00Z"
    "&tag=HOME&q=buy&sort=due&tz=Europe/Lisbon&limit=1"
)


PREVIEW = "/api/recurrences/preview?recurrence=FREQ%3DMONTHLY&due_date=2027-01-31"
REMINDED = {
    "title": "Pay the rent",
    "due_date": "2990-12-31",
    "reminders": [{"minutes_before": 30}, {"at": "2990-12-30T08:00:00Z"}],
}


def test_the_example_of_a_new_task_is_accepted(api: ApiClient, document: Any) -> None:
    for example in document["components"]["schemas"]["TaskIn"]["examples"]:
        fulfils(document, "create_task", api.send("POST", "/api/tasks", example))


def test_each_answer_is_what_the_document_says(
    api: ApiClient, alice: User, document: Any
) -> None:
    path = f"/api/tasks/{make_task(alice, tags=['home'], due_date=date(2000, 1, 1)).pk}"
    another = make_task(alice, "Another").pk
    made = Event.objects.of_task(make_task(alice, "New").pk).get().sequence
    series: dict[str, Any] = {
        "due_date": date(2990, 1, 31),
        "recurrence": "FREQ=MONTHLY",
    }
    repeated = make_task(alice, "Pay the rent", **series).pk
    make_task(alice, "Sub", parent_id=another, tags=["urgent"])
    lists = [make_list(alice, name).pk for name in ("Shopping", "Work", "Rest")]
    a_list, a_tag = (
        f"/api/lists/{lists[0]}",
        f"/api/tags/{Tag.objects.earliest('pk').pk}",
    )
    due = {"due_at": "2026-12-31T17:00:00.5+01:00", "due_timezone": "Europe/Lisbon"}
    new = {"title": "New", "list": lists[0], "parent": another, "priority": "urgent"}
    _, secret = CalendarFeed.objects.issue(alice.pk)
    spare = ApiToken.objects.matching(make_token(alice)).get()
    url = "https://example.com/"
    hook = f"/api/webhooks/{Webhook.objects.issue(alice.pk, url=url).pk}"
    batch = {
        "atomic": False,
        "operations": [
            {"op": "create", "body": {"title": "New"}},
            {"op": "complete", "id": another},
            {"op": "complete", "id": another, "version": 999},
            {"op": "delete", "id": 2**62},
            {"op": "update", "id": another, "body": {"titel": "New"}},
        ],
    }
    said: list[tuple[str, str, str, Any]] = [
        ("list_tasks", "GET", "/api/tasks", None),
        ("list_tasks", "GET", "/api/tasks?limit=1", None),
        ("list_tasks", "GET", "/api/tasks?completed=true", None),
        ("list_tasks", "GET", f"/api/tasks?{FILTERS}", None),
        ("list_tasks", "GET", f"/api/tasks?parent={another}&q=su&tz=Asia/Tokyo", None),
        *(
            ("list_tasks", "GET", f"/api/tasks?sort={sort}&limit=1", None)
            for sort in ("-due", "priority", "title", "position", "updated", "created")
        ),
        ("count_tasks", "GET", "/api/tasks/counts", None),
        ("count_tasks", "GET", "/api/tasks/counts?tz=America/Lima", None),
        ("create_task", "POST", "/api/tasks", {"title": "New"}),
        ("create_task", "POST", "/api/tasks", new | {"tags": ["Home", "new"], **due}),
        ("create_task", "POST", "/api/tasks", {"title": "Done", "completed": True}),
        ("get_task", "GET", path, None),
        ("replace_task", "PUT", path, {"title": "Replaced"}),
        ("update_task", "PATCH", path, {"completed": True}),
        ("update_task", "PATCH", path, {"due_date": None, "list": None, "tags": []}),
        ("move_task", "POST", f"{path}/move", {"after": another}),
        ("toggle_task", "POST", f"{path}/toggle", None),
        ("complete_task", "POST", f"{path}/complete", None),
        ("reopen_task", "POST", f"{path}/reopen", None),
        ("batch_tasks", "POST", "/api/tasks/batch", batch),
        ("delete_task", "DELETE", path, None),
        ("list_trash", "GET", "/api/tasks/trash", None),
        ("list_lists", "GET", "/api/lists", None),
        ("list_lists", "GET", "/api/lists?limit=1&archived=false", None),
        ("create_list", "POST", "/api/lists", {"name": "New", "archived": True}),
        ("get_list", "GET", a_list, None),
        ("update_list", "PATCH", a_list, {"archived": True}),
        ("move_list", "POST", f"{a_list}/move", {"after": lists[1]}),
        ("list_tags", "GET", "/api/tags", None),
        ("list_tags", "GET", "/api/tags?limit=1", None),
        ("get_tag", "GET", a_tag, None),
        ("rename_tag", "PATCH", a_tag, {"name": "House"}),
        ("delete_tag", "DELETE", a_tag, None),
        ("delete_list", "DELETE", f"{a_list}?tasks=delete", None),
        ("restore_task", "POST", f"{path}/restore", None),
        ("empty_trash", "DELETE", "/api/tasks/trash", None),
        ("list_history", "GET", f"{path}/history", None),
        ("list_changes", "GET", "/api/changes", None),
        ("stream_changes", "GET", "/api/changes/stream", None),
        ("undo_changes", "POST", "/api/undo", {"event": made}),
        ("get_snapshot", "GET", "/api/snapshot?tz=Asia/Tokyo", None),
        ("create_task", "POST", "/api/tasks", REMINDED),
        ("skip_task", "POST", f"/api/tasks/{repeated}/skip", None),
        ("complete_task", "POST", f"/api/tasks/{repeated}/complete", None),
        ("preview_recurrence", "GET", PREVIEW, None),
        ("list_reminders", "GET", "/api/reminders?status=pending", None),
        *(
            ("export_tasks", "GET", f"/api/tasks/export?format={kind}", None)
            for kind in ("jsonl", "csv", "ics")
        ),
        ("read_calendar", "GET", f"/api/calendar/{secret}.ics", None),
        ("create_calendar", "POST", "/api/calendar", None),
        ("get_calendar", "GET", "/api/calendar", None),
        ("delete_calendar", "DELETE", "/api/calendar", None),
        ("export_me", "GET", "/api/me/export", None),
        ("get_me", "GET", "/api/me", None),
        ("update_me", "PATCH", "/api/me", {"timezone": "Europe/Lisbon"}),
        ("create_token", "POST", "/api/tokens", {"name": "Phone", "scopes": ["read"]}),
        ("list_tokens", "GET", "/api/tokens?limit=1", None),
        ("revoke_token", "DELETE", f"/api/tokens/{spare.pk}", None),
        ("create_webhook", "POST", "/api/webhooks", {"url": "https://example.com/"}),
        ("list_webhooks", "GET", "/api/webhooks?limit=1", None),
        ("get_webhook", "GET", hook, None),
        ("update_webhook", "PATCH", hook, {"verbs": ["created"]}),
        ("rotate_webhook", "POST", f"{hook}/rotate", None),
        ("test_webhook", "POST", f"{hook}/test", None),
        ("redeliver_webhook", "POST", f"{hook}/redeliver", {"event": made}),
        ("list_deliveries", "GET", f"{hook}/deliveries", None),
        ("delete_webhook", "DELETE", hook, None),
        ("get_job", "GET", f"/api/jobs/{make_job(alice).pk}", None),
        ("get_deletion", "GET", f"/api/deletions/{receipt(make_job(alice))}", None),
        ("list_problems", "GET", "/api/problems", None),
        ("delete_me", "DELETE", "/api/me?confirm=alice", None),
    ]
    assert {operation for operation, *_ in said} == set(OPERATIONS)

    for operation, method, where, body in said:
        answer = api.send(method, where, body)
        assert answer.status_code < 300, operation
        fulfils(document, operation, answer)


@pytest.mark.parametrize(
    "operation", ["list_tasks", "get_task", "count_tasks", "get_list", "get_tag"]
)
def test_an_answer_that_the_caller_has_is_what_the_document_says(
    api: ApiClient, alice: User, document: Any, operation: str
) -> None:
    task = make_task(alice, tags=["home"])
    ids = {
        "task_id": task.pk,
        "list_id": make_list(alice).pk,
        "tag_id": Tag.objects.get().pk,
    }
    path = OPERATIONS[operation].removeprefix("GET ").format(**ids)
    whole = api.send("GET", path)
    fulfils(document, operation, whole)

    answer = api.send("GET", path, headers={"If-None-Match": whole.headers["ETag"]})

    assert answer.status_code == 304
    fulfils(document, operation, answer)


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("operation", "status", "method", "path", "body"),
    [
        ("create_task", 400, "POST", "/api/tasks", None),
        ("create_task", 422, "POST", "/api/tasks", {"titel": "a"}),
        ("list_tasks", 422, "GET", "/api/tasks?limit=0", None),
        ("get_task", 404, "GET", "/api/tasks/0", None),
        ("replace_task", 404, "PUT", "/api/tasks/0", {"title": "a"}),
        ("update_task", 422, "PATCH", "/api/tasks/0", {"title": None}),
        ("delete_task", 404, "DELETE", "/api/tasks/0", None),
        ("toggle_task", 404, "POST", "/api/tasks/0/toggle", None),
        ("move_task", 404, "POST", "/api/tasks/0/move", {"before": 1}),
        ("create_task", 422, "POST", "/api/tasks", {"title": "a", "list": 999_999}),
        ("create_list", 409, "POST", "/api/lists", {"name": "SHOPPING"}),
        ("create_list", 422, "POST", "/api/lists", {"name": ""}),
        ("list_lists", 422, "GET", "/api/lists?cursor=x", None),
        ("get_list", 404, "GET", "/api/lists/0", None),
        ("update_list", 404, "PATCH", "/api/lists/0", {"name": "a"}),
        ("delete_list", 404, "DELETE", "/api/lists/0", None),
        ("move_list", 404, "POST", "/api/lists/0/move", {"before": 1}),
        ("list_tags", 422, "GET", "/api/tags?cursor=x", None),
        ("get_tag", 404, "GET", "/api/tags/0", None),
        ("rename_tag", 404, "PATCH", "/api/tags/0", {"name": "a"}),
        ("delete_tag", 404, "DELETE", "/api/tags/0", None),
        ("count_tasks", 422, "GET", "/api/tasks/counts?tz=x", None),
        ("update_me", 422, "PATCH", "/api/me", {"timezone": "x"}),
        ("get_me", 422, "GET", "/api/me?x=1", None),
        ("list_problems", 422, "GET", "/api/problems?x=1", None),
    ],
)
def test_each_error_is_what_the_document_says(
    api: ApiClient,
    alice: User,
    document: Any,
    operation: str,
    status: int,
    method: str,
    path: str,
    body: Any,
) -> None:
    make_list(alice, "Shopping")

    answer = alone(api, method, path, body)

    assert answer.status_code == status
    fulfils(document, operation, answer)


def test_a_stale_version_of_each_kind_is_told_as_the_document_says(
    api: ApiClient, alice: User, document: Any
) -> None:
    task, row = make_task(alice, tags=["home"]), make_list(alice)
    for operation, path, body in (
        ("update_task", f"/api/tasks/{task.pk}", {"title": "a"}),
        ("update_list", f"/api/lists/{row.pk}", {"name": "a"}),
        ("rename_tag", f"/api/tags/{Tag.objects.get().pk}", {"name": "a"}),
    ):
        answer = alone(api, "PATCH", path, body, **{"If-Match": '"7"'})

        assert answer.status_code == 412
        assert answer.json()["current"]["version"] == 1
        form = 3 if operation == "update_task" else 2
        assert answer.headers["ETag"] == f'"1.{form}"'
        fulfils(document, operation, answer)


def test_a_refused_caller_gets_what_the_document_says(
    nobody: ApiClient, alice: User, document: Any
) -> None:
    fulfils(document, "list_tasks", nobody.send("GET", "/api/tasks"))
    reader = ApiClient(make_token(alice, "read"))
    fulfils(document, "create_task", reader.send("POST", "/api/tasks", {"title": "a"}))
