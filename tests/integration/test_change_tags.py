"""PATCH and DELETE /api/tags/{id}"""

import pytest

from taskproject.accounts.models import User
from tasks.models import Tag, Task
from tests.conftest import BY, ApiClient, make_old_task, make_task
from tests.integration.test_tags import tags_of
from tests.support.answers import as_json
from tests.support.rows import event, ids, latest, news, tag_json


@pytest.mark.parametrize("name", ["house", "HOME", None])
def test_a_tag_is_renamed_in_all_its_tasks_or_removed_from_them(
    api: ApiClient, alice: User, name: str | None
) -> None:
    task = make_old_task(alice, tags=["a", "home", "b"])
    trashed, other = make_task(alice, tags=["home"]), make_task(alice, tags=["a"])
    Task.objects.filter(pk=trashed.pk).trash(BY)
    old, untouched = as_json(task), as_json(other)
    home, since = Tag.objects.get(name="home"), latest(api)
    path, now = f"/api/tags/{home.pk}", [name] if name else []

    if name:
        answer = api.send("PATCH", path, {"name": f" {name} "})
        assert (answer.status_code, answer.headers["ETag"]) == (200, '"2.2"')
        assert answer.json() == tag_json(name)
        assert answer.json() == {"id": home.pk, "name": name, "version": 2}
        own = event(
            alice, "edited", 2, tag_id=home.pk, changes={"name": ("home", name)}
        )
        found = ids(api.send("GET", f"/api/tasks?tag={name}"))
        assert found == [task.pk]
    else:
        answer = api.send("DELETE", path)
        assert (answer.status_code, answer.content) == (204, b"")
        assert not Tag.objects.filter(name="home").exists()
        own = event(alice, "deleted", 2, tag_id=home.pk)

    new = as_json(task)
    changed = {"tags": ["a", *now, "b"], "version": 2, "updated_at": new["updated_at"]}
    assert new == old | changed
    assert (tags_of(task), tags_of(trashed)) == (["a", *now, "b"], now)
    assert as_json(other) == untouched
    happened = news(api, since)
    assert happened.pop(0 if name else -1) == own
    tags = {"tags": (["a", "home", "b"], ["a", *now, "b"])}
    assert sorted(happened, key=lambda each: int(each["task_id"])) == [
        event(alice, "edited", 2, task_id=task.pk, task=new, changes=tags),
        event(
            alice, "edited", 3, task_id=trashed.pk, changes={"tags": (["home"], now)}
        ),
    ]


def test_a_removed_tag_can_be_made_anew(api: ApiClient, alice: User) -> None:
    make_task(alice, tags=["home"])
    old = Tag.objects.get()
    api.send("DELETE", f"/api/tags/{old.pk}")

    answer = api.send("POST", "/api/tasks", {"title": "a", "tags": ["HOME"]})

    assert answer.json()["tags"] == ["HOME"]
    assert Tag.objects.get().pk != old.pk
    assert api.send("GET", f"/api/tags/{old.pk}").status_code == 404
