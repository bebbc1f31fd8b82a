"""Lists, tags, subtasks and moves at the same moment: real threads, each with a
connection of its own."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import pytest

from taskproject.accounts.models import User
from tasks.models import Event, Label, Tag, Task, TaskList
from tests.conftest import BY, ApiClient, make_task
from tests.support.rows import make_list
from tests.support.threads import at_once, request

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 5


def statuses(answers: list[Any]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def assert_sound(token: str) -> None:
    """What holds at every moment, whoever writes: tasks are in lists that there are, two
    levels deep, with the tags that they are found by; and the counts are right."""
    lists = set(TaskList.objects.values_list("pk", flat=True))
    tasks = list(Task.objects.all())
    parents = {task.pk: task.parent_id for task in tasks}
    carried = {
        (label.task_id, label.tag.name) for label in Label.objects.select_related("tag")
    }
    for task in tasks:
        assert task.list_id is None or task.list_id in lists
        assert task.parent_id is None or parents[task.parent_id] is None
        told = Event.objects.of_task(task.pk).in_order()
        assert [event.version for event in told] == list(range(1, task.version + 1))
    assert carried == {(task.pk, name) for task in tasks for name in task.tags}
    live = [task for task in tasks if not task.deleted_at and not task.completed]
    counts = ApiClient(token).send("GET", "/api/tasks/counts").json()
    assert counts["open"] == len(live)
    by_list = Counter(task.list_id for task in live)
    assert {row["list"]: row["open"] for row in counts["lists"]} == by_list
    by_tag = Counter(name for task in live for name in task.tags)
    assert {row["tag"]: row["open"] for row in counts["tags"]} == by_tag


# Names


def test_of_many_that_make_one_list_one_does(alice: User, token: str) -> None:
    for number in range(ROUNDS):
        names = [f"Shopping {number}", f"shopping {number}", f"SHOPPING {number}"] * 2

        answers = at_once(
            [request(token, "POST", "/api/lists", {"name": name}) for name in names]
        )

        assert statuses(answers) == {201: 1, 409: 5}
        codes = {each.json()["code"] for each in answers if each.status_code == 409}
        assert codes == {"name_taken"}
        assert TaskList.objects.count() == Event.objects.count() == number + 1


def test_of_two_lists_that_take_one_name_one_does(alice: User, token: str) -> None:
    for number in range(ROUNDS):
        rows = [make_list(alice, f"{letter} {number}") for letter in "ab"]
        name = {"name": f"Taken {number}"}

        answers = at_once(
            [request(token, "PATCH", f"/api/lists/{row.pk}", name) for row in rows]
            + [request(token, "POST", "/api/lists", name)]
        )

        assert sorted(answer.status_code for answer in answers)[1:] == [409, 409]
        assert TaskList.objects.named(f"taken {number}").count() == 1


def test_of_two_tags_that_take_one_name_one_does(alice: User, token: str) -> None:
    for number in range(ROUNDS):
        make_task(alice, tags=[f"a{number}", f"b{number}"])
        tags = Tag.objects.named([f"a{number}", f"b{number}"])
        name = {"name": f"taken{number}"}

        answers = at_once(
            [request(token, "PATCH", f"/api/tags/{tag.pk}", name) for tag in tags]
        )

        assert statuses(answers) == {200: 1, 409: 1}
        assert_sound(token)


def test_tasks_that_first_use_a_tag_at_once_share_it(alice: User, token: str) -> None:
    for number in range(ROUNDS):
        task = make_task(alice)
        names = [f"home{number}", f"HOME{number}", f"Home{number}"] * 2

        answers = at_once(
            [
                request(token, "POST", "/api/tasks", {"title": "a", "tags": [name]})
                for name in names
            ]
            + [
                request(
                    token, "PATCH", f"/api/tasks/{task.pk}", {"tags": [f"hOme{number}"]}
                )
            ]
        )

        assert statuses(answers) == {201: 6, 200: 1}
        tag = Tag.objects.named([f"home{number}"]).get()
        assert {tuple(answer.json()["tags"]) for answer in answers} == {(tag.name,)}
        assert Event.objects.filter(tag_id=tag.pk).count() == 1
        assert Label.objects.filter(tag=tag).count() == 7
        assert_sound(token)


@pytest.mark.parametrize(
    ("method", "body"), [("PATCH", {"name": "house"}), ("DELETE", None)]
)
def test_a_tag_is_renamed_or_removed_while_it_is_used(
    alice: User, token: str, method: str, body: Any
) -> None:
    for number in range(ROUNDS):
        name = f"home{number}"
        tasks = [make_task(alice, tags=[name, "other"]) for _ in range(3)]
        tag = Tag.objects.named([name]).get()
        change = body and {"name": f"house{number}"}
        use = {"title": "a", "tags": ["other", name]}

        changed, *answers = at_once(
            [
                request(token, method, f"/api/tags/{tag.pk}", change),
                request(token, "POST", "/api/tasks", use),
                request(token, "POST", "/api/tasks", use),
                request(token, "PATCH", f"/api/tasks/{tasks[0].pk}", use),
                request(token, "PUT", f"/api/tasks/{tasks[1].pk}", use),
                request(token, "POST", f"/api/tasks/{tasks[2].pk}/toggle"),
            ]
        )

        assert changed.status_code == (200 if body else 204)
        assert statuses(answers) == {201: 2, 200: 3}
        assert_sound(token)


# Lists and what is in them


@pytest.mark.parametrize("query", ["", "?tasks=delete"])
def test_no_task_is_ever_in_a_list_that_is_gone(
    alice: User, token: str, query: str
) -> None:
    for _ in range(ROUNDS):
        row = make_list(alice)
        inside, outside = make_task(alice, list_id=row.pk), make_task(alice)
        into = {"title": "a", "list": row.pk}

        deleted, *answers = at_once(
            [
                request(token, "DELETE", f"/api/lists/{row.pk}{query}"),
                request(token, "POST", "/api/tasks", into),
                request(token, "PATCH", f"/api/tasks/{outside.pk}", into),
                request(
                    token,
                    "POST",
                    f"/api/tasks/{make_task(alice).pk}/move",
                    {"after": inside.pk},
                ),
                request(token, "PATCH", f"/api/tasks/{inside.pk}", {"title": "b"}),
            ]
        )

        assert deleted.status_code == 204
        assert set(statuses(answers)) <= {200, 201, 410, 422}
        for answer in answers:
            if answer.status_code == 422:
                [error] = answer.json()["errors"]
                assert error["pointer"] in ("/list", "/after")
        assert not TaskList.objects.exists()
        assert not Task.objects.filter(list__isnull=False).exists()
        assert_sound(token)


def test_of_deletions_at_once_one_deletes(alice: User, token: str) -> None:
    for _ in range(ROUNDS):
        row = make_list(alice)
        task = make_task(alice, list_id=row.pk)

        answers = at_once([request(token, "DELETE", f"/api/lists/{row.pk}")] * 4)

        assert statuses(answers) == {204: 1, 404: 3}
        task.refresh_from_db()
        assert (task.list_id, task.version) == (None, 2)


# Subtasks


def test_two_tasks_never_become_parents_of_each_other(alice: User, token: str) -> None:
    for _ in range(ROUNDS):
        one, other = make_task(alice), make_task(alice)

        answers = at_once(
            [
                request(token, "PATCH", f"/api/tasks/{one.pk}", {"parent": other.pk}),
                request(token, "PATCH", f"/api/tasks/{other.pk}", {"parent": one.pk}),
            ]
        )

        assert statuses(answers) == {200: 1, 422: 1}
        assert_sound(token)


def test_a_chain_that_is_linked_at_once_has_two_levels(alice: User, token: str) -> None:
    for _ in range(ROUNDS):
        keys = [make_task(alice).pk for _ in range(5)]
        pairs = zip(keys, [*keys[1:], keys[0]], strict=True)

        answers = at_once(
            [
                request(token, "PATCH", f"/api/tasks/{child}", {"parent": parent})
                for child, parent in pairs
            ]
            + [
                request(token, "POST", "/api/tasks", {"title": "a", "parent": key})
                for key in keys
            ]
        )

        assert set(statuses(answers)) <= {200, 201, 422}
        assert statuses(answers)[200] + statuses(answers)[201] >= 1
        assert_sound(token)


@pytest.mark.parametrize("query", ["", "?permanent=true"])
def test_a_parent_goes_while_it_gets_a_subtask(
    alice: User, token: str, query: str
) -> None:
    for _ in range(ROUNDS):
        parent, task = make_task(alice), make_task(alice)
        under = {"title": "a", "parent": parent.pk}

        deleted, *answers = at_once(
            [
                request(token, "DELETE", f"/api/tasks/{parent.pk}{query}"),
                request(token, "POST", "/api/tasks", under),
                request(token, "PATCH", f"/api/tasks/{task.pk}", under),
            ]
        )

        assert deleted.status_code == 204
        assert set(statuses(answers)) <= {200, 201, 422}
        under_it = Task.objects.filter(parent_id=parent.pk).count()
        made = sum(answer.status_code != 422 for answer in answers)
        assert under_it == (0 if query else made)
        assert_sound(token)


# Moves


def test_moves_at_once_end_in_a_strict_order(alice: User, token: str) -> None:
    """Three threads, each with moves of its own, and one that adds tasks."""
    row = make_list(alice)
    keys = [make_task(alice, list_id=row.pk).pk for _ in range(6)]

    def mover(seed: int) -> list[Any]:
        random = Random(seed)
        answers = []
        for _ in range(12):
            task, other = random.sample(keys, 2)
            place = random.choice(["before", "after"])
            path = f"/api/tasks/{task}/move"
            answers.append(request(token, "POST", path, {place: other})())
        return answers

    def adder() -> list[Any]:
        body = {"title": "new", "list": row.pk}
        return [request(token, "POST", "/api/tasks", body)() for _ in range(6)]

    *moved, added = at_once([*(partial(mover, seed) for seed in range(3)), adder])

    assert {answer.status_code for some in moved for answer in some} == {200}
    assert {answer.status_code for answer in added} == {201}
    listed = ApiClient(token).send("GET", f"/api/tasks?list={row.pk}&sort=position")
    items = listed.json()["items"]
    assert sorted(item["id"] for item in items) == sorted(
        [*keys, *(answer.json()["id"] for answer in added)]
    )
    places = [item["position"] for item in items]
    assert places == sorted(set(places))
    # The last answer about a task is where it is.
    last: dict[int, Any] = {}
    for answer in (answer for some in moved for answer in some):
        task = answer.json()
        if task["version"] >= last.get(task["id"], task)["version"]:
            last[task["id"]] = task
    told = {item["id"]: item for item in items}
    assert all(told[key] == last[key] for key in last)
    assert_sound(token)


def test_moves_to_one_place_at_once_are_all_beside_it(alice: User, token: str) -> None:
    for _ in range(ROUNDS):
        Task.objects.owned_by(alice.pk).remove(BY)
        at, *others = [make_task(alice).pk for _ in range(6)]

        answers = at_once(
            [
                request(token, "POST", f"/api/tasks/{key}/move", {"before": at})
                for key in others
            ]
        )

        assert statuses(answers) == {200: 5}
        tasks = list(Task.objects.order_by("position"))
        assert len({task.position for task in tasks}) == 6
        assert tasks[-1].pk == at
        assert_sound(token)


def test_tasks_that_change_places_at_once_go_nowhere_else(
    alice: User, token: str
) -> None:
    for _ in range(ROUNDS):
        Task.objects.owned_by(alice.pk).remove(BY)
        one, other = make_task(alice).pk, make_task(alice).pk

        answers = at_once(
            [
                request(token, "POST", f"/api/tasks/{one}/move", {"after": other}),
                request(token, "POST", f"/api/tasks/{other}/move", {"after": one}),
            ]
        )

        assert statuses(answers) == {200: 2}
        order = list(Task.objects.order_by("position").values_list("pk", flat=True))
        assert sorted(order) == [one, other]
        assert_sound(token)


def test_lists_that_move_at_once_end_in_a_strict_order(alice: User, token: str) -> None:
    keys = [make_list(alice, name).pk for name in "abcd"]

    def mover(seed: int) -> list[Any]:
        random = Random(seed)
        answers = []
        for _ in range(8):
            row, other = random.sample(keys, 2)
            path = f"/api/lists/{row}/move"
            answers.append(request(token, "POST", path, {"before": other})())
        return answers

    moved = at_once([partial(mover, seed) for seed in range(3)])

    assert {answer.status_code for some in moved for answer in some} == {200}
    items = ApiClient(token).send("GET", "/api/lists").json()["items"]
    assert sorted(item["id"] for item in items) == sorted(keys)
    places = [item["position"] for item in items]
    assert places == sorted(set(places))


# All of it


def test_everything_at_once_leaves_everything_sound(alice: User, token: str) -> None:
    rows = [make_list(alice, name).pk for name in "abc"]
    keys = [make_task(alice, tags=["x", "y"], list_id=rows[0]).pk for _ in range(5)]
    tags = [tag.pk for tag in Tag.objects.all()]
    make: list[Callable[[Random], tuple[Any, ...]]] = [
        lambda random: (
            "POST",
            "/api/tasks",
            {"title": "n", "tags": ["y", "z"], "list": random.choice(rows)},
        ),
        lambda random: (
            "PATCH",
            f"/api/tasks/{random.choice(keys)}",
            {"tags": random.sample(["x", "Y", "z"], 2), "list": random.choice(rows)},
        ),
        lambda random: (
            "PATCH",
            f"/api/tasks/{random.choice(keys)}",
            {"parent": random.choice(keys)},
        ),
        lambda random: ("POST", f"/api/tasks/{random.choice(keys)}/toggle"),
        lambda random: ("DELETE", f"/api/tasks/{random.choice(keys)}"),
        lambda random: ("POST", f"/api/tasks/{random.choice(keys)}/restore"),
        lambda random: (
            "POST",
            f"/api/tasks/{random.choice(keys)}/move",
            {"after": random.choice(keys)},
        ),
        lambda random: (
            "PATCH",
            f"/api/tags/{random.choice(tags)}",
            {"name": random.choice(["x", "y", "w"])},
        ),
        lambda random: ("DELETE", f"/api/lists/{random.choice(rows[1:])}"),
    ]

    def writer(seed: int) -> list[int]:
        random = Random(seed)
        answers = [request(token, *random.choice(make)(random))() for _ in range(15)]
        return [answer.status_code for answer in answers]

    answered = at_once([partial(writer, seed) for seed in range(5)])

    codes = {code for some in answered for code in some}
    assert codes <= {200, 201, 204, 404, 409, 410, 422}
    assert_sound(token)
