"""Every operation, called by a page of another origin (CORS)"""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from pytest_django import Settings

from taskproject.accounts.models import User
from taskproject.openapi_document import HEADERS
from tests.conftest import ApiClient, make_task

pytestmark = pytest.mark.either_database

FRONTEND = "http://localhost:3000"
ALLOWED = {
    "access-control-allow-origin": FRONTEND,
    "access-control-allow-credentials": "true",
}


def cors(answer: Any) -> dict[str, str]:
    """The CORS headers of an answer, but for the list of those that are exposed."""
    return {
        name.lower(): value
        for name, value in answer.headers.items()
        if name.lower().startswith("access-control-allow-")
    }


def words(header: str) -> set[str]:
    return {word.strip().lower() for word in header.split(",")}


def preflight(path: str, method: str, origin: str = FRONTEND) -> Any:
    return Client().options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )


def test_an_answer_names_the_headers_that_the_page_may_read(api: ApiClient) -> None:
    answer = api.send("GET", "/api/tasks", headers={"Origin": FRONTEND})

    assert answer.status_code == 200
    assert cors(answer) == ALLOWED
    exposed = words(answer.headers["Access-Control-Expose-Headers"])
    assert exposed == {"etag", "x-request-id", "api-version"} | {
        *map(str.lower, settings.CORS_EXPOSE_HEADERS)
    } & {*map(str.lower, answer.headers)}
    assert "origin" in words(answer.headers["Vary"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/tasks", {"title": "Buy milk"}, 201),
        ("GET", "/api/tasks/1000", None, 404),
        ("GET", "/api/nowhere", None, 404),
        ("DELETE", "/api/tasks", None, 405),
        ("POST", "/api/tasks", {"title": ""}, 422),
        ("GET", "/api/tasks?limit=0", None, 422),
        ("POST", "/api/tasks", None, 400),
        ("POST", "/api/tasks", "x" * (256 * 1024), 413),
    ],
)
def test_a_page_can_read_every_answer(
    api: ApiClient, method: str, path: str, body: Any, status: int
) -> None:
    answer = api.send(method, path, body, headers={"Origin": FRONTEND})

    assert answer.status_code == status
    assert cors(answer) == ALLOWED
    assert "x-request-id" in words(answer.headers["Access-Control-Expose-Headers"])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer tk_wrong"}, 401),
        ({"Host": "evil.example"}, 400),
        ({"Cookie": 'x="\\001"'}, 400),
    ],
)
def test_a_page_can_read_why_it_was_not_let_in(
    nobody: ApiClient, headers: dict[str, str], status: int
) -> None:
    answer = nobody.send("GET", "/api/me", headers={"Origin": FRONTEND} | headers)

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert cors(answer) == ALLOWED


def test_a_page_can_read_that_a_type_is_refused(api: ApiClient) -> None:
    answer = api.generic(
        "POST", "/api/tasks", b"x", "text/plain", headers={"Origin": FRONTEND}
    )

    assert answer.status_code == 415
    assert cors(answer) == ALLOWED


def test_a_page_can_read_whether_the_service_lives() -> None:
    answer = Client().get("/livez", headers={"Origin": FRONTEND})

    assert answer.status_code == 200
    assert cors(answer) == ALLOWED


def test_the_admin_is_no_ones_frontend(staff: Client) -> None:
    answer = staff.get("/admin/", headers={"Origin": FRONTEND})

    assert answer.status_code == 200
    assert cors(answer) == {}


def test_the_next_page_is_readable_from_a_page(api: ApiClient, alice: User) -> None:
    for _ in range(2):
        make_task(alice)

    answer = api.send("GET", "/api/tasks?limit=1", headers={"Origin": FRONTEND})

    assert 'rel="next"' in answer.headers["Link"]
    assert "link" in words(answer.headers["Access-Control-Expose-Headers"])


@pytest.mark.parametrize(
    "header",
    ["sentry-trace", "baggage", "traceparent", "tracestate", "x-requested-with"]
    + ["cache-control", "pragma", "x-datadog-trace-id", "x-b3-traceid", "request-id"],
)
def test_what_libraries_add_to_every_call_is_allowed(header: str) -> None:
    answer = preflight("/api/tasks", "POST")

    assert header in words(answer.headers["Access-Control-Allow-Headers"])


def test_every_header_of_the_document_may_be_read_by_a_page() -> None:
    assert {"Content-Disposition", *HEADERS} <= {*settings.CORS_EXPOSE_HEADERS}


def test_an_export_has_its_name_exposed(api: ApiClient) -> None:
    answer = api.send("GET", "/api/tasks/export", headers={"Origin": FRONTEND})

    exposed = words(answer.headers["Access-Control-Expose-Headers"])
    assert exposed >= {"content-disposition", "x-request-id"}


def test_one_preflight_allows_every_request_to_a_url() -> None:
    """A browser keeps the answer for the URL, whatever the method and the headers."""
    first = preflight("/api/tasks/1", "GET").headers

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        assert (
            preflight("/api/tasks/1", method).headers.items()
            >= {
                name: first[name]
                for name in first
                if name.startswith("access-control-allow-")
            }.items()
        )
        assert method.lower() in words(first["Access-Control-Allow-Methods"])
    assert words(first["Access-Control-Allow-Headers"]) >= {
        *("authorization", "content-type", "idempotency-key", "if-match", "x-csrftoken")
    }
    assert int(first["Access-Control-Max-Age"]) >= 7_200  # Chromium takes no more


# Addresses, which a page of another origin would resolve against its own

OWN = "http://testserver"


@pytest.mark.parametrize(
    ("origin", "base"),
    [
        (None, ""),
        (OWN, ""),
        ("https://testserver", ""),  # behind a proxy that ends TLS
        (FRONTEND, OWN),
        ("http://testserver:3000", OWN),
        ("https://evil.example", OWN),
        ("capacitor://localhost", OWN),
        ("capacitor://testserver", OWN),
        ("null", OWN),
    ],
)
def test_addresses_are_absolute_for_other_origins(
    api: ApiClient, origin: str | None, base: str
) -> None:
    headers = {"Origin": origin} if origin else {}
    created = [
        api.send("POST", path, body, headers=headers)
        for path, body in (
            *[("/api/tasks", {"title": "Buy milk"})] * 2,
            ("/api/lists", {"name": "Home"}),
            ("/api/calendar", None),
        )
    ]
    page = api.send("GET", "/api/tasks?limit=1", headers=headers)

    locations = [answer.headers["Location"] for answer in created]
    task, row = created[0].json()["id"], created[2].json()["id"]
    assert locations[0] == f"{base}/api/tasks/{task}"
    assert locations[2:] == [f"{base}/api/lists/{row}", f"{base}/api/calendar"]
    assert created[3].json()["url"].startswith(f"{base}/api/calendar/")
    cursor = page.json()["next_cursor"]
    assert page.headers["Link"] == (
        f'<{base}/api/tasks?limit=1&cursor={cursor}>; rel="next"'
    )


def test_addresses_are_https_where_https_is_on(
    api: ApiClient, settings: Settings
) -> None:
    settings.HTTPS = True

    answer = api.send(
        "POST", "/api/tasks", {"title": "Buy milk"}, headers={"Origin": FRONTEND}
    )

    assert answer.headers["Location"].startswith("https://testserver/api/tasks/")


def test_an_address_is_that_of_the_host_that_was_checked(api: ApiClient) -> None:
    headers = {"Origin": FRONTEND, "X-Forwarded-Host": "evil.example"}

    answer = api.send("POST", "/api/tasks", {"title": "Buy milk"}, headers=headers)
    refused = api.send(
        "POST", "/api/tasks", {"title": "a"}, headers=headers | {"Host": "evil.example"}
    )

    assert answer.headers["Location"].startswith(f"{OWN}/api/tasks/")
    assert refused.status_code == 400
    assert "Location" not in refused.headers


def test_a_stored_response_has_the_addresses_of_the_request_that_repeats_it(
    api: ApiClient,
) -> None:
    key = {"Idempotency-Key": "one"}
    first, second = (
        api.send("POST", "/api/tasks", {"title": "Buy milk"}, headers=key | origin)
        for origin in ({"Origin": FRONTEND}, {})
    )

    assert second.headers["Idempotency-Replayed"] == "true"
    assert first.headers["Location"] == f"{OWN}{second.headers['Location']}"
