"""Bulk changes in the admin: their preview, their outcome, and how they are undone."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from taskproject import jobs
from taskproject.accounts.models import User
from taskproject.models import Job
from tasks.models import BulkChange, Event, Task, bulk
from tests.conftest import BY, force_login, make_task
from tests.support.admin import (
    LIST,
    act,
    as_editor,
    as_staff,
    many_tasks,
    messages,
    select,
    step,
    text,
)
from tests.support.answers import as_json
from tests.support.rows import make_list

DAY: dict[str, Any] = {"due_date": "2030-05-01"}


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 3 tasks; the thread is left out."""
    monkeypatch.setattr(bulk, "PORTION", 3)
    monkeypatch.setattr(jobs, "start", lambda: None)


def path() -> str:
    return f"{LIST}bulk/{BulkChange.objects.latest('pk').pk}/"


def undo(client: Client, where: str = "") -> Any:
    return step(client, where or path(), "undo")


def without_times(task: Task) -> dict[str, Any]:
    shown = as_json(Task.objects.get(pk=task.pk))
    for name in ("version", "updated_at", "completed_at"):
        del shown[name]
    return shown | {"deleted": Task.objects.get(pk=task.pk).deleted_at is not None}


# What each does, and its undoing

CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "complete": ({}, "Completed 2 of 2 tasks."),
    "reopen": ({}, "Reopened 2 of 2 tasks."),
    "priority_high": ({}, "Priority high: 2 of 2 tasks."),
    "priority_urgent": ({}, "Priority urgent: 2 of 2 tasks."),
    "due": (DAY, "Due 2030-05-01: 2 of 2 tasks."),
    "add_tags": ({"tags": "Errand, new"}, "Added the tags Errand, new: 2 of 2 tasks."),
    "remove_tags": ({"tags": "HOME"}, "Removed the tags HOME: 2 of 2 tasks."),
    "place": ({"name": "work"}, "Put into Work: 2 of 2 tasks."),
    "take_out": ({}, "Taken out of their lists: 2 of 2 tasks."),
    "assign": ({"username": "bob"}, "Assigned to bob: 2 of 2 tasks."),
    "trash": ({}, "Moved to the trash: 2 of 2 tasks."),
    "restore": ({}, "Restored 2 of 2 tasks."),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_bulk_change_is_done_and_undone(
    staff: Client, alice: User, bob: User, carol: User, name: str
) -> None:
    make_list(alice, "Work")
    home, (values, said) = make_list(alice, "Home"), CHANGES[name]
    tasks = [
        make_task(
            alice,
            title,
            list_id=home.pk,
            tags=["home", "other"],
            completed=name == "reopen",
            client_id=f"00000000-0000-4000-8000-00000000000{title}",
        )
        for title in "12"
    ]
    if name == "restore":
        Task.objects.trash(BY)
    before = [without_times(task) for task in tasks]

    answer = act(staff, name, *tasks, query="?trash=all", **values)

    assert messages(answer) == [said]
    assert 'value="undo"' in text(answer)
    assert answer.request["QUERY_STRING"] == "trash=all"
    assert all(a != b for a, b in zip(map(without_times, tasks), before, strict=True))
    newest = Event.objects.latest("sequence")
    assert (newest.actor, newest.via) == (carol, "admin")

    answer = undo(staff)

    assert messages(answer) == ["Undone: 2 of 2 tasks."]
    assert "undo" not in messages(answer)[0]
    assert [without_times(task) for task in tasks] == before
    for task in Task.objects.all():
        events = Event.objects.of_task(task.pk).filter(owner_id=task.owner_id)
        versions = set(events.values_list("version", flat=True))
        assert versions == set(range(1, task.version + 1))


@pytest.mark.either_database
def test_a_due_date_is_a_day_or_a_time_or_none(staff: Client, alice: User) -> None:
    task = make_task(alice)
    wrong: list[dict[str, Any]] = [
        {"due_at": "soon"},
        {"none": ""},
        DAY | {"none": "on"},
    ]
    for sent in wrong:
        assert act(staff, "due", task, **sent).context["form"].errors
    act(staff, "due", task, due_at="2030-05-01 12:30")
    task.refresh_from_db()
    assert (str(task.due_at), task.due_timezone) == ("2030-05-01 12:30:00+00:00", "UTC")

    act(staff, "due", task, none="on")

    task.refresh_from_db()
    assert (task.due_at, task.due_date, task.due_timezone) == (None, None, None)


def test_a_task_gets_no_more_tags_than_it_may_have(staff: Client, alice: User) -> None:
    full = make_task(alice, "Full", tags=[f"tag {number}" for number in range(20)])
    task = make_task(alice)

    [message] = messages(act(staff, "add_tags", full, task, tags="one, TAG 1"))

    assert "1 of 2 tasks. Not changed: 1." in message
    assert f"{full.pk} “Full”: It would have more than 20 tags." in message
    task.refresh_from_db()
    assert (task.tags, full.version) == (["one", "tag 1"], 1)


@pytest.mark.parametrize(
    ("action", "sent", "reason"),
    [
        ("reopen", {}, "its next occurrence, was changed since"),
        ("due", {"none": "on"}, "A task that recurs needs a due date"),
    ],
)
def test_a_task_that_recurs_keeps_no_other_one_from_a_change(
    staff: Client, alice: User, action: str, sent: dict[str, Any], reason: str
) -> None:
    day = date(2030, 5, 1)
    plain = make_task(alice, completed=True, due_date=day)
    series = make_task(alice, due_date=day, recurrence="FREQ=DAILY")
    done = Task.objects.filter(pk=series.pk).complete(BY).changed[series.pk]
    assert done.next_occurrence is not None
    Task.objects.filter(pk=done.next_occurrence).edit(BY, title="Changed")

    [message] = messages(act(staff, action, plain, series, **sent))

    assert "1 of 2 tasks" in message
    assert reason in message
    plain.refresh_from_db()
    assert plain.version == 2


def test_an_id_that_the_new_owner_has_keeps_no_other_task_from_it(
    staff: Client, alice: User, bob: User
) -> None:
    make_task(bob, external_id="7")
    taken, free = make_task(alice, external_id="7"), make_task(alice, external_id="8")

    answer = act(staff, "assign", taken, free, username="bob")

    shown = messages(answer)[0]
    assert "Assigned to bob: 1 of 2 tasks." in shown
    assert "The user has a task with the same external_id." in shown
    assert set(bob.tasks.values_list("external_id", flat=True)) == {"7", "8"}


def test_an_id_that_was_used_again_is_a_reason_not_to_undo(
    staff: Client, alice: User, bob: User
) -> None:
    again = UUID(int=1)
    task, other = make_task(alice, client_id=again), make_task(alice)
    act(staff, "assign", task, other, username="bob")
    make_task(alice, client_id=again)

    answer = undo(staff)

    assert "Undone: 1 of 2 tasks." in messages(answer)[0]
    assert "same client_id or external_id" in messages(answer)[0]


@pytest.mark.django_db(transaction=True)
def test_a_user_who_is_deleted_meanwhile_gets_no_tasks(
    staff: Client, alice: User, bob: User
) -> None:
    task = make_task(alice)
    select(staff, "assign", task)
    title = staff.post(path(), {"username": "bob"}, follow=True).context["title"]
    first = path()
    act(staff, "assign", make_task(bob), username="alice")
    bob.delete()

    answers = (step(staff, first, "confirm", title=title), undo(staff))

    for answer in answers:
        assert "0 of 1 tasks" in messages(answer)[0]
        assert "The user does not exist any more." in messages(answer)[0]
    assert alice.tasks.count() == 2


def test_a_list_that_was_deleted_keeps_its_own_tasks_only(
    staff: Client, alice: User, bob: User
) -> None:
    home = make_list(alice, "Home")
    there, elsewhere = make_task(alice, list_id=home.pk), make_task(alice)
    act(staff, "assign", there, elsewhere, username="bob")
    home.remove(BY)

    answer = undo(staff)

    assert "Undone: 1 of 2 tasks." in messages(answer)[0]
    assert "You have no list with this id." in messages(answer)[0]
    assert (alice.tasks.get(), bob.tasks.get()) == (elsewhere, there)


def test_a_task_that_may_not_be_seen_any_more_is_not_shown_or_changed(
    alice: User, bob: User
) -> None:
    client = as_editor(alice, "view_task", "change_task")
    task = make_task(alice, "Secret")
    select(client, "complete", task)
    where = path()
    Task.objects.all().edit(BY, owner_id=bob.pk)

    for answer in (client.get(where, follow=True), step(client, where, "confirm")):
        assert "select the tasks again" in messages(answer)[0]
        assert "Secret" not in text(answer)
    assert not Task.objects.get().completed


def test_a_family_is_not_separated_by_an_assignment(
    staff: Client, alice: User, bob: User
) -> None:
    parent = make_task(alice, "Parent", list_id=make_list(alice).pk)
    child, task = make_task(alice, parent_id=parent.pk), make_task(alice)
    page = select(staff, "assign", parent, child, task)
    assert not page.context["form"].errors

    page = staff.post(path(), {"username": "bob"}, follow=True)

    assert "1 of 3 selected tasks will be changed" in text(page)
    assert "2 tasks with a parent or subtasks will be left out" in text(page)
    step(staff, path(), "confirm", title=page.context["title"])
    assert set(Task.objects.owned_by(alice.pk)) == {parent, child}
    assert "which would be separated" in text(staff.get(path()))
    assert act(staff, "assign", task, username="nobody").context["form"].errors


# The preview


@pytest.mark.either_database
def test_a_preview_without_changes_asks_for_no_confirmation(
    staff: Client, alice: User
) -> None:
    page = text(select(staff, "reopen", make_task(alice)))

    assert "0 of 1 selected task will be changed" in page
    assert "Yes, change them" not in page
    assert "can be undone" not in page


def test_a_preview_says_how_many_tasks_it_changes_and_whose(
    staff: Client, alice: User, bob: User, queries: CaptureQueriesContext
) -> None:
    tasks = [make_task(alice, f"Task {number}") for number in range(25)]
    done, bobs = make_task(bob, completed=True), make_task(bob)
    trashed, gone = make_task(bob), make_task(bob)
    Task.objects.filter(pk=trashed.pk).trash(BY)
    select(staff, "complete", *tasks, done, bobs, trashed, gone, query="?trash=all")
    Task.objects.filter(pk=gone.pk).remove(BY)
    before = len(queries)

    page = text(staff.get(path()))

    assert len(queries) - before <= 8
    assert "26 of 29 selected tasks will be changed" in page
    assert "1 is so already" in page
    assert "1 is in the trash, and left out" in page
    assert "1 does not exist any more" in page
    assert "<li>alice: 25</li>" in page
    assert "<li>bob: 3</li>" in page
    assert "and 9 more" in page
    assert Task.objects.filter(completed=True).count() == 1


@pytest.mark.either_database
def test_what_is_confirmed_is_what_was_shown(staff: Client, alice: User) -> None:
    task = make_task(alice)
    select(staff, "add_tags", task)
    staff.post(path(), {"tags": "one"})
    shown = staff.get(path()).context["title"]
    staff.post(f"{path()}?again", {"tags": "two"})

    answer = step(staff, path(), "confirm", title=shown)

    assert "Another value was chosen meanwhile" in messages(answer)[0]
    assert Task.objects.get().tags == []


def test_it_is_confirmed_within_an_hour_and_once(staff: Client, alice: User) -> None:
    task = make_task(alice)
    title = select(staff, "complete", task).context["title"]
    BulkChange.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert (
        "more than an hour ago"
        in messages(step(staff, path(), "confirm", title=title))[0]
    )

    title = select(staff, "complete", task).context["title"]
    step(staff, path(), "confirm", title=title)
    Task.objects.reopen(BY)
    step(staff, path(), "confirm", title=title)

    assert Task.objects.get().version == 3


@pytest.mark.either_database
def test_nobody_else_sees_confirms_or_undoes_it(
    staff: Client, alice: User, bob: User
) -> None:
    task = make_task(alice)
    act(staff, "complete", task)
    client = as_staff(bob, "view_task", "change_task")

    assert client.get(path()).status_code == 404
    assert client.post(path(), {"step": "undo"}).status_code == 404
    assert Client().post(path(), {"step": "undo"}).status_code == 302
    assert Task.objects.get().completed


@pytest.mark.either_database
def test_who_may_change_tasks_no_longer_confirms_and_undoes_nothing(
    bob: User, alice: User
) -> None:
    task = make_task(alice)
    client = as_staff(bob, "view_task", "change_task")
    title = select(client, "complete", task).context["title"]
    as_staff(bob, "view_task")

    answer = client.post(path(), {"step": "confirm", "title": title})

    assert answer.status_code == 403
    assert not Task.objects.get().completed


@pytest.mark.either_database
def test_a_forged_request_of_another_site_is_refused(
    staff: Client, carol: User, alice: User
) -> None:
    act(staff, "complete", make_task(alice))
    client = Client(enforce_csrf_checks=True)
    force_login(client, carol)

    assert client.post(path(), {"step": "undo"}).status_code == 403
    assert Task.objects.get().completed


# Undoing


def test_tasks_that_others_have_changed_since_are_named_and_stay(
    staff: Client, alice: User
) -> None:
    first, second, third = (make_task(alice, f"Task {n}") for n in range(3))
    act(staff, "priority_high", first, second, third)
    Task.objects.filter(pk=first.pk).edit(BY, priority=1)
    Task.objects.filter(pk=second.pk).edit(BY, title="Other")
    Task.objects.filter(pk=third.pk).remove(BY)

    [message] = messages(undo(staff))

    assert message.startswith("Undone: 1 of 3 tasks. Not changed: 2.")
    assert f"{first.pk} “Task 0”: Was changed since, in: priority." in message
    assert f"{third.pk} “”: Was deleted permanently" in message
    assert [task.priority for task in Task.objects.order_by("pk")] == [1, 0]
    page = text(staff.get(path()))
    assert "Not undone: 2" in page
    assert "Was changed since, in: priority." in page


def test_it_is_undone_once_and_for_ten_minutes(staff: Client, alice: User) -> None:
    task = make_task(alice)
    act(staff, "complete", task)
    undo(staff)
    Task.objects.complete(BY)
    undo(staff)
    assert Task.objects.get().version == 4

    act(staff, "reopen", task)
    BulkChange.objects.update(finished_at=timezone.now() - timedelta(minutes=10))

    assert 'value="undo"' not in text(staff.get(path()))
    assert "can be undone for ten minutes" in messages(undo(staff))[0]
    assert not Task.objects.get().completed


@pytest.mark.either_database
def test_a_selection_cannot_be_undone(staff: Client, alice: User) -> None:
    select(staff, "complete", make_task(alice))

    undo(staff)

    assert BulkChange.objects.get().state == "selected"


def test_two_staff_at_once_complete_a_task_once(
    staff: Client, alice: User, bob: User
) -> None:
    task, client = make_task(alice), as_staff(bob, "view_task", "change_task")
    title = select(staff, "complete", task).context["title"]
    first = path()
    select(client, "complete", task)
    [told] = messages(step(client, path(), "confirm", title=title))

    [also] = messages(step(staff, first, "confirm", title=title))

    assert told == "Completed 1 of 1 tasks."
    assert also == "Completed 0 of 1 tasks. Not changed: 1."
    assert Task.objects.get().version == 2
    undo(staff, first)
    assert Task.objects.get().completed


# Many tasks


def test_more_than_a_portion_goes_on_as_a_job_with_a_page(
    staff: Client, alice: User, bob: User, small_portions: None
) -> None:
    many_tasks(alice, 5)
    many_tasks(bob, 4)
    title = select(staff, "trash", Task.objects.latest("pk"), across=True).context[
        "title"
    ]
    answer = staff.post(path(), {"step": "confirm", "title": title})
    assert answer.headers["Location"] == path()
    job = Job.objects.get()
    jobs.do_portion(job.pk)
    page = text(staff.get(path()))
    assert "3 of 9 tasks so far" in page
    assert 'value="undo"' not in page
    assert Task.objects.trashed().count() == 3
    undo(staff)  # not yet; and the job is finished
    assert Task.objects.trashed().count() == 9
    assert "Changed 9 of 9 tasks" in text(staff.get(path()))

    staff.post(path(), {"step": "undo"})
    jobs.do_portion(Job.objects.latest("pk").pk)
    assert "It is being undone: 3 of 9" in text(staff.get(path()))
    undo(staff)

    assert Task.objects.live().count() == 9
    assert "Undone: 9." in text(staff.get(path()))


@pytest.mark.parametrize("verb", ["add_tags", "assign", "place"])
def test_a_portion_has_the_same_statements_for_few_tasks_and_many(
    staff: Client, alice: User, bob: User, queries: CaptureQueriesContext, verb: str
) -> None:
    counts = []
    home = make_list(alice, "Home").name
    for count in (2, 40):
        tasks = many_tasks(alice, count)
        values: dict[str, Any] = {"username": "bob", "tags": f"tag {count}"}
        before = len(queries)
        act(staff, verb, *tasks, name=home, **values)
        undo(staff)
        counts.append(len(queries) - before)

    assert counts[0] == counts[1]
    assert alice.tasks.count() == 42


def test_the_jobs_of_staff_are_not_in_the_api(
    staff: Client, carol: User, alice: User, small_portions: None
) -> None:
    tasks = many_tasks(alice, 4)
    act(staff, "complete", *tasks)

    assert Job.objects.get().owner_id == 0
