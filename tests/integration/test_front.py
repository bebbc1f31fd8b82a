"""/: the front page"""

import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from taskproject import __version__
from taskproject.front import ADDRESSES

pytestmark = pytest.mark.either_database


@pytest.fixture
def visitor(db: None) -> Client:
    return Client(raise_request_exception=False, headers={"Accept": "text/html,*/*"})


@pytest.mark.parametrize("accept", ["application/json", "application/json, */*;q=0.1"])
def test_it_is_json_for_those_who_ask_for_it(db: None, accept: str) -> None:
    answer = Client().get("/", headers={"Accept": accept})

    assert answer.json() == {
        "name": "Tasks",
        "version": __version__,
        "guest": False,
        "sign_up": "closed",
        **ADDRESSES,
    }
    assert "Accept" in answer.headers["Vary"]


@pytest.mark.parametrize("accept", ["", "*/*", "text/html", "text/html,*/*;q=0.8"])
def test_it_is_a_page_for_all_others(db: None, accept: str) -> None:
    answer = Client().get("/", headers={"Accept": accept})

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert f"version {__version__}" in answer.text


def test_every_address_of_it_exists(visitor: Client) -> None:
    page = visitor.get("/").text
    linked = set(re.findall(r'(?:href|src)="([^"]+)"', page))

    assert {"/api/docs", "/admin/", "/readyz"} <= linked
    for path in {*linked, *ADDRESSES.values()} - {"/api/tasks", "/api/calendar"}:
        assert path.startswith("/") and not path.startswith("//")
        assert visitor.get(path).status_code in (200, 302), path


@pytest.mark.parametrize("guest", ["", "guest"])
def test_its_commands_name_this_host_and_work(
    visitor: Client, settings: Settings, guest: str
) -> None:
    settings.API_GUEST, settings.ALLOWED_HOSTS = guest, ["tasks.example.com"]

    page = visitor.get("/", headers={"Host": "tasks.example.com:8443"}).text

    commands = re.findall(r"^.*?(curl .*?)(?:</code>.*)?$", page, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        assert "http://tasks.example.com:8443/api/" in command
        assert ("Bearer $TOKEN" in command) == (not guest)
    assert ("the guest is on" in page) == bool(guest)


def test_a_host_that_is_not_served_is_not_repeated(visitor: Client) -> None:
    answer = visitor.get("/", headers={"Host": 'evil.example"><script>'})

    assert answer.status_code == 400
    assert "evil.example" not in answer.text


def test_it_runs_nothing_and_loads_nothing_from_elsewhere(visitor: Client) -> None:
    answer = visitor.get("/")

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "<script" not in answer.text and "style=" not in answer.text
    assert answer.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_is_read_only(visitor: Client, method: str) -> None:
    assert visitor.generic(method, "/").status_code == 405


def test_it_needs_no_database(
    visitor: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert visitor.head("/").status_code == 200
