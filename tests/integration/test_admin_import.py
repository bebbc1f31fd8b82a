"""The import of files in the admin: the preview of every row, and the import."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from taskproject import jobs
from taskproject.accounts.models import User
from taskproject.models import Job
from tasks import upload_imports
from tasks.admin import imports
from tasks.exports import records_of
from tasks.formats import jsonl
from tasks.jobs import confirm_upload
from tasks.models import Event, Tag, Task, TaskList, Upload
from tasks.models.uploads import UploadFile
from tests.conftest import BY, force_login, make_task
from tests.support.admin import (
    ESCAPED,
    LIST,
    SCRIPT,
    as_editor,
    as_staff,
    messages,
    text,
)
from tests.support.rows import make_list

IMPORT = f"{LIST}import/"
CSV = """external_id,title,list,parent,tags,priority
1,Buy milk,Home,,errand,high
2,Oat milk,Home,1,,
3,Bad,,,,huge
4,,,,,
5,Lost,,none,,
"""


def upload(client: Client, content: str | bytes, kind: str = "csv", **more: Any) -> Any:
    """The page after the file is uploaded."""
    data = content.encode() if isinstance(content, str) else content
    file = SimpleUploadedFile("tasks.csv", data)
    sent = {"file": file, "format": kind, "owner": "alice", **more}
    return client.post(IMPORT, sent, follow=True)


def confirm(client: Client) -> Any:
    return client.post(path(), follow=True)


def path() -> str:
    return f"{IMPORT}{Upload.objects.latest('pk').pk}/"


def results(page: Any) -> list[tuple[int, str]]:
    return [(line, what) for line, what, _, _ in page.context["rows"]]


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2 records, pages of 2 rows; the thread is left out."""
    monkeypatch.setattr(upload_imports, "PORTION", 2)
    monkeypatch.setattr(upload_imports, "PAGE", 2)
    monkeypatch.setattr(jobs, "start", lambda: None)
    monkeypatch.setattr(jobs.run, "__defaults__", (0.0,))


def test_a_list_has_the_name_of_its_file(staff: Client, alice: User) -> None:
    file = SimpleUploadedFile(
        "Garden", b"TYPE,CONTENT,PRIORITY,INDENT\ntask,Rake,4,1\n"
    )
    staff.post(IMPORT, {"file": file, "format": "todoist", "owner": "alice"})
    confirm(staff)

    assert TaskList.objects.get().name == "Garden"


def test_every_row_has_a_fate_before_anything_is_stored(
    staff: Client, alice: User, carol: User
) -> None:
    page = upload(staff, CSV)

    assert results(page) == [
        *((2, "added"), (3, "added")),
        *((4, "refused"), (5, "refused"), (6, "refused")),
    ]
    shown = text(page)
    assert "2 tasks of alice will be added" in shown
    assert "1 new list." in shown
    assert "1 new tag." in shown
    assert "3 rows cannot be imported" in shown
    assert "Line 4, Bad: Unknown priority &#x27;huge&#x27;" in shown
    assert "Line 5: title is empty" in shown
    assert "Line 6, Lost: The parent" in shown
    assert not Task.objects.exists()
    assert not TaskList.objects.exists()

    shown = text(confirm(staff))

    assert "2 tasks imported" in shown
    assert "3 left out" in shown
    parent, child = Task.objects.order_by("pk")
    assert (parent.owner, parent.priority, parent.tags) == (alice, 3, ["errand"])
    assert (child.parent, child.list) == (parent, TaskList.objects.get(name="Home"))
    assert Tag.objects.get().name == "errand"
    assert {*Event.objects.values_list("actor", "via")} == {(carol.pk, "admin")}


def test_a_second_confirmation_and_a_second_upload_import_nothing(
    staff: Client, alice: User
) -> None:
    upload(staff, CSV)
    confirm(staff)
    confirm(staff)
    assert Task.objects.count() == 2

    page = upload(staff, CSV)

    assert results(page)[:2] == [(2, "known"), (3, "known")]
    assert "2 are known, and stay as they are" in text(page)
    assert "0 tasks imported" in text(confirm(staff))
    assert Task.objects.count() == 2


def test_what_is_imported_meanwhile_is_known(staff: Client, alice: User) -> None:
    upload(staff, CSV)
    first = path()
    upload(staff, CSV)
    confirm(staff)

    page = staff.post(first, follow=True)

    assert "0 tasks imported" in text(page)
    assert "2 known" in text(page)


def test_a_parent_that_is_deleted_meanwhile_is_named(
    staff: Client, alice: User
) -> None:
    parent = make_task(alice, external_id="1")
    upload(staff, "external_id,title,parent\n2,Oat milk,1\n3,Bread,")
    Task.objects.filter(pk=parent.pk).remove(BY)

    page = text(confirm(staff))

    assert "Line 2: Its parent does not exist any more." in page
    assert Task.objects.get().title == "Bread"


def test_a_user_who_is_deleted_meanwhile_gets_nothing(
    staff: Client, alice: User
) -> None:
    upload(staff, "title\nBread")
    alice.delete()

    assert "Its owner does not exist any more" in text(confirm(staff))


def test_many_rows_are_imported_by_a_job(
    staff: Client, alice: User, small_portions: None
) -> None:
    content = "external_id,title,parent\n" + "".join(
        f"{n},Task {n},{n - 1 if n % 2 else ''}\n" for n in range(2, 8)
    )
    page = upload(staff, content)
    assert results(page) == [(2, "added"), (3, "added")]
    assert [row[0] for row in staff.get(f"{path()}?page=3").context["rows"]] == [6, 7]
    for number in ("0", "9", "x", "9" * 30):
        assert staff.get(f"{path()}?page={number}").status_code == 200

    page = text(confirm(staff))
    assert "It is being imported: 0 of 6" in page
    jobs.do_portion(Job.objects.get().pk)
    assert "2 of 6 rows so far" in text(staff.get(path()))
    confirm(staff)
    jobs.finish(Job.objects.get())

    assert "6 tasks imported" in text(staff.get(path()))
    assert Task.objects.filter(parent__isnull=False).count() == 3


def test_subtasks_before_their_parents_are_imported(
    staff: Client, alice: User, small_portions: None
) -> None:
    upload(staff, "external_id,title,parent\n1,a,3\n2,b,3\n4,c,\n3,Parent,\n")
    confirm(staff)
    jobs.finish(Job.objects.get())

    assert Task.objects.get(title="Parent").subtasks.count() == 2


def test_a_parent_that_is_known_by_its_client_id_gets_its_subtask(
    staff: Client, alice: User, small_portions: None
) -> None:
    client_id = UUID(int=7)
    parent = make_task(alice, "Parent", client_id=client_id)
    make_task(alice, "Child", parent_id=parent.pk)
    content = b"".join(jsonl.write(records_of(alice.pk)))
    Task.objects.all().remove(BY)
    again = make_task(alice, "Parent", client_id=client_id)

    page = upload(staff, content, "jsonl")

    assert [what for _, what in results(page)] == ["known", "added"]
    confirm(staff)
    assert again.subtasks.get().title == "Child"


def test_a_file_names_owners_lists_and_tags(
    staff: Client, alice: User, bob: User
) -> None:
    make_list(bob, "Work")
    lines = [
        '{"kind":"header","format":"tasks","version":2}',
        '{"kind":"list","name":"Work","owner":"bob"}',
        '{"kind":"tag","name":"new","owner":"alice"}',
        '{"kind":"task","external_id":"1","title":"a","owner":"bob","list":"Work"}',
        '{"kind":"task","external_id":"1","title":"b","owner":"alice"}',
        '{"kind":"task","external_id":"1","title":"c","owner":"nobody"}',
    ]

    page = upload(staff, "\n".join(lines), "jsonl", owner="")

    assert sorted(what for _, what in results(page)) == [
        *("added", "added", "by name", "by name", "refused")
    ]
    assert "There is no user &#x27;nobody&#x27;: create the user, or" in text(page)
    assert "tasks are added to them: Work" in text(page)
    assert "Only the rows that it has can be imported" in text(page)
    confirm(staff)
    assert {(t.title, t.owner) for t in Task.objects.all()} == {
        ("a", bob),
        ("b", alice),
    }


TITLES = """{"kind":"header","format":"tasks","version":2}
{"kind":"list","name":"Work","owner":"nobody"}
{"kind":"tag","name":"new","owner":"nobody"}
{"kind":"task","external_id":"1","title":"Of nobody","owner":"nobody"}
{"kind":"task","external_id":"2","title":"First"}
{"kind":"task","external_id":"2","title":"Again"}
{"kind":"task","external_id":"3","title":"Lost","parent":"none"}
{"kind":"task","external_id":"4","title":"Huge","priority":"huge"}
{"kind":"task","external_id":"5","title":"NUL \\u0000 \\ud800\\n"}
{"kind":"task","external_id":"6","title":7}
{"kind":"task","external_id":"7","title":"Long","descriptio"
"""


@pytest.mark.either_database
def test_refused_rows_have_the_titles_that_can_be_read(
    staff: Client, alice: User, bob: User
) -> None:
    line = '{"kind":"task","external_id":"8","title":"Other","owner":"nobody"}'
    page = upload(staff, f"{TITLES}{line}", "jsonl", owner="")
    titles = [name for _, _, name, _ in page.context["rows"]]
    assert titles[:3] == ["List “Work”", "Tag “new”", "Of nobody"]
    assert titles[-1] == "Other"

    page = upload(staff, TITLES, "jsonl")

    titles = [name for _, what, name, _ in page.context["rows"] if what == "refused"]
    assert titles == [
        "Again",
        "Lost",
        "Huge",
        "NUL \N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER}",
        "",
        "",
    ]


def choose(client: Client, owner: str, where: str = "") -> Any:
    return client.post(where or path(), {"step": "owner", "owner": owner}, follow=True)


def test_an_owner_is_chosen_at_the_preview(
    staff: Client, alice: User, bob: User
) -> None:
    """Without a second upload, and again: the first preview stays as it is."""
    content = "title,owner\nBread,\nMilk,nobody\nTea,bob\n"
    page = upload(staff, content, owner="")
    first = path()
    assert results(page) == [(2, "refused"), (3, "refused"), (4, "added")]
    assert "All tasks of the file go to this user" in text(page)

    again = choose(staff, "bob")
    assert results(again) == [(2, "added"), (3, "added"), (4, "added")]
    assert path() in again.redirect_chain[0][0] != first
    again = choose(staff, "alice")
    assert results(again) == [(2, "added"), (3, "added"), (4, "added")]
    assert results(staff.get(first)) == results(page)
    assert not Task.objects.exists()

    assert "3 tasks imported" in text(confirm(staff))
    assert [task.owner for task in Task.objects.all()] == [alice] * 3
    assert "All tasks of the file" not in text(staff.get(path()))


@pytest.mark.either_database
def test_an_owner_who_does_not_exist_is_refused_at_the_preview(
    staff: Client, alice: User
) -> None:
    upload(staff, "title\nBread", owner="")

    for name, why in [("nobody", "no active user"), ("", "is required")]:
        page = choose(staff, name)
        assert why in text(page)
        assert results(page) == [(2, "refused")]
    assert Upload.objects.count() == 1


@pytest.mark.either_database
def test_an_owner_is_chosen_by_who_may_and_for_files_without(
    alice: User, bob: User
) -> None:
    may = ("add_task", "add_tasklist", "view_user")
    client = as_staff(bob, *may)
    upload(client, "title\nBread", owner="")
    as_editor(bob, *may)
    assert "All tasks of the file" not in text(client.get(path()))
    assert "All tasks of the file" not in text(choose(client, "alice"))
    as_staff(bob, *may)
    upload(client, "title\nBread", owner="bob")
    assert "All tasks of the file" not in text(choose(client, "alice"))

    assert Upload.objects.count() == 2
    assert UploadFile.objects.count() == 1


@pytest.mark.either_database
def test_a_row_with_two_faults_is_refused_once(staff: Client, alice: User) -> None:
    client = UUID(int=7)
    rows = f"1,a,,{client}\n2,b,none,{client}\n"

    page = upload(staff, f"external_id,title,parent,client_id\n{rows}")

    assert results(page) == [(2, "added"), (3, "refused")]
    assert "1 row cannot be imported" in text(page)


@pytest.mark.either_database
def test_markup_in_a_file_stays_text(staff: Client, alice: User) -> None:
    page = text(upload(staff, f"title,priority\n{SCRIPT},\n{SCRIPT},{SCRIPT}\n"))

    assert SCRIPT not in page
    assert ESCAPED in page


@pytest.mark.either_database
@pytest.mark.parametrize(
    "kind", ["csv", "jsonl", "ics", "google", "vikunja", "todoist"]
)
def test_any_bytes_are_refused_with_a_reason(
    staff: Client, alice: User, kind: str
) -> None:
    page = upload(staff, b"\x00\xff\xfe{", kind)

    assert page.context["summary"]["refused"]
    assert "0 tasks imported" in text(confirm(staff))


@pytest.mark.either_database
def test_a_file_that_is_too_large_is_refused(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_imports, "MAX_ROWS", 2)
    assert "A file has at most" in messages(upload(staff, "title\na\nb\nc"))[0]

    monkeypatch.setattr(imports, "MAX_BYTES", 10)
    assert "A file has at most" in messages(upload(staff, "title\n" + "a" * 10))[0]
    monkeypatch.setattr(imports, "ENVELOPE", 10)
    assert "A file has at most" in messages(upload(staff, "title"))[0]
    assert not Upload.objects.exists()


def test_the_name_of_the_file_says_its_format(staff: Client, alice: User) -> None:
    upload(staff, "title\nBread", "")

    assert Upload.objects.get().format == "csv"


XLSX = {"file": SimpleUploadedFile("tasks.xlsx", b"PK"), "format": ""}
#: As Google Tasks and Microsoft To Do name theirs.
JSON = {"file": SimpleUploadedFile("Tasks.json", b"{}"), "format": ""}


EMPTY, OTHER = {"file": ""}, {"format": "exe"}
NOBODY, NUL = {"owner": "nobody"}, {"owner": "a\x00"}


@pytest.mark.parametrize("sent", [EMPTY, OTHER, NOBODY, NUL, XLSX, JSON])
def test_an_incomplete_form_is_shown_again(
    staff: Client, alice: User, sent: dict[str, Any]
) -> None:
    page = upload(staff, "title\nBread", **sent)

    assert page.context["form"].errors
    assert not Upload.objects.exists()


def test_it_is_confirmed_within_an_hour(staff: Client, alice: User) -> None:
    upload(staff, "title\nBread")
    Upload.objects.update(created_at=timezone.now() - timedelta(hours=1))

    assert "more than an hour ago" in messages(confirm(staff))[0]
    assert not Task.objects.exists()


def test_purge_deletes_it_after_a_day(staff: Client, alice: User) -> None:
    upload(staff, "title\nBread")
    upload(staff, "title\nBread", owner="")
    Upload.objects.update(created_at=timezone.now() - timedelta(hours=25))

    call_command("purge", verbosity=0)

    assert not Upload.objects.exists()


@pytest.mark.parametrize("step", ["", "owner"])
def test_one_that_is_purged_after_its_page_has_found_it_is_404(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    staff.raise_request_exception = False
    upload(staff, "title\nBread", owner="")

    def purged(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            Upload.objects.all().delete()
            return call(*given)

        return run

    monkeypatch.setattr(imports, "read_again", purged(upload_imports.read_again))
    monkeypatch.setattr(imports, "confirm_upload", purged(confirm_upload))
    answer = staff.post(path(), {"step": step, "owner": "alice"})

    assert answer.status_code == 404
    assert "Nothing is here" in text(answer)


@pytest.mark.either_database
def test_nobody_else_sees_or_confirms_it(staff: Client, alice: User, bob: User) -> None:
    upload(staff, "title\nBread")
    client = as_staff(bob, "view_task", "add_task", "add_tasklist")

    assert client.get(path()).status_code == client.post(path()).status_code == 404
    client = as_staff(bob, "view_task", "add_task")
    assert client.get(IMPORT).status_code == client.post(path()).status_code == 403
    assert IMPORT not in text(client.get(LIST))
    assert IMPORT in text(staff.get(LIST))


@pytest.mark.either_database
def test_who_may_not_view_users_imports_own_tasks(alice: User, bob: User) -> None:
    client = as_staff(bob, "add_task", "add_tasklist")
    upload(client, "title,owner\nBread,alice")
    confirm(client)

    assert Task.objects.get().owner == bob


@pytest.mark.either_database
def test_a_file_of_another_site_and_of_nobody_is_not_read(
    carol: User, alice: User, queries: CaptureQueriesContext
) -> None:
    client = Client(enforce_csrf_checks=True)
    assert upload(client, "title\nBread").redirect_chain[0][1] == 302
    force_login(client, carol)
    carol.is_staff = carol.is_superuser = True
    carol.save()

    assert upload(client, "title\nBread").status_code == 403
    assert not Upload.objects.exists()


def test_an_upload_takes_as_many_statements_for_many_rows_as_for_few(
    staff: Client, alice: User, queries: CaptureQueriesContext
) -> None:
    counts = []
    for count in (2, 100):
        before = len(queries)
        upload(staff, "title\n" + "".join(f"{count}-{n}\n" for n in range(count)))
        confirm(staff)
        counts.append(len(queries) - before)

    assert counts[0] == counts[1]
    assert Task.objects.count() == 102
