"""GET /api/tasks against a plain model of it: whatever the tasks, the filters, the order,
the page size, and whoever writes meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from taskproject.accounts.models import User
from tasks.models import Task, TaskList, access_paths
from tests.conftest import BY, ApiClient
from tests.support.rows import StillClock, ids, make_list

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
#: Titles, what they are ordered by, and their words.
TITLES = [
    ("apple", "apple", "apple"),
    ("Äpple", "apple", "apple"),
    ("apfel Saft", "apfel saft", "apfel saft"),
    ("Zebra", "zebra", "zebra"),
    ("zebra-2", "zebra-2", "zebra 2"),
    ("Straße", "strasse", "strasse"),
    ("éclair", "eclair", "eclair"),
    ("東京 2", "東京 2", "東 京 2"),
    ("\U0001f355", "\U0001f355", ""),
]
DESCRIPTIONS = [("", ""), ("Oat milk", "oat milk"), ("APPLE pie", "apple pie")]
QUESTIONS = {
    "app": "app",
    "Apple pie": "apple pie",
    "ap mi": "ap mi",
    "STRASS": "strass",
    "zebra 2": "zebra 2",
    "京": "京",
    "é": "e",
}
TAGS = ["Home", "urgent", "Straße"]
ZONES = ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Lisbon"]
SORTS = ["created", "updated", "due", "priority", "title", "position"]
ORDERS = [(sort, minus) for sort in SORTS for minus in ("", "-")]
cheap = settings(
    max_examples=30,
    phases=[Phase.generate],  # to shrink an example would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

MOMENTS = [
    NOW + timedelta(hours=hours, microseconds=microseconds)
    for hours in (-26, -14, -12, 0, 11, 26)
    for microseconds in (0, 0, 0, -1, 1)
]
DAYS = [NOW.date() + timedelta(days=days) for days in (-2, -1, 0, 1, 2)]
moments = st.sampled_from(MOMENTS)
rows = st.fixed_dictionaries(
    {
        "title": st.sampled_from(range(len(TITLES))),
        "description": st.sampled_from(range(len(DESCRIPTIONS))),
        "completed": st.booleans(),
        "list": st.sampled_from([None, 0, 1]),
        "parent": st.sampled_from([None, None, 0, 1]),
        "tags": st.lists(st.sampled_from(TAGS), unique=True),
        "priority": st.integers(0, 4),
        "due": st.sampled_from([None, *DAYS, *DAYS, *MOMENTS]),
        "created_at": moments,
        "updated_at": moments,
        "position": st.sampled_from(["a", "ai", "b", "9", "z9"]),
        "trashed": st.sampled_from([False, False, False, True]),
    }
)
#: A random value for each filter. (Not by hypothesis, which likes to repeat itself: of
#: its filters most would meet no task.)
FILTERS: dict[str, Callable[[Random], Any]] = {
    "ids": lambda random: random.choices(range(12), k=random.randint(1, 6)),
    "completed": lambda random: random.choice([True, False]),
    "list": lambda random: random.choice([None, 0, 1]),
    "parent": lambda random: random.choice([None, 0, 1]),
    "tag": lambda random: random.sample(TAGS, random.choice([1, 1, 2])),
    "priority": lambda random: random.sample(range(5), random.randint(1, 3)),
    "due_before": lambda random: random.choice([*DAYS, *MOMENTS]),
    "due_after": lambda random: random.choice([*DAYS, *MOMENTS]),
    "overdue": lambda random: random.choice([True, False]),
    "has_due": lambda random: random.choice([True, False]),
    "created_after": lambda random: random.choice(MOMENTS),
    "updated_after": lambda random: random.choice(MOMENTS),
    "q": lambda random: random.choice(sorted(QUESTIONS)),
}


def some_filters(random: Random) -> dict[str, Any]:
    """Two at most: hardly a task meets more of them at random."""
    names = random.sample(sorted(FILTERS), random.choice([0, 1, 1, 1, 2, 2]))
    return {name: FILTERS[name](random) for name in names}


@contextmanager
def undone() -> Iterator[None]:
    """What happens within leaves no trace for the next example."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


class World(NamedTuple):
    lists: list[TaskList]
    parents: list[Task]
    #: The tasks as they were made, by their ids.
    tasks: dict[int, dict[str, Any]]


def make(owner: User, made: list[dict[str, Any]]) -> World:
    lists = [make_list(owner, name) for name in ("a", "b")]
    away = {"title": "parent", "deleted_at": NOW}
    parents = Task.objects.add_all(BY, owner.pk, [away, away])
    Task.objects.filter(pk__in=[one.pk for one in parents]).update(deleted_at=None)
    stored = [
        {
            "title": TITLES[row["title"]][0],
            "description": DESCRIPTIONS[row["description"]][0],
            "completed": row["completed"],
            "list_id": None if row["list"] is None else lists[row["list"]].pk,
            "parent_id": None if row["parent"] is None else parents[row["parent"]].pk,
            "tags": row["tags"],
            "priority": row["priority"],
            "due_date": None if isinstance(row["due"], datetime) else row["due"],
            "due_at": row["due"] if isinstance(row["due"], datetime) else None,
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
            "position": row["position"],
            "deleted_at": NOW if row["trashed"] else None,
        }
        for row in made
    ]
    tasks = Task.objects.add_all(BY, owner.pk, stored)
    Task.objects.filter(pk__in=[one.pk for one in parents]).trash(BY)
    return World(
        lists,
        parents,
        {
            task.pk: row | {"id": task.pk, "number": number}
            for number, (task, row) in enumerate(zip(tasks, made, strict=True))
        },
    )


def written(world: World, wanted: dict[str, Any]) -> str:
    """The filters as a query string."""
    words = ["none", "low", "medium", "high", "urgent"]
    keys: dict[str, Any] = {"list": world.lists, "parent": world.parents}
    query: list[tuple[str, str]] = []
    for name, value in wanted.items():
        if name in keys:
            query.append((name, "none" if value is None else keys[name][value].pk))
        elif name == "ids":
            known = [*world.tasks]
            query += [(name, str(known[one % len(known)])) for one in value]
            query.append((name, str(2**62)))
        elif name == "priority":
            query += [(name, words[one]) for one in value]
        elif isinstance(value, list):
            query += [(name, one.upper()) for one in value]
        elif isinstance(value, bool):
            query.append((name, str(value).lower()))
        elif isinstance(value, date):
            query.append((name, value.isoformat()))
        else:
            query.append((name, value))
    return urlencode(query)


def meets(row: dict[str, Any], wanted: dict[str, Any], zone: str) -> bool:
    """Whether the task is one that is asked for: the documentation, in Python."""
    here = ZoneInfo(zone)

    def before(due: date | datetime, edge: date | datetime) -> bool:
        match isinstance(due, datetime), isinstance(edge, datetime):
            case (True, False):
                edge = datetime.combine(edge, time(), here)
            case (False, True):
                assert isinstance(edge, datetime)
                edge = edge.astimezone(here).date()
        return due < edge

    due = row["due"]
    now = NOW if isinstance(due, datetime) else NOW.astimezone(here).date()
    overdue = not row["completed"] and due is not None and before(due, now)
    words = f"{TITLES[row['title']][2]} {DESCRIPTIONS[row['description']][1]}".split()
    conditions: dict[str, Callable[[Any], bool]] = {
        "ids": lambda value: row["number"] in value,
        "completed": lambda value: bool(row["completed"] == value),
        "list": lambda value: bool(row["list"] == value),
        "parent": lambda value: bool(row["parent"] == value),
        "tag": lambda value: set(value) <= set(row["tags"]),
        "priority": lambda value: row["priority"] in value,
        "due_before": lambda value: due is not None and before(due, value),
        "due_after": lambda value: due is not None and not before(due, value),
        "overdue": lambda value: overdue == value,
        "has_due": lambda value: (due is not None) == value,
        "created_after": lambda value: bool(row["created_at"] > value),
        "updated_after": lambda value: bool(row["updated_at"] > value),
        "q": lambda value: all(
            any(word.startswith(asked) for word in words)
            for asked in QUESTIONS[value].split()
        ),
    }
    return not row["trashed"] and all(
        conditions[name](value) for name, value in wanted.items()
    )


def place(row: dict[str, Any], sort: str) -> tuple[Any, int]:
    """What the task is ordered by."""
    due = row["due"] or datetime.max.replace(tzinfo=UTC)
    if not isinstance(due, datetime):
        due = datetime.combine(due + timedelta(days=1), time(), UTC)
    values: dict[str, Any] = {
        "created": 0,
        "updated": row["updated_at"],
        "due": due,
        "priority": row["priority"],
        "title": TITLES[row["title"]][1],
        "position": row["position"],
    }
    return values[sort], row["id"]


def pages(api: ApiClient, path: str, limit: int) -> Iterator[list[int]]:
    """The ids on every page, all of which are full but the last."""
    cursor, more = "", True
    seen: set[str] = set()
    while more:
        assert cursor not in seen, "it goes in a circle"
        seen.add(cursor)
        answer = api.send("GET", f"{path}&limit={limit}{cursor}")
        page, following = ids(answer), answer.json()["next_cursor"]
        more = following is not None
        assert len(page) == limit if more else len(page) <= limit
        cursor = f"&cursor={following}"
        yield page


@pytest.mark.parametrize(
    "read",
    [
        "in the order asked for",
        pytest.param("put in order", marks=pytest.mark.either_database),
    ],
)
@cheap
@given(
    made=st.lists(rows, min_size=12, max_size=12),
    random=st.randoms(use_true_random=True),
    zone=st.sampled_from(ZONES),
    limit=st.integers(1, 8),
)
def test_pages_are_the_tasks_asked_for_in_every_order(
    api: ApiClient,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    read: str,
    made: list[dict[str, Any]],
    random: Random,
    zone: str,
    limit: int,
) -> None:
    """On SQLite, where that is ours to choose, in both ways."""
    monkeypatch.setattr(
        access_paths, "PAGE", 0 if read == "in the order asked for" else 99
    )
    StillClock(monkeypatch).at(NOW.isoformat())
    with undone():
        world = make(alice, made)
        for sort, minus in ORDERS:
            wanted = some_filters(random)
            query = f"sort={minus}{sort}&tz={zone}&{written(world, wanted)}"
            found = [row for row in world.tasks.values() if meets(row, wanted, zone)]

            seen = [
                key for page in pages(api, f"/api/tasks?{query}", limit) for key in page
            ]

            in_order = sorted(found, key=lambda row: place(row, sort))
            keys = [row["id"] for row in in_order]
            assert seen == (keys[::-1] if minus else keys), query


# While others write

COLUMNS = {
    "created": "id",
    "updated": "updated_at",
    "due": "due_moment",
    "priority": "priority",
    "title": "sorted_title",
    "position": "position",
}
#: Requests about one task: {} is its id, and {other} another's.
CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "/api/tasks", {"title": "apple"}),
    (
        "POST",
        "/api/tasks",
        {"title": "zz", "priority": "high", "due_date": "2026-03-10"},
    ),
    ("PATCH", "/api/tasks/{}", {"title": "banana"}),
    ("PATCH", "/api/tasks/{}", {"priority": "urgent"}),
    ("PATCH", "/api/tasks/{}", {"due_date": "2026-03-12"}),
    ("PATCH", "/api/tasks/{}", {"due_date": None, "due_at": None}),
    ("POST", "/api/tasks/{}/toggle", None),
    ("DELETE", "/api/tasks/{}", None),
    ("DELETE", "/api/tasks/{}?permanent=true", None),
    ("POST", "/api/tasks/{}/restore", None),
    ("POST", "/api/tasks/{}/move", {"before": "{other}"}),
]


def values(sort: str) -> dict[int, Any]:
    """By their ids, what the live tasks are ordered by."""
    live = Task.objects.live()
    return dict(live.values_list("pk", COLUMNS[sort]))


@cheap
@given(
    made=st.lists(rows, min_size=4, max_size=14),
    sort=st.sampled_from(SORTS),
    minus=st.sampled_from(["", "-"]),
    limit=st.integers(1, 3),
    changes=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(range(len(CHANGES))),
                st.integers(0, 99),
                st.integers(0, 99),
            ),
            max_size=3,
        ),
        min_size=2,
        max_size=12,
    ),
)
def test_a_walk_neither_skips_nor_repeats_what_keeps_its_place_while_others_write(
    api: ApiClient,
    alice: User,
    made: list[dict[str, Any]],
    sort: str,
    minus: str,
    limit: int,
    changes: list[list[tuple[int, int, int]]],
) -> None:
    with undone():
        keys = list(make(alice, made).tasks)
        kept, seen = values(sort), list[int]()

        walk = pages(api, f"/api/tasks?sort={minus}{sort}", limit)
        for number, page in enumerate(walk):
            seen += page
            for which, one, two in changes[number] if number < len(changes) else ():
                method, path, body = CHANGES[which]
                task, other = keys[one % len(keys)], keys[two % len(keys)]
                if body == {"before": "{other}"}:
                    body = {"before": other}
                with transaction.atomic():  # one that is refused changes nothing
                    answer = api.send(method, path.format(task), body)
                assert answer.status_code < 500
                now = values(sort)
                kept = {key: kept[key] for key in kept if now.get(key) == kept[key]}

        in_order = sorted(kept, key=lambda key: (kept[key], key), reverse=bool(minus))
        assert [key for key in seen if key in kept] == in_order
