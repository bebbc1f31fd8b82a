"""Changes of lists, tags and users with many tasks, done in portions."""

import io
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError
from django.test import Client

import tasks.jobs
from taskproject import jobs
from taskproject.accounts.models import User
from taskproject.models import Job
from tasks.models import Event, Label, Tag, Task, TaskList
from tests.conftest import BY, ApiClient, force_login, make_task
from tests.support.admin import LISTS, TAGS, messages
from tests.support.rows import make_list

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 12


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 5 rows; 10 at once. The thread is left out: tests call what it calls."""
    monkeypatch.setattr(tasks.jobs, "AT_ONCE", 10)
    monkeypatch.setattr(tasks.jobs, "PORTION", 5)
    monkeypatch.setattr(jobs, "start", lambda: None)


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests leave their jobs to the thread."""
    monkeypatch.setattr(jobs.run, "__defaults__", (0.0,))


def many(owner: User, **fields: Any) -> list[Task]:
    rows = [{"title": f"Task {number}", **fields} for number in range(MANY)]
    return Task.objects.add_all(BY, owner.pk, rows)


def finish() -> None:
    for job in Job.objects.unfinished():
        jobs.finish(job)


def lives() -> None:
    """Every task has an event for each of its versions, once."""
    for task in Task.objects.all():
        versions = Event.objects.of_task(task.pk).order_by("sequence")
        assert list(versions.values_list("version", flat=True)) == list(
            range(1, task.version + 1)
        )


def test_a_job_that_fails_does_not_keep_the_next_from_its_turn(
    api: ApiClient, alice: User, no_time: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make_list(alice)
    many(alice, list_id=row.pk)
    broken = Job.objects.create(
        verb="break", subject="list", subject_id=0, owner_id=alice.pk, total=1
    )
    api.send("DELETE", f"/api/lists/{row.pk}?tasks=keep")

    def fail(job: Job) -> None:
        raise ValueError

    monkeypatch.setitem(jobs._steps, "break_list", fail)
    for _ in range(MANY):
        with pytest.raises(ValueError):
            jobs._runner._round()

    assert list(Job.objects.unfinished()) == [broken]
    assert not TaskList.objects.exists()


@pytest.mark.parametrize("tasks", ["keep", "delete"])
def test_a_list_of_many_tasks_is_deleted_within_the_request_where_there_is_time(
    api: ApiClient, alice: User, tasks: str
) -> None:
    row = make_list(alice)
    many(alice, list_id=row.pk)
    make_task(alice, list_id=row.pk)
    Task.objects.filter(pk=Task.objects.latest("pk").pk).trash(BY)

    answer = api.send("DELETE", f"/api/lists/{row.pk}?tasks={tasks}")

    assert answer.status_code == 204
    assert not TaskList.objects.exists()
    assert not Task.objects.filter(list_id__isnull=False).exists()
    assert Task.objects.trashed().count() == (MANY + 1 if tasks == "delete" else 1)
    lives()


def test_where_there_is_no_time_the_answer_is_202_with_a_state_to_ask_for(
    api: ApiClient, alice: User, no_time: None
) -> None:
    row = make_list(alice)
    many(alice, list_id=row.pk)

    key = {"Idempotency-Key": "once"}

    answer = api.send("DELETE", f"/api/lists/{row.pk}", headers=key)

    assert answer.status_code == 202
    assert answer.headers["Retry-After"] == "1"
    again = api.send("DELETE", f"/api/lists/{row.pk}", headers=key)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Retry-After"] == "1"
    state = answer.headers["Location"]
    assert answer.json() == api.send("GET", state).json()
    assert answer.json()["status"] == "running"
    assert (answer.json()["done"], answer.json()["total"]) == (0, MANY)
    finish()
    after = api.send("GET", state).json()
    assert (after["status"], after["done"]) == ("done", MANY)
    assert api.send("GET", f"/api/lists/{row.pk}").status_code == 404
    lives()


def test_the_trash_is_emptied_of_what_was_in_it_when_the_job_began(
    api: ApiClient, alice: User, no_time: None
) -> None:
    tasks = many(alice)
    mine = Task.objects.owned_by(alice.pk)
    mine.trash(BY)

    answer = api.send("DELETE", "/api/tasks/trash")
    assert answer.status_code == 202
    again = api.send("DELETE", "/api/tasks/trash")
    job = answer.json()["id"]
    assert (again.status_code, again.json()["id"]) == (202, job)
    jobs.do_portion(job)
    late, brought_back, trashed_again = make_task(alice), tasks[0], tasks[1]
    for task in (brought_back, trashed_again):
        mine.filter(pk=task.pk).restore(BY)
    mine.filter(pk__in=[late.pk, trashed_again.pk]).trash(BY)
    finish()

    state = api.send("GET", answer.headers["Location"]).json()
    assert (state["kind"], state["status"], state["done"]) == (
        "empty_trash",
        "done",
        MANY - 2,
    )
    left = {late.pk, brought_back.pk, trashed_again.pk}
    assert {*mine.values_list("pk", flat=True)} == left
    assert Event.objects.filter(verb="deleted").count() == MANY - 2
    lives()


def test_asking_again_while_it_runs_answers_with_the_same_job(
    api: ApiClient, alice: User, no_time: None
) -> None:
    row = make_list(alice)
    many(alice, list_id=row.pk)
    first = api.send("DELETE", f"/api/lists/{row.pk}")

    again = api.send("DELETE", f"/api/lists/{row.pk}")

    assert again.status_code == 202
    assert again.json()["id"] == first.json()["id"]
    assert Job.objects.count() == 1


def test_a_task_that_enters_the_list_meanwhile_loses_it_too(
    api: ApiClient, alice: User, no_time: None
) -> None:
    row = make_list(alice)
    many(alice, list_id=row.pk)
    job = api.send("DELETE", f"/api/lists/{row.pk}").json()["id"]
    jobs.do_portion(job)

    late = make_task(alice, "Late", list_id=row.pk)
    finish()

    late.refresh_from_db()
    assert late.list_id is None
    assert not TaskList.objects.exists()


def test_an_interrupted_portion_changes_nothing_and_the_next_goes_on(
    api: ApiClient, alice: User, no_time: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make_list(alice)
    many(alice, list_id=row.pk)
    job = api.send("DELETE", f"/api/lists/{row.pk}").json()["id"]
    jobs.do_portion(job)
    versions = sorted(Task.objects.values_list("pk", "version"))

    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(Job, "save", fail)
        with pytest.raises(OperationalError):
            jobs.do_portion(job)

    assert sorted(Task.objects.values_list("pk", "version")) == versions
    finish()
    assert set(Task.objects.values_list("version", flat=True)) == {2}
    lives()


def test_a_tag_of_many_tasks_is_taken_off_all_of_them(
    api: ApiClient, alice: User
) -> None:
    many(alice, tags=["errand", "home"])
    tag = Tag.objects.get(name="errand")

    answer = api.send("DELETE", f"/api/tags/{tag.pk}")

    assert answer.status_code == 204
    assert [task.tags for task in Task.objects.all()] == [["home"]] * MANY
    assert Label.objects.count() == MANY
    assert list(Tag.objects.values_list("name", flat=True)) == ["home"]
    counts = api.send("GET", "/api/tasks/counts").json()
    assert [each["open"] for each in counts["tags"]] == [MANY]
    lives()


def test_a_tag_of_many_tasks_is_renamed_in_all_of_them(
    api: ApiClient, alice: User
) -> None:
    many(alice, tags=["errand", "home"])
    tag = Tag.objects.get(name="errand")

    answer = api.send("PATCH", f"/api/tags/{tag.pk}", {"name": "Shop"})

    assert answer.status_code == 200
    assert answer.json()["name"] == "Shop"
    assert [task.tags for task in Task.objects.all()] == [["Shop", "home"]] * MANY
    lives()


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_tag_that_is_being_renamed_refuses_what_would_cross_it(
    api: ApiClient, alice: User, no_time: None, method: str
) -> None:
    many(alice, tags=["errand"])
    tag = Tag.objects.get()
    first = api.send("PATCH", f"/api/tags/{tag.pk}", {"name": "Shop"})
    assert first.status_code == 202

    body = {"name": "Market"} if method == "PATCH" else None
    answer = api.send(method, f"/api/tags/{tag.pk}", body)

    assert answer.status_code == 409
    assert first.headers["Location"] in answer.json()["detail"]
    finish()
    assert api.send(method, f"/api/tags/{tag.pk}", body).status_code < 300


def test_a_job_at_the_wrong_version_is_not_begun(api: ApiClient, alice: User) -> None:
    row = make_list(alice)
    many(alice, list_id=row.pk)

    answer = api.send("DELETE", f"/api/lists/{row.pk}", HTTP_IF_MATCH='"7"')

    assert answer.status_code == 412
    assert not Job.objects.exists()


def test_purge_finishes_what_was_left(
    api: ApiClient, alice: User, no_time: None
) -> None:
    row = make_list(alice)
    many(alice, list_id=row.pk)
    api.send("DELETE", f"/api/lists/{row.pk}")

    call_command("purge", verbosity=0, stdout=io.StringIO())

    assert not TaskList.objects.exists()


def test_the_thread_finishes_what_requests_leave(
    api: ApiClient, alice: User, no_time: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = jobs._Runner()
    monkeypatch.setattr(jobs, "start", runner.start)
    row = make_list(alice)
    many(alice, list_id=row.pk)

    answer = api.send("DELETE", f"/api/lists/{row.pk}")

    assert answer.status_code == 202
    thread = runner._thread
    if thread is not None:
        thread.join(timeout=60)
    assert Job.objects.get().finished_at is not None
    assert not TaskList.objects.exists()


# In the admin


@pytest.fixture
def staff_client() -> Client:
    client = Client()
    force_login(client, User.objects.create_superuser("dora"))
    return client


def test_staff_are_told_of_a_list_that_is_still_being_deleted(
    staff_client: Client, alice: User, no_time: None
) -> None:
    row = make_list(alice)
    many(alice, list_id=row.pk)

    answer = staff_client.post(
        f"{LISTS}{row.pk}/delete/", {"post": "yes", "tasks": "delete"}, follow=True
    )

    [told] = messages(answer)
    assert f"0 of {MANY} tasks are done" in told
    finish()
    assert Task.objects.trashed().count() == MANY


def test_staff_rename_a_tag_of_many_tasks(staff_client: Client, alice: User) -> None:
    many(alice, tags=["errand"])
    tag = Tag.objects.get()

    staff_client.post(
        f"{TAGS}{tag.pk}/change/", {"name": "Shop", "opened_version": tag.version}
    )
    finish()

    assert {tuple(task.tags) for task in Task.objects.all()} == {("Shop",)}


def test_a_user_of_many_tasks_is_disabled_at_once_and_deleted_in_portions(
    staff_client: Client, api: ApiClient, alice: User, no_time: None
) -> None:
    row = make_list(alice)
    parent = make_task(alice, list_id=row.pk, tags=["home"])
    many(alice, parent_id=parent.pk)

    answer = staff_client.post(
        f"/admin/accounts/user/{alice.pk}/delete/", {"post": "yes"}, follow=True
    )

    [told] = messages(answer)  # not that she was deleted, too
    assert told.startswith("The user “alice” is disabled and is being deleted: ")
    assert api.send("GET", "/api/tasks").status_code == 401
    finish()
    assert not User.objects.filter(pk=alice.pk).exists()
    assert not Task.objects.exists()
    assert not Event.objects.exists()


def test_a_user_of_many_tags_and_lists_is_deleted_in_portions(
    staff_client: Client, alice: User, no_time: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(11):
        make_list(alice, f"List {number}")
        make_task(alice, tags=[f"tag {number}"])
    Task.objects.all().delete()
    Event.objects.all().delete()
    monkeypatch.setattr(tasks.jobs, "PORTION", 1)

    staff_client.post(f"/admin/accounts/user/{alice.pk}/delete/", {"post": "yes"})

    job = Job.objects.get()
    assert (job.total, job.finished_at) == (22, None)
    assert Tag.objects.count() + TaskList.objects.count() == 22
    finish()
    job.refresh_from_db()
    assert job.done == 22
    assert not User.objects.filter(pk=alice.pk).exists()
    assert not Tag.objects.exists() and not TaskList.objects.exists()


def test_what_goes_with_a_user_is_named_before(
    staff_client: Client, alice: User
) -> None:
    make_list(alice)
    make_task(alice, tags=["home"])

    page = staff_client.get(f"/admin/accounts/user/{alice.pk}/delete/").content.decode()

    for name in ("Lists: 1", "Tags: 1", "Tasks: 1", "Tallies: 3"):
        assert name in page


def test_the_command_deletes_a_user_with_all_that_is_theirs(alice: User) -> None:
    many(alice, tags=["home"])

    out = io.StringIO()
    call_command("delete_user", "alice", "--yes", verbosity=0, stdout=out)

    assert out.getvalue() == "Deleted alice.\n"
    assert not User.objects.exists()
    assert not Tag.objects.exists()


def test_delete_user_without_a_terminal_asks_for_the_option(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())

    with pytest.raises(CommandError, match="add --yes"):
        call_command("delete_user", "alice")

    assert User.objects.filter(username="alice").exists()
