"""The undoing of an import in the admin."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from taskproject import jobs
from taskproject.accounts.models import User
from taskproject.models import Job
from tasks import upload_imports
from tasks.models import Event, Tag, Task, TaskList, Upload
from tests.conftest import BY, make_task
from tests.integration.test_admin_import import CSV, confirm, path, results, upload
from tests.support.admin import as_editor, as_staff, messages, text
from tests.support.rows import make_list


def undo(client: Client, where: str = "") -> Any:
    return client.post(where or path(), {"step": "undo"}, follow=True)


def imported(client: Client, content: str, **more: Any) -> list[Task]:
    upload(client, content, **more)
    confirm(client)
    return list(Task.objects.order_by("pk"))


def test_the_whole_import_is_undone_by_ordinary_changes(
    staff: Client, alice: User, carol: User
) -> None:
    make_list(alice, "Other")
    imported(staff, CSV)
    assert "Undo the import" in text(staff.get(path()))

    page = text(undo(staff))

    assert "Undone: 2 of these tasks, 1 list, 1 tag deleted." in page
    assert "Undo the import" not in page
    assert not Task.objects.exists()
    assert not Tag.objects.exists()
    assert TaskList.objects.get().name == "Other"
    deleted = Event.objects.filter(verb="deleted").values_list("actor", "via")
    assert [*deleted] == [(carol.pk, "admin")] * 4

    again = upload(staff, CSV)

    assert results(again)[:2] == [(2, "added"), (3, "added")]
    confirm(staff)
    assert Task.objects.count() == 2


def test_what_others_have_changed_since_is_named_and_stays(
    staff: Client, alice: User
) -> None:
    rows = "".join(f"{n},Task {n},Home,one\n" for n in range(6))
    tasks = imported(staff, f"external_id,title,list,tags\n{rows}")
    edited, trashed, gone, parent, back, _ = tasks
    edit = Task.objects.filter(pk=edited.pk).edit
    edit(BY, title="Mine", priority=2)
    Task.objects.filter(pk=trashed.pk).trash(BY)
    Task.objects.filter(pk=gone.pk).remove(BY)
    child = make_task(alice, "New", parent_id=parent.pk)
    for completed in (True, False):
        Task.objects.filter(pk=back.pk).edit(BY, completed=completed)

    page = text(undo(staff))

    assert "Undone: 1 of these tasks deleted." in page
    assert "Not undone: 6." in page
    assert f"{edited.pk}: Mine</a>. Was changed since, in: priority, title." in page
    assert "Task 1</a>. Was moved to the trash since." in page
    assert f"{gone.pk}. It does not exist any more." in page
    assert "Task 3</a>. Has subtasks that stay." in page
    assert "Task 4</a>. Was changed since." in page
    assert "The list “Home” has other tasks." in page
    assert {*Task.objects.all()} == {edited, trashed, parent, child, back}
    assert TaskList.objects.get().tasks.count() == 4
    assert Tag.objects.get().name == "one"


def test_lists_and_tags_that_were_changed_or_used_since_stay(
    staff: Client, alice: User
) -> None:
    content = "title,list,tags\na,Home,one\nb,Work,two\nc,,\n"
    imported(staff, content)
    TaskList.objects.get(name="Home").edit(BY, name="House")
    Tag.objects.get(name="one").rename(BY, "two tags", tasks=False)
    make_task(alice, tags=["two"])

    page = text(undo(staff))

    assert "The list “House” was changed since." in page
    assert TaskList.objects.get().name == "House"
    assert {*Tag.objects.values_list("name", flat=True)} == {"two tags", "two"}


def test_rows_that_were_there_before_stay(staff: Client, alice: User) -> None:
    make_list(alice, "Home")
    known = make_task(alice, external_id="1", tags=["errand"])
    imported(staff, CSV)

    undo(staff)

    assert Task.objects.get() == known
    assert (Tag.objects.count(), TaskList.objects.count()) == (1, 1)


def test_it_is_undone_once_and_for_ten_minutes(staff: Client, alice: User) -> None:
    imported(staff, "title\nBread")
    Upload.objects.update(finished_at=timezone.now() - timedelta(minutes=10))

    assert "Undo the import" not in text(staff.get(path()))
    assert "undone for ten minutes" in messages(undo(staff))[0]
    assert Task.objects.count() == 1

    Upload.objects.update(finished_at=timezone.now())
    undo(staff)
    again = make_task(alice)
    for step in (undo, lambda client: confirm(client)):
        assert "Undone: 1 of these tasks deleted." in text(step(staff))
    assert Task.objects.get() == again


def test_what_was_not_imported_cannot_be_undone(staff: Client, alice: User) -> None:
    upload(staff, "title\nBread")

    assert "1 task of alice will be added" in text(undo(staff))

    upload(staff, "title\n")
    confirm(staff)
    assert "Undo the import" not in text(staff.get(path()))


def test_many_rows_are_undone_by_a_job(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_imports, "PORTION", 2)
    monkeypatch.setattr(jobs, "start", lambda: None)
    monkeypatch.setattr(jobs.run, "__defaults__", (0.0,))
    imported(staff, "external_id,title,parent,list\n1,a,3,x\n2,b,3,x\n4,c,,\n3,P,,\n")
    jobs.finish(Job.objects.get())
    assert Task.objects.filter(parent__isnull=False).count() == 2

    assert "It is being undone: 0 of 4 rows" in text(undo(staff))
    jobs.do_portion(Job.objects.latest("pk").pk)
    assert {*Task.objects.values_list("title", flat=True)} == {"c", "P"}
    assert "2 of 4 rows so far" in text(undo(staff))
    jobs.finish(Job.objects.latest("pk"))

    assert "Undone: 4 of these tasks, 1 list deleted." in text(staff.get(path()))
    assert not Task.objects.exists()


def test_nobody_else_undoes_it(staff: Client, alice: User, bob: User) -> None:
    imported(staff, "title\nBread")
    where = path()
    client = as_staff(bob, "view_task", "add_task", "add_tasklist")

    assert undo(client, where).status_code == 404
    client = as_staff(bob, "view_task")
    assert undo(client, where).status_code == 403
    assert Task.objects.exists()


def test_who_may_choose_owners_no_longer_imports_and_undoes_nothing_for_others(
    alice: User, bob: User
) -> None:
    may = ("add_task", "add_tasklist", "view_user")
    client = as_staff(bob, *may)
    upload(client, "title\nBread")
    as_editor(bob, *may)

    assert client.get(path()).status_code == confirm(client).status_code == 403
    assert not Task.objects.exists()

    as_staff(bob, *may)
    confirm(client)
    as_editor(bob, *may)

    assert undo(client).status_code == 403
    assert Task.objects.exists()


def test_an_undo_takes_as_many_statements_for_many_rows_as_for_few(
    staff: Client, alice: User, queries: CaptureQueriesContext
) -> None:
    counts = []
    for count in (2, 100):
        rows = "".join(f"{count}-{n},tag {count}-{n}\n" for n in range(count))
        imported(staff, f"title,tags\n{rows}")
        before = len(queries)
        undo(staff)
        counts.append(len(queries) - before)

    assert counts[0] == counts[1]
    assert not Task.objects.exists()
