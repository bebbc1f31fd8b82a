"""ETag, If-None-Match and If-Match (RFC 9110, section 13)."""

from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from taskproject.accounts.models import User
from tasks.models import Actor, Event, Task
from tests.conftest import BY, ApiClient, make_task
from tests.support.admin import page_of
from tests.support.answers import as_json
from tests.support.changes import World, form_of
from tests.support.rows import tables

BODY = {"title": "New title"}


class Operation(NamedTuple):
    """A change of one task, and how the task is before it."""

    method: str
    suffix: str = ""
    body: Any = None
    completed: bool = False
    trashed: bool = False
    status: int = 200


OPERATIONS = {
    "put": Operation("PUT", body=BODY),
    "patch": Operation("PATCH", body=BODY),
    "delete": Operation("DELETE", status=204),
    "delete for good": Operation("DELETE", "?permanent=true", status=204),
    "toggle": Operation("POST", "/toggle"),
    "complete": Operation("POST", "/complete"),
    "reopen": Operation("POST", "/reopen", completed=True),
    "restore": Operation("POST", "/restore", trashed=True),
}
every_operation = pytest.mark.parametrize("name", OPERATIONS)


def make(owner: User, name: str) -> Task:
    """A task at version 3 that the operation would change."""
    operation, by = OPERATIONS[name], Actor(owner.pk, "command")
    task = make_task(owner, completed=operation.completed)
    tasks = Task.objects.filter(pk=task.pk)
    tasks.edit(by, description="One")
    if operation.trashed:
        tasks.trash(by)
    else:
        tasks.edit(by, description="Two")
    task.refresh_from_db()
    return task


def send(api: ApiClient, name: str, key: int, if_match: str | None) -> Any:
    operation = OPERATIONS[name]
    headers = {} if if_match is None else {"If-Match": if_match}
    path = f"/api/tasks/{key}{operation.suffix}"
    return api.send(operation.method, path, operation.body, headers=headers)


def stored() -> list[Any]:
    return tables(Task, Event)


# The ETag of a task


def test_a_read_task_carries_its_version_as_a_strong_etag(
    api: ApiClient, alice: User
) -> None:
    task = make(alice, "patch")

    for method in ("GET", "HEAD"):
        answer = api.send(method, f"/api/tasks/{task.pk}")
        assert answer.headers["ETag"] == '"3.3"'


@pytest.mark.parametrize(
    "name", [name for name, operation in OPERATIONS.items() if operation.status == 200]
)
def test_a_changed_task_carries_its_new_version_as_etag(
    api: ApiClient, alice: User, name: str
) -> None:
    answer = send(api, name, make(alice, name).pk, None)

    assert answer.headers["ETag"] == '"4.3"'
    assert answer.json()["version"] == 4


def test_a_task_that_the_caller_has_is_304_and_any_other_is_answered_whole(
    api: ApiClient, alice: User
) -> None:
    path = f"/api/tasks/{make_task(alice).pk}"
    has = ('"1.3"', 'W/"1.3"', '"7", "1.3"', '"7",W/"1.3" , "9"', "*", ' "1.3" ')
    has_not = ('"2.3"', 'W/"2.3"', "1", '"1"', 'W/"1"', '"1.1"', '"11.3"', "")

    for header in has:
        answer = api.send("GET", path, headers={"If-None-Match": header})
        assert (answer.status_code, answer.content) == (304, b""), header
        assert answer.headers["ETag"] == '"1.3"'
    for header in (*has_not, '"2", "3"'):
        answer = api.send("GET", path, headers={"If-None-Match": header})
        assert (answer.status_code, answer.json()["version"]) == (200, 1), header


def test_a_condition_hides_neither_absence_nor_trash(
    api: ApiClient, alice: User
) -> None:
    trashed = make(alice, "restore")
    headers = {"If-None-Match": "*"}

    assert api.send("GET", "/api/tasks/999999", headers=headers).status_code == 404
    answer = api.send("GET", f"/api/tasks/{trashed.pk}", headers=headers)
    assert answer.status_code == 410


# The ETag of the list


@pytest.mark.either_database
@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', "*"])
def test_every_form_of_if_none_match_is_understood_for_the_list(
    api: ApiClient, alice: User, form: str
) -> None:
    make_task(alice)
    tag = api.send("GET", "/api/tasks").headers["ETag"]

    headers = {"If-None-Match": form.format(tag)}

    assert api.send("GET", "/api/tasks", headers=headers).status_code == 304


def test_a_transfer_changes_the_tags_of_both_owners(
    world: World, bobs_api: ApiClient
) -> None:
    both = (world.api, bobs_api)
    tags = [api.send("GET", "/api/tasks").headers["ETag"] for api in both]

    world.staff.post(page_of(world.task), form_of(world, owner=str(world.bob.pk)))

    for api, tag in zip(both, tags, strict=True):
        answer = api.send("GET", "/api/tasks", headers={"If-None-Match": tag})
        assert answer.status_code == 200
    assert len(bobs_api.send("GET", "/api/tasks").json()["items"]) == 1


def test_somebody_elses_change_leaves_the_tag_alone(
    api: ApiClient, alice: User, bob: User
) -> None:
    make_task(alice)
    tag = api.send("GET", "/api/tasks").headers["ETag"]

    make_task(bob)

    headers = {"If-None-Match": tag}
    assert api.send("GET", "/api/tasks", headers=headers).status_code == 304


def test_a_tag_never_comes_back_after_its_events_were_purged(
    api: ApiClient, alice: User
) -> None:
    empty = api.send("GET", "/api/tasks").headers["ETag"]
    make_task(alice)
    Event.objects.update(at=timezone.now() - timedelta(days=91))
    call_command("purge", verbosity=0)

    answer = api.send("GET", "/api/tasks", headers={"If-None-Match": empty})

    assert answer.status_code == 200
    assert len(answer.json()["items"]) == 1


# If-Match


RIGHT = [
    *('"3"', '"7", "3"', '"7","3" ,W/"9"', "*", None),
    # What changes without the version, no write is about.
    *('"3-2"', '"3-overdue"', '"3-12overdue"', '"9-1", "3-"'),
    *('"3.3"', '"3.1-2"', '"3.17-12overdue"'),
    *('"3-gzip"', '"3.2-gzip"', '"3.17-12overdue-gzip"'),
]
STALE = [
    *('"2"', '"4"', '"0"', '"03"', '"33"', '"abc"', '""', 'W/"2"', '"1", W/"33"'),
    *(f'"{10**17 + 3}"', f'"{10**30}"', '"2-3"', '"2.3"', '"2-gzip"', 'W/"33-3"'),
]


@every_operation
def test_a_change_at_the_right_version_is_made(
    api: ApiClient, alice: User, name: str
) -> None:
    for header in RIGHT:
        task = make(alice, name)

        answer = send(api, name, task.pk, header)

        assert answer.status_code == OPERATIONS[name].status, header
        latest = Event.objects.of_task(task.pk).latest("sequence")
        assert latest.version == 4, header


@every_operation
def test_a_change_at_another_version_is_412_and_stores_nothing(
    api: ApiClient, alice: User, name: str
) -> None:
    task = make(alice, name)
    before = stored()

    for header in STALE:
        with transaction.atomic():  # rolled back alone
            answer = send(api, name, task.pk, header)

        assert answer.status_code == 412, header
        assert answer.json()["code"] == "stale_version", header
        assert answer.headers["ETag"] == '"3.3"'
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert stored() == before, header


@every_operation
def test_a_stale_change_is_told_the_task_as_it_is_now(
    api: ApiClient, alice: User, name: str
) -> None:
    task = make(alice, name)

    problem = send(api, name, task.pk, '"2"').json()

    assert problem["current"] == as_json(task)
    assert problem["current"]["version"] == 3
    changed = [] if OPERATIONS[name].trashed else ["description"]
    assert problem["changed"] == changed


@pytest.mark.either_database
@every_operation
def test_a_malformed_condition_is_400_and_stores_nothing(
    api: ApiClient, alice: User, name: str
) -> None:
    task = make(alice, name)
    before = stored()

    for header in ("3", "'3'", "", "W/3", '"3', "v3"):
        answer = send(api, name, task.pk, header)

        assert answer.status_code == 400, header
        problem = answer.json()
        assert problem["code"] == "malformed_condition"
        assert problem["detail"] == 'Send If-Match: "7", in double quotes, or *.'
        assert stored() == before, header


@pytest.mark.either_database
@every_operation
def test_a_change_without_a_condition_is_428_where_one_is_required(
    api: ApiClient, alice: User, name: str, settings: Any
) -> None:
    settings.REQUIRE_IF_MATCH = True
    task = make(alice, name)
    before = stored()

    answer = send(api, name, task.pk, None)

    assert answer.status_code == 428
    assert answer.json()["code"] == "version_required"
    assert stored() == before
    assert send(api, name, task.pk, '"3"').status_code == OPERATIONS[name].status


@pytest.mark.either_database
def test_creating_and_reading_need_no_condition_even_where_one_is_required(
    api: ApiClient, settings: Any
) -> None:
    settings.REQUIRE_IF_MATCH = True

    answer = api.send("POST", "/api/tasks", BODY)

    assert answer.status_code == 201
    assert api.send("GET", answer.headers["Location"]).status_code == 200
    assert api.send("GET", "/api/tasks").status_code == 200


@pytest.mark.either_database
@every_operation
def test_authentication_comes_before_any_condition(
    nobody: ApiClient, alice: User, name: str, settings: Any
) -> None:
    settings.REQUIRE_IF_MATCH = True
    task = make(alice, name)
    before = stored()

    for header in ('"2"', '"3"', "*", "3", None):
        assert send(nobody, name, task.pk, header).status_code == 401, header
        assert stored() == before, header


@pytest.mark.either_database
@every_operation
def test_a_missing_task_is_404_whatever_the_condition(
    api: ApiClient, name: str
) -> None:
    for header in ('"3"', "*"):
        assert send(api, name, 999_999, header).status_code == 404


@pytest.mark.either_database
@every_operation
def test_somebody_elses_task_is_404_and_tells_nothing(
    bobs_api: ApiClient, alice: User, name: str
) -> None:
    task = make(alice, name)

    for header in ('"2"', '"3"'):
        answer = send(bobs_api, name, task.pk, header)
        assert answer.status_code == 404
        assert "current" not in answer.json()
        assert "ETag" not in answer.headers


@pytest.mark.either_database
@pytest.mark.parametrize("name", ["put", "patch", "delete", "toggle", "complete"])
@pytest.mark.parametrize("header", ['"2"', '"3"'])
def test_a_task_in_the_trash_is_410_whatever_the_condition(
    api: ApiClient, alice: User, name: str, header: str
) -> None:
    task = make(alice, "restore")

    answer = send(api, name, task.pk, header)

    assert answer.status_code == 410
    assert answer.json()["restore"] == f"/api/tasks/{task.pk}/restore"


def test_a_stale_change_that_would_change_nothing_is_412(
    api: ApiClient, alice: User
) -> None:
    task = make(alice, "complete")
    Task.objects.filter(pk=task.pk).complete(Actor(alice.pk, "token"))

    assert send(api, "complete", task.pk, '"3"').status_code == 412
    assert send(api, "complete", task.pk, '"4"').status_code == 200


# What a 412 says has changed


def changed(api: ApiClient, task: Task, since: int) -> Any:
    answer = send(api, "patch", task.pk, f'"{since}"')
    assert answer.status_code == 412
    return answer.json()["changed"]


def test_changed_names_the_net_difference(api: ApiClient, alice: User) -> None:
    task, by = make_task(alice, "Buy milk"), Actor(alice.pk, "token")
    tasks = Task.objects.filter(pk=task.pk)
    tasks.edit(by, title="Buy bread", description="Rye")
    tasks.complete(by)
    tasks.edit(by, title="Buy milk")  # back again
    tasks.reopen(by)  # and this, too

    assert changed(api, task, 1) == ["description"]
    assert changed(api, task, 2) == ["title"]
    assert changed(api, task, 3) == ["completed", "title"]
    assert changed(api, task, 4) == ["completed"]


def test_changed_is_empty_when_it_only_went_to_the_trash_and_back(
    api: ApiClient, alice: User
) -> None:
    task, by = make_task(alice), Actor(alice.pk, "token")
    Task.objects.filter(pk=task.pk).trash(by)
    Task.objects.filter(pk=task.pk).restore(by)

    assert changed(api, task, 1) == []


def test_changed_is_known_across_a_transfer_and_back(
    api: ApiClient, alice: User, bob: User
) -> None:
    task, by = make_task(alice), Actor(None, "command")
    Task.objects.filter(pk=task.pk).edit(by, owner_id=bob.pk)
    Task.objects.filter(pk=task.pk).edit(by, title="Buy bread")
    Task.objects.filter(pk=task.pk).edit(by, owner_id=alice.pk)

    assert changed(api, task, 1) == ["title"]


@pytest.mark.parametrize("version", [0, 4, 10**17])
def test_changed_is_null_for_a_version_that_never_was(
    api: ApiClient, alice: User, version: int
) -> None:
    assert changed(api, make(alice, "patch"), version) is None


def test_changed_is_null_for_several_versions(api: ApiClient, alice: User) -> None:
    answer = send(api, "patch", make(alice, "patch").pk, '"1", "2"')

    assert (answer.status_code, answer.json()["changed"]) == (412, None)


def test_changed_is_null_when_the_history_since_is_purged(
    api: ApiClient, alice: User
) -> None:
    task = make(alice, "patch")
    old = timezone.now() - timedelta(days=91)
    Event.objects.filter(version__lte=2).update(at=old)
    call_command("purge", verbosity=0)

    assert changed(api, task, 1) is None
    assert changed(api, task, 2) == ["description"]


def test_a_merge_needs_no_further_request(api: ApiClient, alice: User) -> None:
    task = make(alice, "patch")
    refused = send(api, "patch", task.pk, '"2"')

    answer = send(api, "patch", task.pk, refused.headers["ETag"])

    assert (answer.status_code, answer.json()["title"]) == (200, "New title")
    assert answer.json()["description"] == refused.json()["current"]["description"]


def test_changed_names_members_of_the_task_only(
    api: ApiClient, alice: User, bob: User
) -> None:
    task = make_task(bob)
    Task.objects.filter(pk=task.pk).edit(BY, owner_id=alice.pk, title="Buy bread")

    answer = api.send(
        "PATCH",
        f"/api/tasks/{task.pk}",
        {"completed": True},
        headers={"If-Match": '"1"'},
    )

    assert answer.status_code == 412
    assert answer.json()["changed"] == ["title"]
    assert set(answer.json()["changed"]) <= set(answer.json()["current"])
