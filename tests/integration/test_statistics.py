"""Statements whose cost hangs on no statistics: PostgreSQL reads as few pages on tables
that were filled and never analysed, as after a restore, as on analysed ones"""

import json
import re
from collections.abc import Iterator
from datetime import date
from io import StringIO
from itertools import islice

import pytest
from django.core.management import call_command
from django.db import connection

from taskproject.accounts.models import User
from taskproject.sql import analyze, fetch
from tasks.management.commands.seed_tasks import BATCH, make_rows
from tasks.models import Event, Label, Tag, Tally, Task, TaskList
from tasks.models.search import holding
from tests.conftest import BY, ApiClient, make_task, make_token
from tests.support.copies import connected_to, copy_of
from tests.support.rows import make_list

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL's"),
]

TASKS = 20_000
#: PostgreSQL keeps a plan for all values from the sixth run of a statement on. The fewer
#: pages of the last two runs count: where a test beside this one makes many tables in one
#: transaction, every session of the server reads the first page of each index again.
RUNS = 8
COUNTED = RUNS - 2
TABLES = ("tasks_task", "tasks_event", "tasks_label", "tasks_tag", "tasks_tally")
BLOCKS = """SELECT sum(pg_stat_get_blocks_fetched(oid))::bigint FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')"""

#: Lists of tasks that meet a condition of which nothing is counted: read in the order
#: asked for or by the condition, whichever is less by what PostgreSQL knows.
BY_STATISTICS = {
    "/api/tasks?q=passport&sort=relevance",
    "/api/tasks?total=true&q=passport&completed=false",
    "/api/tasks?total=true&list={list}&due_before=2025-03-01",
    "/api/tasks?due_before=2025-03-01",
    "/api/tasks?q=passport&sort=due",
    "/api/tasks?q=passport+anna&completed=false",
    "/api/tasks?q=nothing",
}
READS = [
    "/api/tasks/{id}",
    "/api/tasks",
    "/api/tasks?limit=1",
    "/api/tasks/counts",
    *(
        f"/api/tasks?{query}"
        for query in (
            "completed=false",
            "completed=true&sort=-updated",
            "list={list}",
            "list=none",
            "list={list}&sort=position",
            "list={list}&completed=false&sort=position",
            "parent={id}",
            "parent=none",
            "tag=errand",
            "tag=errand&sort=due",
            "tag=errand&completed=false",
            "tag=errand&completed=false&sort=due",
            "tag=errand&list={list}",
            "tag=errand&list={list}&sort=position",
            "tag=errand&priority=urgent",
            "tag=errand&due_before=2025-03-01&sort=due",
            "tag=errand&q=passport",
            "tag=errand&limit=1&sort=title",
            "tag=errand&tag=phone",
            "tag=errand&tag=phone&completed=false&sort=due",
            "tag=errand&tag=phone&tag=calls&tag=ideas",
            "tag=errand&tag=rare",
            "tag=errand&tag=unknown",
            "tag=rare",
            "tag=rare&sort=due",
            "tag=rare&completed=false&sort=due",
            "tag=rare&list={list}",
            "tag=rare&q=passport",
            "tag=unknown",
            "priority=urgent",
            "priority=urgent&priority=high&sort=due",
            "overdue=true",
            "overdue=true&sort=due",
            "overdue=false",
            "has_due=true&sort=due",
            "has_due=false",
            "due_before=2025-03-01",
            "due_before=2025-03-01&sort=due",
            "due_after=2025-12-01&completed=false&sort=due",
            "created_after=2025-12-30T00:00:00Z",
            "updated_after=2025-12-30T00:00:00Z",
            "q=passport",
            "q=pas",
            "q=passport&sort=due",
            "q=passport+anna&completed=false",
            "q=nothing",
            "q=passport&sort=relevance",
            "total=true",
            "total=true&tag=errand",
            "total=true&priority=urgent",
            "total=true&tag=rare&completed=false",
            "total=true&tag=errand&tag=phone&tag=calls",
            "total=true&list={list}&due_before=2025-03-01",
            "total=true&parent={id}&completed=false",
            "total=true&ids={id}&ids={parent}&completed=false",
            "total=true&q=passport&completed=false",
            "total=true&overdue=false",
            "ids={id}&ids={parent}",
            "ids={id}&ids={parent}&completed=false&sort=due",
            *(f"sort={sort}" for sort in ("created", "updated", "due", "priority")),
            *(f"sort=-{sort}" for sort in ("title", "position", "due")),
        )
    ),
    "/api/tasks/trash",
    "/api/changes",
    "/api/tasks/{id}/history",
    "/api/lists",
    "/api/tags",
]


def blocks() -> int:
    """The pages of tables and indexes that have been read so far."""
    fetch("SELECT pg_stat_force_next_flush()", [])
    [(number,)] = fetch(BLOCKS, [])
    return int(number)


#: Writes of the task {id}, which is another one each time.
RESTORE = ("POST", "/api/tasks/{id}/restore", None)
MOVE = ("POST", "/api/tasks/{other}/move", '{"after": {parent}}')
WRITES = [
    ("POST", "/api/tasks", '{"title": "New", "list": {list}, "tags": ["errand"]}'),
    ("PATCH", "/api/tasks/{id}", '{"title": "Other"}'),
    ("PATCH", "/api/tasks/{id}", '{"tags": ["rare", "phone"]}'),
    ("PATCH", "/api/tasks/{id}", '{"due_date": "2027-01-01", "list": {list}}'),
    ("POST", "/api/tasks/{id}/toggle", None),
    ("DELETE", "/api/tasks/{id}", None),
    RESTORE,
    ("DELETE", "/api/tasks/{id}?permanent=true", None),
    ("POST", "/api/tasks", '{"title": "New"}'),
    ("POST", "/api/tasks", '{"title": "New", "parent": {other}}'),
    ("PUT", "/api/tasks/{other}", '{"title": "Whole", "tags": ["errand"]}'),
    MOVE,
]
PLACE = re.compile(r"\{(\w+)\}")


def read(api: ApiClient, values: dict[str, int]) -> dict[str, int]:
    """The pages that one of several runs of each request reads in the end."""
    connection.close()
    found = {}
    for path in READS:
        pages = []
        for number in range(RUNS):
            before = blocks() if number >= COUNTED else None
            answer = api.get(path.format(**values))
            assert answer.status_code == 200, (path, answer.content)
            if before is not None:
                pages.append(blocks() - before)
        found[path] = min(pages)
    return found


def write(api: ApiClient, values: dict[str, int], keys: list[int]) -> dict[str, int]:
    """The same of each write."""
    connection.close()
    found = {}
    for method, path, body in WRITES:
        pages = []
        for number in range(RUNS):
            named = {**values, "id": keys[number], "other": keys[-1 - number]}
            sent = json.loads(PLACE.sub(r"%(\1)d", body) % named) if body else None
            before = blocks() if number >= COUNTED else None
            answer = api.send(method, path.format(**named), sent)
            assert answer.status_code < 300, (path, answer.content)
            if before is not None:
                pages.append(blocks() - before)
        found[f"{method} {path} {body}"] = min(pages)
    return found


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def never_analysed(migrated: str, transactional_db: None) -> Iterator[None]:
    """A new database, without dead rows of other tests; nor does autovacuum analyse its tables, or
    read them while pages are counted."""
    with copy_of(migrated) as url, connected_to(url):
        for table in connection.introspection.table_names():
            execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        execute(
            "DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class "
            "WHERE relnamespace = 'public'::regnamespace)"
        )
        yield


def fill(user: User) -> TaskList:
    """Half of the tasks, as `seed_tasks` makes them; one of their lists."""
    lists = [make_list(user, f"List {number}") for number in range(4)]
    rows = make_rows(lists, TASKS // 2, seed=1, until=date(2026, 1, 1))
    tops: list[int] = []
    while batch := list(islice(rows, BATCH)):
        for row in batch:
            number = row.pop("parent")
            if number is not None and tops:
                row["parent_id"] = tops[number % len(tops)]
        made = Task.objects.add_all(BY, user.pk, batch)
        tops = [task.pk for task in made if task.parent_id is None]
    return lists[0]


@pytest.mark.without_pooler("counts what one session has read")
def test_a_request_reads_as_few_pages_as_with_statistics(
    never_analysed: None, alice: User, bob: User
) -> None:
    chosen, _ = fill(alice), fill(bob)
    tasks = Task.objects.owned_by(alice.pk).order_by("pk")
    keys = list(tasks.values_list("pk", flat=True))
    Task.objects.filter(pk__in=keys[5_000:5_005]).edit(BY, tags=["rare"])
    single = tasks.filter(parent=None, subtasks=None)
    written = list(single.values_list("pk", flat=True)[: 6 * RUNS])
    values = {"id": keys[4_000], "list": chosen.pk, "parent": keys[4_001]}
    days = Tally.objects.filter(owner=alice, kind="due").count()
    api = ApiClient(make_token(alice))

    filled = read(api, values) | write(api, values, written[: 2 * RUNS])
    # What a restore leaves: indexes are made of tables that are full.
    execute(*(f"REINDEX TABLE {table}" for table in TABLES))
    restored = read(api, values) | write(api, values, written[2 * RUNS : 4 * RUNS])
    analyze(Task, Event, Label, Tag, Tally)
    analysed = read(api, values) | write(api, values, written[4 * RUNS :])

    for pages in (filled, restored):
        # A sum over days is by the table or the index: at most two pages for each day.
        assert pages.pop("/api/tasks/counts") <= 2 * days + 100
        # All of the user's events, or those of a page.
        assert pages.pop("/api/changes") < 500
        # Whether a place in no list is free, and what is next to it: PostgreSQL may look
        # among all of the owner's tasks, by an index that costs the same by what it knows.
        for method, path, body in (MOVE, RESTORE):
            assert pages.pop(f"{method} {path} {body}") < TASKS
        more = {
            path: (number, analysed[path])
            for path, number in pages.items()
            if number > 1.5 * analysed[path] + 35 and path not in BY_STATISTICS
        }
        assert more == {}


def test_a_search_of_staff_reads_few_pages_without_statistics(
    never_analysed: None, alice: User
) -> None:
    rows = [{"title": f"Task {number}"} for number in range(5_000)]
    Task.objects.add_all(BY, alice.pk, rows)
    condition, parameter = holding(["task"])
    sql = f'SELECT "id" FROM "tasks_task" WHERE "deleted_at" IS NULL AND {condition}'
    before = blocks()

    found = fetch(f"{sql} LIMIT 5001", [parameter])

    assert len(found) == 5_000
    assert blocks() - before < 5_000


def test_commands_that_add_many_rows_analyse_them(
    never_analysed: None, alice: User
) -> None:
    call_command("seed_tasks", 50, owner="alice", verbosity=0, stdout=StringIO())

    [(analysed,)] = fetch(
        "SELECT count(*) FROM pg_statistic WHERE starelid = 'tasks_task'::regclass", []
    )
    assert analysed > 20


@pytest.mark.parametrize("planned_first", [False, True])
def test_labels_are_counted_whatever_was_counted_before(
    never_analysed: None, alice: User, planned_first: bool
) -> None:
    connection.close()
    if planned_first:
        task = make_task(alice, tags=["first"])
        Task.objects.filter(pk=task.pk).edit(BY, tags=[])
    names = [f"Tag {number}" for number in range(10)]
    rows = [{"title": f"Task {number}", "tags": names} for number in range(400)]
    before = blocks()

    Task.objects.add_all(BY, alice.pk, rows)
    Label.objects.all().delete()

    # Each label is stored, counted twice and deleted: in 24 pages.
    assert blocks() - before < 30 * len(rows) * len(names)
