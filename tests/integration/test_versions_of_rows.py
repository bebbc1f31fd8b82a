"""Conditions, and changes that change nothing, of lists and of tags."""

from typing import Any, NamedTuple

import pytest
from pytest_django import DjangoAssertNumQueries

from taskproject.accounts.models import User
from tasks.models import Event, Tag, TaskList
from tests.conftest import BY, ApiClient, make_task, make_token
from tests.support.answers import as_json
from tests.support.problems import assert_problem
from tests.support.rows import (
    alone,
    assert_name_taken,
    latest,
    list_json,
    make_list,
    news,
    tag_json,
)


class Row(NamedTuple):
    """A list or a tag called Home that was Shopping, at version 2, with a task; and
    another one of its kind, called Work."""

    path: str
    key: int
    other: int

    def json(self) -> dict[str, Any]:
        if "/lists/" in self.path:
            return list_json(TaskList.objects.get(pk=self.key))
        return tag_json(Tag.objects.get(pk=self.key).name)


CHANGES: list[tuple[str, str, str, Any]] = [
    ("list", "PATCH", "", {"name": "New"}),
    ("list", "PATCH", "", {"archived": True}),
    ("list", "DELETE", "", None),
    ("list", "DELETE", "?tasks=delete", None),
    ("list", "POST", "/move", {"before": "other"}),
    ("tag", "PATCH", "", {"name": "New"}),
    ("tag", "DELETE", "", None),
]
every_change = pytest.mark.parametrize(("kind", "method", "suffix", "body"), CHANGES)
every_kind = pytest.mark.parametrize("kind", ["list", "tag"])


def make(owner: User, kind: str) -> Row:
    if kind == "list":
        other, row = make_list(owner, "Work"), make_list(owner, "Shopping")
        row.edit(BY, name="Home")
        make_task(owner, list_id=row.pk)
        return Row(f"/api/lists/{row.pk}", row.pk, other.pk)
    make_task(owner, tags=["Shopping", "Work"])
    tags = Tag.objects.owned_by(owner.pk)
    tag, another = (tags.get(name=name) for name in ("Shopping", "Work"))
    tag.rename(BY, "Home")
    return Row(f"/api/tags/{tag.pk}", tag.pk, another.pk)


def send(
    api: ApiClient, row: Row, method: str, suffix: str, body: Any, header: str | None
) -> Any:
    if body and "before" in body:
        body = body | {"before": row.other}
    headers = {} if header is None else {"If-Match": header}
    return alone(api, method, row.path + suffix, body, **headers)


@every_change
def test_a_change_at_the_right_version_is_made(
    api: ApiClient, alice: User, kind: str, method: str, suffix: str, body: Any
) -> None:
    for number, header in enumerate(('"2"', '"7", "2"', "*")):
        owner = alice if number == 0 else User.objects.create_user(f"user-{number}")
        row = make(owner, kind)
        client = api if number == 0 else ApiClient(make_token(owner))

        answer = send(client, row, method, suffix, body, header)

        assert answer.status_code == (204 if method == "DELETE" else 200), header
        events = Event.objects.filter(**{f"{kind}_id": row.key})
        assert events.latest("sequence").version == 3


@every_change
def test_a_change_at_another_version_is_412_and_tells_the_row(
    api: ApiClient, alice: User, kind: str, method: str, suffix: str, body: Any
) -> None:
    row = make(alice, kind)
    before, task, since = row.json(), alice.tasks.get(), latest(api)
    task_before = as_json(task)

    for header in ('"1"', '"3"', 'W/"3"', '"22"', '"abc"'):
        answer = send(api, row, method, suffix, body, header)

        assert answer.status_code == 412, header
        assert answer.headers["ETag"] == '"2.2"'
        assert_problem(
            answer,
            "stale_version",
            row.path + suffix.partition("?")[0],
            "Merge with `current`, then send its version.",
            current=before,
            changed=["name"] if header == '"1"' else None,
        )
    assert (row.json(), as_json(task)) == (before, task_before)
    assert news(api, since) == []


@pytest.mark.parametrize(
    ("kind", "method", "suffix", "body"),
    [change for change in CHANGES if change[3] is not None],
)
def test_a_version_in_the_body_is_a_condition_as_if_match_is(
    api: ApiClient, alice: User, kind: str, method: str, suffix: str, body: Any
) -> None:
    row = make(alice, kind)

    def change(version: object, header: str | None = None) -> Any:
        return send(api, row, method, suffix, body | {"version": version}, header)

    assert change(1).json() == send(api, row, method, suffix, body, '"1"').json()
    assert [change(version).status_code for version in (1, 3, 0, None)] == [
        412, 412, 422, 422,
    ]  # fmt: skip
    assert change(2, '"1"').status_code == 422
    assert change(2, '"2"').json()["version"] == 3
    assert change(3).status_code == 200


@pytest.mark.either_database
@every_change
def test_a_change_without_a_condition_is_428_where_one_is_required(
    api: ApiClient,
    alice: User,
    kind: str,
    method: str,
    suffix: str,
    body: Any,
    settings: Any,
) -> None:
    settings.REQUIRE_IF_MATCH = True
    row = make(alice, kind)
    before = row.json()

    answer = send(api, row, method, suffix, body, None)

    assert (answer.status_code, answer.json()["code"]) == (428, "version_required")
    assert row.json() == before


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("list", {}),
        ("list", {"name": " Home "}),
        ("list", {"name": "Home", "archived": False}),
        ("tag", {"name": " Home"}),
    ],
)
def test_what_is_so_already_changes_nothing(
    api: ApiClient, alice: User, kind: str, body: dict[str, Any]
) -> None:
    row = make(alice, kind)
    before, since = row.json(), latest(api)

    answer = api.send("PATCH", row.path, body)

    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2.2"')
    assert answer.json() == before == row.json()
    assert news(api, since) == []


@every_kind
def test_the_name_of_another_is_409(api: ApiClient, alice: User, kind: str) -> None:
    row = make(alice, kind)
    before = row.json()

    for name in ("Work", "wORK", " work "):
        answer = alone(api, "PATCH", row.path, {"name": name})

        assert_name_taken(
            answer, row.path, f"You have a {kind} 'Work' already; choose another name."
        )
        assert row.json() == before


@every_kind
def test_a_row_that_the_caller_has_is_304_and_any_other_is_answered_whole(
    api: ApiClient, alice: User, kind: str
) -> None:
    row = make(alice, kind)

    for header in ('"2.2"', 'W/"2.2"', '"7", "2.2"', "*"):
        answer = api.send("GET", row.path, headers={"If-None-Match": header})
        assert (answer.status_code, answer.content) == (304, b""), header
        assert answer.headers["ETag"] == '"2.2"'
    answer = api.send("GET", row.path, headers={"If-None-Match": '"1.2"'})
    assert (answer.status_code, answer.json()) == (200, row.json())
    assert answer.headers["ETag"] == '"2.2"'


@pytest.mark.parametrize("suffix", ["", "?limit=2", "/{}"])
@every_kind
def test_reading_costs_one_query_beside_the_tokens(
    api: ApiClient,
    alice: User,
    kind: str,
    suffix: str,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    path = f"/api/{kind}s" + suffix.format(make(alice, kind).key)
    api.send("GET", "/api/me")  # notes the token's use

    with django_assert_num_queries(2):
        answer = api.send("GET", path)

    assert answer.status_code == 200
