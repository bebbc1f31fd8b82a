"""Deprecated operations and parameters (taskproject/deprecation.py), in an API of their own"""

import json
from collections.abc import Iterator
from datetime import date
from types import ModuleType
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import clear_url_caches, path
from ninja import Query, Router
from pytest_django import Settings

from taskproject.accounts.permissions import PERMISSIONS, PUBLIC
from taskproject.deprecation import deprecated
from taskproject.inputs import Closed
from taskproject.ninja_api import API
from tests.contract.document import operations

SINCE, SUNSET = date(2027, 1, 1), date(2028, 1, 1)
HEADERS = {"Deprecation": "@1798761600", "Sunset": "Sat, 01 Jan 2028 00:00:00 GMT"}
router = Router(auth=None)


class Filters(Closed):
    old: int | None = None
    new: int | None = None


@router.get("/gone")
@deprecated(since=SINCE, sunset=SUNSET, instead="Use `GET /api/kept`.")
def get_gone(request: HttpRequest) -> HttpResponse:
    """An operation that is deprecated."""
    return HttpResponse("{}", headers={"Link": '</api/gone?cursor=1>; rel="next"'})


@router.get("/kept")
@deprecated(since=SINCE, sunset=SUNSET, instead="Use `new`.", parameter="old")
def get_kept(request: HttpRequest, filters: Query[Filters]) -> HttpResponse:
    """An operation with a deprecated parameter."""
    return HttpResponse("{}")


@pytest.fixture(autouse=True)
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("get_gone", "get_kept"):
        monkeypatch.setitem(PERMISSIONS, name, PUBLIC)


def other_api() -> API:
    other = API(title="Other", version="other", description="", openapi_extra={})
    other.add_router("", router)
    return other


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    urls = ModuleType("urls")
    vars(urls)["urlpatterns"] = [path("api/", other_api().urls)]
    settings.ROOT_URLCONF = urls
    clear_url_caches()
    yield Client()
    clear_url_caches()


@pytest.mark.parametrize(
    "address", ["/api/gone", "/api/kept?old=1", "/api/kept?new=1&old=x"]
)
def test_what_is_deprecated_says_since_when_and_until_when(
    client: Client, address: str
) -> None:
    answer = client.get(address)

    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["Link"].endswith(
        '</api/docs>; rel="deprecation"; type="text/html"'
    )
    if address == "/api/gone":
        assert answer.headers["Link"].startswith('</api/gone?cursor=1>; rel="next", <')


@pytest.mark.parametrize("address", ["/api/kept", "/api/kept?new=1"])
def test_a_request_without_a_deprecated_parameter_hears_nothing_of_it(
    client: Client, address: str
) -> None:
    answer = client.get(address)

    assert not {"Deprecation", "Sunset", "Link"} & set(answer.headers)


def test_the_document_marks_what_is_deprecated() -> None:
    document: Any = json.loads(
        json.dumps(other_api().get_openapi_schema(path_prefix="/api/"))
    )
    gone, kept = (operations(document)[name] for name in ("get_gone", "get_kept"))

    assert gone["deprecated"] is True
    assert gone["description"] == (
        "An operation that is deprecated. Deprecated, and may be gone from 2028-01-01 on. "
        "Use `GET /api/kept`."
    )
    assert "deprecated" not in kept
    old, new = kept["parameters"]
    assert (old["deprecated"], "deprecated" in new) == (True, False)
    for operation in (gone, kept):
        assert HEADERS.keys() <= operation["responses"]["200"]["headers"].keys()
    assert HEADERS.keys() <= document["components"]["headers"].keys()
