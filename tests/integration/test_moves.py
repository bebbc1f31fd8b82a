"""POST /api/tasks/{id}/move, and where tasks are without it"""

from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.limits import POSITION_LENGTH
from tasks.models import Task
from tests.conftest import BY, ApiClient, make_task
from tests.support.answers import as_json
from tests.support.problems import assert_problem
from tests.support.rows import (
    MOVES,
    alone,
    assert_refused,
    event,
    latest,
    make_list,
    news,
)


def order(api: ApiClient, query: str = "") -> str:
    """The titles, in the manual order."""
    answer = api.send("GET", f"/api/tasks?sort=position{query}")
    assert answer.status_code == 200
    places = [item["position"] for item in answer.json()["items"]]
    assert places == sorted(set(places)), "positions rise strictly"
    return "".join(item["title"] for item in answer.json()["items"])


def make(owner: User, titles: str = "abc", **fields: Any) -> dict[str, Task]:
    return {title: make_task(owner, title, **fields) for title in titles}


def move(api: ApiClient, task: Task, **place: Any) -> Any:
    return api.send("POST", f"/api/tasks/{task.pk}/move", place)


# Moving


@pytest.mark.parametrize(("moved", "place", "other", "expected"), MOVES)
def test_it_puts_a_task_beside_another_and_changes_no_other(
    api: ApiClient, alice: User, moved: str, place: str, other: str, expected: str
) -> None:
    tasks = make(alice)
    task, rest = tasks.pop(moved), [*tasks.values()]
    old, others = as_json(task), [as_json(each) for each in rest]
    since = latest(api)

    answer = move(api, task, **{place: tasks[other].pk})

    new = as_json(task)
    assert (answer.status_code, answer.json()) == (200, new)
    assert answer.headers["ETag"] == '"2.3"'
    kept = {name: new[name] for name in ("position", "updated_at")}
    assert new == old | kept | {"version": 2}
    assert order(api) == expected
    assert [as_json(each) for each in rest] == others
    changes = {"position": (old["position"], new["position"])}
    assert news(api, since) == [
        event(alice, "moved", 2, task_id=task.pk, task=new, changes=changes)
    ]


@pytest.mark.parametrize(("place", "expected"), [("before", "xza"), ("after", "xaz")])
def test_it_takes_the_task_into_the_list_of_the_other(
    api: ApiClient, alice: User, place: str, expected: str
) -> None:
    home, work = make_list(alice, "home"), make_list(alice, "work")
    task = make(alice, "z", list_id=home.pk)["z"]
    there = make(alice, "xa", list_id=work.pk)
    old, since = as_json(task), latest(api)

    answer = move(api, task, **{place: there["a"].pk})

    new = as_json(task)
    assert (answer.status_code, answer.json()) == (200, new)
    assert (new["list"], new["version"]) == (work.pk, 2)
    assert order(api, f"&list={work.pk}") == expected
    assert order(api, f"&list={home.pk}") == ""
    changes = {
        "list": (home.pk, work.pk),
        "position": (old["position"], new["position"]),
    }
    assert news(api, since) == [
        event(alice, "moved", 2, task_id=task.pk, task=new, changes=changes)
    ]


def test_a_subtask_moves_and_keeps_its_parent(api: ApiClient, alice: User) -> None:
    parent = make_task(alice, "p")
    children = make(alice, "abc", parent_id=parent.pk)

    answer = move(api, children["c"], before=children["a"].pk)

    assert (answer.json(), answer.json()["parent"]) == (
        as_json(children["c"]),
        parent.pk,
    )
    assert order(api, f"&parent={parent.pk}") == "cab"


def test_a_task_comes_back_from_the_trash_to_its_place(
    api: ApiClient, alice: User
) -> None:
    tasks = make(alice, "abcd")
    api.send("DELETE", f"/api/tasks/{tasks['b'].pk}")
    move(api, tasks["d"], before=tasks["a"].pk)

    api.send("POST", f"/api/tasks/{tasks['b'].pk}/restore")

    assert order(api) == "dabc"


def test_a_task_whose_place_was_taken_meanwhile_comes_back_at_the_end(
    api: ApiClient, alice: User
) -> None:
    tasks = make(alice, "abcd")
    move(api, tasks["c"], after=tasks["a"].pk)
    api.send("DELETE", f"/api/tasks/{tasks['c'].pk}")
    move(api, tasks["d"], after=tasks["a"].pk)
    since = latest(api)

    answer = api.send("POST", f"/api/tasks/{tasks['c'].pk}/restore")

    assert (answer.status_code, answer.json()) == (200, as_json(tasks["c"]))
    assert order(api) == "adbc"
    [restored] = news(api, since)
    assert (restored["verb"], list(restored["changes"])) == ("restored", ["position"])


def test_tasks_of_a_deleted_list_keep_their_places_but_those_that_are_taken(
    api: ApiClient, alice: User
) -> None:
    row = make_list(alice)
    tasks = {
        title: make_task(alice, title, list_id=list_id)
        for title, list_id in (("a", row.pk), ("b", None), ("c", row.pk), ("d", None))
    }
    for title in "bc":
        Task.objects.filter(pk=tasks[title].pk).update(position="n0a")

    api.send("DELETE", f"/api/lists/{row.pk}")

    assert order(api) == "badc"
    assert as_json(tasks["a"])["version"] == as_json(tasks["c"])["version"] == 2


def test_it_costs_the_same_in_a_long_list(
    api: ApiClient, alice: User, queries: CaptureQueriesContext
) -> None:
    api.send("GET", "/api/me")  # notes the token's use
    costs, updates = [], []
    for number in (3, 40):
        tasks = [make_task(alice, str(each)) for each in range(number)]
        before = len(queries)
        assert move(api, tasks[0], after=tasks[1].pk).status_code == 200
        sent = [query["sql"] for query in queries.captured_queries[before:]]
        costs.append(len(sent))
        updates.append(sum(sql.startswith('UPDATE "tasks_') for sql in sent))

    assert costs[0] == costs[1]
    assert updates == [1, 1]


# Where tasks are without a move


def test_tasks_that_are_added_together_keep_their_order(
    api: ApiClient, alice: User
) -> None:
    Task.objects.add_all(BY, alice.pk, [{"title": title} for title in "zyxw"])

    assert order(api) == "zyxw"


def test_tasks_that_change_their_list_together_keep_their_order(
    api: ApiClient, alice: User
) -> None:
    row = make_list(alice)
    make_task(alice, "a", list_id=row.pk)
    make(alice, "zyxw")

    Task.objects.owned_by(alice.pk).edit(BY, list_id=row.pk)

    assert order(api, f"&list={row.pk}") == "azyxw"


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_another_list_puts_the_task_at_its_end(
    api: ApiClient, alice: User, method: str
) -> None:
    row = make_list(alice)
    first = make_task(alice, "a")
    make(alice, "xy", list_id=row.pk)

    answer = api.send(method, f"/api/tasks/{first.pk}", {"title": "a", "list": row.pk})

    assert (answer.status_code, answer.json()) == (200, as_json(first))
    assert order(api, f"&list={row.pk}") == "xya"


@pytest.mark.parametrize("body", [{"title": "A"}, {"completed": True}, {"list": None}])
def test_what_is_no_move_keeps_the_place(
    api: ApiClient, alice: User, body: dict[str, Any]
) -> None:
    task = make(alice)["a"]
    before = task.position

    api.send("PATCH", f"/api/tasks/{task.pk}", body)

    assert as_json(task)["position"] == before


# Refusals


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("which", ["itself", "bob's", "missing", "trashed"])
def test_it_moves_beside_another_live_task_of_the_callers_only(
    api: ApiClient, alice: User, bob: User, place: str, which: str
) -> None:
    task, theirs, trashed = make_task(alice), make_task(bob), make_task(alice)
    Task.objects.filter(pk=trashed.pk).trash(BY)
    before = as_json(task)
    others = {
        "itself": task.pk,
        "bob's": theirs.pk,
        "missing": theirs.pk + 1000,
        "trashed": trashed.pk,
    }
    path = f"/api/tasks/{task.pk}/move"

    answer = alone(api, "POST", path, {place: others[which]})

    detail = "You have no other task with this id."
    assert_refused(answer, path, f"/{place}", "not_found", detail)
    assert as_json(task) == before


def test_a_move_at_another_version_is_412_and_tells_the_task(
    api: ApiClient, alice: User
) -> None:
    tasks = make(alice)
    move(api, tasks["b"], before=tasks["a"].pk)
    before = as_json(tasks["b"])
    path = f"/api/tasks/{tasks['b'].pk}/move"

    place = {"after": tasks["c"].pk}
    answer = api.send("POST", path, place, headers={"If-Match": '"1"'})

    assert api.send("POST", path, place | {"version": 1}).json() == answer.json()
    assert (answer.status_code, answer.headers["ETag"]) == (412, '"2.3"')
    assert_problem(
        answer,
        "stale_version",
        path,
        "Merge with `current`, then send its version.",
        current=before,
        changed=["position"],
    )
    assert as_json(tasks["b"]) == before


def test_thousands_of_moves_to_one_place_are_refused_in_words(
    api: ApiClient, alice: User
) -> None:
    tasks = make(alice)
    full = "z" * (POSITION_LENGTH - 1)
    Task.objects.filter(pk=tasks["a"].pk).update(position=full + "h")
    Task.objects.filter(pk=tasks["b"].pk).update(position=full + "i")
    before = as_json(tasks["c"])
    path = f"/api/tasks/{tasks['c'].pk}/move"

    answer = alone(api, "POST", path, {"after": tasks["a"].pk})

    assert_problem(answer, "no_room", path, "Move it to the start or the end first.")
    assert as_json(tasks["c"]) == before
