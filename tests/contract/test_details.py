"""What the refusals of members and parameters say. That each operation refuses the same
values with the same codes, and stores nothing, is in malformed_members.py."""

from typing import Any

import pytest

from taskproject.accounts.models import User
from tasks.api.filters import TaskFilters
from tasks.limits import PRIORITIES
from tasks.models import Tag
from tests.conftest import ApiClient, make_task
from tests.support.rows import alone, assert_refused, make_list

pytestmark = pytest.mark.either_database

TASKS, ONE, LIST, TAG, ME = (
    "/api/tasks",
    "/api/tasks/{}",
    "/api/lists/{}",
    "/api/tags/{}",
    "/api/me",
)
BATCH, PREVIEW = "/api/tasks/batch", "/api/recurrences/preview"
MEMBERS = (
    "completed, description, due_at, due_date, due_timezone, list, location, parent, priority, "
    "recurrence, recurrence_from, recurrence_subtasks, reminders, tags, title"
)
PARAMETERS = ", ".join(sorted(TaskFilters.model_fields))
BLANK = "Send at least one character that is not a space."
NUL = "Remove the NUL character (\\u0000)."
DAY = "Send a date such as 2026-12-31, from the years 1900 to 2999."
INSTANT = (
    "Send an instant such as 2026-12-31T17:00:00Z or 2026-12-31T18:00:00+01:00 "
    "(in a query write + as %2B), from the years 1900 to 2999."
)
ZONE = "The IANA's database has no such time zone; did you mean Europe/Lisbon?"
GENERAL = {"in", "pointer", "code", "detail"}
UUID = "3f2b1c0e-7d4a-4c6b-9e1f-2a5d8c7b6e90"
AT = "2030-06-01T15:00:00Z"

BODIES: list[tuple[str, str, Any, str, str, str]] = [
    ("PATCH", ONE, {"title": " "}, "/title", "too_short", BLANK),
    ("PATCH", ONE, {"title": "x" * 201}, "/title", "too_long", "Send at most 200 characters."),
    ("PATCH", ONE, {"title": None}, "/title", "wrong_type", "Send a string."),
    ("PATCH", ONE, {"title": "a\x00"}, "/title", "nul_character", NUL),
    ("PATCH", ONE, {"description": "x" * 10_001}, "/description", "too_long", "Send at most 10,000 characters."),
    ("PATCH", ONE, {"completed": 1}, "/completed", "wrong_type", "Send true or false."),
    ("PATCH", ONE, {"complete": True}, "/complete", "unknown", "Unknown member 'complete'; did you mean 'completed'?"),
    ("PATCH", ONE, {"owner": 1}, "/owner", "unknown", f"Unknown member 'owner'; known here: {MEMBERS}, version."),
    ("POST", TASKS, {"title": "a", "a/b~c": 1}, "/a~1b~0c", "unknown", f"Unknown member 'a/b~c'; known here: client_id, {MEMBERS}."),
    ("POST", TASKS, {"title": "a", "parent": {"client_id": UUID, "id": 1}}, "/parent/id", "unknown",
     "Unknown member 'id'; known here: client_id."),
    ("POST", TASKS, {"title": "a", "reminders": [{"minutes_before": 5, "hours": 1}]}, "/reminders/0/hours", "unknown",
     "Unknown member 'hours'; did you mean 'hour'?"),
    ("POST", BATCH, {"operations": [{"op": "create", "title": "a"}]}, "/operations/0/title", "unknown",
     "Unknown member 'title'; known here: body, id, op, version."),
    ("POST", TASKS, {}, "/title", "missing", "Send this member."),
    ("POST", TASKS, [], "", "wrong_type", "Send a JSON object."),
    ("PATCH", ONE, {"due_date": ""}, "/due_date", "date", DAY),
    ("PATCH", ONE, {"due_at": ""}, "/due_at", "instant", INSTANT),
    ("PATCH", ONE, {"due_timezone": "Lisbon"}, "/due_timezone", "timezone", ZONE),
    ("PATCH", ONE, {"due_timezone": "UTC"}, "/due_timezone", "zone_alone", "A due_timezone goes with due_at only."),
    ("PATCH", ONE, {"due_date": "2030-06-01", "due_at": AT}, "", "two_dues", "Send due_date or due_at, not both."),
    ("PUT", ONE, {"title": "a", "due_timezone": "UTC"}, "", "zone_alone", "Send due_timezone together with due_at only."),
    ("PATCH", ONE, {"priority": "hihg"}, "/priority", "unknown_value", "Unknown value 'hihg'; did you mean 'high'?"),
    ("PATCH", ONE, {"priority": "42"}, "/priority", "unknown_value",
     "Unknown value '42'; known here: none, low, medium, high, urgent."),
    ("PATCH", ONE, {"parent": 2**62}, "/parent", "not_found", "You have no task with this id."),
    ("PATCH", ONE, {"list": 2**62}, "/list", "not_found", "You have no list with this id."),
    ("PATCH", ONE, {"tags": ["a"] * 21}, "/tags", "too_many", "Send at most 20 of them."),
    ("PATCH", ONE, {"tags": ["a", "x" * 51]}, "/tags/1", "too_long", "Send at most 50 characters."),
    ("PATCH", LIST, {"name": "x" * 101}, "/name", "too_long", "Send at most 100 characters."),
    ("PATCH", LIST, {"position": "n"}, "/position", "unknown", "Unknown member 'position'; known here: archived, name, version."),
    ("POST", f"{LIST}/move", {"before": 2**62}, "/before", "not_found", "You have no other list with this id."),
    ("PATCH", TAG, {"name": "x" * 51}, "/name", "too_long", "Send at most 50 characters."),
    ("PATCH", ME, {"timezone": "x" * 65}, "/timezone", "too_long", "Send at most 64 characters."),
    ("PATCH", ME, {"timezone": "UTC", "timezon": 1}, "/timezon", "unknown", "Unknown member 'timezon'; did you mean 'timezone'?"),
]  # fmt: skip
QUERIES = [
    (TASKS, "limit=0", "/limit", "too_small", "Send at least 1."),
    (TASKS, "limit=501", "/limit", "too_large", "Send at most 500."),
    (TASKS, "limit=ten", "/limit", "wrong_type", "Send a whole number in digits."),
    (TASKS, "limit=1&limit=2", "/limit", "repeated", "Send it once."),
    (TASKS, "completed=1", "/completed", "wrong_type", "Send true or false."),
    (TASKS, "cursor=x", "/cursor", "cursor", "Send the next_cursor of the page before, unchanged, with the parameters of that page."),
    (TASKS, f"cursor={'Y' * 2001}", "/cursor", "too_long", "Send at most 2,000 characters."),
    (TASKS, "complete=1", "/complete", "unknown", "Unknown parameter 'complete'; did you mean 'completed'?"),
    (TASKS, "sort=relevance", "", "refused", "Send sort=relevance together with q."),
    (PREVIEW, "recurrence=FREQ=DAILY", "", "due_missing", "Send one of due_date and due_at."),
    (TASKS, "page=2", "/page", "unknown", f"Unknown parameter 'page'; known here: {PARAMETERS}."),
    (ONE, "fields=title", "/fields", "unknown", "Unknown parameter 'fields'; known here: tz."),
    (ME, "verbose=1", "/verbose", "unknown", "Unknown parameter 'verbose'; known here: none."),
]  # fmt: skip


@pytest.fixture
def keys(alice: User) -> dict[str, int]:
    """The ids of alice's task, list and tag, by the paths of those."""
    task = make_task(alice, tags=["home"])
    return {ONE: task.pk, LIST: make_list(alice).pk, TAG: Tag.objects.get().pk}


def path_of(path: str, keys: dict[str, int]) -> str:
    return path.format(keys.get(path.removesuffix("/move")))


@pytest.mark.parametrize(
    ("method", "path", "body", "pointer", "code", "detail"), BODIES
)
def test_a_member(
    api: ApiClient,
    keys: dict[str, int],
    method: str,
    path: str,
    body: Any,
    pointer: str,
    code: str,
    detail: str,
) -> None:
    path = path_of(path, keys)

    answer = alone(api, method, path, body)

    assert_refused(answer, path, pointer, code, detail)
    assert answer.json()["detail"] == f"{pointer or 'body'}: {detail}"


@pytest.mark.parametrize(("path", "query", "pointer", "code", "detail"), QUERIES)
def test_a_parameter(
    api: ApiClient,
    keys: dict[str, int],
    path: str,
    query: str,
    pointer: str,
    code: str,
    detail: str,
) -> None:
    path = path_of(path, keys)

    answer = api.send("GET", f"{path}?{query}")

    assert_refused(answer, path, pointer, code, detail, "query")


@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        ({"title": "x" * 201}, {"max": 200}),
        ({"title": ""}, {"min": 1}),
        ({"list": 0}, {"min": 1}),
        ({"list": 2**63}, {"max": 2**63 - 1}),
        ({"tags": ["a"] * 21}, {"max": 20}),
        ({"completed": 1}, {"expected": "boolean"}),
        ({"tags": "a"}, {"expected": "array"}),
        ({"priority": "hihg"}, {"known": [*PRIORITIES], "suggestion": "high"}),
        ({"priority": 1}, {"known": [*PRIORITIES]}),
        ({"complete": True}, {"suggestion": "completed"}),
        ({"owner": 1}, {}),
    ],
)
def test_the_parameters_of_a_code(
    api: ApiClient, keys: dict[str, int], body: Any, parameters: dict[str, Any]
) -> None:
    [error] = alone(api, "PATCH", path_of(ONE, keys), body).json()["errors"]

    assert {
        name: value for name, value in error.items() if name not in GENERAL
    } == parameters


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("limit=501", {"max": 500}),
        ("limit=ten", {"expected": "integer"}),
        ("completed=1", {"expected": "boolean"}),
        ("q=!", {"min": 1, "max": 30}),
        ("complete=true", {"suggestion": "completed"}),
    ],
)
def test_the_parameters_of_a_code_in_a_query(
    api: ApiClient, query: str, parameters: dict[str, Any]
) -> None:
    [error] = api.send("GET", f"{TASKS}?{query}").json()["errors"]

    assert {
        name: value for name, value in error.items() if name not in GENERAL
    } == parameters


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/api/tasks/9223372036854775808", "You have no task with this id."),
        ("/api/tasks/one", "Nothing is here. GET /api/openapi.json lists what is."),
    ],
)
def test_a_path(api: ApiClient, path: str, detail: str) -> None:
    assert api.send("GET", path).json()["detail"] == detail
