"""GET /api/tasks/counts"""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.models import Tag, Task
from tests.conftest import BY, ApiClient, make_task
from tests.support.rows import StillClock, make_list

PATH = "/api/tasks/counts"
NOTHING: dict[str, Any] = {
    "open": 0,
    "completed": 0,
    "overdue": 0,
    "due_today": 0,
    "lists": [],
    "tags": [],
}


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    return StillClock(monkeypatch).at("2026-03-10T12:00:00+00:00")


def counts(api: ApiClient, query: str = "") -> dict[str, Any]:
    answer = api.send("GET", PATH + query)
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


def day(number: int) -> dict[str, Any]:
    return {"due_date": date(2026, 3, number)}


def instant(number: int, hour: int) -> dict[str, Any]:
    return {"due_at": datetime(2026, 3, number, hour, tzinfo=UTC)}


def test_no_tasks_are_counted_too(api: ApiClient) -> None:
    answer = api.send("GET", PATH)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == NOTHING


def test_it_counts_the_callers_tasks(api: ApiClient, alice: User, bob: User) -> None:
    home, work, empty = (make_list(alice, name) for name in ("Home", "Work", "Empty"))
    make_list(bob, "Home")
    make_task(bob, tags=["home"], **day(1))
    make_task(alice, list_id=work.pk, tags=["b", "A"], **day(9))
    make_task(alice, list_id=home.pk, tags=["b"], **day(10))
    make_task(alice, list_id=home.pk, **instant(10, 11))
    make_task(alice, list_id=home.pk, tags=["b"], completed=True, **day(9))
    make_task(alice, list_id=empty.pk, tags=["unused"], completed=True)
    make_task(alice, **instant(10, 13))
    trashed = make_task(alice, list_id=home.pk, tags=["b"], **day(10))
    Task.objects.filter(pk=trashed.pk).trash(BY)

    assert counts(api) == {
        "open": 4,
        "completed": 2,
        "overdue": 2,
        "due_today": 3,
        "lists": [
            {"list": None, "open": 1},
            {"list": home.pk, "open": 2},
            {"list": work.pk, "open": 1},
        ],
        "tags": [{"tag": "A", "open": 1}, {"tag": "b", "open": 2}],
    }


# They keep up with every change


def test_every_change_is_counted(api: ApiClient, alice: User) -> None:
    home = make_list(alice, "Home").pk
    work = make_list(alice, "Work").pk
    task = make_task(alice)
    path = f"/api/tasks/{task.pk}"
    in_none = [{"list": None, "open": 1}]

    def step(method: str, suffix: str, body: Any = None) -> dict[str, Any]:
        assert api.send(method, path + suffix, body).status_code < 300
        return counts(api)

    one = NOTHING | {"open": 1, "lists": in_none}
    done = NOTHING | {"completed": 1}
    tagged = one | {"tags": [{"tag": "a", "open": 1}]}
    at_home = tagged | {"lists": [{"list": home, "open": 1}]}
    at_work = tagged | {"lists": [{"list": work, "open": 1}]}
    assert counts(api) == one
    assert step("PATCH", "", {"tags": ["a"]}) == tagged
    assert step("PATCH", "", {"list": home}) == at_home
    assert step("POST", "/complete") == done
    assert step("PATCH", "", {"list": work}) == done
    assert step("POST", "/reopen") == at_work
    assert step("DELETE", "") == NOTHING
    assert step("POST", "/restore") == at_work
    assert step("POST", "/toggle") == done
    assert step("DELETE", "") == NOTHING
    assert step("POST", "/restore") == done
    assert step("POST", "/toggle") == at_work
    assert step("PATCH", "", {"tags": ["b"]}) == at_work | {
        "tags": [{"tag": "b", "open": 1}]
    }
    assert step("PUT", "", {"title": "a", "due_date": "2026-03-10"}) == one | {
        "due_today": 1
    }
    assert step("DELETE", "?permanent=true") == NOTHING


def test_a_renamed_tag_is_counted_by_its_new_name_and_a_removed_one_no_more(
    api: ApiClient, alice: User
) -> None:
    make_task(alice, tags=["home", "a"])
    path = f"/api/tags/{Tag.objects.get(name='home').pk}"

    api.send("PATCH", path, {"name": "house"})
    renamed = counts(api)["tags"]
    api.send("DELETE", path)

    assert renamed == [{"tag": "a", "open": 1}, {"tag": "house", "open": 1}]
    assert counts(api)["tags"] == [{"tag": "a", "open": 1}]


# Polling


def test_a_change_changes_the_tag(api: ApiClient, alice: User) -> None:
    task = make_task(alice)
    tag = api.send("GET", PATH).headers["ETag"]
    api.send("POST", f"/api/tasks/{task.pk}/complete")

    answer = api.send("GET", PATH, headers={"If-None-Match": tag})

    assert answer.status_code == 200
    assert answer.headers["ETag"] != tag
    assert answer.json() == NOTHING | {"completed": 1}


def test_it_is_one_statement_whatever_there_is(
    api: ApiClient, alice: User, queries: CaptureQueriesContext
) -> None:
    costs = []
    api.send("GET", "/api/me")  # notes the token's use
    for number in (0, 12):
        for each in range(number):
            row = make_list(alice, f"{each}")
            make_task(alice, list_id=row.pk, tags=[f"{each}"], **day(each + 1))
        before = len(queries)
        counts(api)
        costs.append(len(queries) - before)

    # The state's for the ETag, which looks at the token too, and the one that counts.
    assert costs == [2, 2]


def test_polling_is_one_small_statement(
    api: ApiClient, alice: User, queries: CaptureQueriesContext
) -> None:
    make_task(alice)
    tag = api.send("GET", PATH).headers["ETag"]
    before = len(queries)

    answer = api.send("GET", PATH, headers={"If-None-Match": tag})

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == tag
    assert len(queries) - before == 1
