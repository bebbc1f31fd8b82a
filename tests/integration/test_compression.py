"""Responses for clients that accept gzip (taskproject/compression.py)"""

import gzip
from typing import Any

import pytest

from taskproject.accounts.models import User
from taskproject.compression import accepts_gzip
from tests.conftest import ApiClient, make_task, make_token

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.either_database]

GZIP = {"Accept-Encoding": "gzip, deflate, br, zstd"}
TEXT = "word " * 400


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, GZIP ; q=0.5", True),
        ("*", True),
        ("deflate, *;q=0.1", True),
        ("", False),
        ("br", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("xgzip, gzipx", False),
        (",;,=;q", False),
    ],
)
def test_gzip_is_accepted_where_the_header_says_so(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


@pytest.mark.parametrize(
    "path", ["/api/tasks", "/api/tasks/{}", "/api/changes", "/api/openapi.json"]
)
@pytest.mark.parametrize("cookie", [{}, {"Cookie": "a=b"}], ids=["plain", "cookie"])
def test_a_long_response_is_compressed(
    known: ApiClient, alice: User, path: str, cookie: dict[str, str]
) -> None:
    path = path.format(make_task(alice, description=TEXT).pk)

    plain = known.send("GET", path, headers=cookie)
    small = known.send("GET", path, headers=GZIP | cookie)

    assert gzip.decompress(small.content) == plain.content
    assert small.headers["Content-Encoding"] == "gzip"
    assert small.headers["Content-Length"] == str(len(small.content))
    assert len(small.content) < len(plain.content) / 2
    assert small.headers["Vary"] == plain.headers["Vary"]
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert "Content-Encoding" not in plain.headers
    head = known.send("HEAD", path, headers=GZIP | cookie)
    assert head.headers["Content-Length"] == small.headers["Content-Length"]


def test_a_short_response_is_not_compressed(known: ApiClient, alice: User) -> None:
    path = f"/api/tasks/{make_task(alice).pk}"

    answer = known.send("GET", path, headers=GZIP)

    assert "Content-Encoding" not in answer.headers
    assert answer.json()["title"] == "Buy milk"


def test_a_batch_is_compressed_also_where_it_is_repeated(known: ApiClient) -> None:
    operations = [{"op": "create", "body": {"title": "Buy milk"}}] * 5
    headers = GZIP | {"Idempotency-Key": "one"}

    first, second = (
        known.send("POST", "/api/tasks/batch", {"operations": operations}, headers=one)
        for one in (headers, headers)
    )
    plain = known.send(
        "POST",
        "/api/tasks/batch",
        {"operations": operations},
        headers={"Idempotency-Key": "one"},
    )

    assert first.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(first.content) == plain.content
    assert second.content == first.content
    assert "Content-Encoding" not in plain.headers


@pytest.mark.parametrize("kind", ["jsonl", "csv", "ics"])
def test_an_export_is_compressed(known: ApiClient, alice: User, kind: str) -> None:
    for _ in range(3):
        make_task(alice, description=TEXT)
    path = f"/api/tasks/export?format={kind}"

    plain = known.send("GET", path).getvalue()
    answer = known.send("GET", path, headers=GZIP)
    small = answer.getvalue()

    lines = (gzip.decompress(small).splitlines(), plain.splitlines())
    assert [len(one) for one in lines[0]] == [len(one) for one in lines[1]]
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Length"] == str(len(small))
    assert len(small) < len(plain) / 2


# ETags


def test_the_etag_of_a_compressed_response_is_another_and_works(
    known: ApiClient, alice: User
) -> None:
    path = f"/api/tasks/{make_task(alice, description=TEXT).pk}"
    plain = known.send("GET", path).headers["ETag"]
    small = known.send("GET", path, headers=GZIP).headers["ETag"]

    assert small == f'{plain[:-1]}-gzip"'
    for tag in (plain, small, f"W/{small}", f'"x", {small}'):
        for encoding in ({}, GZIP):
            answer = known.send("GET", path, headers={"If-None-Match": tag} | encoding)
            assert answer.status_code == 304
            assert answer.headers["ETag"] in tag or encoding == {}
    changed = known.send(
        "PATCH", path, {"priority": "low"}, headers={"If-Match": small}
    )
    assert changed.status_code == 200
    stale = known.send("PATCH", path, {"priority": "high"}, headers={"If-Match": small})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    assert stale.headers["ETag"] == changed.headers["ETag"]
    again = known.send("GET", path, headers={"If-None-Match": small} | GZIP)
    assert again.status_code == 200


def test_a_poll_of_a_compressed_list_is_304(known: ApiClient, alice: User) -> None:
    make_task(alice, description=TEXT)
    tag = known.send("GET", "/api/tasks", headers=GZIP).headers["ETag"]

    answer = known.send("GET", "/api/tasks", headers=GZIP | {"If-None-Match": tag})

    assert tag.endswith('-gzip"')
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == tag


# What is never compressed (BREACH)


def test_a_response_with_a_secret_is_not_compressed(known: ApiClient) -> None:
    for path, body in [("/api/tokens", {"name": "x" * 100}), ("/api/calendar", None)]:
        answer = known.send("POST", path, body, headers=GZIP)
        assert answer.status_code == 201
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Content-Encoding" not in answer.headers


def test_who_one_is_is_not_compressed_whatever_the_name(db: None) -> None:
    name = "\U0001f331" * 150
    api = ApiClient(make_token(User.objects.create_user(name)))
    api.cookies["csrftoken"] = "a" * 32

    answer = api.send("GET", "/api/me", headers=GZIP)

    assert answer.json()["username"] == name
    assert "Content-Encoding" not in answer.headers
    assert len(answer.content) < 1024


@pytest.mark.parametrize(
    ("method", "body"), [("GET", None), ("PATCH", {"x" * 3_000: 1})]
)
def test_an_error_is_not_compressed(
    known: ApiClient, alice: User, method: str, body: Any
) -> None:
    path = f"/api/tasks/{make_task(alice, description=TEXT).pk}"
    query = f"?{'x' * 3_000}=1" if method == "GET" else ""

    answer = known.send(method, path + query, body, headers=GZIP)

    assert answer.status_code == 422
    assert "Content-Encoding" not in answer.headers


def test_pages_are_not_compressed(known: ApiClient) -> None:
    for path in ("/api/docs", "/admin/login/"):
        answer = known.get(path, headers=GZIP)
        assert answer.status_code == 200
        assert "Content-Encoding" not in answer.headers
