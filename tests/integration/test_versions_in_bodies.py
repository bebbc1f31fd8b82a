"""`version` in the body of a change: the same precondition as If-Match."""

from typing import Any

import pytest
from django.db import transaction

from taskproject.accounts.models import User
from tests.conftest import ApiClient
from tests.integration.test_conditional_requests import OPERATIONS, make, send, stored
from tests.support.answers import as_json
from tests.support.rows import assert_refused

pytestmark = pytest.mark.either_database


def send_version(
    api: ApiClient, name: str, key: int, version: Any, **headers: str
) -> Any:
    operation = OPERATIONS[name]
    body = (operation.body or {}) | {"version": version}
    path = f"/api/tasks/{key}{operation.suffix}"
    return api.send(operation.method, path, body, headers=headers)


every_body = pytest.mark.parametrize(
    "name", ["put", "patch", "toggle", "complete", "reopen", "restore"]
)


@every_body
@pytest.mark.parametrize("required", [False, True])
def test_a_version_in_the_body_is_a_condition_as_if_match_is(
    api: ApiClient, alice: User, name: str, required: bool, settings: Any
) -> None:
    settings.REQUIRE_IF_MATCH = required
    task = make(alice, name)
    before = stored()

    for version in (1, 2, 4, 2**63 - 1):
        with transaction.atomic():  # rolled back alone
            answer = send_version(api, name, task.pk, version)
        assert (answer.status_code, answer.json()["current"]) == (412, as_json(task))
        assert stored() == before
    by_header = send(api, name, task.pk, '"2"').json()
    assert send_version(api, name, task.pk, 2).json() == by_header

    assert send_version(api, name, task.pk, 3).json()["version"] == 4


@every_body
@pytest.mark.parametrize("version", [0, -1, 2**63, "3", 3.5, None, True, [3]])
def test_a_version_in_the_body_that_is_none_is_422(
    api: ApiClient, alice: User, name: str, version: Any
) -> None:
    answer = send_version(api, name, make(alice, name).pk, version)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/version"]


@every_body
def test_a_version_in_the_body_and_in_if_match_must_be_the_same(
    api: ApiClient, alice: User, name: str
) -> None:
    for header in ('"2"', '"2", "3"', 'W/"3"'):
        task = make(alice, name)
        answer = send_version(api, name, task.pk, 3, **{"If-Match": header})
        assert_refused(
            answer,
            f"/api/tasks/{task.pk}{OPERATIONS[name].suffix}",
            "/version",
            "two_versions",
            "Send one version: here, in If-Match, or the same in both.",
        )
    for header in ('"3"', '"3.3"', '"3-gzip"', "*"):
        task = make(alice, name)
        answer = send_version(api, name, task.pk, 3, **{"If-Match": header})
        assert (answer.status_code, answer.json()["version"]) == (200, 4)
    task = make(alice, name)
    stale = send_version(api, name, task.pk, 2, **{"If-Match": "*"})
    assert stale.status_code == 412
