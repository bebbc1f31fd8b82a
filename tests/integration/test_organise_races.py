"""Lists, tags, parents and moves at the same moment: real threads, each with a connection
of its own. Whoever comes first, what is stored is what one after the other comes to."""

from collections import Counter
from functools import partial
from random import Random
from typing import Any

import pytest

from taskproject.accounts.models import User
from tasks.models import Event, Label, Tag, Task, TaskList
from tests.conftest import ApiClient, make_task
from tests.rows import ids, make_list
from tests.threads import at_once, request

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 5


def statuses(answers: list[Any]) -> dict[int, int]:
    return Counter(answer.status_code for answer in answers)


def tags_of(task: Task) -> list[str]:
    """The names that the task tells, which are those of its labels as well."""
    task.refresh_from_db()
    labels = Label.objects.filter(task=task).values_list("tag__name", flat=True)
    assert sorted(labels) == sorted(task.tags)
    return list(task.tags)


def counted(token: str, kind: str) -> dict[Any, int]:
    """How many open tasks each list or tag has, as the badges tell."""
    counts = ApiClient(token).send("GET", "/api/tasks/counts").json()
    return {one[kind]: one["open"] for one in counts[f"{kind}s"]}


def two_levels() -> int:
    return Task.objects.filter(parent__parent__isnull=False).count()


# Lists


def test_of_two_lists_of_one_name_one_is_made(alice: User, token: str) -> None:
    for number in range(ROUNDS):
        names = [f"Straße {number}", f"STRASSE {number}"]

        answers = at_once(
            [request(token, "POST", "/api/lists", {"name": name}) for name in names]
        )

        assert statuses(answers) == {201: 1, 409: 1}
        [made] = [one.json() for one in answers if one.status_code == 201]
        [refused] = [one.json() for one in answers if one.status_code == 409]
        assert refused["code"] == "name_taken"
        assert refused["detail"] == f"You have a list {made['name']!r} already."
        assert TaskList.objects.get(key=f"strasse {number}").pk == made["id"]
    created = Event.objects.filter(list_id__isnull=False, verb="created")
    assert created.count() == ROUNDS


def test_of_two_lists_that_take_one_name_one_gets_it(alice: User, token: str) -> None:
    for number in range(ROUNDS):
        rows = [make_list(alice, f"{side} {number}") for side in ("left", "right")]

        answers = at_once(
            [
                request(
                    token, "PATCH", f"/api/lists/{row.pk}", {"name": f"one {number}"}
                )
                for row in rows
            ]
        )

        assert statuses(answers) == {200: 1, 409: 1}
        assert TaskList.objects.filter(key=f"one {number}").count() == 1


@pytest.mark.parametrize("query", ["", "?tasks=delete"])
def test_a_deleted_list_has_no_tasks_however_they_come_in(
    alice: User, token: str, query: str
) -> None:
    for number in range(ROUNDS):
        row = make_list(alice, f"{number}")
        inside = make_task(alice, "inside", list_id=row.pk)
        edited, moved = make_task(alice, "edited"), make_task(alice, "moved")
        into = {"list": row.pk}

        deleted, *others = at_once(
            [
                request(token, "DELETE", f"/api/lists/{row.pk}{query}"),
                request(token, "POST", "/api/tasks", {"title": "new", **into}),
                request(token, "PATCH", f"/api/tasks/{edited.pk}", into),
                request(
                    token,
                    "POST",
                    f"/api/tasks/{moved.pk}/move",
                    {"after": inside.pk},
                ),
            ]
        )

        assert deleted.status_code == 204
        for answer, done in zip(others, (201, 200, 200), strict=True):
            assert answer.status_code in (done, 422), answer.content
        assert not TaskList.objects.filter(pk=row.pk).exists()
        assert not Task.objects.filter(list_id=row.pk).exists()
        inside.refresh_from_db()
        assert (inside.list_id, bool(inside.deleted_at)) == (None, bool(query))
        made = others[0].json()
        if others[0].status_code == 201:
            deleted_too = Task.objects.get(pk=made["id"]).deleted_at
            assert bool(deleted_too) == bool(query)
        else:
            assert made["errors"][0]["pointer"] == "/list"
            assert not Task.objects.filter(title="new", list_id=row.pk).exists()
    live = Task.objects.live().open().count()
    assert counted(token, "list") == {None: live}


def test_deletions_of_one_list_delete_it_once(alice: User, token: str) -> None:
    row = make_list(alice)
    task = make_task(alice, list_id=row.pk)

    answers = at_once([request(token, "DELETE", f"/api/lists/{row.pk}")] * 4)

    assert statuses(answers) == {204: 1, 404: 3}
    task.refresh_from_db()
    assert (task.list_id, task.version) == (None, 2)
    assert Event.objects.filter(list_id=row.pk, verb="deleted").count() == 1


# Tags


def test_tasks_that_first_use_one_tag_make_it_once(alice: User, token: str) -> None:
    for number in range(ROUNDS):
        names = [f"Home {number}", f"home {number}", f"HOME {number}"]

        answers = at_once(
            [
                request(token, "POST", "/api/tasks", {"title": "a", "tags": [name]})
                for name in names
            ]
        )

        assert statuses(answers) == {201: 3}
        tag = Tag.objects.get(key=f"home {number}")
        assert [answer.json()["tags"] for answer in answers] == [[tag.name]] * 3
        assert Label.objects.filter(tag=tag).count() == 3
        assert Event.objects.filter(tag_id=tag.pk).count() == 1
        assert counted(token, "tag")[tag.name] == 3


def test_a_tag_is_renamed_while_others_use_it(alice: User, token: str) -> None:
    """A use comes before and is renamed with the others, or comes after and makes the
    old name anew."""
    for number in range(ROUNDS):
        old, new = f"home {number}", f"house {number}"
        task = make_task(alice, tags=[old])
        tag = Tag.objects.get(name=old)

        renamed, used = at_once(
            [
                request(token, "PATCH", f"/api/tags/{tag.pk}", {"name": new}),
                request(token, "POST", "/api/tasks", {"title": "a", "tags": [old]}),
            ]
        )

        assert (renamed.status_code, used.status_code) == (200, 201)
        other = Task.objects.get(pk=used.json()["id"])
        assert tags_of(task) == [new]
        assert tags_of(other) in ([old], [new])
        known = {new} | set(tags_of(other))
        stored = Tag.objects.filter(key__endswith=f" {number}")
        assert {tag.name for tag in stored} == known


def test_a_tag_takes_a_name_that_others_first_use(alice: User, token: str) -> None:
    """Either way there is one tag of the new name: that one, or the other."""
    for number in range(ROUNDS):
        old, new = f"home {number}", f"house {number}"
        task = make_task(alice, tags=[old])
        tag = Tag.objects.get(name=old)

        renamed, used = at_once(
            [
                request(token, "PATCH", f"/api/tags/{tag.pk}", {"name": new}),
                request(token, "POST", "/api/tasks", {"title": "a", "tags": [new]}),
            ]
        )

        assert renamed.status_code in (200, 409)
        assert used.status_code == 201
        assert tags_of(Task.objects.get(pk=used.json()["id"])) == [new]
        assert tags_of(task) == [new if renamed.status_code == 200 else old]
        assert Tag.objects.filter(name=new).count() == 1


def test_a_removed_tag_is_on_no_task_unless_it_was_made_anew(
    alice: User, token: str
) -> None:
    for number in range(ROUNDS):
        name = f"home {number}"
        task, other = make_task(alice, tags=[name]), make_task(alice)
        tag = Tag.objects.get(name=name)

        removed, used = at_once(
            [
                request(token, "DELETE", f"/api/tags/{tag.pk}"),
                request(token, "PATCH", f"/api/tasks/{other.pk}", {"tags": [name]}),
            ]
        )

        assert (removed.status_code, used.status_code) == (204, 200)
        assert tags_of(task) == []
        assert tags_of(other) in ([], [name])
        assert Tag.objects.filter(name=name).exists() == (tags_of(other) == [name])
        assert not Tag.objects.filter(pk=tag.pk).exists()


# Parents


@pytest.mark.parametrize("kind", ["each other's", "a chain", "a new one's"])
def test_there_is_never_a_second_level(alice: User, token: str, kind: str) -> None:
    for _ in range(ROUNDS):
        one, two, three = (make_task(alice, title).pk for title in "abc")
        under_two = request(token, "PATCH", f"/api/tasks/{one}", {"parent": two})
        other = {
            "each other's": ("PATCH", f"/api/tasks/{two}", {"parent": one}),
            "a chain": ("PATCH", f"/api/tasks/{two}", {"parent": three}),
            "a new one's": ("POST", "/api/tasks", {"title": "d", "parent": one}),
        }[kind]

        answers = at_once([under_two, request(token, *other)])

        codes = sorted(answer.status_code for answer in answers)
        assert codes in ([200, 422], [201, 422])
        [refused] = [one.json() for one in answers if one.status_code == 422]
        assert [error["pointer"] for error in refused["errors"]] == ["/parent"]
        assert two_levels() == 0


def test_a_subtask_never_has_a_parent_that_is_gone(alice: User, token: str) -> None:
    for _ in range(ROUNDS):
        parent, child = make_task(alice, "parent"), make_task(alice, "child")
        path, under = f"/api/tasks/{parent.pk}?permanent=true", {"parent": parent.pk}

        deleted, made, edited = at_once(
            [
                request(token, "DELETE", path),
                request(token, "POST", "/api/tasks", {"title": "new", **under}),
                request(token, "PATCH", f"/api/tasks/{child.pk}", under),
            ]
        )

        assert deleted.status_code == 204
        assert made.status_code in (201, 422)
        assert edited.status_code in (200, 422)
        assert not Task.objects.filter(parent_id__isnull=False).exists()


# Moves


def test_moves_at_once_keep_every_task_once_and_apart(alice: User, token: str) -> None:
    row = make_list(alice)
    keys = [
        make_task(alice, f"{number}", list_id=row.pk if number % 2 else None).pk
        for number in range(8)
    ]

    def move(seed: int) -> list[Any]:
        random, api, answers = Random(seed), ApiClient(token), []
        for _ in range(6):
            task, other = random.sample(keys, 2)
            body = {random.choice(["before", "after"]): other}
            answers.append(api.send("POST", f"/api/tasks/{task}/move", body))
        return answers

    by_thread = at_once([partial(move, seed) for seed in range(5)])

    answers = [answer for some in by_thread for answer in some]
    assert statuses(answers) == {200: len(answers)}
    places = list(Task.objects.values_list("list_id", "position"))
    assert len(set(places)) == len(keys)
    api = ApiClient(token)
    homes = [
        ids(api.send("GET", f"/api/tasks?sort=position&list={home}"))
        for home in (row.pk, "none")
    ]
    assert sorted(homes[0] + homes[1]) == keys
    moves = Event.objects.filter(verb="moved").count()
    assert moves == sum(task.version - 1 for task in Task.objects.all())
    assert moves > 0


def test_moves_into_one_gap_are_made_one_after_the_other(
    alice: User, token: str
) -> None:
    # None of them is where it is moved to: each move is one.
    *others, first, last = [make_task(alice, title).pk for title in "bcdeaz"]

    answers = at_once(
        [
            request(token, "POST", f"/api/tasks/{key}/move", {"after": first})
            for key in others
        ]
    )

    assert statuses(answers) == {200: 4}
    order = ids(ApiClient(token).send("GET", "/api/tasks?sort=position"))
    committed = Event.objects.filter(verb="moved").in_order()
    # The last one to be moved is nearest.
    assert order == [first, *[event.task_id for event in committed][::-1], last]


def test_lists_that_are_moved_at_once_are_apart(alice: User, token: str) -> None:
    keys = [make_list(alice, name).pk for name in "abcdef"]

    answers = at_once(
        [
            request(token, "POST", f"/api/lists/{key}/move", {"before": keys[0]})
            for key in keys[1:]
        ]
    )

    assert statuses(answers) == {200: 5}
    order = ids(ApiClient(token).send("GET", "/api/lists"))
    assert (sorted(order), order[-1]) == (keys, keys[0])
    assert len(set(TaskList.objects.values_list("position", flat=True))) == 6
