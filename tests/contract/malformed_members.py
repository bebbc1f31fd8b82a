"""The malformed requests about what tasks, lists and tags are made of, and about what
tasks are found by: see test_errors.py.

Every refusal here is about one member, which its case names. In a path `{list}`, in a
body `"@list"` stands for the id of what `WORLD` of test_errors.py calls so.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any

from tests.contract.malformed import (
    ONE,
    Case,
    method_not_allowed,
    missing,
    query,
    titled,
)

LIST, LISTS = "/api/lists/{list}", "/api/lists"
TAG, TAGS = "/api/tags/{tag}", "/api/tags"
TASKS = "/api/tasks"
TOKENS = "/api/tokens"
HOOKS, HOOK = "/api/webhooks", "https://example.com/hook"
BEYOND = 2**63
NO_FLAGS: list[Any] = [None, "true", 1, 0, []]
NO_TEXTS: list[Any] = [1, None, True, 1.5, [], {}, "\x00", "a\x00b"]
NO_MOMENTS: list[Any] = [
    "a", "", "2026-12-31T17:00:00Z", None, 1.5, True, [], {}, BEYOND, 2**64, -BEYOND,
    10**40, 253402214400000001, -62135596800000001,
]  # fmt: skip
NO_STRINGS: list[Any] = [None, True, 1, 1.5, [], {}, ["a"]]
UNDO = "/api/undo"
NO_IDS: list[Any] = [
    "3", "", "none", "@", 1.5, 1.0, True, [], [1], {}, {"id": 1},
]  # fmt: skip


def refused(
    pointer: str, code: str, *bodies: Any, method: str = "POST", path: str = TASKS
) -> Iterator[Case]:
    """Bodies of which one member is wrong."""
    for body in bodies:
        raw = json.dumps(body)
        name = f"{method} {path} {raw}"[:80]
        error = (pointer, code)
        yield Case(name, 422, "invalid", method, path, raw.encode(), error=error)


def member(name: str, code: str, *values: Any, patch: bool = True) -> Iterator[Case]:
    """Values that a member of a task may not have, in every operation that takes it."""
    bodies = [{name: value} for value in values]
    titles = [titled(**body) for body in bodies]
    yield from refused(f"/{name}", code, *titles)
    yield from refused(f"/{name}", code, *titles, method="PUT", path=ONE)
    if patch:
        yield from refused(f"/{name}", code, *bodies, method="PATCH", path=ONE)


def titled_with(name: str) -> Callable[[Any], dict[str, Any]]:
    """The function that returns a body with this value of the member."""
    return lambda value: titled(**{name: value})


def whole(code: str, *bodies: Any, **where: str) -> Iterator[Case]:
    """Bodies whose members do not go together."""
    yield from refused("", code, *bodies, **where)


def asked(
    pointer: str, code: str, *values: str, name: str = "", path: str = TASKS
) -> Iterator[Case]:
    """Values that a parameter may not have, as they are written in a query."""
    name = name or pointer.split("/")[1]
    for value in values:
        [case] = query(f"{name}={value}", path=path)
        yield Case(
            case.name[:60], 422, "invalid", "GET", case.path, error=(pointer, code)
        )


def cursor(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def forged(*parts: Any, sort: str = "-created", path: str = TASKS) -> Iterator[Case]:
    """A cursor with these parts, in the encoding of a real one."""
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    yield from handed(text, sort=sort, path=path)


def handed(text: str, sort: str = "-created", path: str = TASKS) -> Iterator[Case]:
    sorted_by = f"sort={sort}&" if path == TASKS and sort != "-created" else ""
    target = f"{path}?{sorted_by}cursor={cursor(text)}"
    name = f"{sort} cursor {ascii(text)[:50]}"
    yield Case(name, 422, "invalid", "GET", target, error=("/cursor", "cursor"))


def taken(method: str, path: str, *names: str) -> Iterator[Case]:
    for name in names:
        body = json.dumps({"name": name}).encode()
        yield Case(f"{method} {name}", 409, "name_taken", method, path, body)


NO_DATES = [
    "2026-02-30", "2025-02-29", "0001-01-01", "0000-00-00", "1899-12-31", "3000-01-01", "9999-12-31",
    "10000-01-01", "-2026-01-01", "tomorrow", "", " ", "2026-1-1", "20260101", "2026-W01-1", "2026-001",
    "2026-01-01T00:00:00Z", "2026-01-01 ", " 2026-01-01", "2026-01-01\n", "2026-01-01\x00", "\x00",
    "\u0662\u0660\u0662\u0666-01-01", "2026/01/01", "01.01.2026", 0, 1, -1, 1.5, 20260101,
    True, [], {}, ["2026-01-01"],
]  # fmt: skip
NO_INSTANTS = [
    # Without an offset, or with none that there is
    "2026-01-01T00:00:00", "2026-01-01", "2026-01-01T00:00:00 Europe/Lisbon", "2026-01-01T00:00:00+25:00",
    "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00+01", "2026-01-01T00:00:00\u221201:00",
    # Beyond the years, in UTC
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "1900-01-01T00:00:00+00:01", "2999-12-31T23:59:59-00:01",
    "3000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z",
    # Days and times that there are not
    "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-12-31T23:59:60Z",
    # Other forms
    "2026-01-01T00:00Z", "2026-01-01 00:00:00Z", "20260101T000000Z", "2026-01-01T00:00:00.Z",
    "2026-01-01T00:00:00,5Z", "2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00Z\x00", "2026-01-01T00:00:00Z ",
    "now", "", "\x00", 0, 1767225600, 1.5, True, [], {},
]  # fmt: skip
# What a query can say of them.
NO_QUERY_INSTANTS = [
    "2026-01-01T00:00:00", "2026-01-01T00:00:00+01:00", "0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59",
    "10000-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "T", "tomorrow", "%00T", "2026-01-01T00:00:00Z%00",
]  # fmt: skip
NO_ZONES = [
    "Lisbon", "europe/lisbon", "Europe/Lisbon ", " UTC", "UTC\x00", "\x00", "+01:00", "GMT+1:00", "../UTC", "/etc/passwd",
    "../../etc/passwd", "posix/UTC", "right/UTC", "Europe", "Europe/", "local", "\U0001f600",
]  # fmt: skip
AT = "2026-12-31T17:00:00Z"
UUID = "3f2b1c0e-7d4a-4c6b-9e1f-2a5d8c7b6e90"
NO_UUIDS: list[Any] = [
    "", "1", UUID[:-1], f"{UUID}0", UUID.replace("-", ""), f"{{{UUID}}}", f"urn:uuid:{UUID}", f"{UUID}\n", f" {UUID}",
    UUID.replace("3", "g"), UUID.replace("3", "\u0663"), "00000000-0000-0000-0000-000000000000", "\x00", 1, 1.5, True, [], {}, [UUID],
]  # fmt: skip

CASES: list[Case] = [
    # Titles, descriptions, whether it is completed
    *member("title", "too_short", "", "   ", "\u3000"), *member("title", "too_long", "x" * 201),
    *member("title", "wrong_type", None, 1, ["x"]), *member("title", "nul_character", "\x00", "a\x00b"),
    *member("description", "too_long", "x" * 10_001), *member("description", "wrong_type", None, {}),
    *member("description", "nul_character", "\x00"), *member("completed", "wrong_type", None, "yes", "true", 0, 1),
    *(case for path, method in ((TASKS, "POST"), (ONE, "PUT")) for case in (
        *refused("/title", "missing", {}, {"completed": True}, method=method, path=path),
        *whole("wrong_type", [], [{"title": "x"}], "x", 1, True, method=method, path=path))),
    *whole("wrong_type", [], "x", method="PATCH", path=ONE),
    *refused("/a~1b~0c", "unknown", titled(**{"a/b~c": 1})),
    # Locations
    *member("location", "wrong_type", *NO_STRINGS[1:]),
    *member("location", "too_short", "", " "),
    *member("location", "too_long", "x" * 501),
    *member("location", "line_break", "a\nb"),
    *member("location", "invisible", "\u200b"),
    *asked("/location", "too_short", "", "%20"),
    *asked("/location", "too_long", "x" * 501),
    # Ids of clients
    *refused("/client_id", "uuid", *(titled(client_id=value) for value in NO_UUIDS)),
    *refused("/client_id", "read_only", titled(client_id=UUID), method="PUT", path=ONE),
    *refused("/client_id", "unknown", {"client_id": UUID}, method="PATCH", path=ONE),
    *asked("/client_id", "uuid", *("", "1", UUID[:-1], f"{UUID}0", UUID.replace("-", ""), f"urn:uuid:{UUID}", f"{UUID}%00", "%EF%BC%91")),
    *asked("/client_id", "repeated", f"{UUID}&client_id={UUID}"),
    # Dues
    *member("due_date", "date", *NO_DATES),
    *member("due_at", "instant", *NO_INSTANTS),
    *(case for value in NO_ZONES for case in refused("/due_timezone", "timezone", titled(due_at=AT, due_timezone=value))),
    *(case for value in NO_ZONES for case in refused(
        "/due_timezone", "timezone", {"due_timezone": value}, method="PATCH", path=ONE)),
    *refused("/due_timezone", "too_short", titled(due_at=AT, due_timezone="")),
    *refused("/due_timezone", "too_long", titled(due_at=AT, due_timezone="x" * 65)),
    *refused("/due_timezone", "wrong_type", *({"due_timezone": value} for value in NO_STRINGS), method="PATCH", path=ONE),
    *refused("/due_timezone", "wrong_type", *(titled(due_at=AT, due_timezone=value) for value in NO_STRINGS[1:])),
    *whole("two_dues", titled(due_date="2026-12-31", due_at=AT)),
    *whole("two_dues", titled(due_date="2026-12-31", due_at=AT), method="PUT", path=ONE),
    *whole("two_dues", {"due_date": "2026-12-31", "due_at": AT}, method="PATCH", path=ONE),
    *whole("zone_alone", titled(due_timezone="UTC"), titled(due_date="2026-12-31", due_timezone="UTC")),
    *whole("zone_alone", titled(due_timezone="UTC"), method="PUT", path=ONE),
    *refused("/due_timezone", "zone_alone", {"due_timezone": "UTC"}, {"due_date": "2026-12-31", "due_timezone": "UTC"},
             {"due_at": None, "due_timezone": "UTC"}, method="PATCH", path=ONE),
    # Reminders
    *member("reminders", "too_many", [{"minutes_before": number} for number in range(21)]),
    *member("reminders", "wrong_type", None, True, 1, "09:00", {}, {"minutes_before": 30}),
    *(case for code, place, value in (
        ("wrong_type", "0", None), ("wrong_type", "0", 30), ("wrong_type", "0", "PT30M"), ("refused", "0", {}), ("refused", "0", {"hour": 9}),
        ("refused", "0", {"at": AT, "minutes_before": 30}), ("refused", "0", {"at": AT, "hour": 9}),
        ("unknown", "0/minutes", {"minutes": 30}), ("instant", "0/at", {"at": None}), ("instant", "0/at", {"at": "2026-12-31"}),
        ("wrong_type", "0/minutes_before", {"minutes_before": None}), ("wrong_type", "0/minutes_before", {"minutes_before": "30"}),
        ("wrong_type", "0/minutes_before", {"minutes_before": 1.5}), ("wrong_type", "0/minutes_before", {"minutes_before": True}),
        ("too_small", "0/minutes_before", {"minutes_before": -1}), ("too_large", "0/minutes_before", {"minutes_before": 527_041}),
        ("too_large", "0/hour", {"minutes_before": 0, "hour": 24}), ("too_small", "0/hour", {"minutes_before": 0, "hour": -1}),
        ("wrong_type", "0/hour", {"minutes_before": 0, "hour": None}))
      for case in refused(f"/reminders/{place}", code, titled(reminders=[value]))),
    # Recurrence
    *(case for code, value in (
        *(("recurrence", text) for text in ("FREQ=HOURLY", "x", "FREQ=DAILY;COUNT=0", "FREQ=DAILY;COUNT=2;UNTIL=20300101", "RRULE:FREQ=DAILY",
          "FREQ=DAILY;INTERVAL=1001", "FREQ=WEEKLY;BYDAY=2MO", "FREQ=DAILY;BYHOUR=9", "FREQ=MONTHLY;BYMONTHDAY=0", "FREQ=DAILY\n")),
        ("too_short", ""), ("too_long", "FREQ=DAILY;" + "x" * 300), ("nul_character", "FREQ=DAILY\x00"),
        *(("wrong_type", value) for value in NO_STRINGS[1:]))
      for case in refused("/recurrence", code, titled(due_date="2030-01-31", recurrence=value))),
    *refused("/recurrence", "due_missing", titled(recurrence="FREQ=DAILY")),
    *refused("/recurrence_from", "recurrence_alone", titled(recurrence_from="due")),
    *refused("/recurrence_subtasks", "recurrence_alone", titled(recurrence_subtasks="once")),
    *refused("/recurrence_subtasks", "unknown_value", titled(due_date="2030-01-31", recurrence="FREQ=DAILY", recurrence_subtasks="x")),
    *refused("/recurrence_from", "unknown_value", titled(due_date="2030-01-31", recurrence="FREQ=DAILY", recurrence_from="x")),
    # Tags
    *member("tags", "too_many", [f"tag {number}" for number in range(21)], ["same"] * 21, ["a"] * 50_000),
    *member("tags", "wrong_type", None, True, 1, 1.5, "home", "", {}, {"a": 1}, {"0": "home"}),
    *(case for code, name in (
        ("too_long", "x" * 51), ("too_long", "\U0001f600" * 51), ("too_short", ""),
        ("too_short", " "), ("too_short", "\u3000"), ("too_short", "\x1f"), ("nul_character", "a\x00b"),
        ("nul_character", "\x00"), *(("wrong_type", value) for value in NO_STRINGS),
    ) for path, method in ((TASKS, "POST"), (ONE, "PUT"), (ONE, "PATCH"))
      for case in refused("/tags/1", code, titled(tags=["home", name]), method=method, path=path)),
    *refused("/tags/0", "wrong_type", titled(tags=[["home"]]), method="PUT", path=ONE),
    # Priority
    *member("priority", "unknown_value", "hihg", "High", "URGENT", "", " none", "none ", "0", "critical", "\x00", "x" * 10_000,
            None, True, 0, 1, 1.5, [], {}, ["high"]),
    # Lists and parents
    *(case for name in ("list", "parent") for case in (
        *member(name, "wrong_type", *(value for value in NO_IDS if name == "list" or not isinstance(value, dict))),
        *member(name, "too_small", 0, -1, -BEYOND),
        *member(name, "too_large", BEYOND, 10**30),
        *member(name, "not_found", BEYOND - 1, 999_999),
    )),
    *member("list", "not_found", "@their_list"),
    *member("parent", "not_found", {"client_id": UUID}),
    *(case for path, method in ((TASKS, "POST"), (ONE, "PUT"), (ONE, "PATCH")) for case in (
        *refused("/parent/client_id", "missing", titled(parent={}), method=method, path=path),
        *refused("/parent/client_id", "uuid", *(titled(parent={"client_id": value}) for value in [None, *NO_UUIDS]), method=method, path=path),
        *refused("/parent/id", "unknown", titled(parent={"client_id": UUID, "id": 1}), method=method, path=path),
    )),
    *member("parent", "not_found", "@theirs", "@trashed"), *member("parent", "is_subtask", "@sub"),
    *refused("/parent", "has_subtasks", {"parent": "@id"}, {"parent": "@id", "title": "New"},
             method="PATCH", path="/api/tasks/{top}"),
    *refused("/parent", "own_parent", {"parent": "@top"}, method="PATCH", path="/api/tasks/{top}"),
    *refused("/parent", "has_subtasks", titled(parent="@id"), method="PUT", path="/api/tasks/{top}"),
    *refused("/list", "not_found", titled(list="@their_list", tags=["new", "newer"])),
    *refused("/parent", "not_found", titled(list="@list", parent=999_999, tags=["new"])),
    *refused("/list", "not_found", {"tags": ["new"], "list": 999_999}, method="PATCH", path=ONE),
    # Members that nobody may set
    *(case for name in ("owner", "titel", "complete") for case in member(name, "unknown", 1, None)),
    *(case for name in ("id", "completed_at", "created_at", "updated_at", "position", "overdue", "open_subtasks")
      for case in (
        *refused(f"/{name}", "unknown", titled(**{name: 1}), titled(**{name: None})),
        *refused(f"/{name}", "unknown", {name: 1}, {name: None}, method="PATCH", path=ONE))),
    *(case for name in ("id", "open_subtasks")
      for case in refused(f"/{name}", "wrong_type", *map(titled_with(name), [None, *NO_IDS]), method="PUT", path=ONE)),
    *refused("/overdue", "wrong_type", *map(titled_with("overdue"), NO_FLAGS), method="PUT", path=ONE),
    *refused("/position", "wrong_type", *map(titled_with("position"), NO_STRINGS), method="PUT", path=ONE),
    *(case for name in ("created_at", "updated_at", "completed_at")
      for case in refused(f"/{name}", "instant", *map(titled_with(name), NO_INSTANTS), method="PUT", path=ONE)),
    *refused("/created_at", "instant", titled(created_at=None), method="PUT", path=ONE),
    *refused("/id", "read_only", titled(id=BEYOND - 1), titled(id=999_999), method="PUT", path=ONE),
    *refused("/open_subtasks", "too_small", titled(open_subtasks=-1), method="PUT", path=ONE),
    *refused("/position", "read_only", titled(position=""), titled(position="\x00"), method="PUT", path=ONE),
    *refused("/position", "too_long", titled(position="x" * 10_000), method="PUT", path=ONE),
    *refused("/created_at", "read_only", titled(created_at="2026-01-01T00:00:00Z"), method="PUT", path=ONE),
    *refused("/completed_at", "read_only", titled(completed_at="2026-01-01T00:00:00Z"), method="PUT", path=ONE),
    *(case for name in ("external_id", "list_id", "parent_id", "labels", "due", "tag",
                        "due_moment", "search", "sorted_title", "deleted_at", "subtasks", "task_list")
      for case in member(name, "unknown", 1)),
    # Versions
    *refused("/version", "unknown", titled(version=1), titled(version=None)),
    *refused("/version", "unknown", {"name": "New", "version": 1}, path=LISTS),
    *(case for method, path, body in (("PATCH", ONE, {}), ("POST", f"{ONE}/toggle", {}), ("POST", f"{ONE}/complete", {}),
                                      ("POST", f"{ONE}/reopen", {}), ("POST", f"{ONE}/restore", {}), ("PATCH", LIST, {}),
                                      ("POST", f"{ONE}/move", {"before": 1}), ("POST", f"{LIST}/move", {"before": 1}))
      for case in (
        *refused("/version", "wrong_type", *(body | {"version": value} for value in [None, *NO_IDS]), method=method, path=path),
        *refused("/version", "too_small", body | {"version": 0}, body | {"version": -1}, method=method, path=path),
        *refused("/version", "too_large", body | {"version": BEYOND}, method=method, path=path),
        *refused("/versoin", "unknown", body | {"versoin": 1}, method=method, path=path))),
    *(case for path in (f"{ONE}/toggle", f"{ONE}/complete", f"{ONE}/reopen", f"{ONE}/restore")
      for case in whole("wrong_type", [], [1], 1, "7", True, path=path)),
    # Moves
    *(case for path, theirs, own in ((f"{ONE}/move", "@theirs", "@id"), (f"{LIST}/move", "@their_list", "@list")) for case in (
        *whole("one_place", {}, {"before": 1, "after": 2}, {"before": 1, "after": 1}, {"position": "first", "after": 1}, path=path),
        *refused("/position", "unknown_value", *({"position": end} for end in ["", "First", "top", " last", *NO_STRINGS]), path=path),
        *whole("wrong_type", None, [], [1], 1, "before", True, path=path),
        *refused("/before", "wrong_type", *({"before": value} for value in [None, *NO_IDS]
                                            if own == "@list" or not isinstance(value, dict)), path=path),
        *refused("/after", "too_small", {"after": 0}, {"after": -1}, path=path),
        *refused("/after", "too_large", {"after": BEYOND}, {"after": 10**30}, path=path),
        *refused("/before", "not_found", {"before": BEYOND - 1}, {"before": 999_999}, {"before": theirs}, {"before": own}, path=path),
        *refused("/after", "not_found", {"after": 999_999}, {"after": theirs}, {"after": own}, path=path),
        *refused("/befor", "unknown", {"befor": 1}, path=path),
        *refused("/list", "unknown", {"before": 1, "list": 1}, path=path),
        Case(f"{path} without a body", 400, "malformed_body", path=path),
        Case(f"{path} with half a body", 400, "malformed_body", path=path, body=b'{"before":'),
    )),
    *refused("/after", "not_found", {"after": "@trashed"}, {"after": {"client_id": UUID}}, path=f"{ONE}/move"),
    *refused("/before/client_id", "missing", {"before": {}}, path=f"{ONE}/move"),
    *refused("/before/client_id", "uuid", *({"before": {"client_id": value}} for value in [None, *NO_UUIDS]), path=f"{ONE}/move"),
    *refused("/before/id", "unknown", {"before": {"client_id": UUID, "id": 1}}, path=f"{ONE}/move"),
    # Undo
    *whole("one_change", {}, {"event": 1, "request": "a"}, path=UNDO),
    *whole("wrong_type", None, [], [1], 1, "7", True, path=UNDO),
    *refused("/event", "wrong_type", *({"event": value} for value in [None, *NO_IDS]), path=UNDO),
    *refused("/event", "too_small", {"event": 0}, {"event": -1}, path=UNDO),
    *refused("/event", "too_large", {"event": BEYOND}, {"event": 10**30}, path=UNDO),
    *refused("/request", "wrong_type", *({"request": value} for value in NO_STRINGS), path=UNDO),
    *refused("/request", "too_short", {"request": ""}, path=UNDO),
    *refused("/request", "too_long", {"request": "x" * 256}, {"request": "\U0001f600" * 256}, path=UNDO),
    *refused("/request", "nul_character", {"request": "\x00"}, {"request": "a\x00b"}, path=UNDO),
    *refused("/evnet", "unknown", {"evnet": 1}, path=UNDO), *refused("/version", "unknown", {"event": 1, "version": 1}, path=UNDO),
    Case("undo without a body", 400, "malformed_body", path=UNDO),
    Case("undo with half a body", 400, "malformed_body", path=UNDO, body=b'{"event":'),
    # Lists
    *(case for method, path in (("POST", LISTS), ("PATCH", LIST)) for case in (
        *refused("/name", "too_short", {"name": ""}, {"name": " "}, {"name": "\n\u3000"}, {"name": "\x1f"},
                 method=method, path=path),
        *refused("/name", "too_long", {"name": "x" * 101}, {"name": "\U0001f600" * 101}, method=method, path=path),
        *refused("/name", "nul_character", {"name": "\x00"}, {"name": "a\x00b"}, method=method, path=path),
        *refused("/name", "wrong_type", *({"name": value} for value in NO_STRINGS), method=method, path=path),
        *refused("/archived", "wrong_type", *({"name": "New", "archived": value} for value in NO_FLAGS),
                 method=method, path=path),
        *(case for name in ("position", "id", "owner", "key", "tasks")
          for case in refused(f"/{name}", "unknown", {"name": "New", name: 1}, method=method, path=path)),
        *whole("wrong_type", None, [], ["New"], "New", 1, method=method, path=path),
        Case(f"{method} {path} without a body", 400, "malformed_body", method, path),
    )),
    *refused("/name", "missing", {}, {"archived": True}, path=LISTS),
    *taken("POST", LISTS, "Shopping", "SHOPPING", " shopping\n", "Café", "CAFE\u0301", "cafe\u0301"),
    *taken("PATCH", LIST, "Café", "CAFÉ", "cafe\u0301"),
    *(Case(f"DELETE list, {text}", 422, "invalid", "DELETE", f"{LIST}?{text}", error=(pointer, code)) for text, pointer, code in (
        ("tasks=drop", "/tasks", "unknown_value"), ("tasks=", "/tasks", "unknown_value"), ("tasks=DELETE", "/tasks", "unknown_value"),
        ("tasks=%00", "/tasks", "unknown_value"), ("tasks=keep&tasks=delete", "/tasks", "repeated"),
        ("task=delete", "/task", "unknown"), ("permanent=true", "/permanent", "unknown"))),
    # Tokens
    *refused("/name", "missing", {}, {"scopes": ["read"]}, path=TOKENS),
    *refused("/name", "too_short", {"name": ""}, {"name": " \n"}, path=TOKENS),
    *refused("/name", "too_long", {"name": "x" * 101}, path=TOKENS),
    *refused("/name", "line_break", {"name": "a\nb"}, path=TOKENS),
    *refused("/name", "nul_character", {"name": "a\x00b"}, path=TOKENS),
    *refused("/name", "wrong_type", *({"name": value} for value in NO_STRINGS), path=TOKENS),
    *refused("/scopes", "too_few", {"name": "a", "scopes": []}, path=TOKENS),
    *refused("/scopes", "too_many", {"name": "a", "scopes": ["read", "write", "read"]}, path=TOKENS),
    *refused("/scopes", "repeated", {"name": "a", "scopes": ["read", "read"]}, path=TOKENS),
    *refused("/scopes", "wrong_type", *({"name": "a", "scopes": value} for value in NO_STRINGS[:4]), path=TOKENS),
    *refused("/scopes/0", "unknown_value", *({"name": "a", "scopes": [value]} for value in [*NO_STRINGS, "admin", "READ", ""]),
             path=TOKENS),
    *refused("/expires_at", "instant", *({"name": "a", "expires_at": value} for value in NO_INSTANTS if value), path=TOKENS),
    *refused("/expires_at", "refused", {"name": "a", "expires_at": "2020-01-01T00:00:00Z"}, path=TOKENS),
    *(case for name in ("user", "secret", "prefix", "id") for case in refused(f"/{name}", "unknown", {"name": "a", name: 1}, path=TOKENS)),
    *whole("wrong_type", None, [], 1, "Phone", path=TOKENS),
    Case("a token without a body", 400, "malformed_body", path=TOKENS),
    *asked("/limit", "too_small", "0", path=TOKENS), *asked("/cursor", "cursor", "x", cursor('["lists",1]'), path=TOKENS),
    *missing("/api/tokens/0", "/api/tokens/999999", f"/api/tokens/{BEYOND}", method="DELETE"),
    # Webhooks
    *(case for method, path in (("POST", HOOKS), ("PATCH", f"{HOOKS}/{{webhook}}")) for case in (
        *refused("/url", "too_short", {"url": ""}, method=method, path=path),
        *refused("/url", "too_long", {"url": "https://a/" + "x" * 491}, method=method, path=path),
        *refused("/url", "url", *({"url": value} for value in ("a", "http://a/", "https://a/ b", "https://[::1]/")), method=method, path=path),
        *refused("/url", "wrong_type", *({"url": value} for value in NO_STRINGS), method=method, path=path),
        *refused("/description", "too_long", {"url": HOOK, "description": "x" * 201}, method=method, path=path),
        *refused("/description", "nul_character", {"url": HOOK, "description": "\x00"}, method=method, path=path),
        *refused("/verbs", "too_few", {"url": HOOK, "verbs": []}, method=method, path=path),
        *refused("/verbs", "repeated", {"url": HOOK, "verbs": ["moved", "moved"]}, method=method, path=path),
        *refused("/verbs/0", "unknown_value", {"url": HOOK, "verbs": ["MOVED"]}, {"url": HOOK, "verbs": [1]}, method=method, path=path),
        *refused("/active", "wrong_type", *({"url": HOOK, "active": value} for value in NO_FLAGS), method=method, path=path),
        *refused("/secret", "unknown", {"url": HOOK, "secret": "whsec_a"}, method=method, path=path),
        *whole("wrong_type", None, [], HOOK, method=method, path=path))),
    *refused("/url", "missing", {}, path=HOOKS),
    *whole("one_change", {}, {"event": 1, "since": "2026-01-01T00:00:00Z"}, path=f"{HOOKS}/{{webhook}}/redeliver"),
    *refused("/event", "not_found", {"event": 2**62}, path=f"{HOOKS}/{{webhook}}/redeliver"),
    *refused("/event", "wrong_type", *({"event": value} for value in (None, *NO_IDS)), path=f"{HOOKS}/{{webhook}}/redeliver"),
    *refused("/since", "instant", {"since": None}, {"since": 1}, {"since": "2026-01-01"}, path=f"{HOOKS}/{{webhook}}/redeliver"),
    *missing(f"{HOOKS}/0", f"{HOOKS}/{BEYOND}", method="DELETE"), *missing(f"{HOOKS}/{BEYOND}/test", method="POST"),
    *asked("/limit", "too_small", "0", path=HOOKS), *asked("/cursor", "cursor", "x", path=f"{HOOKS}/{{webhook}}/deliveries"),
    # Tags by themselves
    *refused("/name", "too_short", {"name": ""}, {"name": " "}, {"name": "\x1f"}, method="PATCH", path=TAG),
    *refused("/name", "too_long", {"name": "x" * 51}, method="PATCH", path=TAG),
    *refused("/name", "nul_character", {"name": "\x00"}, {"name": "a\x00b"}, method="PATCH", path=TAG),
    *refused("/name", "wrong_type", *({"name": value} for value in NO_STRINGS), method="PATCH", path=TAG),
    *refused("/name", "missing", {}, method="PATCH", path=TAG),
    *refused("/color", "unknown", {"name": "New", "color": "red"}, method="PATCH", path=TAG),
    *whole("wrong_type", None, [], "New", method="PATCH", path=TAG),
    *taken("PATCH", TAG, "Urgent", "URGENT", " urgent "),
    Case("PATCH tag without a body", 400, "malformed_body", "PATCH", TAG),
    # The caller
    *refused("/timezone", "too_short", {"timezone": ""}, method="PATCH", path="/api/me"),
    *refused("/timezone", "too_long", {"timezone": "x" * 65}, method="PATCH", path="/api/me"),
    *whole("wrong_type", [], method="PATCH", path="/api/me"),
    *refused("/timezone", "timezone", *({"timezone": value} for value in NO_ZONES), method="PATCH", path="/api/me"),
    *refused("/timezone", "wrong_type", *({"timezone": value} for value in NO_STRINGS), method="PATCH", path="/api/me"),
    *refused("/reminder_emails", "wrong_type", *({"reminder_emails": value} for value in (None, 1, "true")), method="PATCH", path="/api/me"),
    *refused("/is_staff", "unknown", {"timezone": "UTC", "is_staff": True}, method="PATCH", path="/api/me"),
    *(Case(f"DELETE me, {text}", 422, "invalid", "DELETE", f"/api/me?{text}", error=(pointer, code)) for text, pointer, code in (
        ("", "/confirm", "missing"), ("confirm=", "/confirm", "too_short"), ("confirm=nobody", "/confirm", "refused"),
        ("confirm=ALICE", "/confirm", "refused"), ("confirm=" + "a" * 151, "/confirm", "too_long"), ("confirm=%00", "/confirm", "nul_character"),
        ("confirm=alice&confirm=alice", "/confirm", "repeated"), ("confirm=alice&x=1", "/x", "unknown"))),
    *missing("/api/deletions/1", "/api/deletions/1.x", "/api/deletions/."),
    Case("PATCH me without a body", 400, "malformed_body", "PATCH", "/api/me"),
    # Which tasks
    *asked("/limit", "too_small", "0", "-1"), *asked("/limit", "too_large", "501", str(BEYOND)),
    *asked("/limit", "wrong_type", "9" * 30, "1.0", "1_0", "ten", "%20", "", "%D9%A1"),
    *asked("/limit", "repeated", "1&limit=2"), *asked("/completed", "wrong_type", "yes", "True", "1", ""),
    *asked("/cursor", "cursor", "nonsense", "", "%00", "%ED%A0%80", "WyItY3JlYXRlZCIsMF0"),
    *asked("/cursor", "cursor", "WyJ0YWdzIiwxLCJhIl0", path=LISTS),
    *asked("/complete", "unknown", "true"), *asked("/offset", "unknown", "1"), *asked("/archive", "unknown", "true", path=LISTS),
    *asked("/fields", "unknown", "title", path=ONE), *asked("/list", "unknown", "1", path=f"{TASKS}/counts"),
    *asked("/verbose", "unknown", "true", path="/api/me"),
    *(case for name in ("list", "parent") for case in asked(
        f"/{name}", "id_or_none", "0", "-1", "x", "", "1.5", "None", "null", "%00", "1%00", "%2B1", "%EF%BC%91", "9" * 20, "1,2", "none%20")),
    *asked("/ids/0", "wrong_type", "", "x", "1.0", "%00", "1,2", "none", "%D9%A1", name="ids"), *asked("/ids/0", "too_small", "0", "-1"),
    *asked("/ids/1", "too_large", f"1&ids={BEYOND}"), *asked("/ids", "too_many", "&ids=".join(["1"] * 101)),
    *asked("/tag/0", "too_short", "", "%20", "%E3%80%80"),
    *asked("/tag/0", "too_long", "x" * 51), *asked("/tag/0", "nul_character", "%00", "a%00"),
    *asked("/tag/1", "nul_character", "home&tag=%00"),
    *asked("/tag", "too_many", "&tag=".join(f"tag{number}" for number in range(21)), "&tag=".join(["home"] * 21)),
    *asked("/priority/0", "unknown_value", "hihg", "", "High", "1", "high,low", "%00", "none%20"),
    *asked("/priority/1", "unknown_value", "high&priority=lwo"),
    *asked("/priority", "too_many", "&priority=".join(["high"] * 6)),
    *(case for name in ("due_before", "due_after") for case in (
        *asked(f"/{name}", "date", "2026-02-30", "0001-01-01", "10000-01-01", "", "2026", "%00", "1999-13-01"),
        *asked(f"/{name}", "date", *NO_QUERY_INSTANTS))),
    *(case for name in ("created_after", "updated_after") for case in asked(
        f"/{name}", "instant", "", "2026-01-01", "%00", *NO_QUERY_INSTANTS)),
    *(case for name in ("overdue", "has_due") for case in asked(f"/{name}", "wrong_type", "yes", "1", "True", "", "%00", "null")),
    *(case for name in ("task", "list") for case in (
        *asked(f"/{name}", "wrong_type", "", "x", "1.0", "none", "null", "%00", "1%00", "1,2", "%D9%A1", "%201", path="/api/changes"),
        *asked(f"/{name}", "too_small", "0", "-1", path="/api/changes"), *asked(f"/{name}", "too_large", str(BEYOND), path="/api/changes"),
        *asked(f"/{name}", "repeated", f"1&{name}=1", path="/api/changes"))),
    *asked("/fields/0", "unknown_value", "", "titel", "Title", "list_id", "search", "owner_id", "%00", "title;id", ",title"),
    *asked("/fields/1", "unknown_value", "title,", "title,,id", "title,%20id", "title&fields=x"),
    *asked("/fields", "too_many", ",".join(["title"] * 40)),
    *asked("/highlight", "wrong_type", "1", "True", "", "%00"), *asked("", "refused", "true", name="highlight"),
    *asked("", "refused", "true&q=a&limit=101", name="highlight"), *asked("", "refused", "relevance", name="sort"),
    *asked("/sort", "unknown_value", "-relevance", "rank"), *asked("/highlight", "repeated", "true&highlight=true&q=a"),
    *asked("/total", "wrong_type", "1", "True", "", "%00", "exact"), *asked("/total", "repeated", "true&total=true"),
    *asked("/q", "words", "%20", "!!!", "...", "%FF", "_", "%F0%9F%98%80", "+".join("abcdefghijklmnopqrstuvwxyz01234"), "%E4%B8%AD" * 31),
    *asked("/q", "too_short", ""), *asked("/q", "too_long", "x" * 201, "%F0%9F%98%80" * 201),
    *asked("/q", "nul_character", "%00", "milk%00"),
    *asked("/sort", "unknown_value", "titel", "", "-", "id", "-id", "created,due", "--created", "%2Bcreated", "CREATED", "%00",
           "owner__password"),
    *(case for path in (TASKS, f"{TASKS}/counts", ONE) for case in (
        *asked("/tz", "timezone", "Lisbon", "utc", "%00", "UTC%00", "../UTC", "UTC%20", "%2B01:00", "posix/UTC", path=path),
        *asked("/tz", "too_short", "", path=path), *asked("/tz", "too_long", "x" * 65, path=path),
        *asked("/tz", "repeated", "UTC&tz=UTC", path=path))),
    *(case for name, value in (
        ("list", "1"), ("parent", "none"), ("due_before", "2026-01-01"), ("due_after", "2026-01-01"), ("overdue", "true"),
        ("has_due", "true"), ("created_after", AT), ("updated_after", AT), ("q", "milk"), ("sort", "due"), ("completed", "false"))
      for case in asked(f"/{name}", "repeated", f"{value}&{name}={value}")),
    *(case for name in ("tags", "tag[]", "priorities", "due", "order", "search", "title", "limits", "timezone", "Q")
      for case in asked(f"/{name}", "unknown", "1", name=name)),
    *asked("/archived", "wrong_type", "1", "yes", "", path=LISTS), *asked("/archived", "repeated", "true&archived=true", path=LISTS),
    *asked("/name", "unknown", "Shopping", path=LISTS), *asked("/archived", "unknown", "true", path=TAGS),
    *asked("/limit", "too_small", "0", path=LISTS), *asked("/limit", "too_large", "501", path=TAGS),
    *asked("/x", "unknown", "1", path=f"{TASKS}/counts"), *asked("/x", "unknown", "1", path=LIST), *asked("/x", "unknown", "1", path=TAG),
    # Cursors of another order, and such as we never made
    *asked("/cursor", "too_long", "Y" * 2_001), *asked("/cursor", "too_long", "Y" * 2_001, path=LISTS),
    *forged("created", 5), *forged("title", 5, "a"), *forged("trash", 5), *forged("lists", 5, "a"), *forged("-created", 5, 5),
    *forged("-created", 5, "a"), *forged("-created", 5, None), *forged("-created", 0), *forged("-created", -1), *forged("-created", BEYOND),
    *forged("-created", 2**64), *forged("-created", 10**400), *forged("-created", "5"), *forged("-created", 5.0), *forged("-created", True),
    *forged("-created", None), *forged("-created", [5]), *forged("-created", {"id": 5}), *forged("-created"), *forged(), *forged(5),
    *forged(None, 5), *forged(["-created"], 5), *forged("-created", 5, 5, 5),
    *handed('["-created", 5]'), *handed('["-created",5]\n'), *handed('["-created",5'), *handed('{"-created":5}'), *handed("null"),
    *handed("5"), *handed('"-created"'), *handed("\x00"), *handed("[" * 1_000), *handed('["-created",NaN]'),
    *handed('["-created",1e3]'), *handed('["-created",5,"\\ud800"]'), *handed('["-cre\\u0061ted",5]'), *handed("before:43"),
    *(case for sort in ("updated", "-updated", "due", "-due") for value in NO_MOMENTS
      for case in forged(sort, 5, value, sort=sort)),
    *(case for value in (5, -1, "high", "", None, True, 1.0, BEYOND, -BEYOND) for case in forged("priority", 5, value, sort="priority")),
    *(case for sort in ("title", "-title", "position") for value in NO_TEXTS
      for case in forged(sort, 5, value, sort=sort)),
    *forged("title", 5, sort="title"), *forged("-title", 5, "a", sort="title"), *handed('["title",5,"\\ud800"]', sort="title"),
    *handed('["title",5,"\\u0061"]', sort="title"), *forged("due", 5, sort="due"),
    *(case for kind, path in (("lists", LISTS), ("tags", TAGS)) for case in (
        *forged(kind, 5, path=path), *forged(kind, 5, 1, path=path), *forged(kind, 5, "a\x00", path=path), *forged(kind, 5, None, path=path),
        *forged(kind, 0, "a", path=path), *forged(kind, BEYOND, "a", path=path), *forged("-created", 5, path=path),
        *forged(kind, 5, True, path=path), *handed("nonsense", path=path), *handed(f'["{kind}",5,"\\udfff"]', path=path))),
    *forged("tags", 5, "a", path=LISTS), *forged("lists", 5, "a", path=TAGS),
    *forged("trash", 5, "a", path="/api/tasks/trash"), *forged("history", 5, 5, path=f"{ONE}/history"),
    # Ids
    *(case for path in (LISTS, TAGS) for case in (
        *missing(*(f"{path}/{key}" for key in ("0", "-1", "abc", "1.0", "%00", "1%00", "%EF%BC%91", BEYOND - 1, BEYOND, 10**30, "9" * 1_000))),
        *missing(f"{path}/0", f"{path}/{BEYOND}", method="DELETE"))),
    *(Case(f"PATCH {path}/{key}", 404, "not_found", "PATCH", f"{path}/{key}", b'{"name": "New"}')
      for path in (LISTS, TAGS) for key in ("0", "999999", BEYOND - 1, BEYOND)),
    *(Case(f"{path} moved", 404, "not_found", "POST", f"{path}/move", b'{"before": 1}')
      for path in (f"{TASKS}/0", f"{TASKS}/{BEYOND}", f"{LISTS}/0", f"{LISTS}/{BEYOND}", f"{LISTS}/x")),
    *missing("/api/lists/{their_list}", "/api/tags/{their_tag}"),
    *missing("/api/lists/{their_list}", "/api/tags/{their_tag}", "/api/lists/{their_list}?tasks=delete", method="DELETE"),
    *missing("/api/tasks/{theirs}", method="PATCH"),
    *missing("/api/tasks/count", "/api/tags/1/move", "/api/lists/1/tasks", "/api/tasks/counts/1"),
    # Methods
    *method_not_allowed(LISTS, "PUT", "PATCH", "DELETE", "OPTIONS"), *method_not_allowed(LIST, "PUT", "POST", "OPTIONS", "TRACE"),
    *method_not_allowed(TAGS, "POST", "PUT", "PATCH", "DELETE"), *method_not_allowed(TAG, "PUT", "POST"),
    *method_not_allowed(f"{ONE}/move", "GET", "PUT", "PATCH", "DELETE"), *method_not_allowed(f"{LIST}/move", "GET", "PUT", "DELETE"),
    *method_not_allowed(f"{TASKS}/counts", "POST", "PUT", "PATCH", "DELETE"),
]  # fmt: skip
