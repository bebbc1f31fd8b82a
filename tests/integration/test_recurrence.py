"""`recurrence`: series of tasks, their completion, and what takes it back"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from taskproject.accounts.models import User
from tasks.models import Event, Reminder, Task
from tests.conftest import ApiClient, make_task
from tests.support.answers import as_json
from tests.support.problems import assert_problem
from tests.support.threads import at_once, request

#: For tests that go on after a refused write.
refused = pytest.mark.django_db(transaction=True)
FAR = date(2999, 1, 31)
SERIES: dict[str, Any] = {
    "title": "Pay the rent",
    "due_date": FAR.isoformat(),
    "recurrence": "FREQ=MONTHLY",
}


def create(api: ApiClient, **members: Any) -> dict[str, Any]:
    answer = api.send("POST", "/api/tasks", {**SERIES, **members})
    assert answer.status_code == 201, answer.content
    task: dict[str, Any] = answer.json()
    return task


def send(api: ApiClient, task: int, verb: str, body: Any = None) -> Any:
    return api.send("POST", f"/api/tasks/{task}/{verb}", body)


def following(api: ApiClient, task: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/api/tasks/{task['next_occurrence']}").json()
    return found


# The fields


def test_a_rule_is_stored_in_its_canonical_text(api: ApiClient) -> None:
    task = create(api, recurrence="interval=1;freq=monthly;wkst=SU")

    assert task["recurrence"] == "FREQ=MONTHLY;BYMONTHDAY=31"
    assert (task["recurrence_from"], task["occurrence"]) == ("due", "2999-01-31")
    assert task == as_json(Task.objects.get())


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("FREQ=HOURLY", "FREQ is one of DAILY, WEEKLY, MONTHLY, YEARLY."),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ is given twice; give it once."),
        ("FREQ=DAILY;COUNT=2;UNTIL=30000101", "Give COUNT or UNTIL, not both."),
        ("FREQ=DAILY;COUNT=0", "COUNT is a whole number from 1 to 1,000."),
        ("FREQ=DAILY;INTERVAL=1001", "INTERVAL is a whole number from 1 to 1,000."),
        ("FREQ=WEEKLY;BYDAY=2MO", "BYDAY of a WEEKLY rule has no numbers."),
        ("FREQ=DAILY;BYMONTH=2;INTERVAL=7;BYDAY=MO", "No date follows from it"),
        (
            "FREQ=DAILY;UNTIL=19000101",
            "UNTIL is before the due date; give a later one.",
        ),
        ("FREQ=YEARLY;BYEASTER=1", "A YEARLY rule has no BYEASTER; it may have FREQ"),
    ],
)
def test_other_rules_are_refused(api: ApiClient, rule: str, told: str) -> None:
    body = {**SERIES, "recurrence": rule, "due_date": "2999-01-01"}

    answer = api.send("POST", "/api/tasks", body)

    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/recurrence", "recurrence")
    assert error["detail"].startswith(told)


@refused
@pytest.mark.parametrize(
    "body", [{"due_date": None}, {"due_date": None, "due_at": None}]
)
def test_a_series_keeps_a_due_date(api: ApiClient, body: dict[str, None]) -> None:
    task = create(api)

    answer = api.send("PATCH", f"/api/tasks/{task['id']}", body)

    [error] = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (422, "due_missing")
    both = {**body, "recurrence": None}
    answer = api.send("PATCH", f"/api/tasks/{task['id']}", both)
    assert (answer.status_code, answer.json()["recurrence_from"]) == (200, None)


@refused
def test_recurrence_from_needs_a_recurrence(api: ApiClient) -> None:
    body = {"title": "Rest", "recurrence_from": "completion"}

    answer = api.send("POST", "/api/tasks", body)

    assert answer.json()["errors"][0]["code"] == "recurrence_alone"
    task = api.send("POST", "/api/tasks", {"title": "Rest"}).json()
    path = f"/api/tasks/{task['id']}"
    answer = api.send("PATCH", path, {"recurrence_from": "due"})
    assert answer.json()["errors"][0]["code"] == "recurrence_alone"


def test_moving_the_due_date_moves_this_occurrence_alone(api: ApiClient) -> None:
    task = create(api)
    path = f"/api/tasks/{task['id']}"

    moved = api.send("PATCH", path, {"due_date": "2999-02-03"}).json()

    assert (moved["due_date"], moved["occurrence"]) == ("2999-02-03", "2999-01-31")
    again = api.send("PUT", path, moved)
    assert again.json() == moved
    done = send(api, task["id"], "complete").json()
    assert following(api, done)["due_date"] == "2999-02-28"


def test_moving_it_with_the_rule_begins_the_series_anew(api: ApiClient) -> None:
    task = create(api)
    body = {"due_date": "2999-02-03", "recurrence": "FREQ=MONTHLY"}

    moved = api.send("PATCH", f"/api/tasks/{task['id']}", body).json()

    assert moved["recurrence"] == "FREQ=MONTHLY;BYMONTHDAY=3"
    assert moved["occurrence"] == "2999-02-03"


def test_the_database_refuses_half_a_series(alice: User) -> None:
    task = make_task(alice)
    rows = Task.objects.filter(pk=task.pk)

    for values in (
        {"recurrence": "FREQ=DAILY"},
        {"recurrence": "FREQ=DAILY", "recurrence_from": "due", "occurrence": "x"},
        {"next_occurrence": 7},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**values)


# Completing


@pytest.mark.parametrize("verb", ["complete", "toggle", "patch", "put", "batch"])
def test_completing_makes_the_next_occurrence(api: ApiClient, verb: str) -> None:
    task = create(api, tags=["home"], priority="high", description="All", location="At")
    path = f"/api/tasks/{task['id']}"
    match verb:
        case "patch":
            done = api.send("PATCH", path, {"completed": True}).json()
        case "put":
            done = api.send("PUT", path, {**task, "completed": True}).json()
        case "batch":
            operations = [{"op": "complete", "id": task["id"]}] * 2
            answer = api.send("POST", "/api/tasks/batch", {"operations": operations})
            first, second = answer.json()["results"]
            assert first == second
            done = first["task"]
        case _:
            done = send(api, task["id"], verb).json()

    assert done["completed"] is True
    assert done["due_date"] == "2999-01-31"
    new = following(api, done)
    changed = ("id", "due_date", "occurrence", "position", "created_at", "updated_at")
    kept = {name: value for name, value in task.items() if name not in changed}
    assert {name: new[name] for name in kept} == kept
    assert (new["due_date"], new["occurrence"]) == ("2999-02-28", "2999-02-28")
    assert new == as_json(Task.objects.get(pk=new["id"]))
    assert done == as_json(Task.objects.get(pk=task["id"]))
    assert Task.objects.count() == 2
    verbs = Event.objects.in_order().values_list("task_id", "verb")
    assert [*verbs.filter(task_id__isnull=False)][1:] == [
        (new["id"], "created"),
        (task["id"], "completed"),
    ]


def test_completing_again_makes_no_other_one(api: ApiClient) -> None:
    task = create(api)
    headers = {"Idempotency-Key": "one"}
    path = f"/api/tasks/{task['id']}/complete"

    answers = [api.send("POST", path, headers=headers) for _ in range(2)]
    answers += [api.send("POST", path) for _ in range(2)]

    assert len({answer.content for answer in answers}) == 1
    assert Task.objects.count() == 2


def test_a_late_one_is_followed_by_the_first_that_is_not_overdue(
    api: ApiClient,
) -> None:
    late = datetime.now(UTC).date() - timedelta(days=3)
    task = create(api, due_date=late.isoformat(), recurrence="FREQ=DAILY")

    done = send(api, task["id"], "complete").json()

    new, today = following(api, done), date.fromisoformat(done["completed_at"][:10])
    assert new["due_date"] == today.isoformat()
    [event] = api.get(f"/api/tasks/{new['id']}/history").json()["items"]
    assert event["changes"]["skipped_occurrences"] == {
        "old": None,
        "new": [
            (late + timedelta(days=n)).isoformat()
            for n in range(1, (today - late).days)
        ],
    }


def test_each_date_becomes_an_occurrence_if_that_is_chosen(api: ApiClient) -> None:
    late = datetime.now(UTC).date() - timedelta(days=9)
    series = {"recurrence": "FREQ=DAILY;COUNT=3", "recurrence_from": "each_due"}
    task = create(api, due_date=late.isoformat(), **series)

    dates, done = [task["due_date"]], send(api, task["id"], "complete").json()
    while done["next_occurrence"]:
        task = following(api, done)
        dates.append(task["due_date"])
        done = send(api, task["id"], "complete").json()

    assert dates == [(late + timedelta(days=n)).isoformat() for n in range(3)]
    assert not [it for it in Event.objects.all() if "skipped_occurrences" in it.changes]


def test_from_the_completion_it_is_so_long_after_it(api: ApiClient) -> None:
    task = create(api, recurrence="FREQ=DAILY;INTERVAL=3", recurrence_from="completion")

    done = send(api, task["id"], "complete").json()

    new, today = following(api, done), date.fromisoformat(done["completed_at"][:10])
    assert new["due_date"] == (today + timedelta(days=3)).isoformat()
    assert new["recurrence"] == "FREQ=DAILY;INTERVAL=3"


def test_a_time_is_kept_over_changes_of_the_clock(api: ApiClient) -> None:
    at = {"due_at": "2999-03-24T01:30:00Z", "due_timezone": "Europe/Berlin"}
    task = create(api, **at, due_date=None, recurrence="FREQ=WEEKLY")
    assert task["occurrence"] == "2999-03-24T02:30:00 Europe/Berlin"

    dues = []
    for _ in range(2):
        task = following(api, send(api, task["id"], "complete").json())
        dues.append(task["due_at"])

    assert dues == ["2999-03-31T01:00:00Z", "2999-04-07T00:30:00Z"]


@pytest.mark.parametrize("rule", ["FREQ=DAILY;COUNT=2", "FREQ=DAILY;UNTIL=29990201"])
def test_the_last_one_is_followed_by_none(api: ApiClient, rule: str) -> None:
    task = create(api, recurrence=rule)
    task = following(api, send(api, task["id"], "complete").json())

    done = send(api, task["id"], "complete").json()

    assert (done["completed"], done["next_occurrence"]) == (True, None)
    assert Task.objects.count() == 2
    assert send(api, task["id"], "reopen").json()["completed"] is False


def test_open_subtasks_go_along_and_completed_ones_are_made_again(
    api: ApiClient,
) -> None:
    task = create(api)
    for title, completed in (("Open", False), ("Done", True)):
        body = {"title": title, "parent": task["id"], "completed": completed}
        body["due_date"] = FAR.isoformat()
        api.send("POST", "/api/tasks", body)

    done = send(api, task["id"], "complete").json()

    assert done["open_subtasks"] == 0
    new = following(api, done)
    assert new["open_subtasks"] == 2
    below = Task.objects.filter(parent_id=new["id"]).order_by("pk")
    assert [(it.title, it.completed, str(it.due_date)) for it in below] == [
        ("Open", False, "2999-01-31"),
        ("Done", False, "2999-02-28"),
    ]
    again = send(api, task["id"], "reopen").json()
    assert again["open_subtasks"] == 1
    assert Task.objects.filter(parent_id=task["id"]).count() == 2
    assert Task.objects.count() == 3


def test_completed_subtasks_stay_if_they_are_to_be_done_once(api: ApiClient) -> None:
    task = create(api)
    assert task["recurrence_subtasks"] == "again"
    path = f"/api/tasks/{task['id']}"
    changed = api.send("PATCH", path, {"recurrence_subtasks": "once"}).json()
    assert changed["occurrence"] == task["occurrence"]
    for title, completed in (("Open", False), ("Done", True)):
        body = {"title": title, "parent": task["id"], "completed": completed}
        api.send("POST", "/api/tasks", body)

    new = following(api, send(api, task["id"], "complete").json())

    assert (new["recurrence_subtasks"], new["open_subtasks"]) == ("once", 1)
    [subtask] = Task.objects.filter(parent_id=new["id"])
    assert subtask.title == "Open"
    default = api.send("PATCH", path, {"recurrence_subtasks": None}).json()
    assert default["recurrence_subtasks"] == "again"


def test_a_change_may_begin_a_series_and_complete_it(api: ApiClient) -> None:
    task = api.send("POST", "/api/tasks", {"title": "Pay the rent"}).json()
    below = {"title": "Done", "parent": task["id"], "completed": True}
    api.send("POST", "/api/tasks", below)
    path = f"/api/tasks/{task['id']}"

    done = api.send("PATCH", path, {**SERIES, "completed": True})

    assert done.status_code == 200, done.content
    assert following(api, done.json())["open_subtasks"] == 1


# Taking it back


@pytest.mark.parametrize("verb", ["reopen", "toggle", "batch", "undo", "request"])
def test_reopening_takes_the_next_one_back(api: ApiClient, verb: str) -> None:
    task = create(api)
    headers = {"X-Request-ID": "done"}
    path = f"/api/tasks/{task['id']}/complete"
    done = api.send("POST", path, headers=headers).json()

    match verb:
        case "batch":
            body = {"operations": [{"op": "reopen", "id": task["id"]}]}
            answer = api.send("POST", "/api/tasks/batch", body)
            [again] = [result["task"] for result in answer.json()["results"]]
        case "undo":
            event = Event.objects.get(task_id=task["id"], verb="completed")
            answer = api.send("POST", "/api/undo", {"event": event.sequence})
            [again] = answer.json()["tasks"]
        case "request":
            answer = api.send("POST", "/api/undo", {"request": "done"})
            [again] = answer.json()["tasks"]
        case _:
            again = send(api, task["id"], verb).json()

    assert (again["completed"], again["next_occurrence"]) == (False, None)
    assert Task.objects.count() == 1
    assert api.get(f"/api/tasks/{done['next_occurrence']}").status_code == 404


@refused
@pytest.mark.parametrize("verb", ["reopen", "toggle"])
def test_but_not_if_it_was_changed(api: ApiClient, verb: str) -> None:
    task = create(api)
    done = send(api, task["id"], "complete").json()
    new = f"/api/tasks/{done['next_occurrence']}"
    api.send("PATCH", new, {"title": "Changed"})

    answer = send(api, task["id"], verb)

    assert answer.status_code == 409
    assert "was changed since" in answer.json()["detail"]
    body = {"completed": False, "recurrence": None}
    answer = api.send("PATCH", f"/api/tasks/{task['id']}", body)
    assert (answer.status_code, answer.json()["next_occurrence"]) == (200, None)
    assert Task.objects.filter(completed=False).count() == 2


@refused
def test_nor_of_an_occurrence_that_was_imported_as_completed(
    api: ApiClient, alice: User
) -> None:
    series = {"recurrence": "FREQ=DAILY", "recurrence_from": "due"}
    days: dict[str, Any] = {"due_date": FAR, "occurrence": str(FAR)}
    task = make_task(alice, external_id="1-1", completed=True, **series, **days)

    answer = send(api, task.pk, "reopen")

    assert answer.status_code == 409
    assert "was imported as completed" in answer.json()["detail"]
    body = {"completed": False, "recurrence": None}
    assert api.send("PATCH", f"/api/tasks/{task.pk}", body).status_code == 200


@refused
def test_but_the_last_one_of_an_imported_series_is_reopened(
    api: ApiClient, alice: User
) -> None:
    series = {"recurrence": "FREQ=DAILY;COUNT=1", "recurrence_from": "due"}
    days: dict[str, Any] = {"due_date": FAR, "occurrence": str(FAR)}
    task = make_task(alice, external_id="1-1", completed=True, **series, **days)

    assert send(api, task.pk, "reopen").status_code == 200


# Skipping


@refused
def test_skipping_makes_the_task_the_next_one(api: ApiClient) -> None:
    task = create(api, recurrence="FREQ=DAILY;COUNT=2")

    skipped = send(api, task["id"], "skip").json()

    assert skipped["due_date"] == skipped["occurrence"] == "2999-02-01"
    assert (skipped["recurrence"], skipped["version"]) == ("FREQ=DAILY;COUNT=1", 2)
    assert Task.objects.count() == 1
    answer = send(api, task["id"], "skip")
    assert_problem(
        answer,
        "conflict",
        f"/api/tasks/{task['id']}/skip",
        "It is the last occurrence: complete or delete it.",
    )


@pytest.mark.parametrize("series", [True, False])
def test_only_open_tasks_that_recur_are_skipped(api: ApiClient, series: bool) -> None:
    task = create(api, **({} if series else {"recurrence": None}))
    if series:
        send(api, task["id"], "complete")

    assert send(api, task["id"], "skip").status_code == 409


@refused
def test_skipping_takes_a_version_and_nothing_else(api: ApiClient) -> None:
    task = create(api)

    assert send(api, task["id"], "skip", {"versoin": 1}).status_code == 422
    assert send(api, task["id"], "skip", {"version": 7}).status_code == 412


# The preview


def test_the_preview_answers_the_dates_and_the_rule_as_json(api: ApiClient) -> None:
    query = "recurrence=FREQ%3DMONTHLY&due_date=2027-01-31&limit=3"

    answer = api.get(f"/api/recurrences/preview?{query}")

    assert answer.json()["dates"] == ["2027-02-28", "2027-03-31", "2027-04-30"]
    assert answer.json()["recurrence"] == "FREQ=MONTHLY;BYMONTHDAY=31"
    assert answer.json()["rule"]["by_month_day"] == [31]


@pytest.mark.parametrize(
    "query",
    [
        "due_date=2027-01-31",
        "recurrence=FREQ%3DDAILY",
        "recurrence=FREQ%3DDAILY&due_date=2027-01-31&due_at=2027-01-31T00:00:00Z",
        "recurrence=FREQ%3DDAILY&due_date=2027-01-31&due_timezone=UTC",
        "recurrence=FREQ%3DDAILY&due_date=2027-01-31&limit=101",
        "recurrence=FREQ%3DDAILY&due_date=2027-01-31&recurrence=FREQ%3DDAILY",
        "recurrence=&due_date=2027-01-31",
        "recurrence=FREQ%3DMINUTELY&due_date=2027-01-31",
    ],
)
def test_other_queries_are_refused(api: ApiClient, query: str) -> None:
    answer = api.get(f"/api/recurrences/preview?{query}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["in"] == "query"


# At the same moment


@refused
@pytest.mark.parametrize("verb", ["complete", "toggle"])
def test_completing_at_once_makes_one_next_occurrence(
    alice: User, token: str, verb: str
) -> None:
    task = make_task(alice, due_date=FAR, recurrence="FREQ=MONTHLY")
    path = f"/api/tasks/{task.pk}/{verb}"
    key = {"Idempotency-Key": "one"} if verb == "toggle" else {}

    answers = at_once([request(token, "POST", path, **key)] * 16)

    assert {answer.status_code for answer in answers} <= {200, 409}
    done = [it.json() for it in answers if it.status_code == 200]
    assert len({it["next_occurrence"] for it in done}) == 1
    assert Task.objects.filter(completed=False).count() == 1
    assert Task.objects.count() == 2


@refused
def test_reminders_before_the_due_date_go_along(api: ApiClient) -> None:
    reminders = [{"at": "2998-01-01T00:00:00Z"}, {"minutes_before": 30, "hour": 9}]
    task = create(api, reminders=reminders)

    done = send(api, task["id"], "complete").json()

    assert following(api, done)["reminders"] == [{"hour": 9, "minutes_before": 30}]
    [row] = Reminder.objects.filter(task_id=done["next_occurrence"])
    assert (row.status, str(row.fire_at)) == ("pending", "2999-02-28 08:30:00+00:00")
