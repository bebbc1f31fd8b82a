"""manage.py export_tasks, and import_tasks of what it wrote: nothing is lost."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoDbBlocker

from taskproject.accounts.models import User
from taskproject.names import casefold_key
from tasks import exports, imports
from tasks.formats import ListRecord, TagRecord, TaskRecord, jsonl
from tasks.models import Tag, Task, TaskList, lock_feeds
from tests.conftest import BY, make_task
from tests.support import records
from tests.support.batches import everything
from tests.support.commands import refused, run
from tests.support.copies import connected_to, copy_of
from tests.support.files import export, load, task, write
from tests.support.rows import make_list
from tests.support.servers import ROOT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasks.jsonl"


def make_world(owner: User) -> None:
    """One of each thing that a file holds, and each kind of task."""
    home = make_list(owner, "Home")
    make_list(owner, "Empty", archived=True)
    with lock_feeds([owner.pk]):
        Tag.objects.obtain(BY, datetime.now(UTC), owner.pk, ["unused", "Errand"])
    parent = make_task(owner, "Party", list_id=home.pk, tags=["errand", "fun"])
    make_task(
        owner,
        "Buy cake",
        description="Chocolate,\nno nuts 🌰",
        parent_id=parent.pk,
        priority=Task.Priority.URGENT,
        due_date=date(2026, 12, 31),
    )
    make_task(
        owner,
        "Call Jörg",
        completed=True,
        due_at=datetime(2026, 12, 31, 17, 30, 15, 123456, UTC),
        due_timezone="Europe/Berlin",
    )
    first = make_task(owner, "Moved to the front", list_id=home.pk)
    Task.objects.filter(pk=first.pk).move(BY, before=parent.pk)
    trashed = make_task(owner, "Trashed", list_id=home.pk)
    make_task(owner, "Below what is trashed", parent_id=trashed.pk)
    Task.objects.filter(pk=trashed.pk).trash(BY)
    make_task(owner, "Imported once", external_id="todoist:1")


# The same again


def test_all_that_there_is_comes_back(alice: User, bob: User, path: Path) -> None:
    make_world(alice)
    written = export(path, "--owner=alice")

    output = load(path, "--owner=bob")

    assert output == (
        "Imported 7 tasks, 2 lists and 3 tags; 0 tasks existed already.\n"
    )
    assert export(path, "--owner=bob") == written
    kept = [
        "title", "description", "completed", "completed_at", "created_at",
        "updated_at", "deleted_at", "list__name", "parent__title", "tags", "priority",
        "due_date", "due_at", "due_timezone", "due_moment", "position",
        "sorted_title", "search",
    ]  # fmt: skip
    alices, bobs = (
        list(Task.objects.owned_by(user.pk).order_by("title").values(*kept))
        for user in (alice, bob)
    )
    assert bobs == alices
    told = [
        [
            list(model.objects.owned_by(user.pk).in_order().values(*names))
            for model, names in (
                (TaskList, ["name", "position", "archived"]),
                (Tag, ["name"]),
            )
        ]
        for user in (alice, bob)
    ]
    assert told[0] == told[1]


def test_importing_ones_own_export_changes_nothing(alice: User, path: Path) -> None:
    """Tasks that were made here are known by the name that they have outside."""
    make_world(alice)
    export(path, "--owner=alice")
    before = everything()

    assert load(path, "--owner=alice") == (
        "Imported 0 tasks, 0 lists and 0 tags; 7 tasks existed already.\n"
    )

    assert everything() == before


def test_a_task_of_another_installation_with_the_same_number_is_another(
    alice: User, path: Path
) -> None:
    own = make_task(alice, "Mine")
    [mine] = export(path, "--owner=alice")
    other = task(f"{own.pk}-1", "Other")
    for file in ((mine, other), (other, mine)):
        write(path, *file)
        load(path, "--owner=alice")

    assert sorted(Task.objects.values_list("title", flat=True)) == ["Mine", "Other"]


def test_what_was_deleted_for_good_comes_back(alice: User, path: Path) -> None:
    make_world(alice)
    written = export(path, "--owner=alice")
    Task.objects.all().remove(BY)
    assert not Task.objects.exists()

    load(path, "--owner=alice")

    assert export(path, "--owner=alice") == written


def test_a_dry_run_stores_nothing(alice: User, bob: User, path: Path) -> None:
    make_world(alice)
    export(path, "--owner=alice")
    before = everything()

    assert load(path, "--owner=bob", "--dry-run") == (
        "Would import 7 tasks, 2 lists and 3 tags; 0 tasks existed already.\n"
    )

    assert everything() == before


def test_everybodys_export_gives_each_their_own_back(
    alice: User, bob: User, carol: User, path: Path, tmp_path: Path
) -> None:
    make_world(alice)
    make_world(bob)
    make_task(bob, "Bob's own")
    everybodys = export(path)
    mine = {user: export(tmp_path / "mine", f"--owner={user}") for user in (alice, bob)}
    assert {line["owner"] for line in everybodys} == {"alice", "bob"}
    Task.objects.all().remove(BY)
    TaskList.objects.all().delete()
    Tag.objects.all().delete()

    assert load(path) == (
        "Imported 15 tasks, 4 lists and 6 tags; 0 tasks existed already.\n"
    )

    assert export(tmp_path / "again") == everybodys
    for user, written in mine.items():
        assert export(tmp_path / "mine", f"--owner={user}") == written


def test_with_owner_everything_becomes_theirs(
    alice: User, bob: User, carol: User, path: Path
) -> None:
    make_task(alice, "Alice's")
    make_task(bob, "Bob's")
    export(path)

    load(path, "--owner=carol")

    owned = Task.objects.owned_by(carol.pk).values_list("title", flat=True)
    assert sorted(owned) == ["Alice's", "Bob's"]


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_batches_of_any_size_store_the_same(
    alice: User, bob: User, path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    make_world(alice)
    written = export(path, "--owner=alice")
    monkeypatch.setattr(imports, "BATCH", batch)
    monkeypatch.setattr(exports, "CHUNK", batch)

    load(path, "--owner=bob")

    assert export(path, "--owner=bob") == written


def test_a_csv_brings_the_live_tasks_back(
    alice: User, bob: User, tmp_path: Path
) -> None:
    make_world(alice)
    path = tmp_path / "tasks.csv"
    arguments: dict[str, Any] = {"format": "csv", "output": str(path), "verbosity": 0}
    call_command("export_tasks", owner="alice", **arguments)
    written = path.read_bytes()

    load(path, "--owner=bob", "--format=csv")
    call_command("export_tasks", owner="bob", **arguments)

    # What was below a task in the trash is a task of its own now, and told among those.
    assert sorted(path.read_bytes().splitlines()) == sorted(written.splitlines())
    assert b"Trashed" not in written
    assert b"Below what is trashed" in written
    assert load(path, "--owner=bob", "--format=csv") == (
        "Imported 0 tasks, 0 lists and 0 tags; 6 tasks existed already.\n"
    )


# Any world


@st.composite
def worlds(draw: st.DrawFn) -> list[Any]:
    """Lists, tags, tasks, and subtasks of those, as a file has them."""
    lists = draw(
        st.lists(
            st.builds(
                ListRecord,
                records.names(100),
                records.POSITIONS.filter(bool),
                st.booleans(),
            ),
            max_size=3,
            unique_by=lambda it: casefold_key(it.name),
        )
    )
    names = st.lists(records.names(50), max_size=4, unique_by=casefold_key)
    tags = draw(names)
    at = {
        "owner": st.none(),
        "list": st.sampled_from([None, *(it.name for it in lists)]),
        "tags": st.lists(st.sampled_from(tags), unique=True) if tags else st.just([]),
        "created_at": records.INSTANTS,
        "updated_at": records.INSTANTS,
        "position": records.POSITIONS.filter(bool),
    }
    made: list[TaskRecord] = []
    for number in range(draw(st.integers(0, 5))):
        fixed: dict[str, Any] = {name: draw(each) for name, each in at.items()}
        fixed["tags"] = tuple(fixed["tags"])
        tops = [None, *(it.external_id for it in made if it.parent is None)]
        fixed |= {"external_id": f"x:{number}", "parent": draw(st.sampled_from(tops))}
        made.append(draw(records.tasks(**fixed)))
    return [*lists, *map(TagRecord, tags), *made]


@settings(
    max_examples=25,
    suppress_health_check=list(HealthCheck),
)
@given(world=worlds())
def test_any_world_of_one_user_is_the_same_world_of_another(
    world: list[Any], alice: User, bob: User, path: Path
) -> None:
    with transaction.atomic():
        path.write_bytes(b"".join(jsonl.write(world)))
        load(path, "--owner=alice")
        written = export(path, "--owner=alice")

        load(path, "--owner=bob")

        assert export(path, "--owner=bob") == written
        assert len(written) == len(world)
        transaction.set_rollback(True)


# Another database


def test_either_database_writes_the_same_file(alice: User, tmp_path: Path) -> None:
    """So what one has written, the other writes again."""
    at = {"created_at": "2026-03-29T01:30:00.000001Z"}
    at |= {"updated_at": "2026-03-29T03:30:00.000000Z"}
    records: list[dict[str, Any]] = [
        {"kind": "list", "name": "Été", "position": "m1", "archived": True},
        {"kind": "list", "name": "abc", "position": "z"},
        {"kind": "tag", "name": "İ"},
        {"kind": "tag", "name": "ß"},
        task("a", "Ünïcödé 漢🌱", list="Été", tags=["ß", "İ"], position="zz", **at),
        task(
            "c",
            due_at="2999-12-31T23:59:59.999999Z",
            due_timezone="Asia/Kathmandu",
            position="9",
            **at,
        ),
        task("d", completed=True, completed_at=at["created_at"], position="1", **at),
        task(
            "e",
            deleted_at="2026-01-01T00:00:00.000000Z",
            description="\r\n\t'\"\\",
            position="a",
            **at,
        ),
        task("b", "b", parent="a", due_date="1900-01-01", position="10", **at),
    ]
    load(write(tmp_path / "source", *records), "--owner=alice")

    written = export(tmp_path / "written")

    assert written == [{**record, "owner": "alice"} for record in records]


# The command


def test_it_writes_to_standard_output(
    alice: User, path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    make_world(alice)
    export(path, "--owner=alice")

    call_command("export_tasks", owner="alice", verbosity=0)

    assert capfdbinary.readouterr() == (path.read_bytes(), b"")


@pytest.fixture(scope="module")
def many_tasks(migrated: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The URL of a database with more of them than a pipe holds."""
    with copy_of(migrated) as url:
        with django_db_blocker.unblock(), connected_to(url):
            alice, rows = User.objects.create_user("alice"), [{"title": "x" * 200}]
            Task.objects.add_all(BY, alice.pk, rows * 1_000)
        yield url


@pytest.mark.either_database
def test_a_reader_that_has_enough_is_no_error(many_tasks: str) -> None:
    line = "export_tasks --owner=alice --format=csv"

    piped = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' manage.py {line} | head -n 1"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": many_tasks},
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )

    assert piped.stdout.count("\n") == 1
    assert "Traceback" not in piped.stderr
    assert "Error" not in piped.stderr
    assert (
        piped.stderr.splitlines()[-1]
        == "The export is incomplete: the reader closed the pipe."
    )


@pytest.mark.parametrize(("kind", "count"), [("jsonl", 7), ("csv", 6), ("ics", 6)])
def test_it_says_how_many_tasks_it_wrote(
    alice: User, path: Path, kind: str, count: int
) -> None:
    make_world(alice)

    output, errors = run(
        "export_tasks", "--owner=alice", f"--output={path}", f"--format={kind}"
    )

    assert (output, errors) == ("", f"Exported {count} tasks.\n")


@pytest.mark.either_database
def test_the_name_of_the_file_says_the_format(alice: User, tmp_path: Path) -> None:
    path = tmp_path / "tasks.csv"

    run("export_tasks", "--owner=alice", f"--output={path}")

    assert path.read_bytes().startswith(b"\xef\xbb\xbfexternal_id,")


@pytest.mark.either_database
def test_a_file_that_is_only_read_is_refused_in_words(tmp_path: Path, db: None) -> None:
    said = refused("export_tasks", f"--output={tmp_path / 'tasks.zip'}")

    assert said == (
        "vikunja cannot be written: choose another extension of the file, or --format."
    )


def test_a_format_of_one_persons_tasks_needs_an_owner(alice: User) -> None:
    for kind in ("csv", "ics"):
        said = refused("export_tasks", f"--format={kind}")

        assert said == f"{kind} contains the tasks of one user: use --owner."


def test_an_unknown_owner_is_refused(db: None) -> None:
    assert refused("export_tasks", "--owner=zoe") == "There is no user 'zoe'."


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("nowhere/tasks", "No such file or directory"),
        ("directory", "Is a directory"),
        ("file/inner", "Not a directory"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_in_words(
    alice: User, tmp_path: Path, where: str, reason: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    path = tmp_path / where

    said = refused("export_tasks", f"--output={path}", "--verbosity=0")

    assert said == f"{path} cannot be written: {reason}."
    assert sorted(os.listdir(tmp_path)) == ["directory", "file"]


@pytest.mark.parametrize("arguments", [(), ("--output",)])
def test_a_database_that_fails_meanwhile_is_an_error(
    alice: User,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    arguments: tuple[str, ...],
) -> None:
    def failing(*arguments: Any) -> Any:
        raise OperationalError("gone")

    monkeypatch.setattr(exports, "_chunk", failing)
    options = [f"--output={path}"] if arguments else []

    said = refused("export_tasks", "--verbosity=0", *options)

    assert said == "The database failed: gone. The export is incomplete; do not use it."
    assert not path.exists()
    assert b'"end"' not in capfdbinary.readouterr().out


def test_a_standard_output_that_is_full_is_an_error_in_words(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=full))
        said = refused("export_tasks", "--verbosity=0")

    assert said.endswith("it cannot be written: No space left on device.")


def test_an_export_that_fails_leaves_the_file_before(
    alice: User, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_world(alice)
    export(path)
    before = path.read_bytes()

    def failing(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(exports, "_chunk", failing)
    with pytest.raises(KeyboardInterrupt):
        export(path)

    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_two_exports_to_one_file_leave_a_whole_one(
    alice: User, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_world(alice)
    chunk = exports._chunk

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.setattr(exports, "_chunk", chunk)
        export(path)
        inner.append(path.read_bytes())
        return chunk(*arguments)

    inner: list[bytes] = []
    monkeypatch.setattr(exports, "_chunk", meanwhile)
    export(path)

    assert [path.read_bytes()] == inner
    assert os.listdir(path.parent) == [path.name]
