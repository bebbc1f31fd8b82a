"""/api/tags, and the tags of tasks"""

from typing import Any

import pytest

from taskproject.accounts.models import User
from tasks.models import Label, Tag, Task
from tests.conftest import BY, ApiClient, make_task
from tests.support.answers import as_json
from tests.support.rows import alone, event, ids, latest, news, tag_json


def tags_of(task: Task) -> list[str]:
    """The tags that the task tells, which are the ones that it is found by."""
    task.refresh_from_db()
    labels = Label.objects.filter(task=task).select_related("tag")
    assert sorted(label.tag.name for label in labels) == sorted(task.tags)
    return list(task.tags)


# Made as they are used


def test_a_tag_is_made_as_a_task_first_uses_it(api: ApiClient, alice: User) -> None:
    since = latest(api)

    answer = api.send("POST", "/api/tasks", {"title": "a", "tags": ["home", "urgent"]})

    task = Task.objects.get()
    assert answer.status_code == 201
    assert answer.json() == as_json(task)
    assert tags_of(task) == ["home", "urgent"]
    home, urgent = Tag.objects.in_order()
    assert (home.name, urgent.name, home.owner) == ("home", "urgent", alice)
    assert news(api, since) == [
        event(alice, "created", 1, tag_id=home.pk, changes={"name": (None, "home")}),
        event(
            alice, "created", 1, tag_id=urgent.pk, changes={"name": (None, "urgent")}
        ),
        event(
            alice,
            "created",
            1,
            task_id=task.pk,
            task=as_json(task),
            changes={"title": (None, "a"), "tags": (None, ["home", "urgent"])},
        ),
    ]


@pytest.mark.parametrize(
    ("known", "sent"),
    [
        ("Home", "home"),
        ("home", "HOME"),
        ("Straße", "STRASSE"),
        ("Café", "cafe\u0301"),
        ("a", " a\n"),
    ],
)
def test_a_tag_keeps_the_spelling_of_its_first_use(
    api: ApiClient, alice: User, known: str, sent: str
) -> None:
    make_task(alice, tags=[known])

    answer = api.send("POST", "/api/tasks", {"title": "a", "tags": [sent]})

    assert (answer.status_code, answer.json()["tags"]) == (201, [known])
    assert Tag.objects.get().name == known


@pytest.mark.parametrize("name", ["cafe", "hom", "ı", "i\u0307"])
def test_names_that_differ_in_more_than_case_are_two_tags(
    api: ApiClient, alice: User, name: str
) -> None:
    make_task(alice, tags=["café", "home", "i"])

    answer = api.send("POST", "/api/tasks", {"title": "a", "tags": [name]})

    assert answer.json()["tags"] == [name]
    assert Tag.objects.count() == 4


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_order_is_kept_and_each_is_there_once(
    api: ApiClient, alice: User, method: str
) -> None:
    path = "/api/tasks" if method == "POST" else f"/api/tasks/{make_task(alice).pk}"
    sent = ["zoo", "Home", "apple", "home", "zoo", "HOME", "Zoo"]

    answer = api.send(method, path, {"title": "a", "tags": sent})

    assert answer.json()["tags"] == ["zoo", "Home", "apple"]
    assert tags_of(Task.objects.get()) == ["zoo", "Home", "apple"]


def test_another_order_is_a_change(api: ApiClient, alice: User) -> None:
    task = make_task(alice, tags=["a", "b"])
    since = latest(api)

    answer = api.send("PATCH", f"/api/tasks/{task.pk}", {"tags": ["B", "a"]})

    assert (answer.json(), answer.json()["tags"]) == (as_json(task), ["b", "a"])
    assert tags_of(task) == ["b", "a"]
    changes = {"tags": (["a", "b"], ["b", "a"])}
    assert news(api, since) == [
        event(alice, "edited", 2, task_id=task.pk, task=as_json(task), changes=changes)
    ]


def test_the_same_tags_in_another_case_are_no_change(
    api: ApiClient, alice: User
) -> None:
    task = make_task(alice, tags=["Home", "b"])
    before, since = as_json(task), latest(api)

    answer = api.send("PATCH", f"/api/tasks/{task.pk}", {"tags": ["home", "B", "b"]})

    assert answer.json() == before == as_json(task)
    assert news(api, since) == []


@pytest.mark.parametrize(
    ("method", "body"), [("PATCH", {"tags": []}), ("PUT", {"title": "Buy milk"})]
)
def test_tags_can_be_taken_off_and_stay_for_others(
    api: ApiClient, alice: User, method: str, body: Any
) -> None:
    task, other = make_task(alice, tags=["a", "b"]), make_task(alice, tags=["b"])

    answer = api.send(method, f"/api/tasks/{task.pk}", body)

    assert (answer.json(), answer.json()["tags"]) == (as_json(task), [])
    assert (tags_of(task), tags_of(other)) == ([], ["b"])
    assert [tag.name for tag in Tag.objects.in_order()] == ["a", "b"]


def test_a_patch_without_tags_keeps_them(api: ApiClient, alice: User) -> None:
    task = make_task(alice, tags=["a"])

    api.send("PATCH", f"/api/tasks/{task.pk}", {"title": "b"})

    assert tags_of(task) == ["a"]


def test_two_users_have_tags_of_their_own(
    api: ApiClient, bobs_api: ApiClient, alice: User, bob: User
) -> None:
    task, theirs = make_task(alice, tags=["home"]), make_task(bob, tags=["Home"])

    api.send("DELETE", f"/api/tags/{Tag.objects.get(owner=alice).pk}")

    assert (tags_of(task), tags_of(theirs)) == ([], ["Home"])
    assert ids(bobs_api.send("GET", "/api/tasks?tag=HOME")) == [theirs.pk]


@pytest.mark.parametrize("name", ["x" * 50, "\U0001f3e0" * 50, "ﬃ" * 50, "a b", "#a,'"])
def test_a_name_comes_back_as_it_was_sent(api: ApiClient, name: str) -> None:
    answer = api.send("POST", "/api/tasks", {"title": "a", "tags": [name]})

    assert (answer.status_code, answer.json()["tags"]) == (201, [name])
    assert Tag.objects.get().name == name


def test_a_task_can_have_twenty_tags(api: ApiClient) -> None:
    names = [str(number) for number in range(20)]

    answer = api.send("POST", "/api/tasks", {"title": "a", "tags": names})

    assert (answer.status_code, answer.json()["tags"]) == (201, names)


def test_a_refused_task_makes_no_tag(api: ApiClient) -> None:
    body = {"title": "a", "tags": ["new"], "list": 999}

    assert alone(api, "POST", "/api/tasks", body).status_code == 422
    assert not Tag.objects.exists()


# Reading them


def test_it_answers_with_the_callers_tags_by_name(
    api: ApiClient, alice: User, bob: User
) -> None:
    make_task(bob, tags=["bobs"])
    unused = make_task(alice, tags=["Zoo", "apple", "Mango", "éclair"])
    Task.objects.filter(pk=unused.pk).remove(BY)

    answer = api.send("GET", "/api/tags")

    assert answer.status_code == 200
    names = ["apple", "Mango", "Zoo", "éclair"]
    assert answer.json() == {"items": [*map(tag_json, names)], "next_cursor": None}


@pytest.mark.parametrize("limit", [1, 2, 4, 5, 6])
def test_paging_shows_every_tag_once(api: ApiClient, alice: User, limit: int) -> None:
    make_task(alice, tags=["b", "A", "c", "E", "d"])
    seen: list[str] = []
    path = f"/api/tags?limit={limit}"

    while path:
        answer = api.send("GET", path)
        seen += [item["name"] for item in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]
        link = f"/api/tags?limit={limit}&cursor={cursor}"
        assert answer.headers.get("Link") == (
            f'<{link}>; rel="next"' if cursor else None
        )
        path = link if cursor else ""

    assert seen == ["A", "b", "c", "d", "E"]


def test_it_reads_a_tag(api: ApiClient, alice: User) -> None:
    make_task(alice, tags=["home"])
    path = f"/api/tags/{Tag.objects.get().pk}"

    answer = api.send("GET", path)
    again = api.send("GET", path, headers={"If-None-Match": answer.headers["ETag"]})

    assert (answer.status_code, answer.json()) == (200, tag_json("home"))
    assert answer.headers["ETag"] == '"1.2"'
    assert (again.status_code, again.content) == (304, b"")
