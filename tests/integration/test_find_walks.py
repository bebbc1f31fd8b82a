"""GET /api/tasks: what a page costs, and pages that are filtered while others write"""

from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.models import Task, TaskList, access_paths
from tests.conftest import BY, ApiClient, make_task
from tests.support.rows import ids, make_list

SORTS = ["created", "updated", "due", "priority", "title", "position"]
BOTH_WAYS = [*SORTS, *(f"-{name}" for name in SORTS)]
LONG_AGO = "2020-01-01T00:00:00Z"
#: Filters, and the orders that what they are found by is in already: there is nothing
#: to choose.
FILTERS = {
    "": {*SORTS},
    "completed=false": {"created", "due"},
    "completed=true": {"created"},
    "list={list}": {"created", "position"},
    "list=none": {"position"},
    "parent={parent}": {"created"},
    "parent=none": {*SORTS},
    "priority=high&priority=none": {"priority"},
    "due_before=2999-01-01": {"due"},
    "due_after=1999-01-01T00:00:00Z": {"due"},
    "due_after=1999-01-01&due_before=2999-01-01": {"due"},
    "has_due=true": {"due"},
    "overdue=true": {"due"},
    "overdue=false": {*SORTS},
    f"created_after={LONG_AGO}": set(),  # `created` is the order of the ids
    f"updated_after={LONG_AGO}": {"updated"},
    "tag=home": {"created"},
    "tag=home&tag=urgent&due_before=2999-01-01": set(),
    "q=oat": {"created"},
    "q=oat&list={list}": set(),
    "completed=false&list={list}&tag=home&q=oat&has_due=true": set(),
}
#: Those that the tasks of `home` do not meet.
UNMET = {"completed=true", "list=none", "parent=none", "overdue=false"}


@pytest.fixture
def parent(alice: User) -> Task:
    return make_task(alice, "parent")


@pytest.fixture
def home(alice: User, parent: Task) -> TaskList:
    """With three tasks that meet most of the filters."""
    row = make_list(alice, "Home")
    for _ in range(3):
        make_task(
            alice,
            "Oat milk",
            list_id=row.pk,
            parent_id=parent.pk,
            tags=["home", "urgent"],
            priority=3,
            due_date=date(2026, 3, 9),
        )
    return row


def sent_for(api: ApiClient, queries: CaptureQueriesContext, query: str) -> list[str]:
    """The statements of a page, the last of which looks at the token as well."""
    before = len(queries)
    answer = api.send("GET", f"/api/tasks?{query}")
    assert answer.status_code == 200, answer.content
    sent = [one["sql"] for one in queries.captured_queries[before:]]
    assert "accounts_apitoken" in sent[-1]
    return sent


def choices(sent: list[str]) -> int:
    """How many statements there are beside the one that reads the page."""
    *before, page = sent
    assert "LIMIT 3" in page
    assert all(
        f"LIMIT {access_paths.NEAR})" in sql or '"tasks_tally"' in sql for sql in before
    )
    return len(before)


@pytest.mark.parametrize("sort", BOTH_WAYS)
def test_a_page_is_one_statement_and_on_sqlite_one_more_where_there_is_a_choice(
    api: ApiClient,
    home: TaskList,
    parent: Task,
    queries: CaptureQueriesContext,
    sort: str,
) -> None:
    api.send("GET", "/api/me")  # notes the token's use
    for query, orders in FILTERS.items():
        told = query.format(list=home.pk, parent=parent.pk)

        sent = sent_for(api, queries, f"sort={sort}&limit=2&{told}")

        chosen = sort.removeprefix("-") not in orders
        assert choices(sent) == (chosen and connection.vendor == "sqlite"), query


@pytest.mark.parametrize("sort", BOTH_WAYS)
def test_what_is_found_does_not_depend_on_what_it_is_read_by(
    api: ApiClient,
    alice: User,
    home: TaskList,
    parent: Task,
    monkeypatch: pytest.MonkeyPatch,
    sort: str,
) -> None:
    made = [task.pk for task in Task.objects.filter(list=home).order_by("pk")]
    make_task(alice, "Elsewhere", due_date=date(2026, 3, 9))
    expected = made[::-1] if sort.startswith("-") else made

    # Only SQLite is told what to read by.
    both = [(51, 5_000), (51, 0), (0, 5_000), (1, 2), (10_000, 5_000)]
    for page, few in both if connection.vendor == "sqlite" else both[:1]:
        monkeypatch.setattr(access_paths, "PAGE", page)
        monkeypatch.setattr(access_paths, "FEW", few)
        for query in FILTERS.keys() - UNMET:
            told = query.format(list=home.pk, parent=parent.pk)
            found = ids(api.send("GET", f"/api/tasks?sort={sort}&{told}"))
            assert [key for key in found if key in made] == expected, query
            assert len(found) >= 3


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="SQLite's")
@pytest.mark.parametrize("more", ["", "&completed=false"])
def test_words_are_looked_up_unless_the_next_titles_have_them(
    api: ApiClient,
    alice: User,
    queries: CaptureQueriesContext,
    monkeypatch: pytest.MonkeyPatch,
    more: str,
) -> None:
    """Titles with one word come together in their order, and may all come last."""
    monkeypatch.setattr(access_paths, "PAGE", 1)
    monkeypatch.setattr(access_paths, "NEAR", 2)
    for title in ("Ask", "Bring", "Call", "Zip", "Zip"):
        make_task(alice, title)
    api.send("GET", "/api/me")  # notes the token's use

    last = sent_for(api, queries, f"q=zip&sort=title{more}")[-1]
    first = sent_for(api, queries, "q=zip&sort=-title")[-1]

    assert ("tasks_words" in last, "tasks_words" in first) == (True, False)


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="SQLite's")
@pytest.mark.parametrize("opened", ['NOT "completed"', '"completed" = 0'])
def test_the_indexes_of_what_is_open_are_used_as_either_django_makes_them(
    api: ApiClient, alice: User, opened: str
) -> None:
    tasks = [make_task(alice, due_date=date(2026, 3, day)) for day in (9, 10)]
    with connection.cursor() as cursor:
        cursor.execute('DROP INDEX "task_owner_open_due"')
        cursor.execute(
            'CREATE INDEX "task_owner_open_due" ON "tasks_task" ("owner_id", '
            f'"due_moment") WHERE "deleted_at" IS NULL AND {opened}'
        )

    for query in ("overdue=true&sort=due", "completed=false&sort=due"):
        assert ids(api.send("GET", f"/api/tasks?{query}")) == [one.pk for one in tasks]
    assert api.send("GET", "/api/tasks/counts").json()["overdue"] == 2


@pytest.mark.skipif(
    "connection.vendor != 'sqlite'",
    reason="PostgreSQL uses the index of one's own tasks in it",
)
@pytest.mark.parametrize("sort", BOTH_WAYS)
def test_a_list_of_somebody_else_is_not_read(
    bobs_api: ApiClient, home: TaskList, queries: CaptureQueriesContext, sort: str
) -> None:
    """It has nothing of one's own; but to find that out may take its whole length."""
    before = len(queries)

    answer = bobs_api.send("GET", f"/api/tasks?sort={sort}&list={home.pk}")

    assert answer.json() == {"items": [], "next_cursor": None}
    page = queries.captured_queries[before:][-1]["sql"]
    assert "task_list_position" in page or '"tasks_tasklist"' in page


# While others write


WALKED = [
    "completed=false",
    "list={list}",
    "tag=home",
    "q=oat",
    "has_due=true",
    "due_before=2999-01-01&completed=false",
    "list={list}&tag=home&tag=urgent&q=mil&priority=high&overdue=false",
]


@pytest.mark.parametrize(
    ("query", "sort"),
    [
        # Every filter with every order, each in one of its directions.
        (query, "-" * ((number + place) % 2) + sort)
        for number, query in enumerate(WALKED)
        for place, sort in enumerate(SORTS)
    ],
)
def test_a_filtered_walk_sees_what_stays_once_and_in_order(
    api: ApiClient, alice: User, query: str, sort: str
) -> None:
    """Beside what stays, tasks are made, edited, completed, moved and thrown away: on
    the pages that were read, on those to come, and where a page ends."""
    row = make_list(alice)
    start = datetime.now(UTC) + timedelta(days=1)

    def made(*numbers: int) -> list[Task]:
        rows = [
            {
                "title": f"Oat milk {number}",
                "list_id": row.pk,
                "tags": ["home", "urgent"],
                "priority": 3,
                "due_at": start + timedelta(days=number % 3),
                "due_timezone": "UTC",
            }
            for number in numbers
        ]
        return Task.objects.add_all(BY, alice.pk, rows)

    tasks = made(*(number % 4 for number in range(12)))
    stays, goes = tasks[::2], tasks[1::2]
    walk, seen = f"/api/tasks?sort={sort}&limit=2&{query.format(list=row.pk)}", []
    path, number = walk, 0
    while path:
        answer = api.send("GET", path)
        page = ids(answer)
        seen += page
        link = answer.headers.get("Link", "")
        path = link.partition(">")[0].removeprefix("<")
        number += 1
        made(9 - number)
        if not goes:
            continue
        # The last one of this page, if it is one of those, else the next.
        task = next((one for one in goes if one.pk == page[-1]), goes[0])
        goes.remove(task)
        changed = Task.objects.filter(pk=task.pk)
        match number % 5:
            case 0:
                changed.edit(BY, title="0", priority=4, due_at=start)
            case 1:
                changed.trash(BY)
            case 2:
                changed.complete(BY)
            case 3:
                changed.remove(BY)
            case 4:
                changed.move(BY, before=stays[-1].pk)
        assert number < 30

    whole = ids(api.send("GET", f"{walk.replace('limit=2', 'limit=100')}"))
    kept = [task.pk for task in stays]
    assert [key for key in seen if key in kept] == [key for key in whole if key in kept]
    assert sorted(key for key in seen if key in kept) == kept


def test_a_walk_goes_on_at_a_title_like_its_cursors(
    api: ApiClient, alice: User
) -> None:
    """Titles that are one in order, in all the scripts that a cursor carries."""
    for title in ("東京", "東京", "\U0001f355", "a/b?c=d&e", "a/b?c=d&e", "é", "É"):
        make_task(alice, title)
    made = set(Task.objects.values_list("pk", flat=True))

    seen: list[int] = []
    cursor = ""
    for _ in range(len(made)):
        answer = api.send("GET", f"/api/tasks?sort=title&limit=1{cursor}")
        seen += ids(answer)
        cursor = f"&cursor={quote(answer.json()['next_cursor'] or '')}"

    assert answer.json()["next_cursor"] is None
    assert len(seen) == len(made) == len(set(seen))
