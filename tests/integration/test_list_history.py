"""GET /api/tasks/{id}/history"""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from taskproject.accounts.models import User
from tasks import cursors
from tasks.models import Actor, Event, Task
from tests.conftest import ApiClient, make_task
from tests.support.answers import rfc3339


@pytest.fixture
def task(alice: User) -> Task:
    return make_task(alice, "Buy milk")


def history(api: ApiClient, task: Task, query: str = "") -> Any:
    answer = api.send("GET", f"/api/tasks/{task.pk}/history{query}")
    assert answer.status_code == 200
    return answer.json()


def test_it_tells_who_changed_what_and_when_newest_first(
    api: ApiClient, alice: User, carol: User
) -> None:
    by = Actor(alice.pk, "token")
    task = Task.objects.add(by, owner_id=alice.pk, title="Buy milk")
    by = Actor(carol.pk, "admin")
    Task.objects.filter(pk=task.pk).edit(by, title="Buy bread", completed=True)

    page = history(api, task)

    edited, created = Event.objects.order_by("-sequence")
    assert page == {
        "items": [
            {
                "sequence": edited.sequence,
                "at": rfc3339(edited.at),
                "verb": "edited",
                "task_id": task.pk,
                "list_id": None,
                "tag_id": None,
                "version": 2,
                "actor": {"id": carol.pk, "username": "carol"},
                "via": "admin",
                "request": None,
                "changes": {
                    "title": {"old": "Buy milk", "new": "Buy bread"},
                    "completed": {"old": False, "new": True},
                },
            },
            {
                "sequence": created.sequence,
                "at": rfc3339(created.at),
                "verb": "created",
                "task_id": task.pk,
                "list_id": None,
                "tag_id": None,
                "version": 1,
                "actor": {"id": alice.pk, "username": "alice"},
                "via": "token",
                "request": None,
                "changes": {"title": {"old": None, "new": "Buy milk"}},
            },
        ],
        "next_cursor": None,
    }


def test_it_tells_of_this_task_only(api: ApiClient, task: Task, alice: User) -> None:
    make_task(alice, "Other")

    assert len(history(api, task)["items"]) == 1


def test_it_tells_of_the_trash_and_of_the_deletion(api: ApiClient, task: Task) -> None:
    path = f"/api/tasks/{task.pk}"
    api.send("DELETE", path)
    assert history(api, task)["items"][0]["verb"] == "trashed"
    api.send("POST", f"{path}/restore")
    api.send("DELETE", f"{path}?permanent=true")

    verbs = [item["verb"] for item in history(api, task)["items"]]

    assert verbs == ["deleted", "restored", "trashed", "created"]


def test_a_service_without_a_user_is_nobody(api: ApiClient, task: Task) -> None:
    Task.objects.filter(pk=task.pk).toggle(Actor(None, "command"))

    assert history(api, task)["items"][0]["actor"] is None


@pytest.mark.parametrize("key", [999_999, 2**63 - 1, 2**63, 10**30])
def test_a_missing_task_is_404(api: ApiClient, key: int) -> None:
    assert api.send("GET", f"/api/tasks/{key}/history").status_code == 404


def test_the_new_owner_sees_nothing_from_before_the_transfer(
    api: ApiClient, bobs_api: ApiClient, task: Task, bob: User
) -> None:
    by = Actor(None, "command")
    Task.objects.filter(pk=task.pk).edit(by, title="Secret")
    Task.objects.filter(pk=task.pk).edit(by, owner_id=bob.pk)
    Task.objects.filter(pk=task.pk).edit(by, title="Bob's")

    def verbs(client: ApiClient) -> list[str]:
        return [item["verb"] for item in history(client, task)["items"]]

    assert verbs(bobs_api) == ["edited", "transferred"]
    assert verbs(api) == ["transferred", "edited", "created"]


def test_pages_walk_everything_once(api: ApiClient, alice: User, task: Task) -> None:
    for _ in range(6):
        Task.objects.filter(pk=task.pk).toggle(Actor(alice.pk, "token"))
    path, versions = f"/api/tasks/{task.pk}/history?limit=3", []
    sizes = []

    next_path: str | None = path
    while next_path:
        answer = api.send("GET", next_path)
        page = answer.json()
        sizes.append(len(page["items"]))
        versions += [item["version"] for item in page["items"]]
        link = answer.headers.get("Link")
        assert (link is None) == (page["next_cursor"] is None)
        next_path = link and link[1 : link.index(">")]

    assert versions == [7, 6, 5, 4, 3, 2, 1]
    assert sizes == [3, 3, 1]


def test_a_page_does_not_move_while_changes_are_made(
    api: ApiClient, alice: User, task: Task
) -> None:
    by = Actor(alice.pk, "token")
    for _ in range(3):
        Task.objects.filter(pk=task.pk).toggle(by)
    cursor = history(api, task, "?limit=2")["next_cursor"]
    Task.objects.filter(pk=task.pk).toggle(by)

    page = history(api, task, f"?limit=2&cursor={cursor}")

    assert [item["version"] for item in page["items"]] == [2, 1]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "after=x", "cursor=", "cursor=nonsense"]
    + [f"cursor={cursors.encode(kind, 1)}" for kind in ("before", "after", "trash")],
)
def test_it_refuses_a_bad_query(api: ApiClient, task: Task, query: str) -> None:
    answer = api.send("GET", f"/api/tasks/{task.pk}/history?{query}")

    assert answer.status_code == 422


def test_a_task_whose_events_are_purged_has_an_empty_history(
    api: ApiClient, task: Task, alice: User
) -> None:
    make_task(alice, "Newer")
    Event.objects.update(at=timezone.now() - timedelta(days=91))
    call_command("purge", verbosity=0)

    assert history(api, task) == {"items": [], "next_cursor": None}


def test_the_number_of_queries_does_not_depend_on_the_length(
    api: ApiClient, task: Task, alice: User, bob: User, queries: CaptureQueriesContext
) -> None:
    history(api, task)
    counts: list[int] = []

    for _ in range(2):
        before = len(queries)
        history(api, task)
        counts.append(len(queries) - before)
        for number in range(10):
            actor = Actor((alice, bob)[number % 2].pk, "admin")
            Task.objects.filter(pk=task.pk).toggle(actor)

    assert counts[0] == counts[1] <= 3
