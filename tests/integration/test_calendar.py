"""/api/calendar: a secret address at which a calendar reads what is due"""

import hashlib
import json
import logging
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from taskproject.accounts.models import User
from tasks import calendar
from tasks.models import CalendarFeed, Task
from tests.conftest import BY, ApiClient, make_task
from tests.support.answers import rfc3339
from tests.support.rows import StillClock
from tests.support.threads import Threads

PATH = "/api/calendar"
TODAY = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def url(api: ApiClient) -> str:
    """The address of alice's feed."""
    return str(api.send("POST", PATH).json()["url"])


def secret_of(url: str) -> str:
    return url.removeprefix("/api/calendar/").removesuffix(".ics")


def read(nobody: ApiClient, url: str, **headers: str) -> Any:
    return nobody.send("GET", url, headers=headers)


def shown(nobody: ApiClient, url: str, kind: str = "VTODO") -> list[str]:
    """What the to-dos, or the events, of the feed are called."""
    answer = read(nobody, url)
    assert answer.status_code == 200, answer.content
    return [str(it["summary"]) for it in Calendar.from_ical(answer.content).walk(kind)]


def not_found(path: str, detail: str) -> dict[str, Any]:
    return {
        "type": "/api/problems#not_found",
        "title": "Not found",
        "status": 404,
        "detail": detail,
        "instance": path,
        "code": "not_found",
    }


def assert_no_calendar(nobody: ApiClient, url: str) -> None:
    """The address says nothing, least of all itself."""
    answer = read(nobody, url)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert told["detail"] == "There is no calendar at this address."
    assert told["code"] == "not_found"


# Its secret


def test_a_feed_is_made_and_its_address_is_told_once(
    api: ApiClient, alice: User
) -> None:
    answer = api.send("POST", PATH)

    feed = CalendarFeed.objects.get()
    assert feed.owner == alice
    assert answer.status_code == 201
    assert answer.headers["Location"] == PATH
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.json()
    secret = secret_of(told["url"])
    assert len(secret) == 43
    made = {"prefix": secret[:8], "created_at": rfc3339(feed.created_at)}
    assert told == {"url": f"/api/calendar/{secret}.ics", **made}

    again = api.send("GET", PATH)

    assert again.status_code == 200
    assert again.json() == {"url": None, **made}


def test_of_the_secret_only_a_digest_is_stored(api: ApiClient, url: str) -> None:
    [row] = CalendarFeed.objects.values()

    secret = secret_of(url)
    assert row["digest"] == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in repr(row)


def test_a_new_secret_takes_the_place_of_the_one_before(
    api: ApiClient, nobody: ApiClient, url: str
) -> None:
    other = api.send("POST", PATH).json()["url"]

    assert other != url
    assert CalendarFeed.objects.count() == 1
    assert_no_calendar(nobody, url)
    assert read(nobody, other).status_code == 200


def test_a_revoked_address_stops_at_once(
    api: ApiClient, nobody: ApiClient, url: str
) -> None:
    assert read(nobody, url).status_code == 200

    answer = api.send("DELETE", PATH)

    assert (answer.status_code, answer.content) == (204, b"")
    assert not CalendarFeed.objects.exists()
    assert_no_calendar(nobody, url)


@pytest.mark.parametrize(
    ("method", "detail"),
    [
        ("GET", "You have no calendar feed; POST makes one."),
        ("DELETE", "You have no calendar feed."),
    ],
)
def test_without_a_feed_there_is_none_to_tell_of_or_revoke(
    api: ApiClient, method: str, detail: str
) -> None:
    answer = api.send(method, PATH)

    assert answer.status_code == 404
    assert answer.json() == not_found(PATH, detail)


def test_each_user_has_a_feed_of_their_own(
    api: ApiClient, bobs_api: ApiClient, nobody: ApiClient, bob: User, url: str
) -> None:
    theirs = bobs_api.send("POST", PATH).json()["url"]
    make_task(bob, "Bob's", due_date=date(2099, 1, 1))

    assert shown(nobody, theirs) == ["Bob's"]
    assert shown(nobody, url) == []
    bobs_api.send("DELETE", PATH)
    assert read(nobody, url).status_code == 200


@pytest.mark.either_database
@pytest.mark.parametrize(
    "secret", ["x", "x" * 43, "x" * 200, "%00", "%F0%9F%8C%BF", "..", "a.ics"]
)
def test_an_unknown_secret_finds_nothing(
    nobody: ApiClient, url: str, secret: str
) -> None:
    assert read(nobody, f"/api/calendar/{secret}.ics").status_code == 404


def test_the_digest_is_no_secret(nobody: ApiClient, url: str) -> None:
    assert_no_calendar(nobody, f"/api/calendar/{CalendarFeed.objects.get().digest}.ics")


def test_the_feed_of_an_inactive_user_says_nothing(
    nobody: ApiClient, alice: User, url: str
) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert_no_calendar(nobody, url)

    User.objects.filter(pk=alice.pk).update(is_active=True)
    assert read(nobody, url).status_code == 200


def test_the_feed_goes_with_its_user(nobody: ApiClient, alice: User, url: str) -> None:
    alice.delete()

    assert_no_calendar(nobody, url)


@pytest.mark.either_database
def test_the_secret_is_not_in_the_log(
    nobody: ApiClient, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        read(nobody, url)
        read(nobody, url.replace("ics", "isc"))
        read(nobody, f"{url}/")
        nobody.send("POST", url)

    told = [record.fields for record in caplog.records if hasattr(record, "fields")]
    assert len(told) == 4
    assert told[0]["status"] == 200
    written = json.dumps(told, default=str) + caplog.text
    assert secret_of(url) not in written
    assert told[0]["path"].startswith("/api/calendar/")


# Who may


def test_reading_the_feed_needs_no_credential(
    nobody: ApiClient, task: Task, url: str
) -> None:
    answer = read(nobody, url)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer.content.startswith(b"BEGIN:VCALENDAR\r\n")
    assert answer.content.endswith(b"END:VCALENDAR\r\n")
    assert b"X-WR-CALNAME:Tasks" in answer.content


@pytest.mark.either_database
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_feed_can_only_be_read(nobody: ApiClient, url: str, method: str) -> None:
    assert nobody.send(method, url).status_code == 405


# What it holds


def test_it_holds_what_is_due_as_to_dos_and_events(
    nobody: ApiClient, alice: User, url: str
) -> None:
    make_task(alice, "Some day")
    make_task(alice, "Later", due_date=date(2099, 12, 31))
    instant = datetime(2099, 1, 1, 9, tzinfo=UTC)
    make_task(alice, "Sooner", due_at=instant, due_timezone="Asia/Tokyo")
    make_task(alice, "Done", due_date=date(2099, 6, 1), completed=True)
    trashed = make_task(alice, "Trashed", due_date=date(2099, 1, 1))
    Task.objects.filter(pk=trashed.pk).trash(BY)

    assert shown(nobody, url) == ["Sooner", "Done", "Later"]
    assert shown(nobody, url, "VEVENT") == ["Sooner", "Later"]
    calendar: Any = Calendar.from_ical(read(nobody, url).content)
    events = calendar.walk("VEVENT")
    assert [event["dtstart"].dt for event in events] == [instant, date(2099, 12, 31)]


def test_a_series_is_an_event_that_repeats_after_its_zone(
    api: ApiClient, nobody: ApiClient, url: str
) -> None:
    due = {"due_at": "2099-01-01T09:00:00Z", "due_timezone": "Europe/Berlin"}
    api.send("POST", "/api/tasks", {"title": "Tea", "recurrence": "FREQ=WEEKLY", **due})

    content = read(nobody, url).content.decode()
    assert "DTSTART;TZID=Europe/Berlin:20990108T100000\r\n" in content
    assert content.index("END:VTIMEZONE") < content.index("BEGIN:VTODO")
    assert shown(nobody, url, "VEVENT") == ["Tea", "Tea"]


def test_what_was_due_within_a_year_is_still_there(
    nobody: ApiClient, alice: User, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    StillClock(monkeypatch).at("2026-11-24T12:00:00Z")
    make_task(alice, "A year", due_date=TODAY.date() - timedelta(days=365))
    make_task(alice, "Longer", due_date=TODAY.date() - timedelta(days=367))

    assert shown(nobody, url) == ["A year"]


def described(nobody: ApiClient, url: str) -> str:
    """What the calendar says of itself."""
    feed: Any = Calendar.from_ical(read(nobody, url).content)
    assert str(feed.get("description")) == str(feed.get("x-wr-caldesc"))
    return str(feed.get("description", ""))


@pytest.fixture
def november(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is 24 November 2026."""
    StillClock(monkeypatch).at("2026-11-24T12:00:00Z")


def make_tasks(owner: User, count: int, *days: date, **fields: Any) -> None:
    """So many of each day."""
    rows = [
        {"title": f"{day} {number}", "due_date": day, **fields}
        for day in days
        for number in range(count)
    ]
    Task.objects.add_all(BY, owner.pk, rows)


@pytest.mark.usefixtures("november")
def test_what_is_due_tomorrow_comes_before_2_190_that_are_done(
    nobody: ApiClient, alice: User, url: str
) -> None:
    days = (TODAY.date() - timedelta(days=number) for number in range(1, 366))
    make_tasks(alice, 6, *days, completed=True)
    make_task(alice, "Tomorrow", due_date=TODAY.date() + timedelta(days=1))

    summaries = shown(nobody, url)

    assert summaries[-1] == "Tomorrow"
    assert len(summaries) == 2_000
    # The oldest are left out: 1,999 // 6 days are there, and a part of one more.
    last = TODAY.date() - timedelta(days=334)
    assert summaries[0].startswith(str(last))
    assert described(nobody, url) == (
        "Not everything fits into 2000 tasks and 900 KB. Left out: completed tasks due "
        f"on {last} or earlier."
    )


@pytest.mark.usefixtures("november")
@pytest.mark.parametrize(
    ("crowd", "one"), [(-1, 30), (30, -300), (1, 2), (-30, 0)], ids=str
)
def test_neither_what_is_overdue_nor_what_comes_crowds_out_the_other(
    nobody: ApiClient,
    alice: User,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    crowd: int,
    one: int,
) -> None:
    monkeypatch.setattr(calendar, "MAX_TASKS", 6)
    make_tasks(alice, 6 if crowd != 1 else 5, TODAY.date() + timedelta(days=crowd))
    make_task(alice, "One", due_date=TODAY.date() + timedelta(days=one))

    assert "One" in shown(nobody, url)


@pytest.mark.usefixtures("november")
def test_it_keeps_what_is_nearest_to_today_and_open_and_says_what_is_left_out(
    nobody: ApiClient, alice: User, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calendar, "MAX_TASKS", 4)
    for days in (-3, -2, -1, 0, 1, 2):
        day = TODAY.date() + timedelta(days=days)
        make_task(alice, f"Open {days}", due_date=day)
        make_task(alice, f"Done {days}", due_date=day, completed=True)

    assert shown(nobody, url) == ["Open -2", "Open -1", "Open 0", "Open 1"]
    assert described(nobody, url) == (
        "Not everything fits into 4 tasks and 900 KB. Left out: open tasks due on "
        "2026-11-26 or later and open tasks due on 2026-11-21 or earlier and completed "
        "tasks."
    )

    monkeypatch.setattr(calendar, "MAX_TASKS", 9)
    assert shown(nobody, url) == [
        *("Open -3", "Open -2", "Open -1", "Done -1", "Open 0"),
        *("Done 0", "Open 1", "Done 1", "Open 2"),
    ]
    assert described(nobody, url) == (
        "Not everything fits into 9 tasks and 900 KB. Left out: completed tasks due on "
        "2026-11-22 or earlier and completed tasks due on 2026-11-26 or later."
    )


@pytest.mark.either_database
def test_a_feed_that_holds_everything_has_no_description(
    nobody: ApiClient, task: Task, url: str
) -> None:
    assert described(nobody, url) == ""


@pytest.mark.either_database
@pytest.mark.usefixtures("november")
@pytest.mark.parametrize("character", ["x", ";", "\n", "漢", "🌱"])
def test_it_is_smaller_than_900_kb(
    nobody: ApiClient, alice: User, url: str, character: str
) -> None:
    long = {"description": character * 10_000, "tags": [f"t{n}" for n in range(20)]}
    make_tasks(alice, 60, TODAY.date() - timedelta(days=1), **long)
    make_task(alice, "Tomorrow", due_date=TODAY.date() + timedelta(days=1), **long)

    size = len(read(nobody, url).content)

    assert 800_000 < size <= 900_000
    assert shown(nobody, url)[-1] == "Tomorrow"
    assert described(nobody, url).endswith(
        "Left out: open tasks due on 2026-11-23 or earlier."
    )


@pytest.mark.either_database
def test_a_feed_of_2_000_tasks_is_written_without_the_library(
    nobody: ApiClient, alice: User, url: str
) -> None:
    """Which took 3 s of CPU for them; 6 where they were long."""
    make_tasks(alice, 2_000, date(2099, 1, 1), description="A line of text.\n" * 10)
    read(nobody, url)

    started = time.thread_time()
    assert read(nobody, url).status_code == 200

    assert time.thread_time() - started < 1.0


def test_it_takes_a_fixed_number_of_statements(
    nobody: ApiClient, alice: User, url: str, django_assert_max_num_queries: Any
) -> None:
    for day in range(1, 21):
        make_task(alice, f"Day {day}", due_date=date(2099, 1, day), tags=["x"])

    with django_assert_max_num_queries(4):
        assert len(shown(nobody, url)) == 20


# Again


def test_a_calendar_that_has_it_already_is_told_so(
    nobody: ApiClient, alice: User, url: str
) -> None:
    make_task(alice, "Due", due_date=date(2099, 1, 1))
    tag = read(nobody, url).headers["ETag"]

    for header in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = read(nobody, url, **{"If-None-Match": header})

        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == tag


def test_after_a_change_it_is_read_anew(
    nobody: ApiClient, alice: User, url: str
) -> None:
    task = make_task(alice, "Due", due_date=date(2099, 1, 1))
    tag = read(nobody, url).headers["ETag"]
    Task.objects.filter(pk=task.pk).edit(BY, title="Changed")

    again = read(nobody, url, **{"If-None-Match": tag})

    assert (again.status_code, again.headers["ETag"] == tag) == (200, False)
    assert b"SUMMARY:Changed" in again.content


def test_another_users_change_leaves_the_tag(
    nobody: ApiClient, bob: User, url: str
) -> None:
    tag = read(nobody, url).headers["ETag"]

    make_task(bob, "Bob's", due_date=date(2099, 1, 1))

    assert read(nobody, url).headers["ETag"] == tag


def test_on_the_next_day_it_is_read_anew(
    nobody: ApiClient, alice: User, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is a year old goes, although nothing was changed."""
    User.objects.filter(pk=alice.pk).update(timezone="Asia/Tokyo")
    clock = StillClock(monkeypatch)
    clock.at("2026-11-24T14:59:59Z")
    tag = read(nobody, url).headers["ETag"]
    assert read(nobody, url, **{"If-None-Match": tag}).status_code == 304

    clock.at("2026-11-24T15:00:00Z")  # midnight in Tokyo

    assert read(nobody, url, **{"If-None-Match": tag}).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_it_is_of_one_moment_while_others_write(
    nobody: ApiClient, alice: User, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task(alice, "Due", due_date=date(2099, 1, 1))
    keys = calendar._keys

    def then_trashed(owner_id: int, today: date) -> list[calendar.Key]:
        found = keys(owner_id, today)
        with Threads() as threads:
            threads.call(lambda: Task.objects.filter(pk=task.pk).trash(BY))
        return found

    monkeypatch.setattr(calendar, "_keys", then_trashed)
    first = read(nobody, url)
    monkeypatch.undo()

    assert b"SUMMARY:Due" in first.content
    again = read(nobody, url, **{"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 200
    assert b"SUMMARY:Due" not in again.content
