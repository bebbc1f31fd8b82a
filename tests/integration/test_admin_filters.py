"""The list of tasks in the admin: what it shows, and how it is narrowed down."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.admin import chips
from tasks.models import Tag, Task, TaskList
from tests.conftest import BY, make_task
from tests.support.admin import LIST, LISTS, TAGS, act, listed, many_tasks, text
from tests.support.rows import StillClock, make_list

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
TODAY = NOW.date()
FORGED = ["abc", "9" * 30, "-1", "1.5", "0", "①", "1,2", "("]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    still = StillClock(monkeypatch)
    still.at(NOW.isoformat())
    return still


# Columns


@pytest.mark.either_database
def test_the_list_shows_where_a_task_belongs_and_when_it_is_due(
    staff: Client, alice: User
) -> None:
    home = make_list(alice, "Kitchen")
    make_task(
        alice,
        list_id=home.pk,
        priority=4,
        tags=["errand", "<i>"],
        due_at=NOW,
        due_timezone="Asia/Tokyo",
    )

    page = text(staff.get(LIST))

    cells = dict(re.findall(r'<td class="field-(\w+)[^"]*">(.*?)</td>', page))
    assert "Kitchen" in cells["list"]
    assert cells["priority_badge"] == '<span class="badge danger">urgent</span>'
    assert cells["tag_names"] == "errand, &lt;i&gt;"
    assert cells["due"].startswith("2026-11-24 18:00 Asia/Tokyo <strong")


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"due_date": TODAY - timedelta(1)}, "overdue"),
        ({"due_date": TODAY - timedelta(1), "completed": True}, ""),
        ({"due_at": NOW - timedelta(minutes=1)}, "overdue"),
        ({"due_at": NOW + timedelta(minutes=1)}, "due today"),
        ({"due_date": TODAY}, "due today"),
        ({"due_date": TODAY + timedelta(1)}, "due tomorrow"),
        ({"due_date": TODAY + timedelta(2)}, ""),
        ({}, ""),
    ],
)
def test_the_list_says_when_a_task_is_due(
    staff: Client, alice: User, fields: dict[str, Any], told: str
) -> None:
    make_task(alice, **fields)

    assert badges(staff) == [told] * bool(told)


@pytest.mark.parametrize(
    ("viewer", "owner", "told"),
    [
        ("Asia/Tokyo", "Asia/Tokyo", ["due today"]),
        ("Pacific/Kiritimati", "Pacific/Kiritimati", ["overdue"]),
        ("Asia/Tokyo", "Pacific/Kiritimati", ["due today", "overdue for alice"]),
        ("Pacific/Kiritimati", "Asia/Tokyo", ["overdue", "due today for alice"]),
    ],
)
def test_the_list_tells_what_is_due_where_the_viewer_and_the_owner_are(
    staff: Client,
    alice: User,
    carol: User,
    clock: StillClock,
    viewer: str,
    owner: str,
    told: list[str],
) -> None:
    clock.at("2026-11-24T11:00:00Z")  # the 25th in Kiritimati
    carol.store(timezone=viewer)
    alice.store(timezone=owner)
    make_task(alice, due_date=TODAY)

    assert badges(staff) == told
    assert len(listed(staff, "due=overdue")) == (told[0] == "overdue")


def badges(staff: Client) -> list[str]:
    """What the only row tells of its due date."""
    [cell] = re.findall(r'<td class="field-due[^>]*>(.*?)</td>', text(staff.get(LIST)))
    return re.findall(r'class="badge[^>]*>([^<]*)<', cell)


def test_the_list_takes_as_many_queries_however_much_its_tasks_have(
    staff: Client, alice: User
) -> None:
    make_task(alice, list_id=make_list(alice, "First").pk, tags=["errand"])
    counts = []
    for number in range(2):
        Task.objects.update(created_at=NOW)
        with CaptureQueriesContext(connection) as queries:
            staff.get(LIST)
        counts.append(len(queries))
        for other in range(20):
            place = make_list(alice, f"List {number} {other}").pk
            make_task(alice, list_id=place, tags=[f"a {other}", f"b {other}"])

    assert counts[0] == counts[1] <= 8


def test_no_text_that_only_the_database_needs_is_read(
    staff: Client, alice: User, queries: CaptureQueriesContext
) -> None:
    make_task(alice)

    staff.get(LIST)

    read = [q["sql"] for q in queries.captured_queries if q["sql"][:6] == "SELECT"]
    assert not [sql for sql in read if '"sorted_title"' in sql or '"search"' in sql]


# By list, tag, owner and priority


def test_a_list_chooses_its_tasks(staff: Client, alice: User) -> None:
    home, work = make_list(alice, "Home"), make_list(alice, "Work")
    make_task(alice, "At home", list_id=home.pk)
    make_task(alice, "At work", list_id=work.pk)
    make_task(alice, "Nowhere")

    assert listed(staff, f"list={home.pk}") == {"At home"}
    assert listed(staff, "list=none") == {"Nowhere"}
    assert listed(staff, "list=") == {"At home", "At work", "Nowhere"}
    assert listed(staff, "list=999") == set()


def test_a_tag_chooses_its_tasks(staff: Client, alice: User) -> None:
    make_task(alice, "Both", tags=["errand", "urgent"])
    make_task(alice, "One", tags=["urgent"])
    make_task(alice, "None")
    errand, urgent = Tag.objects.get(name="errand"), Tag.objects.get(name="urgent")

    assert listed(staff, f"tag={errand.pk}") == {"Both"}
    assert listed(staff, f"tag={urgent.pk}") == {"Both", "One"}
    assert listed(staff, "tag=999") == set()


def test_an_owner_chooses_their_tasks(staff: Client, alice: User, bob: User) -> None:
    make_task(alice, "Alice's"), make_task(bob, "Bob's")

    assert listed(staff, f"owner={bob.pk}") == {"Bob's"}


@pytest.mark.parametrize("priority", range(5))
def test_a_priority_chooses_its_tasks(
    staff: Client, alice: User, priority: int
) -> None:
    for number in range(5):
        make_task(alice, str(number), priority=number)

    assert listed(staff, f"priority__exact={priority}") == {str(priority)}


def test_filters_go_together(staff: Client, alice: User, bob: User) -> None:
    home = make_list(alice)
    make_task(alice, "All", list_id=home.pk, tags=["a"], priority=4, due_date=TODAY)
    make_task(alice, "No tag", list_id=home.pk, priority=4, due_date=TODAY)
    make_task(alice, "No due", list_id=home.pk, tags=["a"], priority=4)
    tag = Tag.objects.get(owner=alice)

    query = f"list={home.pk}&tag={tag.pk}&priority__exact=4&due=today&owner={alice.pk}"
    assert listed(staff, query) == {"All"}


def test_an_action_across_all_pages_obeys_the_new_filters(
    staff: Client, alice: User
) -> None:
    home = make_list(alice)
    mine = make_task(alice, list_id=home.pk)
    other = make_task(alice)

    act(staff, "complete", mine, across=True, query=f"?list={home.pk}")

    assert Task.objects.get(completed=True) == mine
    assert Task.objects.get(completed=False) == other


@pytest.mark.either_database
def test_the_filters_offer_no_more_however_many_lists_and_tags_there_are(
    staff: Client, alice: User
) -> None:
    task = make_task(alice)
    sizes = []
    for number in range(2):
        sizes.append(len(text(staff.get(LIST))))
        for other in range(30):
            make_list(alice, f"List {number} {other}")
        tags = [f"tag {number} {other}" for other in range(20)]
        make_task(alice, tags=tags)
        Task.objects.exclude(pk=task.pk).remove(BY)

    # But for what differs by chance: the token against forged forms.
    assert abs(sizes[0] - sizes[1]) < 500


@pytest.mark.either_database
def test_a_filter_shows_what_was_chosen_and_hands_the_others_on(
    staff: Client, alice: User
) -> None:
    home = make_list(alice, "Kitchen")

    page = text(staff.get(f'{LIST}?list={home.pk}&q="milk&p=1'))

    assert f'<option value="{home.pk}" selected>Kitchen</option>' in page
    forms = re.findall(r'<form method="get">(.*?)</form>', page, re.DOTALL)
    kept = [
        dict(re.findall(r'type="hidden" name="(.*?)" value="(.*?)"', form))
        for form in forms
    ]
    both = {"list": str(home.pk), "q": "&quot;milk"}
    # Due, owner, list and tag.
    assert kept == [both, both, {"q": "&quot;milk"}, both]


# By due


@pytest.fixture
def dues(alice: User) -> None:
    midnight = datetime(2026, 11, 24, tzinfo=UTC)
    rows: dict[str, dict[str, Any]] = {
        "long ago": {"due_date": date(1900, 1, 1)},
        "yesterday": {"due_date": TODAY - timedelta(1)},
        "done yesterday": {"due_date": TODAY - timedelta(1), "completed": True},
        "at 08:00": {"due_at": NOW - timedelta(hours=1)},
        "at 10:00": {"due_at": NOW + timedelta(hours=1)},
        "today": {"due_date": TODAY},
        "at midnight": {"due_at": midnight + timedelta(1)},
        "in 6 days": {"due_date": TODAY + timedelta(6)},
        "in 7 days": {"due_date": TODAY + timedelta(7)},
        "in 7 days, at 00:00": {"due_at": midnight + timedelta(7)},
        "far": {"due_date": date(2999, 12, 31)},
        "never": {},
    }
    for title, fields in rows.items():
        make_task(alice, title, **fields)


ALL_DUE = {
    "long ago", "yesterday", "done yesterday", "at 08:00", "at 10:00", "today",
    "at midnight", "in 6 days", "in 7 days", "in 7 days, at 00:00", "far",
}  # fmt: skip


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("due=overdue", {"long ago", "yesterday", "at 08:00"}),
        ("due=today", {"at 08:00", "at 10:00", "today"}),
        (
            "due=week",
            {"at 08:00", "at 10:00", "today", "at midnight", "in 6 days"},
        ),
        ("due=some", ALL_DUE),
        ("due=none", {"never"}),
        ("due=", ALL_DUE | {"never"}),
        ("due_from=2026-12-01", {"in 7 days", "in 7 days, at 00:00", "far"}),
        ("due_to=2026-11-23", {"long ago", "yesterday", "done yesterday"}),
        ("due_from=2026-11-25&due_to=2026-11-30", {"at midnight", "in 6 days"}),
        ("due_from=2026-11-30&due_to=2026-11-25", set()),
        ("due_to=2999-12-31", ALL_DUE),
        ("due_from=1900-01-01&due_to=", ALL_DUE),
    ],
)
def test_the_due_chooses(
    staff: Client, dues: None, query: str, found: set[str]
) -> None:
    assert listed(staff, query) == found


@pytest.mark.parametrize(
    ("zone", "found"),
    [
        # It is 23:00 on the 23rd there.
        ("Pacific/Pago_Pago", {"Day 23", "At 00:00 UTC", "At 09:00 UTC"}),
        # It is 23:00 on the 24th there, which began at 10:00 UTC the day before.
        ("Pacific/Kiritimati", {"Day 24", "At 00:00 UTC", "At 09:00 UTC"}),
    ],
)
def test_today_is_the_day_of_who_looks(
    staff: Client, alice: User, carol: User, clock: StillClock, zone: str,
    found: set[str],
) -> None:  # fmt: skip
    clock.at("2026-11-24T09:30:00Z")
    carol.store(timezone=zone)
    make_task(alice, "Day 23", due_date=date(2026, 11, 23))
    make_task(alice, "Day 24", due_date=date(2026, 11, 24))
    make_task(alice, "At 00:00 UTC", due_at=datetime(2026, 11, 24, tzinfo=UTC))
    make_task(alice, "At 09:00 UTC", due_at=NOW)

    assert listed(staff, "due=today") == found


def test_what_is_completed_or_in_the_trash_is_not_overdue(
    staff: Client, alice: User
) -> None:
    long_ago = date(2020, 1, 1)
    make_task(alice, due_date=long_ago, completed=True)
    trashed = make_task(alice, due_date=long_ago)
    Task.objects.filter(pk=trashed.pk).trash(BY)

    assert listed(staff, "due=overdue") == set()


def test_what_is_overdue_for_longest_is_first(staff: Client, alice: User) -> None:
    late, later = (make_task(alice, due_date=date(year, 1, 1)) for year in (2021, 2020))

    shown = staff.get(f"{LIST}?due=overdue").context["cl"].result_list
    assert [*shown] == [later, late]


@pytest.mark.parametrize("due", ["today", "week", "overdue"])
def test_a_range_of_dues_is_found_by_its_index(
    staff: Client,
    alice: User,
    queries: CaptureQueriesContext,
    monkeypatch: pytest.MonkeyPatch,
    due: str,
) -> None:
    monkeypatch.setattr(chips, "FEW", -1)
    many_tasks(alice, 3)

    staff.get(f"{LIST}?due={due}")

    if connection.vendor != "sqlite":
        return  # PostgreSQL chooses by what there is.
    pages = [
        query["sql"]
        for query in queries.captured_queries
        if query["sql"].startswith("SELECT") and '"due_moment" <=' in query["sql"]
    ]
    assert len(pages) == 2
    for sql in pages:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = " ".join(row[3] for row in cursor.fetchall())
        assert re.search("task_(owner_|open_|owner_open_)due", plan), plan


# Hostile input


@pytest.mark.parametrize(
    "name",
    [
        "list", "tag", "owner", "priority__exact", "list__id__exact", "due",
        "labels__id__exact", "parent__id__exact", "due_from", "due_to", "due_moment",
        "due_at__gte", "tags", "tags__contains", "position", "list__name",
    ],
)  # fmt: skip
def test_a_forged_filter_is_no_server_error(
    staff: Client, alice: User, name: str
) -> None:
    make_task(alice, list_id=make_list(alice).pk, tags=["errand"])

    for value in FORGED:
        answer = staff.get(LIST, {name: value})

        assert answer.status_code in (200, 302, 400), value
        if answer.status_code == 302:
            assert answer.headers["Location"] == f"{LIST}?e=1", value


@pytest.mark.parametrize("path", [LIST, LISTS, TAGS])
@pytest.mark.parametrize(
    "query", ["list__id__exact=%00", "tag=%00", "q=%00", "due=%00", "owner__id=%00"]
)
def test_a_nul_in_a_filter_is_refused(staff: Client, path: str, query: str) -> None:
    assert staff.get(f"{path}?{query}").status_code == 400


@pytest.mark.either_database
@pytest.mark.parametrize("query", ["tag=abc", "list=abc", "due=abc", "due_from=abc"])
def test_a_filter_that_makes_no_sense_is_left_out(
    staff: Client, alice: User, query: str
) -> None:
    make_task(alice)

    answer = staff.get(f"{LIST}?{query}")

    assert (answer.status_code, answer.headers["Location"]) == (302, f"{LIST}?e=1")


def test_a_search_reads_the_index_of_words(
    staff: Client, alice: User, queries: CaptureQueriesContext
) -> None:
    make_task(alice, "Buy Crème brûlée")

    assert listed(staff, "q=creme brul") == {"Buy Crème brûlée"}

    assert not [q for q in queries.captured_queries if "LIKE '%" in q["sql"]]


@pytest.mark.parametrize(
    "words", ["'", '"', "a'b", 'a"b', "a:*", "NOT", "a OR b", "*", "(", "a & b", "\\"]
)
def test_a_search_with_what_means_something_to_a_query_is_no_server_error(
    staff: Client, alice: User, words: str
) -> None:
    make_task(alice, "Buy milk")

    answer = staff.get(LIST, {"q": words})

    assert answer.status_code == 200
    assert answer.context["cl"].result_count == 0


def test_lists_have_no_server_error_left(staff: Client, alice: User) -> None:
    TaskList.objects.add(BY, owner_id=alice.pk, name="Home")

    for query in ("archived__exact=abc", "owner__id__exact=x", "p=9999", "o=9"):
        assert staff.get(f"{LISTS}?{query}").status_code in (200, 302)
