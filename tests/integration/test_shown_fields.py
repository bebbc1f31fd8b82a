"""GET /api/tasks?fields="""

from datetime import date

import pytest
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.fields import FIELDS
from tests.conftest import ApiClient, make_task
from tests.support.answers import as_json
from tests.support.rows import make_list

ALL = [field.name for field in FIELDS]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("fields=title", ["id", "title", "version"]),
        ("fields=overdue,title", ["id", "title", "overdue", "version"]),
        ("fields=title&fields=tags,title", ["id", "title", "tags", "version"]),
        ("fields=id", ["id", "version"]),
        ("fields=open_subtasks", ["id", "open_subtasks", "version"]),
        ("fields=short", [name for name in ALL if name != "description"]),
        ("fields=short,description", ALL),
        (f"fields={','.join(ALL)}", ALL),
    ],
)
@pytest.mark.parametrize("sort", ["-created", "due"])
@pytest.mark.parametrize("tag", ["", "&tag=home"])
def test_tasks_have_these_members_in_their_order(
    api: ApiClient, alice: User, query: str, names: list[str], sort: str, tag: str
) -> None:
    parent = make_task(
        alice,
        description="Oat",
        priority=3,
        due_date=date(2020, 1, 1),
        tags=["home"],
        list_id=make_list(alice).pk,
    )
    child = make_task(alice, parent_id=parent.pk, tags=["home"])

    answer = api.send("GET", f"/api/tasks?sort={sort}&{query}{tag}")

    items = answer.json()["items"]
    assert [*items[0]] == names
    for task in (parent, child):
        whole = as_json(task)
        [item] = [one for one in items if one["id"] == task.pk]
        assert item == {name: whole[name] for name in names}
    assert api.send("GET", f"/api/tasks?limit=1&{query}").json()["next_cursor"]


def test_what_is_long_or_counted_is_not_read_in_vain(
    api: ApiClient, alice: User, queries: CaptureQueriesContext
) -> None:
    make_task(alice)
    read = {}

    for query in ("", "?fields=short", "?fields=title"):
        before = len(queries)
        api.send("GET", f"/api/tasks{query}")
        [sql] = [one["sql"] for one in queries.captured_queries[before:]][-1:]
        read[query] = '"tasks_task"."description"' in sql, "count(*)" in sql.lower()

    assert [*read.values()] == [(True, True), (False, True), (False, False)]


def test_the_condition_holds_for_the_same_members(api: ApiClient, alice: User) -> None:
    task = make_task(alice)
    tag = api.send("GET", "/api/tasks?fields=title").headers["ETag"]
    headers = {"If-None-Match": tag}

    same = api.send("GET", "/api/tasks?fields=title", headers=headers)
    api.send("POST", f"/api/tasks/{task.pk}/toggle")
    changed = api.send("GET", "/api/tasks?fields=title", headers=headers)

    assert (same.status_code, changed.status_code) == (304, 200)
    assert changed.json()["items"] == [
        {"id": task.pk, "title": "Buy milk", "version": 2}
    ]
