"""PATCH and DELETE /api/lists/{id}, POST /api/lists/{id}/move"""

from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.models import Task, TaskList
from tests.conftest import BY, ApiClient, make_old_task, make_task
from tests.support.answers import as_json
from tests.support.rows import (
    MOVES,
    alone,
    event,
    ids,
    latest,
    list_json,
    make_list,
    news,
)

# Changing one


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        ({"name": " Groceries "}, {"name": ("Shopping", "Groceries")}),
        ({"name": "SHOPPING"}, {"name": ("Shopping", "SHOPPING")}),
        ({"archived": True}, {"archived": (False, True)}),
        (
            {"name": "Groceries", "archived": True},
            {"name": ("Shopping", "Groceries"), "archived": (False, True)},
        ),
    ],
)
def test_it_changes_what_was_sent_and_nothing_else(
    api: ApiClient, alice: User, body: dict[str, Any], changes: dict[str, Any]
) -> None:
    row = make_list(alice)
    old, since = list_json(row), latest(api)

    answer = api.send("PATCH", f"/api/lists/{row.pk}", body)

    new = list_json(row)
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"2.2"'
    assert answer.json() == new
    told = {name: values[1] for name, values in changes.items()}
    assert new == old | told | {"updated_at": new["updated_at"], "version": 2}
    assert row.updated_at > row.created_at
    assert news(api, since) == [
        event(alice, "edited", 2, list_id=row.pk, changes=changes)
    ]


def test_a_name_that_was_given_up_is_free_again(api: ApiClient, alice: User) -> None:
    row = make_list(alice, "Shopping")
    api.send("PATCH", f"/api/lists/{row.pk}", {"name": "Groceries"})

    answer = api.send("POST", "/api/lists", {"name": "shopping"})

    assert answer.status_code == 201


def test_renaming_a_list_leaves_its_tasks_alone(api: ApiClient, alice: User) -> None:
    row = make_list(alice)
    task = make_old_task(alice, list_id=row.pk)
    before = as_json(task)

    api.send("PATCH", f"/api/lists/{row.pk}", {"name": "Groceries"})

    assert as_json(task) == before


# Deleting one


def test_deleting_a_list_keeps_its_tasks_in_no_list(
    api: ApiClient, alice: User
) -> None:
    row, other = make_list(alice), make_list(alice, "Work")
    task, done = (
        make_old_task(alice, list_id=row.pk, completed=done) for done in (False, True)
    )
    trashed = make_task(alice, list_id=row.pk)
    elsewhere = make_task(alice, list_id=other.pk)
    Task.objects.filter(pk=trashed.pk).trash(BY)
    old, untouched = [as_json(each) for each in (task, done)], as_json(elsewhere)
    since = latest(api)

    answer = api.send("DELETE", f"/api/lists/{row.pk}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert list(TaskList.objects.all()) == [other]
    new = [as_json(each) for each in (task, done)]
    assert new == [
        before | {"list": None, "version": 2, "updated_at": after["updated_at"]}
        for before, after in zip(old, new, strict=True)
    ]
    assert as_json(elsewhere) == untouched
    trashed.refresh_from_db()
    assert (trashed.list_id, trashed.version) == (None, 3)
    assert trashed.deleted_at is not None
    left = {"list": (row.pk, None)}
    assert sorted(news(api, since), key=lambda each: str(each["task_id"])) == sorted(
        [
            event(
                alice, "edited", 2, task_id=task.pk, changes=left, task=as_json(task)
            ),
            event(
                alice, "edited", 2, task_id=done.pk, changes=left, task=as_json(done)
            ),
            event(alice, "edited", 3, task_id=trashed.pk, changes=left),
            event(alice, "deleted", 2, list_id=row.pk),
        ],
        key=lambda each: str(each["task_id"]),
    )


def test_deleting_a_list_with_its_tasks_takes_them_to_the_trash(
    api: ApiClient, alice: User
) -> None:
    row, other = make_list(alice), make_list(alice, "Work")
    task, trashed = make_task(alice, list_id=row.pk), make_task(alice, list_id=row.pk)
    elsewhere = make_task(alice, list_id=other.pk)
    Task.objects.filter(pk=trashed.pk).trash(BY)
    since = latest(api)

    answer = api.send("DELETE", f"/api/lists/{row.pk}?tasks=delete")

    assert (answer.status_code, answer.content) == (204, b"")
    assert list(TaskList.objects.all()) == [other]
    assert list(Task.objects.live()) == [elsewhere]
    for each, version in ((task, 2), (trashed, 3)):
        each.refresh_from_db()
        assert (each.list_id, each.version) == (None, version)
        assert each.deleted_at is not None
    left = {"list": (row.pk, None)}
    assert news(api, since) == [
        event(alice, "trashed", 2, task_id=task.pk, changes=left),
        event(alice, "edited", 3, task_id=trashed.pk, changes=left),
        event(alice, "deleted", 2, list_id=row.pk),
    ]


@pytest.mark.parametrize("query", ["", "?tasks=keep", "?tasks=delete"])
def test_a_task_of_a_deleted_list_can_be_restored_into_no_list(
    api: ApiClient, alice: User, query: str
) -> None:
    row = make_list(alice)
    task = make_task(alice, list_id=row.pk)
    Task.objects.filter(pk=task.pk).trash(BY)
    api.send("DELETE", f"/api/lists/{row.pk}{query}")

    answer = api.send("POST", f"/api/tasks/{task.pk}/restore")

    assert (answer.status_code, answer.json()) == (200, as_json(task))
    assert answer.json()["list"] is None


def test_a_deleted_list_is_missing_and_its_name_is_free(
    api: ApiClient, alice: User
) -> None:
    path = f"/api/lists/{make_list(alice).pk}"
    api.send("DELETE", path)

    assert api.send("GET", path).status_code == 404
    assert alone(api, "DELETE", path).status_code == 404
    assert api.send("POST", "/api/lists", {"name": "shopping"}).status_code == 201


def test_deleting_costs_the_same_whatever_the_number_of_tasks(
    api: ApiClient, alice: User, queries: CaptureQueriesContext
) -> None:
    costs = []
    api.send("GET", "/api/me")  # notes the token's use
    for number in (2, 30):
        row = make_list(alice)
        for _ in range(number):
            make_task(alice, list_id=row.pk)
        before = len(queries)
        api.send("DELETE", f"/api/lists/{row.pk}")
        costs.append(len(queries) - before)

    assert costs[0] == costs[1]


# Moving one


def names(api: ApiClient) -> str:
    return "".join(
        item["name"] for item in api.send("GET", "/api/lists").json()["items"]
    )


@pytest.mark.parametrize(("moved", "place", "other", "order"), MOVES)
def test_it_puts_a_list_beside_another_one(
    api: ApiClient, alice: User, moved: str, place: str, other: str, order: str
) -> None:
    rows = {name: make_list(alice, name) for name in "abc"}
    row, old = rows[moved], list_json(rows[moved])
    rest = [list_json(rows[name]) for name in "abc" if name != moved]
    since = latest(api)

    answer = api.send("POST", f"/api/lists/{row.pk}/move", {place: rows[other].pk})

    new = list_json(row)
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"2.2"'
    assert answer.json() == new
    kept = {name: new[name] for name in ("position", "updated_at")}
    assert new == old | kept | {"version": 2}
    assert names(api) == order
    assert [list_json(rows[name]) for name in "abc" if name != moved] == rest
    assert news(api, since) == [
        event(
            alice,
            "moved",
            2,
            list_id=row.pk,
            changes={"position": (old["position"], new["position"])},
        )
    ]


@pytest.mark.parametrize(
    ("moved", "end", "order"),
    [
        ("c", "first", "cab"),
        ("a", "first", "abc"),
        ("a", "last", "bca"),
        ("c", "last", "abc"),
    ],
)
def test_it_puts_a_list_at_an_end(
    api: ApiClient, alice: User, bob: User, moved: str, end: str, order: str
) -> None:
    rows = {name: make_list(alice, name) for name in "abc"}
    make_list(bob)

    answer = api.send("POST", f"/api/lists/{rows[moved].pk}/move", {"position": end})

    assert (answer.status_code, answer.json()) == (200, list_json(rows[moved]))
    assert (names(api), rows[moved].version) == (order, 1 if order == "abc" else 2)


@pytest.mark.parametrize("end", ["first", "last"])
def test_the_only_list_is_at_both_ends(api: ApiClient, alice: User, end: str) -> None:
    row = make_list(alice)

    api.send("POST", f"/api/lists/{row.pk}/move", {"position": end})

    assert list_json(row)["version"] == 1


def test_moving_a_list_to_where_it_is_changes_nothing(
    api: ApiClient, alice: User
) -> None:
    rows = {name: make_list(alice, name) for name in "abc"}
    since = latest(api)

    for moved, place, other in (
        ("b", "after", "a"),
        ("b", "before", "c"),
        ("a", "before", "b"),
        ("c", "after", "b"),
    ):
        row = rows[moved]
        before = list_json(row)
        answer = api.send("POST", f"/api/lists/{row.pk}/move", {place: rows[other].pk})
        assert (answer.status_code, answer.headers["ETag"]) == (200, '"1.2"')
        assert answer.json() == before == list_json(row)
    assert news(api, since) == []


def test_the_tasks_of_a_moved_list_stay_as_they_are(
    api: ApiClient, alice: User
) -> None:
    first, second = make_list(alice, "a"), make_list(alice, "b")
    task = make_task(alice, list_id=second.pk)
    before = as_json(task)

    api.send("POST", f"/api/lists/{second.pk}/move", {"before": first.pk})

    assert as_json(task) == before
    assert ids(api.send("GET", f"/api/tasks?list={second.pk}")) == [task.pk]
