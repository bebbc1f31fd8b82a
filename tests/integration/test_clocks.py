"""Times and the manual order, whatever the clocks of the machines that write say."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from taskproject.accounts.models import User
from tasks.models import Event, Task, TaskList, lock_feeds
from tasks.models.events import database_now
from tasks.models.positions import at_end
from tests.conftest import BY, ApiClient, make_task
from tests.support.batches import create, results, send
from tests.support.rows import make_list
from tests.support.threads import PATIENCE, Threads, until, waiting

pytestmark = pytest.mark.django_db(transaction=True)
postgresql_only = pytest.mark.skipif(
    not settings.ON_POSTGRESQL, reason="SQLite's clock is its one machine's"
)
HOUR = timedelta(hours=1)
NOW = timezone.now
CLOCKS = ("django.utils.timezone.now", "taskproject.timezones.now")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the clock of this machine, so many hours from the real one."""

    def ahead(hours: float) -> None:
        for clock in CLOCKS:
            monkeypatch.setattr(clock, lambda: NOW() + hours * HOUR)

    return ahead


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of this machine stands still."""
    moment = NOW()
    for clock in CLOCKS:
        monkeypatch.setattr(clock, lambda: moment)


def in_order(owner: User, **fields: Any) -> list[str]:
    tasks = Task.objects.owned_by(owner.pk).live().filter(**fields)
    rows = list(tasks.order_by("position", "id").values_list("title", "position"))
    assert all(one[1] < other[1] for one, other in pairwise(rows)), rows
    return [title for title, _ in rows]


WRITES: dict[str, Any] = {
    "create": lambda api, key, home: api.send("POST", "/api/tasks", {"title": "B"}),
    "create in a list": lambda api, key, home: api.send(
        "POST", "/api/tasks", {"title": "B", "list": home}
    ),
    "create in a batch": lambda api, key, home: send(api, create("B"), create("C")),
    "edit": lambda api, key, home: api.send(
        "PATCH", f"/api/tasks/{key}", {"title": "B"}
    ),
    "edit more": lambda api, key, home: api.send(
        "PATCH", f"/api/tasks/{key}", {"priority": "high"}
    ),
    "edit a list": lambda api, key, home: api.send(
        "PATCH", f"/api/tasks/{key}", {"list": home}
    ),
    "toggle": lambda api, key, home: api.send("POST", f"/api/tasks/{key}/toggle"),
    "move": lambda api, key, home: api.send(
        "POST", f"/api/tasks/{key}/move", {"before": key - 1}
    ),
    "delete": lambda api, key, home: api.send("DELETE", f"/api/tasks/{key}"),
    "delete for good": lambda api, key, home: api.send(
        "DELETE", f"/api/tasks/{key}?permanent=true"
    ),
    "new list": lambda api, key, home: api.send("POST", "/api/lists", {"name": "B"}),
    "rename a list": lambda api, key, home: api.send(
        "PATCH", f"/api/lists/{home}", {"name": "B"}
    ),
    "delete a list": lambda api, key, home: api.send("DELETE", f"/api/lists/{home}"),
    "tag": lambda api, key, home: api.send(
        "PATCH", f"/api/tasks/{key}", {"tags": ["b"]}
    ),
}


@postgresql_only
@pytest.mark.parametrize("write", WRITES)
def test_times_are_the_databases_and_not_the_machines(
    api: ApiClient, alice: User, machine: Any, write: str
) -> None:
    home, _, task = make_list(alice), make_task(alice, "A"), make_task(alice, "A")
    early, before = task.created_at - HOUR, database_now()
    machine(-3)

    answer = WRITES[write](api, task.pk, home.pk)

    assert answer.status_code in (200, 201, 204), answer.content
    after = database_now()
    events = Event.objects.filter(via="token", at__gte=before, at__lte=after)
    assert events.count() == Event.objects.filter(via="token").count() > 0
    for moments in Task.objects.values_list(
        "created_at", "updated_at", "completed_at", "deleted_at"
    ):
        assert all(it is None or early <= it <= after for it in moments)


@pytest.mark.parametrize("write", ["add", "list", "batch"])
def test_a_new_task_is_last_after_one_of_a_machine_that_is_ahead(
    api: ApiClient, alice: User, machine: Any, write: str
) -> None:
    home = make_list(alice) if write == "list" else None
    where = {"list": home.pk} if home else {}

    def add(*titles: str) -> None:
        if write == "batch":
            answer = send(api, *[create(title) for title in titles])
            assert {one["status"] for one in results(answer)} == {201}
            return
        for title in titles:
            answer = api.send("POST", "/api/tasks", {"title": title, **where})
            assert answer.status_code == 201, answer.content

    machine(2)
    # As a release that took the time of the machine wrote it.
    first = make_task(alice, "a", list_id=home and home.pk)
    Task.objects.filter(pk=first.pk).update(position=at_end(NOW() + 2 * HOUR))
    machine(0)
    add("b")
    add("c", "d")
    machine(-1)
    add("e", "f")

    assert in_order(alice) == ["a", "b", "c", "d", "e", "f"]


def test_tasks_of_one_moment_have_places_of_their_own(
    api: ApiClient, alice: User, stopped: None
) -> None:
    for title in "abcd":
        api.send("POST", "/api/tasks", {"title": title})
    for name in "abcd":
        api.send("POST", "/api/lists", {"name": name})

    assert in_order(alice) == ["a", "b", "c", "d"]
    lists = TaskList.objects.order_by("position").values_list("name", "position")
    assert [name for name, _ in lists] == ["a", "b", "c", "d"]
    assert len({position for _, position in lists}) == 4


def test_what_comes_into_a_list_comes_last_behind_any_position(
    api: ApiClient, alice: User
) -> None:
    home = make_list(alice)
    for position in ("5", "zzz"):
        make_task(alice, position, list_id=home.pk, position=position)
    other, back = make_task(alice, "other"), make_task(alice, "back", list_id=home.pk)

    api.send("PATCH", f"/api/tasks/{other.pk}", {"list": home.pk})
    Task.objects.filter(pk=back.pk).trash(BY)
    make_task(alice, "usurper", list_id=home.pk, position=back.position)
    api.send("POST", f"/api/tasks/{back.pk}/restore")
    send(api, create("b", list=home.pk), create("c", list=home.pk))
    api.send("POST", "/api/tasks", {"title": "d", "list": home.pk})

    order = in_order(alice)
    assert order[:3] == ["5", "zzz", "usurper"]
    assert order[3:] == ["other", "back", "b", "c", "d"]


def test_the_ends_stay_short_behind_an_imported_position(
    api: ApiClient, alice: User
) -> None:
    make_task(alice, "last", position="zzzz")
    titles = [str(number) for number in range(20)]

    for title in titles:
        api.send("POST", "/api/tasks", {"title": title})

    assert in_order(alice) == ["last", *titles]
    longest = max(Task.objects.values_list("position", flat=True), key=len)
    assert len(longest) == len("zzzz" + at_end(NOW()))


def test_no_time_goes_back_where_a_machine_was_ahead(
    api: ApiClient, alice: User
) -> None:
    later = NOW() + 2 * HOUR
    keys = [make_task(alice, f"Task {number}").pk for number in range(5)]
    home = make_list(alice)
    Task.objects.update(updated_at=later)
    TaskList.objects.update(updated_at=later)

    for path, body in [
        ("", {"title": "B"}),
        ("", {"priority": "high"}),
        ("", {"list": home.pk}),
        ("/toggle", None),
        ("/move", {"before": keys[0]}),
    ]:
        method = "POST" if path else "PATCH"
        answer = api.send(method, f"/api/tasks/{keys[-1]}{path}", body)
        assert datetime.fromisoformat(answer.json()["updated_at"]) == later
    api.send("DELETE", f"/api/tasks/{keys[-1]}?permanent=true")
    renamed = api.send("PATCH", f"/api/lists/{home.pk}", {"name": "B"})

    assert datetime.fromisoformat(renamed.json()["updated_at"]) == later
    told = Event.objects.of_task(keys[-1]).in_order().values_list("version", "at")
    versions, times = zip(*told, strict=True)
    assert versions == (1, 2, 3, 4, 5, 6, 7)
    assert list(times[1:]) == [later] * 6


@postgresql_only
def test_a_position_is_taken_after_the_place_in_the_feed(alice: User) -> None:
    """One that waited for its turn comes after what was added meanwhile."""
    with Threads() as threads:
        with lock_feeds([alice.pk]):
            late = threads.start(lambda: make_task(alice, "Late"))
            until(lambda: waiting() > 0)
            Task.objects.add_all(BY, alice.pk, [{"title": "Early"}])
        late.result(PATIENCE)

    assert in_order(alice) == ["Early", "Late"]


@postgresql_only
def test_the_position_of_a_new_task_is_the_time_of_its_write(alice: User) -> None:
    task = make_task(alice)

    task.refresh_from_db()
    assert task.position == at_end(task.created_at)


# Moves beside positions that only imports have


@pytest.mark.parametrize(
    ("positions", "moved", "side", "other", "status"),
    [
        (["1", "10"], 2, "before", 1, 409),
        (["1", "10"], 2, "after", 0, 409),
        (["1", "10"], 2, "after", 1, 200),
        (["0"], 1, "before", 0, 409),
        (["000"], 1, "before", 0, 409),
        (["10"], 1, "before", 0, 200),
        (["a", "a000", "b"], 3, "before", 1, 409),
        (["a", "a001", "b"], 3, "before", 1, 200),
        (["5", "5"], 2, "after", 0, 200),
        (["zzz"], 1, "after", 0, 200),
        (["z" * 1_000], 1, "after", 0, 409),
    ],
)
def test_a_move_beside_an_imported_position_is_made_or_refused(
    api: ApiClient,
    alice: User,
    positions: list[str],
    moved: int,
    side: str,
    other: int,
    status: int,
) -> None:
    keys = [make_task(alice, it[:9], position=it).pk for it in positions]
    keys.append(make_task(alice, "moved").pk)
    body = {side: keys[other]}

    alone = api.send("POST", f"/api/tasks/{keys[moved]}/move", body)

    assert alone.status_code == status, alone.content
    if status == 409:
        assert alone.json()["code"] == "no_room"
        return
    order = [
        task.pk for task in Task.objects.owned_by(alice.pk).order_by("position", "id")
    ]
    assert order.index(keys[moved]) - order.index(keys[other]) in (
        (1, 2) if side == "after" else (-1,)
    )
