"""Migrations: a database that is in use gets the new columns, filled, and its indexes,
whatever an interrupted run has left"""

import ast
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import CheckConstraint, Q
from django.test import Client
from pytest_django import DjangoDbBlocker

from taskproject.accounts.models import User
from tasks.models import Label, Tag, Tally, Task, TaskList, words
from tasks.models.due_dates import NEVER
from tests.conftest import ApiClient, make_task, make_token
from tests.support.copies import connected_to, copy_of, empty_database
from tests.support.rows import make_list

REFUSED = pytest.mark.without_pooler("migrate refuses poolers")
pytestmark = [pytest.mark.django_db(transaction=True), REFUSED]
KEYS = import_module("tasks.migrations._keys_2")
FIRST = [("tasks", "0001_initial"), ("accounts", "0001_initial")]
MADE = datetime(2026, 1, 1, 8, 30, 0, 123_456, UTC)
#: The tasks of another user: more than are filled at once.
MANY = range(101, 1_103)
#: The tasks of a third one, made by the code of a version before the columns were filled.
BETWEEN = [1_201, 1_202]
OLD_RELEASE = "0015_tallies_go_with_their_subjects"
TIMEZONE = ("accounts", "0002_timezone")
#: Titles, and the keys that migration 0003 made of them before version 2 of the keys.
OLD_KEYS = {
    2_001: ("Łódź", "łodz |", "łodz"),
    2_002: ("ซื้อนม", "ซ อนม|", "ซื้อนม"),
    2_003: ("Buy milk", "buy milk |", "buy milk"),
}
#: Migrations that run twice. A run is not noted after a crash between its last statement and
#: the note; only PostgreSQL makes statements one by one, beside the traffic.
RUN_AGAIN = [
    *("0004_bounds_and_indexes", "0005_search"),
    "0011_words_of_owners_online",
    "0013_shorter_constraints",
    "0014_checks_said_once",
    "0018_location_online",
    "0020_fewer_index_entries",
    "0021_cheaper_checks",
    "0023_client_id_online",
]
FINISHED = (
    """SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relname = %s AND i.indisvalid""",
    "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name = %s",
)


def migrate(*targets: tuple[str, str]) -> None:
    """Migrates there, forwards or backwards; without targets, to the newest."""
    executor = MigrationExecutor(connection)
    executor.migrate(list(targets) or executor.loader.graph.leaf_nodes())


@pytest.fixture(scope="module")
def first(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A database as the first version left it, to copy."""
    with empty_database() as url:
        with django_db_blocker.unblock(), connected_to(url):
            migrate(*FIRST)
        yield url


@pytest.fixture
def first_version(first: str, transactional_db: None) -> Iterator[None]:
    """The connection to a database as the first version left it."""
    with copy_of(first) as url, connected_to(url):
        yield


def execute(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def one(sql: str, *parameters: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()[0]


def insert(table: str, **columns: Any) -> None:
    names, places = ", ".join(columns), ", ".join(["%s"] * len(columns))
    adapted = [
        connection.ops.adapt_datetimefield_value(value)
        if isinstance(value, datetime)
        else value
        for value in columns.values()
    ]
    execute(f'INSERT INTO "{table}" ({names}) VALUES ({places})', *adapted)


def insert_user(number: int = 1, username: str = "alice") -> None:
    insert(
        "accounts_user",
        id=number,
        username=username,
        password="!",
        is_superuser=False,
        first_name="",
        last_name="",
        email="",
        is_staff=False,
        is_active=True,
        date_joined=MADE,
    )


def insert_task(number: int, title: str, description: str = "", **columns: Any) -> None:
    """By SQL, as the first version did it."""
    made = MADE + timedelta(seconds=number)
    given = {
        "id": number,
        "owner_id": 1,
        "title": title,
        "description": description,
        "completed": False,
        "created_at": made,
        "updated_at": made,
        "version": 1,
    }
    insert("tasks_task", **given | columns)
    insert(
        "tasks_event",
        sequence=number,
        owner_id=1,
        task_id=number,
        via="token",
        verb="created",
        version=1,
        at=made,
        changes=json.dumps({"title": [None, title]}),
    )
    if connection.vendor == "postgresql":  # whose sequences do not look at the rows
        with connection.cursor() as cursor:
            for table, key in (("tasks_task", "id"), ("tasks_event", "sequence")):
                name = f"pg_get_serial_sequence('{table}', '{key}')"
                cursor.execute(f"SELECT setval({name}, %s)", [number])


def found(api: Client, query: str) -> list[int]:
    answer = api.get(f"/api/tasks?{query}")
    assert answer.status_code == 200, answer.content
    return [item["id"] for item in answer.json()["items"]]


def finished(index: str) -> bool:
    """Whether the index is there and in use."""
    on_postgresql, on_sqlite = FINISHED
    sqlite = connection.vendor == "sqlite"
    return bool(one(on_sqlite if sqlite else on_postgresql, index))


@pytest.fixture(scope="module")
def newest(first: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A database of the first version with rows, after all migrations, to copy. The new
    columns have defaults that the database knows: some of the rows were written between
    migrations, by the version before them."""
    with copy_of(first) as url:
        with django_db_blocker.unblock(), connected_to(url):
            insert_user()
            insert_task(1, "Zürich: Bücher holen", "Die Bibliothek schließt um sechs.")
            insert_task(2, "Buy oat milk", completed=True, completed_at=MADE)
            insert_task(3, "apples", "two pounds of milk chocolate", deleted_at=MADE)
            insert_task(4, "Émile anrufen", "牛奶 🥛")
            insert_user(2, "bob")
            for number in MANY:
                insert_task(number, f"Task {number}", owner_id=2)
            insert_user(4, "dora")
            migrate(("tasks", "0002_lists_tags_dues"), TIMEZONE)
            insert_task(BETWEEN[0], "Buy milk", owner_id=4)
            migrate(("tasks", "0003_fill"))
            insert_task(BETWEEN[1], "Buy bread", owner_id=4)
            run_again([name for name in RUN_AGAIN if name < OLD_RELEASE])
            migrate(("tasks", OLD_RELEASE))
            insert_user(3, "carol")
            for number, (title, search, sorted_title) in OLD_KEYS.items():
                old = {"search": search, "sorted_title": sorted_title}
                insert_task(number, title, owner_id=3, **old)
            run_again([name for name in RUN_AGAIN if name > OLD_RELEASE])
            migrate()
        yield url


def run_again(names: list[str]) -> None:
    """Migrates to each, whose run the next one then does not find noted."""
    for name in names:
        if connection.vendor == "sqlite" and name.startswith("0004"):
            continue  # SQLite makes a table anew, with all that was added
        migrate(("tasks", name), TIMEZONE)
        execute("DELETE FROM django_migrations WHERE app = 'tasks' AND name = %s", name)


@pytest.fixture
def upgraded(newest: str, transactional_db: None) -> Iterator[Client]:
    """The API over the old rows, called by their owner."""
    with copy_of(newest) as url, connected_to(url):
        yield ApiClient(make_token(User.objects.get(pk=1)))


def test_old_rows_are_filled(upgraded: Client) -> None:
    rows = {row["id"]: row for row in Task.objects.filter(owner=1).values()}

    assert {key: row["search"] for key, row in rows.items()} == {
        1: "zurich bucher holen | die bibliothek schliesst um sechs",
        2: "buy oat milk |",
        3: "apples | two pounds of milk chocolate",
        4: "emile anrufen | 牛 奶|",
    }
    assert {key: row["sorted_title"] for key, row in rows.items()} == {
        1: "zurich: bucher holen",
        2: "buy oat milk",
        3: "apples",
        4: "emile anrufen",
    }
    for number, row in enumerate(rows.values()):
        assert row["position"] == KEYS.position_at_end(row["created_at"], number)
        assert row["due_moment"] == NEVER
        assert (row["priority"], row["tags"], row["version"]) == (0, [], 1)
        assert row["updated_at"] == row["created_at"]
        for name in ("list_id", "parent_id", "due_date", "due_at", "due_timezone"):
            assert row[name] is None
    assert User.objects.get(pk=1).timezone == "UTC"


def test_old_rows_are_found_and_in_order(upgraded: Client) -> None:
    expected = {
        "q=milk": [2],
        "q=MIL": [2],
        "q=zurich+bib": [1],
        "q=buch%20schlie%C3%9Ft": [1],
        "q=%E5%A5%B6": [4],
        "q=chocolate": [],  # in the trash
        "sort=title": [2, 4, 1],
        "sort=position": [1, 2, 4],
        "sort=-position": [4, 2, 1],
        "sort=due": [1, 2, 4],
        "sort=-priority": [4, 2, 1],
        "sort=updated": [1, 2, 4],
        "has_due=false": [4, 2, 1],
        "list=none&completed=false": [4, 1],
    }

    assert {query: found(upgraded, query) for query in expected} == expected


def test_old_rows_are_counted_and_told(upgraded: Client) -> None:
    assert upgraded.get("/api/tasks/counts").json() == {
        "open": 2,
        "completed": 1,
        "overdue": 0,
        "due_today": 0,
        "lists": [{"list": None, "open": 2}],
        "tags": [],
    }
    history = upgraded.get("/api/tasks/1/history").json()["items"]
    assert [(event["verb"], event["task_id"]) for event in history] == [("created", 1)]


def test_a_new_row_is_found_beside_the_old_ones(upgraded: Client) -> None:
    answer = upgraded.post(
        "/api/tasks", {"title": "Milk again"}, content_type="application/json"
    )

    assert found(upgraded, "q=milk") == [answer.json()["id"], 2]
    assert found(upgraded, "sort=position")[-1] == answer.json()["id"]


def test_more_rows_than_a_batch_are_filled_in_their_order(upgraded: Client) -> None:
    in_order = Task.objects.filter(owner=2).order_by("position")
    assert list(in_order.values_list("pk", flat=True)) == list(MANY)
    assert not in_order.filter(search="").exists()


def test_filling_again_changes_nothing_that_is_filled(first_version: None) -> None:
    insert_user()
    insert_task(1, "Buy milk")
    migrate(("tasks", "0003_fill"), TIMEZONE)
    assert Task.objects.values_list("search", flat=True).get() == "buy milk |"
    execute("UPDATE tasks_task SET position = 'moved'")
    migrate(("tasks", "0002_lists_tags_dues"))
    insert_task(2, "Buy bread")

    migrate(("tasks", "0003_fill"))

    moved, new = Task.objects.order_by("pk").values_list("position", flat=True)
    assert moved == "moved"
    assert new == KEYS.position_at_end(MADE + timedelta(seconds=2), 1)


def test_what_the_version_before_wrote_between_migrations_is_found(
    upgraded: Client,
) -> None:
    api = ApiClient(make_token(User.objects.get(pk=4)))

    assert found(api, "q=milk") == BETWEEN[:1]
    assert found(api, "sort=created") == BETWEEN


@pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="SQLite builds no index concurrently"
)
def test_all_that_migrations_built_beside_the_traffic_is_in_use(
    upgraded: Client,
) -> None:
    assert one("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
    assert one("SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == 0
    for index in (
        "task_external_id_once",
        "task_list_newest",
        "task_search",
        "task_words",
    ):
        assert finished(index)


@pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="SQLite builds no index concurrently"
)
def test_it_runs_again_where_a_run_broke_off(first_version: None) -> None:
    """Half of the work is there: an index that could not be finished, and a constraint
    that does not hold yet."""
    insert_user()
    insert_task(1, "Buy milk")
    insert_task(2, "Buy bread")
    migrate(("tasks", "0003_fill"), TIMEZONE)
    execute("UPDATE tasks_task SET external_id = 'same', priority = 7")
    with pytest.raises(IntegrityError):
        migrate(("tasks", "0004_bounds_and_indexes"))
    with pytest.raises(DatabaseError):
        execute(
            "CREATE UNIQUE INDEX CONCURRENTLY task_external_id_once "
            "ON tasks_task (owner_id, external_id)"
        )
    execute(
        "ALTER TABLE tasks_task ADD CONSTRAINT task_due_in_one_form "
        "CHECK (due_at IS NULL) NOT VALID"
    )
    assert not finished("task_external_id_once")
    execute("UPDATE tasks_task SET external_id = NULL, priority = 0")

    migrate(("tasks", "0005_search"))

    for index in ("task_external_id_once", "task_list_newest", "task_search"):
        assert finished(index)
    unchecked = "SELECT count(*) FROM pg_constraint WHERE NOT convalidated"
    assert one(unchecked) == 0
    definition = one(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conname = 'task_due_in_one_form'"
    )
    assert "due_timezone" in definition


def test_every_index_and_constraint_of_the_models_is_there(
    transactional_db: None,
) -> None:
    with connection.cursor() as cursor:
        there = connection.introspection.get_constraints(cursor, "tasks_task")

    named = {
        *(index.name for index in Task._meta.indexes),
        *(constraint.name for constraint in Task._meta.constraints),
    }
    assert named <= set(there)
    for index in Task._meta.indexes:
        assert finished(index.name), index.name


def triggers() -> dict[str, str]:
    """The triggers of SQLite, by name."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        return dict(cursor.fetchall())


@pytest.mark.skipif(
    "connection.vendor != 'sqlite'", reason="PostgreSQL alters tables in place"
)
@pytest.mark.parametrize("atomic", [True, False])
def test_a_table_that_sqlite_remakes_keeps_its_triggers(
    alice: User, atomic: bool
) -> None:
    """Also without a transaction around the migration."""
    task = make_task(alice, "Buy milk", tags=["home"], list_id=make_list(alice).pk)
    before = triggers()
    assert len(before) == 15

    for model in (Task, Tag, TaskList, Label):
        constraint = CheckConstraint(condition=Q(pk__gte=1), name="key_positive")
        with connection.schema_editor(atomic=atomic) as editor:
            editor.add_constraint(model, constraint)
        assert triggers() == before
        with connection.schema_editor(atomic=atomic) as editor:
            editor.remove_constraint(model, constraint)
        assert triggers() == before

    api = ApiClient(make_token(alice))
    api.send("PATCH", f"/api/tasks/{task.pk}", {"title": "Buy bread"})
    assert (found(api, "q=milk"), found(api, "q=bread")) == ([], [task.pk])
    assert Tally.objects.get(kind="all").open == 1


@pytest.mark.skipif(
    "connection.vendor != 'sqlite'", reason="PostgreSQL alters tables in place"
)
def test_a_table_that_cannot_be_remade_stays_with_its_triggers(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_task(alice)
    before = triggers()
    constraint = CheckConstraint(condition=Q(pk__lt=0), name="never")
    # Django makes the new table with the constraints of the model.
    monkeypatch.setattr(Task._meta, "constraints", [constraint])

    with (
        pytest.raises(IntegrityError),
        connection.schema_editor(atomic=False) as editor,
    ):
        editor.add_constraint(Task, constraint)

    assert triggers() == before
    assert "new__tasks_task" not in connection.introspection.table_names()
    assert Task.objects.count() == 1


def test_migrations_import_no_code_that_will_change() -> None:
    """Only what Django itself writes into a migration: fields, functions, operations."""
    allowed = {
        "taskproject.accounts.models",  # a validator, by its name
        "tasks.models.bytewise",
        "tasks.models.functions",
        "taskproject.postgresql.operations",
    }
    for app in ("taskproject", "taskproject/accounts", "tasks"):
        for path in Path(app, "migrations").glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                elif isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                else:
                    continue
                ours = {name for name in names if name.startswith("task")}
                assert ours <= allowed, path


def test_old_keys_are_made_anew(upgraded: Client) -> None:
    written = dict(Task.objects.values_list("pk", "search"))
    in_order = dict(Task.objects.values_list("pk", "sorted_title"))
    for number, (title, *_) in OLD_KEYS.items():
        assert written[number] == words.search_key(title, "")
        assert in_order[number] == words.sort_key(title)


def test_the_search_follows_every_change(alice: User) -> None:
    api = ApiClient(make_token(alice))
    task = make_task(alice, "Buy milk")
    path = f"/api/tasks/{task.pk}"
    assert found(api, "q=milk") == [task.pk]

    api.send("PATCH", path, {"title": "Buy bread"})
    assert (found(api, "q=milk"), found(api, "q=bread")) == ([], [task.pk])

    Task.objects.filter(pk=task.pk).update(search="written by hand")
    assert (found(api, "q=bread"), found(api, "q=hand")) == ([], [task.pk])

    api.send("DELETE", f"{path}?permanent=true")
    assert found(api, "q=hand") == []
    if connection.vendor == "sqlite":
        # Fails where the index has what the table has not.
        execute(
            "INSERT INTO tasks_search(tasks_search, rank) VALUES('integrity-check', 1)"
        )
