"""The OpenAPI document of /api/auth/: that of django-allauth, as far as it is offered"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from taskproject import __version__
from taskproject.accounts import headless
from tests.conftest import ApiClient

PATH = "/api/auth/openapi.json"
pytestmark = pytest.mark.django_db


@pytest.fixture
def document(nobody: ApiClient) -> Any:
    answer = nobody.get(PATH)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert len(answer.content) < 70_000
    return answer.json()


def test_it_is_valid_openapi_30(document: Any, definitions: Any) -> None:
    definitions.OPENAPI_30_VALIDATOR.validate(document)
    assert document["info"]["version"] == __version__
    assert document["servers"] == [{"url": "/"}]


def test_it_has_the_operations_that_are_offered_and_no_others(document: Any) -> None:
    offered = {
        re.sub("/(app|browser)/", "/{client}/", f"/{one.pattern}", count=1)
        for one in headless._operations
    }
    table = re.findall(
        r"^\| `(/\w[^`]*)` \| ([A-Z`, ]+) \|",
        Path("docs/api.md").read_text().split("### Sign-up and sign-in")[1],
        re.MULTILINE,
    )

    assert set(document["paths"]) == offered
    assert {
        path.removeprefix("/api/auth/{client}/v1"): sorted(
            method.upper() for method in operations if method != "parameters"
        )
        for path, operations in document["paths"].items()
    } == {path: sorted(re.findall("[A-Z]+", methods)) for path, methods in table}


def test_nothing_of_it_is_unused(document: Any) -> None:
    text = json.dumps(document)

    for kind, named in document["components"].items():
        for name in named:
            assert kind == "securitySchemes" or f"#/components/{kind}/{name}" in text
    used = {
        tag
        for operations in document["paths"].values()
        for operation in operations.values()
        if isinstance(operation, dict)
        for tag in operation["tags"]
    }
    assert {tag["name"] for tag in document["tags"]} <= used


def test_it_costs_no_query(
    nobody: ApiClient, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert nobody.get(PATH).status_code == 200
    assert nobody.send("POST", PATH).status_code == 405
