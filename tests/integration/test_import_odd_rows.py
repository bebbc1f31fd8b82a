"""manage.py import_tasks: rows of other services' files that do not fit"""

import json
from pathlib import Path

import pytest
from django.core.management.base import CommandError

from taskproject.accounts.models import User
from tasks.models import Task
from tests.support.batches import everything
from tests.support.commands import run


def test_a_foreign_file_that_is_not_utf_8_is_refused_whole(
    alice: User, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"TYPE,CONTENT\r\ntask,Plan\r\ntask,Sweep \xe4\r\n")

    with pytest.raises(
        CommandError, match="1 of 3 rows are invalid. Nothing was stored"
    ):
        run("import_tasks", str(path), "--owner=alice", "--format=todoist")

    assert not Task.objects.exists()


# What does not fit

ODD = {
    "ics": (
        "Home.ics",
        (
            "BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:a\nDUE:20270131\nRRULE:FREQ=MONTHLY\n"
            f"DESCRIPTION:{'word ' * 4_001}\nEND:VTODO\nBEGIN:VTODO\nRELATED-TO:b\n"
            "UID:c\nEND:VTODO\nBEGIN:VTODO\nUID:b\nRELATED-TO:a\nEND:VTODO\n"
            "END:VCALENDAR\n"
        ).encode(),
    ),
    "todoist": (
        "x.csv",
        b"TYPE,CONTENT,DESCRIPTION,PRIORITY,INDENT,DATE\n"
        b"project_note,Mind the cat,,,,\n"
        b"task,,,4,1,9999-12-31\n"
        b"task,Child," + b"word " * 4_001 + b",4,2,every friday\n",
    ),
    "google": (
        "Tasks.json",
        json.dumps(
            {
                "items": [
                    {"id": "1", "title": "Home", "items": [{"id": "a", "title": ""}]},
                    {
                        "id": "2",
                        "title": "Home",
                        "items": [
                            {"id": "b", "title": "c", "due": "0001-01-01T00:00:00Z"},
                            {"id": "d", "title": "Child", "parent": "b"},
                            {"title": "No id", "notes": "word " * 4_001},
                        ],
                    },
                ]
            }
        ).encode(),
    ),
    "microsoft": (
        "tasks.json",
        json.dumps(
            {
                "value": [
                    {
                        "id": "a",
                        "title": "",
                        "createdDateTime": "1601-01-01T00:00:00Z",
                        "checklistItems": [{"id": "1", "displayName": ""}],
                        "body": {"content": "word " * 4_001, "contentType": "text"},
                    }
                ]
            }
        ).encode(),
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_a_file_of_odd_rows_is_stored_whole_and_again_changes_nothing(
    alice: User, tmp_path: Path, name: str
) -> None:
    file, content = ODD[name]
    path = tmp_path / file
    path.write_bytes(content)
    options = ("--owner=alice", f"--format={name}", "--verbosity=0")

    _, errors = run("import_tasks", str(path), *options)

    assert all(": adjusted: " in line for line in errors.splitlines())
    stored = list(Task.objects.order_by("pk"))
    assert "(no title)" in {task.title for task in stored}
    assert sum(task.description.count("word ") for task in stored) == 4_001
    assert any(task.parent_id for task in stored)
    assert not Task.objects.filter(parent__parent__isnull=False).exists()
    before = everything()

    output, again = run("import_tasks", str(path), *options)

    assert f"{len(stored)} tasks existed already" in output
    assert again == errors
    assert everything() == before


def test_each_adjustment_is_told_with_its_line(alice: User, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = "".join(f"task,{number},someday\n" for number in range(60))
    path.write_text(f"TYPE,CONTENT,DATE\n{rows}")

    output, errors = run(
        "import_tasks", str(path), "--owner=alice", "--format=todoist", "--verbosity=0"
    )

    assert output.endswith(" 60 adjustments are listed above.\n")
    assert errors.splitlines() == [
        f"line {line}: adjusted: Due 'someday' is neither a day nor a known rule; kept in "
        "the description."
        for line in range(2, 62)
    ]


def test_a_list_that_was_there_already_is_told(alice: User, tmp_path: Path) -> None:
    options = ("--owner=alice", "--format=todoist", "--verbosity=0")
    errors = []
    for number, title in ((1, "a"), (2, "b"), (2, "b")):
        path = tmp_path / f"Home [220330614{number}].csv"
        path.write_text(f"TYPE,CONTENT\ntask,{title}\n")
        errors.append(run("import_tasks", str(path), *options)[1])

    told = "adjusted: The list 'Home' exists already; the tasks are added to it.\n"
    assert errors == ["", told, ""]
    assert Task.objects.filter(list__name="Home").count() == 2
