"""Statements whose cost hangs on no statistics: PostgreSQL reads as few pages on tables
that were filled and never analysed, as after a restore, as on analysed ones"""

from collections.abc import Iterator
from io import StringIO
from itertools import islice

import pytest
from django.core.management import call_command
from django.db import connection

from taskproject.accounts.models import User
from taskproject.sql import analyze, fetch
from tasks.management.commands.seed_tasks import BATCH, make_rows
from tasks.models import Event, Label, Tag, Tally, Task, TaskList
from tests.conftest import BY, ApiClient, make_token
from tests.support.rows import make_list

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL's"),
]

TASKS = 20_000
#: PostgreSQL keeps a plan for all values from the sixth run of a statement on.
RUNS = 8
TABLES = ("tasks_task", "tasks_event", "tasks_label", "tasks_tag", "tasks_tally")
BLOCKS = """SELECT sum(pg_stat_get_blocks_fetched(oid))::bigint FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')"""

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
            "tag=errand&tag=phone",
            "tag=rare",
            "tag=rare&sort=due",
            "tag=rare&completed=false&sort=due",
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


def read(api: ApiClient, values: dict[str, int]) -> dict[str, int]:
    """The pages that the last of several runs of each request read."""
    connection.close()
    found = {}
    for path in READS:
        for _ in range(RUNS):
            before = blocks()
            answer = api.get(path.format(**values))
            assert answer.status_code == 200, (path, answer.content)
            found[path] = blocks() - before
    return found


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def never_analysed(db: None) -> Iterator[None]:
    """Neither by autovacuum nor by another test, whose dead rows are no longer there."""
    execute(
        f"TRUNCATE {', '.join(TABLES)} CASCADE",
        *(f"ALTER TABLE {table} SET (autovacuum_enabled = off)" for table in TABLES),
        "DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace)",
    )
    yield
    execute(*(f"ALTER TABLE {table} RESET (autovacuum_enabled)" for table in TABLES))


def fill(user: User) -> TaskList:
    """Half of the tasks, as `seed_tasks` makes them; one of their lists."""
    lists = [make_list(user, f"List {number}") for number in range(4)]
    rows = make_rows(lists, TASKS // 2, seed=1)
    tops: list[int] = []
    while batch := list(islice(rows, BATCH)):
        for row in batch:
            number = row.pop("parent")
            if number is not None and tops:
                row["parent_id"] = tops[number % len(tops)]
        made = Task.objects.add_all(BY, user.pk, batch)
        tops = [task.pk for task in made if task.parent_id is None]
    return lists[0]


def test_a_request_reads_as_few_pages_as_with_statistics(
    never_analysed: None, alice: User, bob: User
) -> None:
    chosen, _ = fill(alice), fill(bob)
    keys = Task.objects.owned_by(alice.pk).order_by("pk").values_list("pk", flat=True)
    Task.objects.filter(pk__in=list(keys[5_000:5_005])).edit(BY, tags=["rare"])
    values = {"id": keys[4_000], "list": chosen.pk}
    api = ApiClient(make_token(alice))

    without = read(api, values)
    analyze(Task, Event, Label, Tag, Tally)
    analysed = read(api, values)

    more = {
        path: (without[path], analysed[path])
        for path in READS
        if without[path] > 1.5 * analysed[path] + 30
    }
    # Read in order or by the condition, whichever is less by what PostgreSQL knows.
    unsure = ("tag=", "q=", "due_before=", "overdue=true&sort=due")
    more = {
        path: pages
        for path, pages in more.items()
        if not any(part in path for part in unsure)
    }
    # A sum over days is by the table or the index: at most two pages for each day.
    days = Tally.objects.filter(owner=alice, kind="due").count()
    assert without["/api/tasks/counts"] <= 2 * days + 100
    more.pop("/api/tasks/counts", None)
    # All of the user's events, or those of a page.
    assert more.pop("/api/changes", (0, 0))[0] < 500
    assert more == {}


def test_commands_that_add_many_rows_analyse_them(
    never_analysed: None, alice: User
) -> None:
    call_command("seed_tasks", 50, owner="alice", verbosity=0, stdout=StringIO())

    [(analysed,)] = fetch(
        "SELECT count(*) FROM pg_statistic WHERE starelid = 'tasks_task'::regclass", []
    )
    assert analysed > 20
