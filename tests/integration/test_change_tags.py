"""PATCH and DELETE /api/tags/{id}"""

import pytest

from taskproject.accounts.models import User
from tasks.models import Tag, Task
from tests.conftest import BY, ApiClient, make_old_task, make_task
from tests.integration.test_tags import tags_of
from tests.support.answers import as_json
from tests.support.rows import event, ids, latest, news, tag_json


@pytest.mark.parametrize("name", ["house", "HOME"])
def test_a_tag_is_renamed_in_all_its_tasks(
    api: ApiClient, alice: User, name: str
) -> None:
    task = make_old_task(alice, tags=["a", "home", "b"])
    trashed, other = make_task(alice, tags=["home"]), make_task(alice, tags=["a"])
    Task.objects.filter(pk=trashed.pk).trash(BY)
    old, untouched = as_json(task), as_json(other)
    home, since = Tag.objects.get(name="home"), latest(api)

    answer = api.send("PATCH", f"/api/tags/{home.pk}", {"name": f" {name} "})

    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2.2"')
    assert answer.json() == tag_json(name) == {
        "id": home.pk, "name": name, "version": 2,
    }  # fmt: skip
    new = as_json(task)
    changed = {"tags": ["a", name, "b"], "version": 2, "updated_at": new["updated_at"]}
    assert new == old | changed
    assert (tags_of(task), tags_of(trashed)) == (["a", name, "b"], [name])
    assert as_json(other) == untouched
    assert ids(api.send("GET", f"/api/tasks?tag={name}")) == [task.pk]
    happened = news(api, since)
    assert happened[0] == event(
        alice, "edited", 2, tag_id=home.pk, changes={"name": ("home", name)}
    )
    assert sorted(happened[1:], key=lambda each: int(each["task_id"])) == [
        event(
            alice,
            "edited",
            2,
            task_id=task.pk,
            task=new,
            changes={"tags": (["a", "home", "b"], ["a", name, "b"])},
        ),
        event(
            alice, "edited", 3, task_id=trashed.pk, changes={"tags": (["home"], [name])}
        ),
    ]


def test_a_tag_is_removed_from_all_its_tasks(api: ApiClient, alice: User) -> None:
    task = make_old_task(alice, tags=["a", "home", "b"])
    trashed, other = make_task(alice, tags=["home"]), make_task(alice, tags=["a"])
    Task.objects.filter(pk=trashed.pk).trash(BY)
    old, untouched = as_json(task), as_json(other)
    home, since = Tag.objects.get(name="home"), latest(api)

    answer = api.send("DELETE", f"/api/tags/{home.pk}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert not Tag.objects.filter(name="home").exists()
    new = as_json(task)
    changed = {"tags": ["a", "b"], "version": 2, "updated_at": new["updated_at"]}
    assert new == old | changed
    assert (tags_of(task), tags_of(trashed)) == (["a", "b"], [])
    assert as_json(other) == untouched
    happened = news(api, since)
    assert sorted(happened[:-1], key=lambda each: int(each["task_id"])) == [
        event(
            alice,
            "edited",
            2,
            task_id=task.pk,
            task=new,
            changes={"tags": (["a", "home", "b"], ["a", "b"])},
        ),
        event(alice, "edited", 3, task_id=trashed.pk, changes={"tags": (["home"], [])}),
    ]
    assert happened[-1] == event(alice, "deleted", 2, tag_id=home.pk)


def test_a_removed_tag_can_be_made_anew(api: ApiClient, alice: User) -> None:
    make_task(alice, tags=["home"])
    old = Tag.objects.get()
    api.send("DELETE", f"/api/tags/{old.pk}")

    answer = api.send("POST", "/api/tasks", {"title": "a", "tags": ["HOME"]})

    assert answer.json()["tags"] == ["HOME"]
    assert Tag.objects.get().pk != old.pk
    assert api.send("GET", f"/api/tags/{old.pk}").status_code == 404
