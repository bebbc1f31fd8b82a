"""`client_id`: the id that a client gives to a task that it creates"""

from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.models import Event, Task
from tests.conftest import BY, ApiClient, make_task
from tests.support.answers import as_json
from tests.support.files import load, task, write
from tests.support.rows import alone, ids, make_list
from tests.support.threads import at_once, request

OWN = "3f2b1c0e-7d4a-4c6b-9e1f-2a5d8c7b6e90"
OTHER = "0b8e2f6a-1c3d-4e5f-8a9b-7c6d5e4f3a2b"
NEW = {"title": "Buy milk", "client_id": OWN}


def create(api: ApiClient, **members: Any) -> Any:
    return api.send("POST", "/api/tasks", NEW | members)


# Creating


def test_it_is_kept_and_shown(api: ApiClient) -> None:
    answer = create(api)

    stored = Task.objects.get()
    assert answer.status_code == 201
    assert answer.json() == as_json(stored)
    assert answer.json()["client_id"] == OWN
    assert stored.client_id == UUID(OWN)
    path = answer.headers["Location"]
    assert api.send("GET", path).json() == answer.json()
    assert api.send("GET", "/api/tasks").json()["items"] == [answer.json()]
    assert api.send("GET", "/api/changes").json()["items"][0]["task"] == answer.json()


@pytest.mark.parametrize("again", [OWN, OWN.upper()])
@pytest.mark.parametrize("with_list", [False, True])
def test_creating_it_again_is_the_same_task(
    api: ApiClient, alice: User, again: str, with_list: bool
) -> None:
    members = {"list": make_list(alice).pk} if with_list else {}
    first = create(api, **members)
    api.send("PATCH", first.headers["Location"], {"completed": True})
    before = as_json(Task.objects.get()), Event.objects.count()

    answer = create(api, title="Other", client_id=again, **members)

    assert answer.status_code == 200
    assert answer.headers["Location"] == first.headers["Location"]
    assert answer.headers["ETag"] == '"2.3"'
    assert answer.json() == before[0]
    assert (as_json(Task.objects.get()), Event.objects.count()) == before


def test_of_a_task_in_the_trash_it_is_410(api: ApiClient) -> None:
    path = create(api).headers["Location"]
    api.send("DELETE", path)

    answer = create(api)

    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    assert answer.json()["restore"] == f"{path}/restore"
    assert Task.objects.get().version == 2


def test_of_a_deleted_task_it_creates_a_new_one(api: ApiClient) -> None:
    path = create(api).headers["Location"]
    api.send("DELETE", f"{path}?permanent=true")

    assert create(api).status_code == 201


def test_it_is_each_owners_own(
    api: ApiClient, bobs_api: ApiClient, alice: User, bob: User
) -> None:
    assert [create(each).status_code for each in (api, bobs_api)] == [201, 201]

    Task.objects.owned_by(alice.pk).edit(BY, owner_id=bob.pk)

    given = Task.objects.order_by("pk").values_list("owner", "client_id")
    assert [*given] == [(bob.pk, None), (bob.pk, UUID(OWN))]


def test_null_and_none_are_no_id(api: ApiClient) -> None:
    answers = [create(api, client_id=None), create(api, client_id=None)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert Task.objects.filter(client_id=None).count() == 2


def test_it_is_not_changed_by_writes(api: ApiClient, staff: Any) -> None:
    path = create(api).headers["Location"]
    operations = [{"op": "update", "id": Task.objects.get().pk, "body": {"title": "B"}}]
    api.send("POST", "/api/tasks/batch", {"operations": operations})
    api.send("PUT", path, {"title": "C"})
    api.send("DELETE", path)

    answer = api.send("POST", f"{path}/restore")

    assert (answer.json()["version"], answer.json()["client_id"]) == (5, OWN)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_it_is_set_only_on_creation(api: ApiClient, alice: User, method: str) -> None:
    path = f"/api/tasks/{make_task(alice).pk}"

    answer = api.send(method, path, NEW)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/client_id"]


def test_the_database_has_it_once(alice: User) -> None:
    make_task(alice, client_id=UUID(OWN))
    other = make_task(alice)

    with pytest.raises(IntegrityError), transaction.atomic():
        Task.objects.filter(pk=other.pk).update(client_id=UUID(OWN))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("members", [{}, {"tags": ["home"]}])
def test_requests_at_once_create_one_task(
    alice: User, token: str, members: dict[str, Any]
) -> None:
    answers = at_once([request(token, "POST", "/api/tasks", NEW | members)] * 8)

    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 7}
    assert {answer.content for answer in answers} == {answers[0].content}
    assert Event.objects.filter(verb="created", task_id__isnull=False).count() == 1
    counts = ApiClient(token).send("GET", "/api/tasks/counts").json()
    assert counts["open"] == 1


@pytest.mark.django_db(transaction=True)
def test_it_takes_no_more_statements(alice: User, token: str) -> None:
    api, statements = ApiClient(token), []
    api.send("POST", "/api/tasks", {"title": "First"})
    for members in ({}, {"client_id": OWN}):
        with CaptureQueriesContext(connection) as queries:
            api.send("POST", "/api/tasks", {"title": "Buy milk", **members})
        statements.append(len(queries))

    # On SQLite, which has no single statement, it is looked up.
    more = 0 if connection.vendor == "postgresql" else 1
    assert statements[1] == statements[0] + more


# Finding


def test_it_is_found(api: ApiClient, alice: User, bob: User) -> None:
    found = create(api).json()["id"]
    make_task(alice, client_id=uuid4())
    make_task(bob, client_id=UUID(OWN))

    for query in (f"client_id={OWN}", f"client_id={OWN.upper()}&sort=title"):
        assert ids(api.send("GET", f"/api/tasks?{query}")) == [found]
    assert ids(api.send("GET", f"/api/tasks?client_id={uuid4()}")) == []
    assert ids(api.send("GET", f"/api/tasks?client_id={OWN}&completed=true")) == []


# Files


@pytest.mark.parametrize("term", [OWN, OWN.upper()])
def test_staff_find_and_see_it(staff: Any, alice: User, bob: User, term: str) -> None:
    for owner in (alice, bob):
        make_task(owner, owner.username, client_id=UUID(OWN))
    other = make_task(alice, "Other", client_id=UUID(OTHER))

    page = staff.get("/admin/tasks/task/", {"q": term}).content.decode()

    assert ">alice</a>" in page and ">bob</a>" in page
    assert "Other" not in page
    page = staff.get(f"/admin/tasks/task/{other.pk}/change/").content.decode()
    assert OTHER in page and 'name="client_id"' not in page


def test_a_row_with_the_client_id_of_a_task_is_that_task(
    alice: User, tmp_path: Path
) -> None:
    """Of another installation, where its external id is another one: its subtasks come
    below the task that is there."""
    stored = make_task(alice, client_id=UUID(OWN))
    path = tmp_path / "tasks.jsonl"
    write(
        path,
        task("a:1", title="Elsewhere", client_id=OWN),
        task("a:2", title="Sub", parent="a:1", client_id=str(uuid4())),
    )

    for new in (1, 0):
        output = load(path, "--owner=alice")
        assert output.startswith(f"Imported {new} task"), output

    assert as_json(stored)["title"] == "Buy milk"
    [sub] = Task.objects.exclude(pk=stored.pk)
    assert (sub.title, sub.parent_id) == ("Sub", stored.pk)


def import_errors(path: Path) -> str:
    """The errors of an import that is refused."""
    error = StringIO()
    with pytest.raises(CommandError):
        call_command(
            "import_tasks",
            str(path),
            owner="alice",
            format=path.suffix[1:],
            stdout=error,
            stderr=error,
        )
    return error.getvalue()


@pytest.mark.parametrize("value", ["x", OWN.replace("-", ""), 1, "0" * 36])
def test_a_row_with_another_value_is_refused(
    alice: User, tmp_path: Path, value: object
) -> None:
    path, rows = tmp_path / "tasks.jsonl", tmp_path / "tasks.csv"
    write(path, task("a:1", client_id=value))
    rows.write_text(f"title,client_id\nBuy milk,{value}\n")

    for file in (path, rows):
        assert "client_id is" in import_errors(file)
    assert not Task.objects.exists()


def test_two_rows_with_one_are_refused(alice: User, tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    write(path, task("a:1", client_id=OWN), task("a:2", client_id=OWN.upper()))

    assert f"The client_id {OWN} is used by an earlier row." in import_errors(path)


# Batches


def batch(api: ApiClient, *operations: Any, atomic: bool = True) -> Any:
    body = {"atomic": atomic, "operations": operations}
    return alone(api, "POST", "/api/tasks/batch", body)


def test_a_batch_refers_to_what_it_creates(api: ApiClient) -> None:
    sub = {"title": "Sub", "parent": {"client_id": OWN}}
    operations = [
        {"op": "create", "body": NEW},
        {"op": "create", "body": sub},
        {"op": "complete", "id": {"client_id": OWN.upper()}},
    ]

    answer = batch(api, *operations)

    assert answer.status_code == 200
    statuses = [one["status"] for one in answer.json()["results"]]
    top, below, completed = (one["task"] for one in answer.json()["results"])
    assert statuses == [201, 201, 200]
    assert (below["parent"], completed["id"]) == (top["id"], top["id"])
    stored = {task.pk: as_json(task) for task in Task.objects.all()}
    assert stored == {top["id"]: completed | {"open_subtasks": 1}, below["id"]: below}
    assert [*stored] == sorted(stored)


def test_a_repeated_batch_creates_nothing_twice(api: ApiClient) -> None:
    operations = [
        {"op": "create", "body": NEW},
        {"op": "create", "body": {"title": "Other", "client_id": str(uuid4())}},
        {"op": "update", "id": {"client_id": OWN}, "body": {"priority": "high"}},
    ]
    first = batch(api, *operations).json()["results"]
    before = Event.objects.count()

    second = batch(api, *operations).json()["results"]

    assert [one["status"] for one in second] == [200, 200, 200]
    assert [one["task"] for one in second] == [first[2]["task"], first[1]["task"]] + [
        first[2]["task"]
    ]
    assert Event.objects.count() == before


def test_a_repeated_batch_leaves_a_series_as_it_is(api: ApiClient) -> None:
    series = {**NEW, "recurrence": "FREQ=DAILY", "due_date": "2999-01-01"}
    create = {"op": "create", "body": series}
    [first] = batch(api, create).json()["results"]

    [again] = batch(api, create).json()["results"]

    assert again == first | {"status": 200}
    completed = {"op": "create", "body": {**series, "completed": True}}
    assert batch(api, completed).json()["results"] == [again]


def test_two_operations_with_one_client_id_create_one_task(api: ApiClient) -> None:
    answer = batch(api, {"op": "create", "body": NEW}, {"op": "create", "body": NEW})

    first, second = answer.json()["results"]
    assert (first["status"], second["status"]) == (201, 200)
    assert first["task"] == second["task"] == as_json(Task.objects.get())


def test_a_batch_refers_to_tasks_that_exist(api: ApiClient, alice: User) -> None:
    top = make_task(alice, client_id=UUID(OWN))
    sub = make_task(alice, "Sub")
    move = {"op": "update", "id": sub.pk, "body": {"parent": {"client_id": OWN}}}

    answer = batch(api, move, {"op": "delete", "id": {"client_id": OWN}})

    assert answer.status_code == 200
    sub.refresh_from_db()
    top.refresh_from_db()
    assert sub.parent_id == top.pk
    assert top.deleted_at is not None
    again = batch(api, {"op": "create", "body": NEW})
    assert (again.status_code, again.json()["operation"]) == (410, 0)


@pytest.mark.parametrize("reference", ["7c9e6679-7425-40de-944b-e07fc1f90ae7", OWN])
def test_a_reference_to_nothing_or_to_what_comes_later_is_an_error(
    api: ApiClient, bob: User, reference: str
) -> None:
    make_task(bob, client_id=UUID(OWN))
    known = {"client_id": reference}
    operations = [
        {"op": "create", "body": {"title": "Sub", "parent": known}},
        {"op": "toggle", "id": known},
        {"op": "create", "body": NEW},
    ]
    detail = (
        "You have no task with this client_id, and no earlier operation creates it."
    )

    results = batch(api, *operations, atomic=False).json()["results"]

    assert [one["status"] for one in results] == [422, 404, 201]
    [error] = results[0]["problem"]["errors"]
    assert error == {
        "in": "body",
        "pointer": "/operations/0/body/parent",
        "code": "not_found",
        "detail": detail,
    }
    assert results[1]["problem"]["detail"] == detail
    assert results[1]["problem"]["instance"] == "/api/tasks"


def test_a_reference_to_what_was_not_created_is_an_error(api: ApiClient) -> None:
    operations = [
        {"op": "create", "body": NEW | {"list": 999_999}},
        {"op": "create", "body": {"title": "Sub", "parent": {"client_id": OWN}}},
        {"op": "toggle", "id": {"client_id": OWN}},
        {"op": "create", "body": NEW},
        {"op": "toggle", "id": {"client_id": OWN}},
    ]

    results = batch(api, *operations, atomic=False).json()["results"]

    assert [one["status"] for one in results] == [422, 422, 404, 201, 200]


@pytest.mark.parametrize("key", [{}, {"client_id": "x"}, {"client_id": OWN, "id": 1}])
def test_a_malformed_reference_is_refused(api: ApiClient, key: Any) -> None:
    answer = batch(api, {"op": "toggle", "id": key})

    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["pointer"].startswith("/operations/0/id/")


def test_a_single_task_refers_to_its_parent(api: ApiClient) -> None:
    top = create(api).json()["id"]
    sub = api.send("POST", "/api/tasks", {"title": "Sub", "parent": {"client_id": OWN}})
    other = api.send("POST", "/api/tasks", {"title": "Other"})
    body = {"parent": {"client_id": OWN}}

    changed = api.send("PATCH", other.headers["Location"], body)

    assert (sub.status_code, sub.json()["parent"]) == (201, top)
    assert (changed.status_code, changed.json()["parent"]) == (200, top)
    assert changed.json()["version"] == 2
    assert api.send("PATCH", other.headers["Location"], body).json()["version"] == 2


def test_a_batch_takes_two_statements_more(api: ApiClient, alice: User) -> None:
    statements = []
    for members in ({}, {"client_id": OWN}):
        body = {"title": "Buy milk", **members}
        with CaptureQueriesContext(connection) as queries:
            batch(api, {"op": "create", "body": body})
        statements.append(len(queries))

    assert statements[1] <= statements[0] + 2


def test_a_task_is_moved_beside_the_one_that_has_it(
    api: ApiClient, alice: User
) -> None:
    key = make_list(alice).pk
    target = make_task(alice, client_id=UUID(OWN), list_id=key).pk
    moved = make_task(alice, "Moved").pk
    path = f"/api/tasks/{moved}/move"

    answer = api.send("POST", path, {"before": {"client_id": OWN}})

    assert answer.json()["list"] == key
    assert ids(api.send("GET", f"/api/tasks?list={key}&sort=position")) == [
        moved,
        target,
    ]


@pytest.mark.parametrize("key", [OTHER, OWN])
def test_no_task_is_moved_beside_one_that_is_not_there(
    api: ApiClient, alice: User, bob: User, key: str
) -> None:
    make_task(bob, client_id=UUID(OTHER))
    path = f"/api/tasks/{make_task(alice).pk}/move"

    answer = api.send("POST", path, {"after": {"client_id": key}})

    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/after", "not_found")


def test_a_batch_moves_tasks_beside_those_that_it_creates(
    api: ApiClient, alice: User
) -> None:
    one = make_task(alice, "One").pk

    def move(side: str, key: str) -> Any:
        body = {side: {"client_id": key}}
        return {"op": "move", "id": one, "body": body}

    made = {"op": "create", "body": NEW}
    answer = api.send(
        "POST", "/api/tasks/batch", {"operations": [made, move("after", OWN)]}
    )

    new = answer.json()["results"][0]["task"]["id"]
    assert ids(api.send("GET", "/api/tasks?sort=position")) == [new, one]
    operations = {"operations": [move("before", OTHER)]}
    answer = api.send("POST", "/api/tasks/batch", operations)
    [error] = answer.json()["errors"]
    assert error["pointer"] == "/operations/0/body/before"
    assert (answer.status_code, error["code"]) == (422, "not_found")
