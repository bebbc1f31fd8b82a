"""Subtasks: the `parent` of a task, one level deep"""

import pytest

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import BY, ApiClient, make_old_task, make_task
from tests.support.answers import as_json
from tests.support.rows import alone, assert_refused, event, latest, news

THIRD_LEVEL = "A subtask can have no subtasks of its own."
HAS_SUBTASKS = "A task with subtasks cannot become one."


@pytest.fixture
def parent(alice: User) -> Task:
    return make_old_task(alice, title="Party")


def test_a_subtask_is_made_under_its_parent(
    api: ApiClient, alice: User, parent: Task
) -> None:
    since = latest(api)

    answer = api.send("POST", "/api/tasks", {"title": "Cake", "parent": parent.pk})

    child = Task.objects.get(title="Cake")
    assert (answer.status_code, answer.json()) == (201, as_json(child))
    assert answer.json()["parent"] == parent.pk
    changes = {"title": (None, "Cake"), "parent": (None, parent.pk)}
    assert news(api, since) == [
        event(
            alice,
            "created",
            1,
            task_id=child.pk,
            task=as_json(child),
            parents=[as_json(parent)],
            changes=changes,
        )
    ]


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_task_becomes_a_subtask_and_a_task_again(
    api: ApiClient, alice: User, parent: Task, method: str
) -> None:
    task = make_old_task(alice, title="Cake")
    path = f"/api/tasks/{task.pk}"
    since = latest(api)

    into = api.send(method, path, {"title": "Cake", "parent": parent.pk})
    told = as_json(task)
    out = api.send(method, path, {"title": "Cake", "parent": None})

    assert (into.status_code, into.json()) == (200, told)
    assert (out.status_code, out.json()) == (200, as_json(task))
    assert (into.json()["parent"], out.json()["parent"]) == (parent.pk, None)
    now = as_json(task)
    assert news(api, since) == [
        event(
            alice,
            "edited",
            version,
            task_id=task.pk,
            task=now,
            parents=[as_json(parent)],
            changes={"parent": pair},
        )
        for version, pair in ((2, (None, parent.pk)), (3, (parent.pk, None)))
    ]


def test_the_parent_tells_how_many_of_its_subtasks_are_open(
    api: ApiClient, alice: User, bob: User, parent: Task
) -> None:
    for completed in (False, False, True):
        make_task(alice, parent_id=parent.pk, completed=completed)
    trashed = make_task(alice, parent_id=parent.pk)
    Task.objects.filter(pk=trashed.pk).trash(BY)

    one = api.send("GET", f"/api/tasks/{parent.pk}")
    [listed] = api.send("GET", "/api/tasks?parent=none").json()["items"]

    assert one.json() == listed == as_json(parent)
    assert one.json()["open_subtasks"] == 2


def test_every_answer_of_a_change_tells_the_open_subtasks(
    api: ApiClient, alice: User, parent: Task
) -> None:
    make_task(alice, parent_id=parent.pk)
    path = f"/api/tasks/{parent.pk}"

    for method, suffix, body in (
        ("PUT", "", {"title": "a"}),
        ("PATCH", "", {"title": "b"}),
        ("POST", "/toggle", None),
        ("POST", "/toggle", None),
        ("POST", "/complete", None),
        ("POST", "/reopen", None),
        ("POST", "/restore", None),
    ):
        answer = api.send(method, path + suffix, body)
        assert (answer.status_code, answer.json()) == (200, as_json(parent))
        assert answer.json()["open_subtasks"] == 1


def test_completing_a_parent_completes_no_subtask(
    api: ApiClient, alice: User, parent: Task
) -> None:
    child = make_old_task(alice, parent_id=parent.pk)
    before = as_json(child)

    answer = api.send("POST", f"/api/tasks/{parent.pk}/complete")

    assert (answer.status_code, answer.json()) == (200, as_json(parent))
    assert (answer.json()["completed"], answer.json()["open_subtasks"]) == (True, 1)
    assert as_json(child) == before


def test_the_parents_etag_changes_with_the_number_of_open_subtasks(
    api: ApiClient, alice: User, parent: Task
) -> None:
    path = f"/api/tasks/{parent.pk}"
    tags = [api.send("GET", path).headers["ETag"]]

    for _ in range(2):
        child = make_task(alice, parent_id=parent.pk)
        answer = api.send("GET", path, headers={"If-None-Match": tags[-1]})
        assert answer.status_code == 200
        tags.append(answer.headers["ETag"])
    api.send("POST", f"/api/tasks/{child.pk}/complete")
    answer = api.send("GET", path, headers={"If-None-Match": tags[-1]})

    assert (answer.status_code, answer.headers["ETag"]) == (200, tags[1])
    assert tags == ['"1.3"', '"1.3-1"', '"1.3-2"']
    again = api.send("GET", path, headers={"If-None-Match": tags[1]})
    assert (again.status_code, again.content) == (304, b"")


def test_if_match_takes_the_etag_whatever_became_of_the_subtasks(
    api: ApiClient, alice: User, parent: Task
) -> None:
    path = f"/api/tasks/{parent.pk}"
    make_task(alice, parent_id=parent.pk)
    tag = api.send("GET", path).headers["ETag"]
    make_task(alice, parent_id=parent.pk)

    answer = api.send("PATCH", path, {"title": "b"}, headers={"If-Match": tag})
    stale = api.send("PATCH", path, {"title": "c"}, headers={"If-Match": tag})

    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2.3-2"')
    assert (stale.status_code, stale.json()["current"]) == (412, as_json(parent))
    assert stale.headers["ETag"] == '"2.3-2"'


def test_a_parent_in_the_trash_keeps_its_subtasks_where_they_are(
    api: ApiClient, alice: User, parent: Task
) -> None:
    child = make_old_task(alice, parent_id=parent.pk)
    before = as_json(child)

    api.send("DELETE", f"/api/tasks/{parent.pk}")
    answer = api.send("GET", f"/api/tasks/{child.pk}")
    api.send("POST", f"/api/tasks/{parent.pk}/restore")

    assert (answer.status_code, answer.json()) == (200, before)
    assert as_json(child) == before
    assert api.send("GET", f"/api/tasks/{parent.pk}").json()["open_subtasks"] == 1


@pytest.mark.parametrize("trashed", [False, True])
def test_the_subtasks_of_a_deleted_parent_become_tasks_of_their_own(
    api: ApiClient, alice: User, parent: Task, trashed: bool
) -> None:
    child = make_old_task(alice, parent_id=parent.pk)
    gone = make_task(alice, parent_id=parent.pk)
    Task.objects.filter(pk=gone.pk).trash(BY)
    if trashed:
        api.send("DELETE", f"/api/tasks/{parent.pk}")
    old, since = as_json(child), latest(api)

    answer = api.send("DELETE", f"/api/tasks/{parent.pk}?permanent=true")

    assert (answer.status_code, answer.content) == (204, b"")
    new = as_json(child)
    freed = {"parent": None, "version": 2, "updated_at": new["updated_at"]}
    assert new == old | freed
    gone.refresh_from_db()
    assert (gone.parent_id, gone.version) == (None, 3)
    happened = news(api, since)
    changes = {"parent": (parent.pk, None)}
    assert sorted(happened[:-1], key=lambda each: int(each["task_id"])) == [
        event(alice, "edited", 2, task_id=child.pk, task=new, changes=changes),
        event(alice, "edited", 3, task_id=gone.pk, changes=changes),
    ]
    version = 3 if trashed else 2
    assert happened[-1] == event(alice, "deleted", version, task_id=parent.pk)


def test_a_subtask_can_be_in_another_list_than_its_parent(
    api: ApiClient, alice: User, parent: Task
) -> None:
    row = api.send("POST", "/api/lists", {"name": "Shopping"}).json()["id"]
    body = {"title": "Cake", "parent": parent.pk, "list": row}

    answer = api.send("POST", "/api/tasks", body)

    assert (answer.status_code, answer.json()["list"]) == (201, row)


# Refusals

CODE_OF = {
    "You have no task with this id.": "not_found",
    "A subtask can have no subtasks of its own.": "is_subtask",
    "A task cannot be its own parent.": "own_parent",
    "A task with subtasks cannot become one.": "has_subtasks",
}


def refused(api: ApiClient, task: Task | None, parent: int, detail: str) -> None:
    """Neither way makes the task a subtask of this parent; None: nor a new one."""
    body = {"title": "Cake", "parent": parent}
    before = task and as_json(task)
    requests = [("POST", "/api/tasks")] if task is None else []
    if task is not None:
        requests = [(way, f"/api/tasks/{task.pk}") for way in ("PUT", "PATCH")]
    for method, path in requests:
        answer = alone(api, method, path, body)
        assert_refused(answer, path, "/parent", CODE_OF[detail], detail)
    assert (task and as_json(task)) == before


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("trashed", [False, True])
def test_a_subtask_has_no_subtasks_of_its_own(
    api: ApiClient, alice: User, parent: Task, existing: bool, trashed: bool
) -> None:
    child = make_task(alice, parent_id=parent.pk)
    if trashed:
        Task.objects.filter(pk=parent.pk).trash(BY)

    refused(api, make_task(alice) if existing else None, child.pk, THIRD_LEVEL)


@pytest.mark.parametrize("trashed", [False, True])
def test_a_task_with_subtasks_becomes_none(
    api: ApiClient, alice: User, parent: Task, trashed: bool
) -> None:
    child = make_task(alice, parent_id=parent.pk)
    if trashed:  # it may come back
        Task.objects.filter(pk=child.pk).trash(BY)

    refused(api, parent, make_task(alice).pk, HAS_SUBTASKS)


def test_a_task_is_never_its_own_parent(api: ApiClient, parent: Task) -> None:
    refused(api, parent, parent.pk, "A task cannot be its own parent.")


def test_a_subtask_saved_as_it_is_read_stays_so_even_under_a_trashed_parent(
    api: ApiClient, alice: User, parent: Task
) -> None:
    child = make_task(alice, parent_id=parent.pk)
    Task.objects.filter(pk=parent.pk).trash(BY)
    before = as_json(child)
    body = {"title": child.title, "parent": parent.pk}

    for method in ("PUT", "PATCH"):
        answer = alone(api, method, f"/api/tasks/{child.pk}", body)
        assert (answer.status_code, answer.json()) == (200, before)
