"""The export of the tasks that the admin's list shows."""

import csv
import zipfile
from datetime import UTC, date, datetime
from io import BytesIO, StringIO
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject import downloads
from taskproject.accounts.models import User
from taskproject.problems import Unavailable
from tasks import exports
from tasks.formats import TaskRecord, xlsx
from tasks.models import Task
from tests.conftest import BY, make_task
from tests.support.admin import LIST, as_staff, many_tasks, messages, text
from tests.support.rows import make_list

EXPORT = f"{LIST}export/"
FORMULA = '=HYPERLINK("http://example.com")'
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def export(client: Client, kind: str, query: str = "") -> bytes:
    answer = client.get(f"{EXPORT}?{query}&format={kind}")
    assert answer.status_code == 200
    content: bytes = b"".join(answer)
    assert answer.headers["Content-Length"] == str(len(content))
    assert f".{kind}" in answer.headers["Content-Disposition"]
    return content


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(content.decode("utf-8-sig"))))


def cells(content: bytes, sheet: int = 1) -> list[list[tuple[str, str]]]:
    """The type and the text of each cell."""
    with zipfile.ZipFile(BytesIO(content)) as book:
        tree = ElementTree.fromstring(book.read(f"xl/worksheets/sheet{sheet}.xml"))
    return [
        [(cell.get("t", "n"), "".join(cell.itertext())) for cell in row]
        for row in tree.iter(f"{MAIN}row")
    ]


@pytest.fixture
def tasks(alice: User, bob: User) -> list[Task]:
    home = make_list(alice, "Home")
    parent = make_task(alice, FORMULA, list_id=home.pk, tags=["a", "b, c"])
    child = make_task(alice, "Child", parent_id=parent.pk, due_date=date(2030, 5, 1))
    return [parent, child, make_task(bob, "Bob's", completed=True)]


def test_the_csv_has_the_filtered_tasks_with_their_owners(
    staff: Client, tasks: list[Task]
) -> None:
    found = rows(export(staff, "csv"))
    assert [row["owner"] for row in found] == ["alice", "alice", "bob"]
    assert found[0]["title"] == f"'{FORMULA}"
    assert found[1]["parent"] == found[0]["external_id"]

    [row] = rows(export(staff, "csv", "completed__exact=1"))
    assert row["title"] == "Bob's"
    assert rows(export(staff, "csv", "q=nothing")) == []


def test_the_jsonl_has_the_trash_where_the_filter_does(
    staff: Client, tasks: list[Task]
) -> None:
    Task.objects.filter(pk=tasks[1].pk).trash(BY)

    lines = export(staff, "jsonl", "trash=all").splitlines()

    found = [orjson.loads(line) for line in lines[1:-1]]
    assert [line["title"] for line in found] == [FORMULA, "Child", "Bob's"]
    assert found[1]["deleted_at"]
    assert len(export(staff, "jsonl").splitlines()) == 4


def test_a_formula_stays_text_in_a_spreadsheet(
    staff: Client, tasks: list[Task]
) -> None:
    header, first, second, third = cells(export(staff, "xlsx"))

    names = [name for _, name in header]
    at = names.index
    assert first[at("title")] == ("inlineStr", FORMULA)
    assert ("inlineStr", 'a, "b, c"') in first
    assert ("inlineStr", "alice") in first
    assert ("n", "47604") in second  # a date
    assert ("b", "1") in third


def test_a_spreadsheet_has_further_sheets_for_further_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(xlsx, "ROWS", 2)
    noon = datetime(1900, 1, 1, tzinfo=UTC)
    records = [TaskRecord(f"000{n}", f"Task {n}\x1b", due_at=noon) for n in range(3)]

    content = b"".join(xlsx.write(records))

    assert len(cells(content)) == 3
    [_, row] = cells(content, sheet=2)
    assert ("inlineStr", "0002") in row
    assert ("inlineStr", "1900-01-01 00:00:00") in row


@pytest.mark.parametrize("kind", ["csv", "xlsx", "jsonl"])
def test_it_takes_as_many_statements_for_many_tasks_as_for_few(
    staff: Client, alice: User, queries: CaptureQueriesContext, kind: str
) -> None:
    counts = []
    for count in (2, 60):
        many_tasks(alice, count)
        before = len(queries)
        export(staff, kind)
        counts.append(len(queries) - before)

    assert counts[0] == counts[1]


def test_it_reads_tasks_in_chunks(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "KEYS", 4)
    monkeypatch.setattr(exports, "CHUNK", 3)
    tasks = many_tasks(alice, 9)

    found = rows(export(staff, "csv"))

    assert [row["title"] for row in found] == [task.title for task in tasks]


def test_the_list_leads_to_it_with_its_filters(
    staff: Client, tasks: list[Task]
) -> None:
    page = text(staff.get(f"{LIST}?completed__exact=1&q=bob"))
    assert f'{EXPORT}?completed__exact=1&amp;q=bob"' in page

    page = text(staff.get(f"{EXPORT}?completed__exact=1&q=bob"))

    assert "1 task, as the list shows" in page
    assert '<input type="hidden" name="q" value="bob">' in page


@pytest.mark.parametrize("query", ["nothing=1", "owner=x&created_at__year=99999999"])
def test_an_invalid_filter_exports_nothing(staff: Client, query: str) -> None:
    answer: Any = staff.get(f"{EXPORT}?{query}&format=csv", follow=True)

    assert "A filter in the address is invalid" in messages(answer)[0]


def test_too_many_downloads_are_refused_on_the_page(
    staff: Client, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise Unavailable("Too many exports are in progress. Try again shortly.")

    monkeypatch.setattr(downloads.slots, "take", full)

    answer = staff.get(f"{EXPORT}?format=csv")

    assert "Too many exports" in text(answer)


def test_who_may_not_view_tasks_exports_none(bob: User) -> None:
    assert as_staff(bob, "add_task").get(f"{EXPORT}?format=csv").status_code == 403
