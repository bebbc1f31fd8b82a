"""POST /api/tasks/batch: what is refused, and what then becomes of the others."""

from typing import Any

import pytest

from taskproject.accounts.models import User
from tasks.models import Event, Task
from tests.conftest import BY, ApiClient, make_task
from tests.support.answers import as_json
from tests.support.batches import (
    MISSING,
    PATH,
    create,
    everything,
    invalid,
    not_found,
    op,
    results,
    send,
    statuses,
    update,
)
from tests.support.problems import problem
from tests.support.rows import alone, make_list


def refused(api: ApiClient, *operations: Any, **more: Any) -> Any:
    """The problem of a batch that is not done, and of which nothing is left."""
    before = everything()
    answer = alone(api, "POST", PATH, {"operations": operations, **more})
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert everything() == before
    assert answer.json()["status"] == answer.status_code
    return answer.json()


@pytest.fixture
def others(alice: User) -> list[Task]:
    """Three open tasks, one of them in a list and tagged."""
    home = make_list(alice, "Home")
    tagged = make_task(alice, "Tagged", list_id=home.pk, tags=["errand"])
    return [make_task(alice, "a"), make_task(alice, "b"), tagged]


# All or nothing


@pytest.mark.parametrize("more", [{}, {"atomic": True}])
def test_an_atomic_batch_that_fails_changes_nothing_and_says_where(
    api: ApiClient, others: list[Task], more: Any
) -> None:
    a, b, tagged = (task.pk for task in others)

    told = refused(
        api,
        create("New", tags=["new"]),
        op("complete", tagged),
        update(tagged, tags=["other"], list=None),
        op("delete", a),
        op("complete", b),
        op("complete", MISSING),
        op("complete", MISSING + 1),
        **more,
    )

    assert told == not_found(PATH, operation=5)


@pytest.mark.parametrize("at", [0, 1, 249, 499])
def test_it_finds_the_one_at_fault_among_five_hundred(
    api: ApiClient, alice: User, at: int
) -> None:
    rows = [{"title": f"Task {number}"} for number in range(500)]
    keys = [task.pk for task in Task.objects.add_all(BY, alice.pk, rows)]
    keys[at] = MISSING

    told = refused(api, *(op("complete", key) for key in keys))

    assert told == not_found(PATH, operation=at)


def test_the_first_fault_is_the_one_that_is_told(
    api: ApiClient, others: list[Task]
) -> None:
    a, b, _ = (task.pk for task in others)

    told = refused(api, op("toggle", a), op("toggle", MISSING), update(b, title=""))

    assert told == not_found(PATH, operation=1)


# Each by itself


def test_without_atomic_each_is_done_or_told_why_not(
    api: ApiClient, bob: User, others: list[Task]
) -> None:
    theirs = make_task(bob, "Bob's own")
    before = as_json(theirs)
    a, b, tagged = others

    answer = send(
        api,
        op("complete", a.pk),
        op("complete", theirs.pk),
        op("complete", MISSING),
        op("complete", b.pk),
        create(""),
        create("New"),
        op("delete", tagged.pk),
        op("reopen", tagged.pk),
        atomic=False,
    )

    told = results(answer)
    assert statuses(answer) == [200, 404, 404, 200, 422, 201, 204, 410]
    assert [one.get("task") for one in told] == [
        as_json(a), None, None, as_json(b), None, as_json(Task.objects.get(title="New")),
        None, None,
    ]  # fmt: skip
    assert [told[at]["problem"] for at in (1, 2)] == [
        not_found(f"/api/tasks/{key}") for key in (theirs.pk, MISSING)
    ]
    assert told[7]["problem"]["restore"] == f"/api/tasks/{tagged.pk}/restore"
    assert as_json(theirs) == before
    verbs = Event.objects.filter(via="token").in_order().values_list("verb", flat=True)
    assert list(verbs) == ["completed", "completed", "created", "trashed"]


# One after the other


def test_what_was_deleted_before_is_gone(api: ApiClient, task: Task) -> None:
    told = refused(api, op("delete", task.pk), op("complete", task.pk))

    path = f"/api/tasks/{task.pk}/restore"
    assert told == problem(
        "gone", PATH, f"POST {path} restores the task.", restore=path, operation=1
    )


def test_a_version_may_stand_in_the_body_of_an_operation(
    api: ApiClient, task: Task, others: list[Task]
) -> None:
    beside = {"after": others[0].pk}
    answer = send(
        api,
        update(task.pk, title="New", version=2),
        op("move", task.pk, body=beside | {"version": 2}),
        op("update", task.pk, version=1, body={"title": "New", "version": 2}),
        op("update", task.pk, version=1, body={"title": "New", "version": 1}),
        op("move", task.pk, body=beside | {"version": 2}),
        op("move", task.pk, version=3, body=beside),
        create("New", version=1),
        atomic=False,
    )

    assert statuses(answer) == [412, 412, 422, 200, 200, 200, 422]
    [error] = results(answer)[2]["problem"]["errors"]
    assert error["pointer"] == "/operations/2/body/version"
    assert error["code"] == "two_versions"


def test_an_atomic_batch_with_a_stale_version_changes_nothing(
    api: ApiClient, task: Task, others: list[Task]
) -> None:
    told = refused(
        api, op("complete", others[0].pk), op("complete", task.pk, version=7)
    )

    assert told["code"] == "stale_version"
    assert (told["operation"], told["current"]) == (1, as_json(task))


def test_a_third_level_is_refused_be_it_made_by_one_batch(
    api: ApiClient, others: list[Task]
) -> None:
    a, b, c = (task.pk for task in others)
    below, further = update(b, parent=a), update(c, parent=b)

    for pair in ((below, further), (further, below)):
        told = refused(api, *pair)

        assert (told["code"], told["operation"]) == ("invalid", 1)
        assert told["errors"][0]["pointer"].endswith("/parent")


@pytest.mark.parametrize("member", ["list", "parent"])
def test_what_a_task_refers_to_is_the_callers(
    api: ApiClient, bob: User, task: Task, member: str
) -> None:
    theirs = make_list(bob) if member == "list" else make_task(bob)

    for operation in (
        create("New", **{member: theirs.pk}),
        update(task.pk, **{member: theirs.pk}),
    ):
        told = refused(api, op("complete", task.pk), operation)

        assert (told["code"], told["operation"]) == ("invalid", 1)
        assert told["errors"][0]["pointer"].endswith(f"/{member}")


# The form of an operation


@pytest.mark.parametrize(
    ("operation", "pointer", "detail"),
    [
        ({"op": "create"}, "/body", "The operation create needs a body."),
        ({"op": "update", "id": 1}, "/body", "The operation update needs a body."),
        ({"op": "move", "id": 1}, "/body", "The operation move needs a body."),
        (
            {"op": "toggle", "id": 1, "body": {}},
            "/body",
            "The operation toggle has no body.",
        ),
        (
            {"op": "delete", "id": 1, "body": {"title": "a"}},
            "/body",
            "The operation delete has no body.",
        ),
        ({"op": "complete"}, "/id", "The operation complete needs an id."),
        ({"op": "update", "body": {}}, "/id", "The operation update needs an id."),
        (
            {"op": "create", "id": 1, "body": {"title": "a"}},
            "/id",
            "The operation create has no id; it makes one.",
        ),
        (
            {"op": "create", "version": 1, "body": {"title": "a"}},
            "/version",
            "A new task has no version yet.",
        ),
    ],
)
def test_a_member_that_is_missing_or_too_much_is_pointed_at(
    api: ApiClient, task: Task, operation: Any, pointer: str, detail: str
) -> None:
    code = "missing" if " needs " in detail else "unexpected"
    error = (f"/operations/1{pointer}", code, detail)

    told = refused(api, op("complete", task.pk), operation)
    answer = send(api, op("complete", task.pk), operation, atomic=False)

    assert told == invalid(PATH, error, operation=1)
    assert statuses(answer) == [200, 422]
    path = f"/api/tasks/{operation['id']}" if "id" in operation else "/api/tasks"
    assert results(answer)[1]["problem"] == invalid(path, error)


@pytest.mark.parametrize(
    ("operation", "pointer"),
    [
        (create("x" * 201), "/title"),
        (create(" "), "/title"),
        ({"op": "create", "body": {}}, "/title"),
        (create("a", titel="b"), "/titel"),
        (create("a", tags=["x" * 51]), "/tags/0"),
        (update(1, title=""), "/title"),
        (update(1, priority="highest"), "/priority"),
        (update(1, due_date="2026-02-30"), "/due_date"),
        (op("move", 1, body={"before": 0}), "/before"),
        (op("move", 1, body={}), ""),
        (op("move", 1, body={"before": 1, "after": 2}), ""),
    ],
)
def test_a_bad_body_is_pointed_at_within_the_batch(
    api: ApiClient, task: Task, operation: Any, pointer: str
) -> None:
    told = refused(api, *([op("complete", task.pk)] * 3), operation)

    assert (told["status"], told["code"], told["operation"]) == (422, "invalid", 3)
    [error] = told["errors"]
    assert (error["in"], error["pointer"]) == ("body", f"/operations/3/body{pointer}")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/operations"),
        ({"operations": []}, "/operations"),
        ({"operations": [op("toggle", 1)] * 501}, "/operations"),
        ({"operations": {}}, "/operations"),
        ({"operations": [op("explode", 1)]}, "/operations/0/op"),
        ({"operations": [{"id": 1}]}, "/operations/0/op"),
        ({"operations": [op("toggle", 0)]}, "/operations/0/id"),
        ({"operations": [op("toggle", 2**63)]}, "/operations/0/id"),
        ({"operations": [{"op": "toggle", "id": "1"}]}, "/operations/0/id"),
        ({"operations": [{"op": "toggle", "id": None}]}, "/operations/0/id"),
        ({"operations": [op("toggle", 1, version=0)]}, "/operations/0/version"),
        ({"operations": [op("toggle", 1, why="so")]}, "/operations/0/why"),
        ({"operations": [op("update", 1, body=[])]}, "/operations/0/body"),
        ({"operations": [op("toggle", 1)], "atomic": "yes"}, "/atomic"),
        ({"operations": [op("toggle", 1)], "atomc": True}, "/atomc"),
    ],
)
def test_what_is_no_batch_is_refused_whole(
    api: ApiClient, task: Task, body: Any, pointer: str
) -> None:
    before = everything()

    answer = api.send("POST", PATH, body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert everything() == before


# Where every change needs a version


def test_where_versions_are_required_each_but_create_needs_one(
    api: ApiClient, settings: Any, task: Task
) -> None:
    settings.REQUIRE_IF_MATCH = True

    answer = send(
        api,
        create("New"),
        op("complete", task.pk),
        op("complete", task.pk, version=1),
        atomic=False,
    )

    assert statuses(answer) == [201, 428, 200]
    assert results(answer)[1]["problem"] == problem(
        "version_required",
        f"/api/tasks/{task.pk}",
        'Send the version that you read, as If-Match: "7" or, except with '
        "DELETE, as `version` in the body.",
    )


def test_where_versions_are_required_an_atomic_batch_without_one_is_refused(
    api: ApiClient, settings: Any, task: Task
) -> None:
    settings.REQUIRE_IF_MATCH = True

    told = refused(api, create("New"), op("complete", task.pk))

    assert (told["code"], told["operation"]) == ("version_required", 1)
