"""manage.py import_tasks: files of other services, and files that are none"""

from pathlib import Path
from typing import Any

import pytest

from taskproject.accounts.models import User
from tasks import imports
from tasks.formats import READERS
from tasks.models import Event, Tag, Task, TaskList
from tests.conftest import BY, make_task
from tests.support.batches import everything
from tests.support.commands import refused, run
from tests.support.files import load, sample, task, write
from tests.support.rows import make_list

EMPTY = "title is empty; give 1 to 200 characters."
NOWHERE = "The parent '{}' is neither in the file nor in the database."
BELOW = "The parent is a subtask, which can have no subtasks."
ALICES = {"owner": "alice"}
# What each sample holds: bad rows, tasks, lists and tags; and how much is adjusted.
SAMPLES = {
    "todoist": (0, 11, 1, 3, 9),
    "google": (1, 10, 2, 0, 4),
    "microsoft": (1, 7, 2, 2, 2),
    "vikunja": (0, 7, 3, 2, 4),
}


def told(*counts: int, done: str = "Imported", bad: int = 0, adjusted: int = 0) -> str:
    tasks, lists, tags, known = counts
    also = f" {bad:,} invalid rows were skipped." if bad else ""
    also += f" {adjusted:,} adjustments are listed above." if adjusted else ""
    return (
        f"{done} {tasks:,} tasks, {lists:,} lists and {tags:,} tags; "
        f"{known:,} tasks existed already.{also}\n"
    )


@pytest.fixture
def path(tmp_path: Path, alice: User) -> Path:
    """Where a test writes its file, of tasks that will be alice's."""
    return tmp_path / "tasks.jsonl"


def skipping(path: Path) -> tuple[str, list[str]]:
    """The output of an import without the bad rows, and what it says of them."""
    options = ("--owner=alice", "--skip-bad", "--verbosity=0")
    output, errors = run("import_tasks", str(path), *options)
    return output, errors.splitlines()


# The samples


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_stored_once_without_its_bad_rows(
    alice: User, tmp_path: Path, name: str
) -> None:
    bad, tasks, lists, tags, adjusted = SAMPLES[name]
    options = ("--owner=alice", f"--format={name}", "--skip-bad")

    dry = load(sample(tmp_path, name), *options, "--dry-run")
    assert not Task.objects.exists()
    output = load(sample(tmp_path, name), *options)

    done = told(tasks, lists, tags, 0, bad=bad, adjusted=adjusted)
    assert output == done
    assert dry == done.replace("Imported", "Would import")
    stored = (Task.objects, TaskList.objects, Tag.objects)
    assert [each.count() for each in stored] == [tasks, lists, tags]
    assert set(Task.objects.values_list("owner__username", flat=True)) == {"alice"}
    assert all(
        it.external_id and it.external_id.startswith(f"{name}:")
        for it in Task.objects.all()
    )
    below = Task.objects.filter(parent__isnull=False)
    assert below.exists()
    assert not below.filter(parent__parent__isnull=False).exists()
    assert (name == "todoist") == TaskList.objects.filter(name="todoist").exists()
    before = everything()
    again = load(sample(tmp_path, name), *options)
    assert again == told(0, 0, 0, tasks, bad=bad, adjusted=adjusted)
    assert everything() == before


# Bad rows


def test_a_bad_row_is_told_with_its_line_and_reason_and_nothing_is_stored(
    path: Path,
) -> None:
    write(path, task("a"), "{", task("b", title=""), task("c", parent="x"), task("d"))
    before = everything()

    with pytest.raises(Exception, match="3 of 5 rows are invalid. Nothing was stored"):
        run("import_tasks", str(path), "--owner=alice", "--verbosity=0")

    assert everything() == before


def test_each_bad_row_is_told_and_with_skip_bad_left_out(path: Path) -> None:
    write(path, task("a"), '"', task("b", title=""), task("c", parent="x"), task("d"))

    output, errors = skipping(path)

    assert errors == [
        "line 3: The line is not JSON: Invalid control character at.",
        f"line 4: {EMPTY}",
        f"line 5: {NOWHERE.format('x')}",
    ]
    assert output == told(2, 0, 0, 0, bad=3)
    names = Task.objects.order_by("pk").values_list("external_id", flat=True)
    assert list(names) == ["a", "d"]


@pytest.mark.parametrize(
    ("records", "line", "reason"),
    [
        (
            [task("a", **ALICES), task("a", "b", **ALICES)],
            3,
            "The external_id 'a' is used by an earlier row.",
        ),
        (
            [
                task("a", **ALICES),
                task("b", parent="a", **ALICES),
                task("c", parent="b", **ALICES),
            ],
            4,
            BELOW,
        ),
        (
            [task("b", parent="x", **ALICES), task("a", **ALICES)],
            2,
            NOWHERE.format("x"),
        ),
        (
            [task("a", owner="zoe")],
            2,
            "There is no user 'zoe': create the user, or use --owner for all rows.",
        ),
        ([task("a")], 2, "It names no owner; use --owner."),
    ],
)
def test_what_cannot_be_stored_is_told(
    path: Path, records: Any, line: int, reason: str
) -> None:
    write(path, *records)

    _, errors = run("import_tasks", str(path), "--skip-bad", "--verbosity=0")

    assert errors == f"line {line}: {reason}\n"
    assert Task.objects.count() == len(records) - 1


@pytest.mark.parametrize(
    ("rows", "errors"),
    [
        # Blank lines count.
        (["", task("a"), "", task("b", parent="x")], {5: NOWHERE.format("x")}),
        # What is below a bad row is bad too.
        (
            [task("b", parent="a"), task("a", "")],
            {2: NOWHERE.format("a"), 3: EMPTY},
        ),
        # A circle of parents, and what is below a subtask.
        (
            [
                *(task("a", parent="b"), task("b", parent="a")),
                *(task("c", parent="d"), task("d", parent="e"), task("e")),
            ],
            dict.fromkeys((2, 3, 4), BELOW),
        ),
    ],
)
def test_bad_rows_are_told_with_their_lines(
    path: Path, rows: list[Any], errors: dict[int, str]
) -> None:
    write(path, *rows)

    output, said = skipping(path)

    assert said == [f"line {line}: {reason}" for line, reason in errors.items()]
    good = sum(row != "" for row in rows) - len(errors)
    assert output == told(good, 0, 0, 0, bad=len(errors))


def test_of_many_bad_rows_the_first_are_told(path: Path) -> None:
    write(path, *["nonsense"] * 60)

    _, errors = skipping(path)

    assert len(errors) == 51
    assert errors[-1] == "and 10 more"


# Any order


@pytest.mark.parametrize("batch", [1, 2, 1_000])
def test_subtasks_may_come_before_their_parents(
    alice: User, path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(imports, "BATCH", batch)
    write(
        path,
        task("c1", "Child 1", parent="p1", list="Home"),
        task("c2", "Child 2", parent="p2", tags=["x"]),
        task("p2", "Parent 2"),
        task("c3", "Child 3", parent="p1"),
        task("p1", "Parent 1"),
    )

    dry = load(path, "--owner=alice", "--dry-run")
    output = load(path, "--owner=alice")

    assert output == told(5, 1, 1, 0)
    assert dry == told(5, 1, 1, 0, done="Would import")
    below = Task.objects.filter(parent__isnull=False).order_by("pk")
    assert [(it.title, it.parent and it.parent.title) for it in below] == [
        ("Child 1", "Parent 1"),
        ("Child 2", "Parent 2"),
        ("Child 3", "Parent 1"),
    ]
    assert load(path, "--owner=alice") == told(0, 0, 0, 5)


# Again, and on


@pytest.mark.django_db(transaction=True)
def test_an_interrupted_import_goes_on_where_it_was(
    alice: User, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "BATCH", 2)
    write(path, *(task(f"t{number}", list="Home") for number in range(7)))
    real, calls = imports.Importer.store_batch, iter(range(2))

    def interrupted(*arguments: Any) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        real(*arguments)

    with monkeypatch.context() as broken:
        broken.setattr(imports.Importer, "store_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load(path, "--owner=alice")
    assert Task.objects.count() == 4

    assert load(path, "--owner=alice") == told(3, 0, 0, 4)

    names = Task.objects.order_by("pk").values_list("external_id", flat=True)
    assert list(names) == [f"t{number}" for number in range(7)]


def test_what_is_there_already_is_left_as_it_became(alice: User, path: Path) -> None:
    load(write(path, task("a"), task("b")), "--owner=alice")
    Task.objects.filter(external_id="a").edit(BY, title="Changed")
    Task.objects.filter(external_id="b").trash(BY)
    before = everything()

    assert load(path, "--owner=alice") == told(0, 0, 0, 2)
    assert everything() == before


def test_a_subtask_of_a_task_that_was_stored_before_comes_below_it(
    alice: User, path: Path
) -> None:
    load(write(path, task("a")), "--owner=alice")

    load(write(path, task("b", parent="a")), "--owner=alice")

    assert Task.objects.get(external_id="b").parent == Task.objects.get(external_id="a")


def test_one_level_stays_one_where_a_parent_has_become_a_subtask(
    alice: User, path: Path
) -> None:
    top = make_task(alice, "Top")
    load(write(path, task("a")), "--owner=alice")
    Task.objects.filter(external_id="a").edit(BY, parent_id=top.pk)

    load(write(path, task("a"), task("b", parent="a")), "--owner=alice")

    assert Task.objects.get(external_id="b").parent == top


def test_names_in_another_case_are_the_lists_and_tags_that_are_there(
    alice: User, path: Path
) -> None:
    home = make_list(alice, "Home")
    make_task(alice, tags=["Errand"])
    write(
        path, task("a", list="HOME", tags=["errand"]), {"kind": "tag", "name": "ERRAND"}
    )

    assert load(path, "--owner=alice") == told(1, 0, 0, 0)

    stored = Task.objects.get(external_id="a")
    assert (stored.list, stored.tags) == (home, ["Errand"])


def test_a_list_or_tag_of_several_batches_is_counted_once(
    alice: User, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "BATCH", 2)
    write(path, *(task(f"t{n}", list="Home", tags=["x", "y"]) for n in range(6)))

    dry = load(path, "--owner=alice", "--dry-run")

    assert dry == told(6, 1, 2, 0, done="Would import")
    assert load(path, "--owner=alice") == told(6, 1, 2, 0)


def test_the_same_names_are_each_owners_own(alice: User, bob: User, path: Path) -> None:
    write(path, task("a", owner="alice"), task("a", owner="bob"))

    assert load(path) == told(2, 0, 0, 0)
    assert load(path) == told(0, 0, 0, 2)


def test_each_task_has_an_event_by_the_command(alice: User, path: Path) -> None:
    load(write(path, task("a"), task("b")), "--owner=alice")

    events = [(it.verb, it.via, it.actor, it.owner) for it in Event.objects.in_order()]
    assert events == [("created", "command", None, alice)] * 2


# Ids of digits only


def test_new_ids_of_digits_only_in_a_csv_are_warned_of(
    alice: User, tmp_path: Path
) -> None:
    make_task(alice, external_id="0012")
    path = tmp_path / "tasks.csv"
    path.write_text("external_id,title\n12,Buy milk\n0012,Buy milk\nx1,Bread\n")
    options = ("--owner=alice", "--format=csv", "--verbosity=0")

    _, errors = run("import_tasks", str(path), *options, "--dry-run")

    assert errors.startswith("Warning: 1 new tasks have an external_id of digits only")
    assert "'12'" in errors
    assert "as text" in errors
    run("import_tasks", str(path), *options)
    _, errors = run("import_tasks", str(path), *options)
    assert errors == ""


# Files that are not whole


def cut(path: Path) -> None:
    """Takes the end of the file away."""
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole[:-1]))


@pytest.mark.either_database
@pytest.mark.parametrize("option", ["--dry-run", "--skip-bad"])
def test_a_file_without_its_end_is_refused(path: Path, option: str) -> None:
    cut(write(path, task("a")))

    said = refused("import_tasks", str(path), "--owner=alice", option)

    assert said == (
        "The file has no end: it was cut off. Nothing was stored; export it again, or use "
        "--allow-incomplete to store the rows that it has."
    )
    assert not Task.objects.exists()


def test_what_there_is_of_a_file_is_stored_where_that_is_wanted(path: Path) -> None:
    cut(write(path, task("a")))

    assert load(path, "--owner=alice", "--allow-incomplete") == told(1, 0, 0, 0)


def test_a_file_of_an_earlier_version_needs_no_end(path: Path) -> None:
    path.write_text(
        '{"kind":"header","format":"tasks","version":1}\n'
        '{"kind":"task","external_id":"a","title":"Buy milk"}\n'
    )

    assert load(path, "--owner=alice") == told(1, 0, 0, 0)


# Files that are none


@pytest.mark.either_database
@pytest.mark.parametrize("name", ["jsonl", "csv", *SAMPLES])
@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01\xff\xfe" * 500, b"PK\x03\x04", b"[[" * 9_999, b"\n\n"]
)
def test_a_file_that_is_none_is_refused_in_words(
    alice: User, tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    said = refused("import_tasks", str(path), "--owner=alice", f"--format={name}")

    others = ", ".join(sorted(READERS.keys() - {name}))
    assert said == (
        f"No row is valid as {name}. Nothing was stored; correct the file, or say with "
        f"--format what it is: {others}."
    )
    assert not Task.objects.exists()


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tasks.csv", "csv"),
        ("Tasks.ICS", "ics"),
        ("Tasks.zip", "vikunja"),
        ("tasks", "jsonl"),
        ("tasks.json", "jsonl"),
    ],
)
def test_the_name_of_a_file_says_its_format(
    alice: User, tmp_path: Path, name: str, kind: str
) -> None:
    path = tmp_path / name
    path.touch()

    said = refused("import_tasks", str(path), "--owner=alice")

    assert said.startswith(f"No row is valid as {kind}.")


@pytest.mark.either_database
def test_a_file_that_is_only_written_is_refused_in_words(
    alice: User, tmp_path: Path
) -> None:
    said = refused("import_tasks", str(tmp_path / "tasks.xlsx"), "--owner=alice")

    assert said == "xlsx cannot be read: in a spreadsheet, save the sheet as csv."


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("nowhere.jsonl", "No such file or directory"),
        ("", "Is a directory"),
        ("file/inner", "Not a directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_words(
    alice: User, tmp_path: Path, where: str, reason: str
) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / where

    said = refused("import_tasks", str(path), "--owner=alice")

    assert said == f"{path} cannot be read: {reason}."


def test_an_unknown_owner_is_refused(path: Path) -> None:
    assert refused("import_tasks", str(path), "--owner=zoe") == (
        "There is no user 'zoe'. `manage.py create_token zoe --create-user` makes one."
    )


@pytest.mark.either_database
def test_rows_without_an_owner_are_advised_to_have_one(path: Path) -> None:
    write(path, task("a"), task("b"))

    said = refused("import_tasks", str(path))

    assert said == (
        "These rows name no owner. Nothing was stored; use --owner, or --skip-bad to store "
        "the others."
    )


@pytest.mark.either_database
def test_an_unknown_format_is_refused(path: Path) -> None:
    said = refused("import_tasks", str(path), "--format=xlsx")

    assert "invalid choice: 'xlsx'" in said
