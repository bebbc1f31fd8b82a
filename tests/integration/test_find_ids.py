"""GET /api/tasks?ids="""

import pytest
from pytest_django import DjangoAssertNumQueries

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import BY, ApiClient, make_task
from tests.support.rows import ids


@pytest.mark.parametrize("sort", ["created", "-created", "title", "-due"])
def test_ids_have_those_live_tasks_of_the_callers_that_exist(
    api: ApiClient, alice: User, bob: User, sort: str
) -> None:
    tasks = [make_task(alice, title) for title in "bacd"]
    theirs, trashed = make_task(bob, "x"), make_task(alice, "t")
    Task.objects.filter(pk=trashed.pk).trash(BY)
    keys = [tasks[2].pk, tasks[0].pk, theirs.pk, trashed.pk, tasks[0].pk, 2**63 - 1]

    answer = api.send(
        "GET", f"/api/tasks?sort={sort}&" + "&".join(f"ids={key}" for key in keys)
    )

    backwards = sort in ("-created", "-due")
    assert [item["title"] for item in answer.json()["items"]] == (
        ["c", "b"] if backwards else ["b", "c"]
    )


def test_a_hundred_ids_are_one_statement_and_may_be_paged(
    api: ApiClient, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    tasks = Task.objects.add_all(BY, alice.pk, [{"title": "x"}] * 100)
    api.send("GET", "/api/me")  # notes the use of the token
    asked = "&".join(f"ids={task.pk}" for task in tasks)

    with django_assert_num_queries(1):
        whole = api.send("GET", f"/api/tasks?limit=100&{asked}")
    first = api.send("GET", f"/api/tasks?{asked}")
    second = api.send("GET", first.headers["Link"].split(">")[0][1:])

    assert ids(whole) == ids(first) + ids(second)
    assert len({*ids(whole)}) == 100 and second.json()["next_cursor"] is None
