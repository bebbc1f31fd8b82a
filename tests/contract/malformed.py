"""The malformed requests that every operation must survive: see test_errors.py.

To add one, append it to its group in `CASES`.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
KILOBYTE = 1024


@dataclass(frozen=True)
class Case:
    """A malformed request, and the answer that it deserves."""

    name: str
    status: int
    code: str
    method: str = "POST"
    # {id} stands for a task of the caller; for others see malformed_members.py.
    path: str = "/api/tasks"
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    token: bool = True
    # Whether an HTTP server lets it through to us, or answers 400 itself.
    reaches_us: bool = True
    # The pointer and the code of the only error, where the case is about one member.
    error: tuple[str, str] | None = None


def malformed(*bodies: str | bytes) -> Iterator[Case]:
    """Bodies that are no JSON."""
    for body in bodies:
        raw = body.encode() if isinstance(body, str) else body
        yield Case(ascii(raw)[2:50], 400, "malformed_body", body=raw)


def invalid(
    *bodies: Any, method: str = "POST", path: str = "/api/tasks"
) -> Iterator[Case]:
    """JSON that breaks a rule; a string is sent as it is, all else is encoded."""
    for body in bodies:
        raw = body if isinstance(body, str) else json.dumps(body)
        name = f"{method} {raw}"[:60]
        yield Case(name, 422, "invalid", method, path, raw.encode())


def titled(**members: Any) -> dict[str, Any]:
    return {"title": "Buy milk", **members}


def query(*queries: str, path: str = "/api/tasks") -> Iterator[Case]:
    for text in queries:
        yield Case(f"{path}?{text}"[:60], 422, "invalid", "GET", f"{path}?{text}")


def missing(*paths: str, method: str = "GET", wire: bool = True) -> Iterator[Case]:
    for path in paths:
        body = b"{}" if method in ("PUT", "PATCH") else b""
        if method == "PUT":
            body = b'{"title": "a"}'
        yield Case(
            f"{method} {path}"[:60],
            404,
            "not_found",
            method,
            path,
            body,
            reaches_us=wire,
        )


def method_not_allowed(path: str, *methods: str) -> Iterator[Case]:
    for method in methods:
        yield Case(f"{method} {path}", 405, "method_not_allowed", method, path)


def media_type(*types: str) -> Iterator[Case]:
    for kind in types:
        yield Case(
            f"Content-Type: {kind}", 415, "unsupported_media_type",
            body=b'{"title": "a"}', content_type=kind,
        )  # fmt: skip


def encoding(*encodings: str) -> Iterator[Case]:
    for name in encodings:
        yield Case(
            f"Content-Encoding: {name}", 415, "unsupported_media_type",
            body=gzip.compress(b'{"title": "a"}', mtime=0),
            headers={"Content-Encoding": name},
        )  # fmt: skip


def header(
    status: int, code: str, name: str, *values: str, token: bool = True, **more: Any
) -> Iterator[Case]:
    for value in values:
        yield Case(
            f"{name}: {ascii(value)[:40]}", status, code, "GET",
            headers={name: value}, token=token, **more,
        )  # fmt: skip


def large(name: str, size: int, **more: Any) -> Case:
    padding = b" " * (size - len(b'{"title": "a"}'))
    return Case(
        f"{name}: {size} bytes", 413, "content_too_large",
        body=b'{"title": "a"}' + padding, **more,
    )  # fmt: skip


NO_BOOLEANS: list[Any] = ["yes", "no", "on", "true", "false", "", "1", 0, 1, 2, -1, 1.0]
NO_BOOLEANS += [None, [], {}]
ONE = "/api/tasks/{id}"
BEYOND = f"/api/tasks/{2**63}"
CASES: list[Case] = [
    # JSON syntax
    *malformed(
        "", " ", "\n", "{", "}", "{]", "[", '["title"', '{"title"}', '{"title":}', '{"title":"a",}',
        "{'title':'a'}", '{title:"a"}', '{"title":"a"', '{"title":"a', '{"title":"a"} x', "{,}",
        '{"title":"a"}{"title":"b"}', '{"title":"a"}\n{"title":"b"}', '"', '{"title":"\\x"}',
        '{"title":"\\u12"}', '{"title":"\\"}', '{"title":"a\nb"}', '{"title":"a\tb"}', ",", ":",
        '// a\n{"title":"a"}', '/* a */{"title":"a"}', '\ufeff{"title":"a"}', "undefined", "None",
        "True", "nul", "01", '{"title":01}', "+1", ".5", "1.", "0x10", '{"title":"a";}', "title=a",
        "<task/>", "---\ntitle: a", '{"a" "b"}', "\x00", '{"title":"a"}\x00', "{\u00a0}",
    ),
    # Top-level types
    *invalid('"x"', '"title"', '""', "null", "true", "false", "0", "-1", "1.5", "1e2", "[]",
             "[[]]", "[{}]", '[{"title":"a"}]'),
    *invalid('"x"', "null", "[]", "1", "true", method="PATCH", path=ONE),
    *invalid('"x"', "null", "[]", '[{"title":"a"}]', method="PUT", path=ONE),
    # Bytes that are no UTF-8, and halves of surrogate pairs
    *malformed(
        b'{"title":"\xff"}', b'{"title":"\xc3("}', b'{"title":"\xc0\x80"}', b'{"title":"\xed\xa0\x80"}',
        b'{"title":"\xf5\x80\x80\x80"}', b'{"title":"caf\xe9"}', b'{"title":"a\xe2\x82"}', b"\xff\xfe",
        '{"title":"a"}'.encode("utf-16"), '{"title":"a"}'.encode("utf-16-le"),
        '{"title":"a"}'.encode("utf-32"), '{"title":"\\ud800"}', '{"title":"\\udc00"}',
        '{"title":"\\udc00\\ud800"}', '{"title":"a\\uD83Dz"}', '{"title":"a","description":"\\udfff"}',
        '{"title":"a","\\ud800":1}', '{"\\ud800":"a"}', '["\\ud83d"]', '"\\ud83d"',
    ),
    # Text
    *invalid(
        {"title": "a\x00b"}, {"title": "\x00"}, {"title": "a\x00"}, titled(description="\x00"),
        titled(description="a\x00b"), {"a\x00": 1}, {"title": ""}, {"title": " "}, {"title": "\n\t"},
        {"title": "\u3000\u00a0"}, {"title": "\x1f"}, {"title": "\x1c\x1d"}, {"title": "\x85"},
        {"title": "a" * 201}, {"title": "\U0001f600" * 201}, {"title": "a" * 100_000},
        titled(description="a" * 10_001), {"title": None}, {"title": True}, {"title": 1},
        {"title": 1.5}, {"title": []}, {"title": {}}, {"title": ["a"]}, {"title": {"title": "a"}},
        titled(description=None), titled(description=1), titled(description=[]), titled(description={}),
    ),
    # Booleans
    *invalid(*(titled(completed=value) for value in NO_BOOLEANS)),
    # Numbers
    *malformed(*(f'{{"title":"a","completed":{number}}}' for number in
                 ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 5_000, "- 1", "1e", "0b1"))),
    *malformed("NaN", "[1e999]", '{"title":NaN}'),
    *invalid(titled(completed=10**400), titled(completed=2**63), {"title": 10**30}, {"title": -(2**63)},
             '{"title":1e308}', '{"title":-0.0}'),
    # Shapes, and members that nobody may set
    *invalid(
        {}, {"titel": "a"}, {"Title": "a"}, {"TITLE": "a"}, {"title ": "a"}, {"": "a"}, titled(**{"": 1}),
        {"task": titled()}, titled(prio=1), titled(title__contains="a"), titled(__proto__={}),
        {f"member{number}": number for number in range(10_000)},
        *(titled(**{name: 1}) for name in ("id", "pk", "owner", "owner_id", "user", "version",
                                           "completed_at", "created_at", "updated_at", "self", "__class__")),
        titled(owner={"id": 1, "is_staff": True}), titled(completed_at="2026-01-01T00:00:00Z"),
    ),
    # Names given twice
    *malformed(
        '{"title":"a","title":"b"}', '{"title":"a","title":"a"}', '{"title":"a","\\u0074itle":"b"}',
        '{"title":"a","x":{"y":1,"y":2}}', '{"completed":true,"title":"a","completed":false}',
        '{"title":"a","":1,"":2}', '[{"a":1,"a":1}]',
    ),
    # Nesting: a little is no task, too much is not read
    *invalid("[" * 200 + "]" * 200, '{"title":' * 200 + "1" + "}" * 200),
    *malformed("[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 40_000,
               '{"title":' * 25_000 + "1" + "}" * 25_000),
    # PUT and PATCH
    *invalid({"title": None}, {"description": None}, {"completed": None}, {"completed_at": None},
             {"title": ""}, {"title": "\x1f"}, {"title": "a\x00"}, {"title": "a" * 201}, {"completed": "yes"},
             {"version": "7"}, {"id": 1}, {"owner": 1}, {"completd": True}, {"title": "b", "x": 1},
             {"description": "a" * 10_001}, method="PATCH", path=ONE),
    *invalid({}, {"completed": True}, titled(description=None), titled(completed=None), {"title": "\x1f"},
             titled(version=0), titled(id=0), titled(owner=1), method="PUT", path=ONE),
    Case("PATCH without a body", 400, "malformed_body", "PATCH", ONE),
    Case("PUT without a body", 400, "malformed_body", "PUT", ONE),
    Case("PATCH with half a body", 400, "malformed_body", "PATCH", ONE, b'{"title":'),
    # Content types
    *media_type(
        "", "text/plain", "text/html", "text/json", "application/xml", "application/jsonp", "json", "*/*",
        "application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=a",
        "application/octet-stream", "application/json-patch+json", "application/problem+json",
        "application/json, text/plain", "application/json; charset=utf-16", "application/", ";", "/",
        "application/json; charset=latin-1", "application/json; charset=nonsense", "application/jsonx",
    ),
    # Content encodings
    *encoding("gzip", "x-gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip", "nonsense"),
    # No length
    *(Case(f"{method} {path} in chunks", 411, "length_required", method, path, b'{"title": "a"}',
           headers={"Transfer-Encoding": "chunked"})
      for method, path in (("POST", "/api/tasks"), ("PUT", ONE), ("PATCH", ONE), ("POST", f"{ONE}/toggle"))),
    *(Case(f"Content-Length: {length}", 400, "bad_request", headers={"Content-Length": length},
           body=b'{"title": "a"}', reaches_us=False) for length in ("-1", "abc", "1e3", "0x10", "+5")),
    # Sizes
    large("one byte too many", 256 * KILOBYTE + 1), large("over Django's default", 2_700_000),
    large("patch", 300 * KILOBYTE, method="PATCH", path=ONE),
    large("toggle", 300 * KILOBYTE, method="POST", path=f"{ONE}/toggle"),
    Case("title of 300 KB", 413, "content_too_large", body=json.dumps({"title": "a" * 300_000}).encode()),
    # Methods
    *method_not_allowed("/api/tasks", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "PROPFIND", "QUERY", "FOO"),
    *method_not_allowed(ONE, "POST", "TRACE", "OPTIONS", "LINK", "FOO"),
    *method_not_allowed(f"{ONE}/toggle", "GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"),
    *method_not_allowed(f"{ONE}/complete", "GET", "DELETE"), *method_not_allowed(f"{ONE}/reopen", "GET", "PUT"),
    *method_not_allowed("/api/me", "POST", "PUT", "OPTIONS", "TRACE"),
    *method_not_allowed("/api/problems", "POST", "DELETE"), *method_not_allowed("/api/", "POST"),
    *method_not_allowed("/api/openapi.json", "POST", "DELETE"), *method_not_allowed("/api/docs", "POST", "PUT"),
    *method_not_allowed("/livez", "POST", "DELETE", "TRACE", "OPTIONS"), *method_not_allowed("/readyz", "POST", "PUT"),
    Case("override", 422, "invalid", body=b"{}", headers={"X-HTTP-Method-Override": "DELETE"}),
    # Identifiers
    *missing("/api/tasks/0", "/api/tasks/-1", "/api/tasks/abc", "/api/tasks/1.0", "/api/tasks/1e3", "/api/tasks/+1",
             "/api/tasks/0x1", "/api/tasks/null", "/api/tasks/%00", "/api/tasks/1%00", "/api/tasks/1%20",
             "/api/tasks/%EF%BC%91", "/api/tasks/%FF", "/api/tasks/1,2", "/api/tasks/1;x=1", "/api/tasks/%2e%2e",
             f"/api/tasks/{2**63 - 1}", f"/api/tasks/{2**64}", f"/api/tasks/{10**30}", "/api/tasks/" + "9" * 5_000),
    *(case for method in ("GET", "PUT", "PATCH", "DELETE") for case in missing(BEYOND, method=method)),
    *missing(f"{BEYOND}/toggle", f"{BEYOND}/complete", f"{BEYOND}/reopen", method="POST"),
    *missing("/api/tasks/0/toggle", "/api/tasks/x/complete", method="POST"),
    # Paths, with and without a trailing slash
    *missing("/api/nope", "/api/nope/", "/api/tasks/1/nope", "/api/TASKS", "/api/tasks/tasks", "/api//tasks",
             "/api/tasks//1", "/api/./tasks", "/api/tasks%00", "/api/%FF", "/api/%", "/api/%E2%80%AE", "/api/tasks.json",
             "/api/tasks/abc/", "/api/.env", "/api/../admin/", "/api/" + "a" * 4_000, "/livez/nope", "/readyz/nope"),
    *missing("/api/nope", "/api/nope/", "/api/tasks/1/nope", method="POST"),
    Case("POST /api/tasks/", 422, "invalid", path="/api/tasks/", body=b"{}"),
    Case("PATCH with a slash", 422, "invalid", "PATCH", f"{ONE}/", b'{"x": 1}'),
    Case("DELETE /api/tasks/", 405, "method_not_allowed", "DELETE", "/api/tasks/"),
    Case("POST /livez/", 405, "method_not_allowed", "POST", "/livez/"),
    # Query strings
    *query("limit=1", "after=latest", "tz=Lisbon", "tz=", "tz=UTC&tz=UTC", path="/api/snapshot"),
    *query("format=csv", "limit=1", path="/api/me/export"),
    *query("status=", "status=done", "status=FIRED", "status=fired&status=fired", "task=0", "task=none", "task=1&task=2", "limit=0",
           "cursor=abc", "tz=UTC", "x=1", path="/api/reminders"),
    *query("recurrence=FREQ%3DDAILY", "recurrence=FREQ%3DHOURLY&due_date=2027-01-31", "recurrence=&due_date=2027-01-31", "due_date=2027-01-31",
           "recurrence=FREQ%3DDAILY&due_date=2027-01-31&due_at=2027-01-31T00:00:00Z", "recurrence=FREQ%3DDAILY&due_date=2027-01-31&limit=101",
           "recurrence=FREQ%3DDAILY&due_date=2027-01-31&due_timezone=UTC", "recurrence=%00&due_date=2027-01-31",
           "recurrence=FREQ%3DDAILY&due_date=2027-01-31&recurrence_from=x", "x=1", path="/api/recurrences/preview"),
    *query("limit=0", "limit=-1", "limit=501", "limit=1e2", "limit=1.0", "limit=abc", "limit=", "limit", "limit=%201",
           "limit=%2B1", "limit=%EF%BC%99", f"limit={2**63}", f"limit={10**30}", "limit=NaN", "limit=true", "limit=0x10",
           "limit=5&limit=6", "limit=" + "9" * 5_000, "limit=%00", "limit=%FF", "limit=5;completed=true"),
    *query("completed=yes", "completed=1", "completed=True", "completed=TRUE", "completed=", "completed=null",
           "completed=true&completed=true", "completed=%00", "completed=true%20"),
    *query("cursor=", "cursor=abc", "cursor=%00", "cursor=%FF", "cursor=%F0%9F%92%A9", "cursor=42", "cursor=" + "a" * 2_001,
           "cursor=YmVmb3JlOjQy", "cursor=WyJhZnRlciIsMV0", "cursor=WyItY3JlYXRlZCIsNDJd%3D", "cursor=%20WyItY3JlYXRlZCIsNDJd",
           "cursor=WyItY3JlYXRlZCIsNDJd%0A", "cursor=WyItY3JlYXRlZCIsNDJe", "cursor=a&cursor=b",
           "cursor=WyItY3JlYXRlZCIsNDJd=", "cursor=WyItY3JlYXRlZCIsNDJd&cursor=WyItY3JlYXRlZCIsNDJd"),
    *query("limt=5", "LIMIT=5", "limit[]=5", "offset=5", "page=2", "owner=1", "owner__password=x", "order_by=-id",
           "title__regex=a", "%00=1", "%FF=1", "=1", "a=1&b=2&limit=0"),
    *query("x=1", path=ONE), *query("x=1", "id=2", path="/api/me"), *query("x=1", path="/api/problems"),
    Case("query on create", 422, "invalid", path="/api/tasks?title=a", body=b'{"title": "a"}'),
    Case("query on toggle", 422, "invalid", path=f"{ONE}/toggle?force=1"),
    Case("1,500 parameters", 400, "bad_request", "GET", "/api/tasks?" + "a=1&" * 1_500),
    # Cookies
    *header(400, "bad_request", "Cookie", 'sessionid="\\000aaaaaaaaaaaaaaaa"', 'csrftoken="\\001"', 'a="\\012"',
            'sessionid="\\177"'),
    *header(400, "bad_request", "Cookie", 'sessionid="\\000aaaaaaaaaaaaaaaa"', token=False),
    *header(401, "unauthenticated", "Cookie", "sessionid=nobody", "sessionid=" + "a" * 5_000, "sessionid=", "=;=;;",
            "sessionid=\xe9", "sessionid=a; sessionid=b", token=False),
    # Hosts
    *header(400, "bad_host", "Host", "evil.example", "testserver.evil.example", "evil.example:80", "127.0.0.2"),
    *header(400, "bad_host", "Host", "", "localhost:x", "a b", "[::1", "localhost@evil", reaches_us=False),
    # Credentials
    *header(401, "invalid_token", "Authorization", "Bearer", "Bearer ", "Bearer x", "Bearer tk_", "bearer tk_" + "a" * 43,
            "Bearer tk_" + "a" * 8_000, "Basic YTpi", "Token tk_a", "Bearer Bearer tk_a", "Digest a=b", ",", "",
            "Bearer tk_\xe9", "Bearer tk_a, Bearer tk_b", token=False),
    *header(401, "invalid_token", "Authorization", "Bearer tk_\x00", token=False, reaches_us=False),
    *header(401, "unauthenticated", "X-Authorization", "Bearer x", "tk_x", token=False),
    Case("text/html wanted", 404, "not_found", "GET", "/api/nope", headers={"Accept": "text/html"}),
    Case("image wanted", 422, "invalid", body=b"{}", headers={"Accept": "image/png"}),
    Case("odd request id", 422, "invalid", body=b"{}", headers={"X-Request-ID": "a b"}),
]  # fmt: skip
