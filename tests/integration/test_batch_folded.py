"""POST /api/tasks/batch where operations change the same rows again and again: each row
is written once, and what is told is what separate requests would tell."""

import re
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from django.db import transaction

from taskproject.accounts.models import User
from tasks.models import Event, Label, Tag, Tally, Task
from tests.conftest import BY, ApiClient, make_task
from tests.integration.test_batch_mixed import many
from tests.support.batches import (
    create,
    op,
    results,
    send,
    statements,
    statuses,
    update,
)
from tests.support.rows import make_list

pytestmark = pytest.mark.usefixtures("patience")


#: Statements of any batch, whatever its operations are.
MOST = 30


def new_tags(keys: list[int]) -> list[Any]:
    return [
        update(keys[0], tags=[f"t{number}-{each}" for each in range(10)])
        for number in range(100)
    ]


def chains(keys: list[int]) -> list[Any]:
    """Each task below the next, which is freed for it."""
    operations: list[Any] = []
    for key, other in pairwise(keys[:51]):
        operations += [update(key, parent=other), update(key, parent=None)]
    return operations


def created_and_toggled(keys: list[int]) -> list[Any]:
    operations: list[Any] = []
    for number in range(50):
        operations += [create(f"New {number}"), op("toggle", keys[0])]
    return operations


def everything_of_one(keys: list[int]) -> list[Any]:
    random = Random(1)
    kinds = [
        lambda key: op("toggle", key),
        lambda key: update(key, title=f"Title {random.random()}", priority="high"),
        lambda key: op("move", key, body={"after": random.choice(keys[3:])}),
        lambda key: update(key, due_date="2026-12-31", tags=[random.choice("abc")]),
        lambda key: op("complete", key),
    ]
    return [random.choice(kinds)(random.choice(keys[:3])) for _ in range(100)]


def stale(keys: list[int]) -> list[Any]:
    operations: list[Any] = [op("toggle", keys[0]) for _ in range(50)]
    return [*operations, *(op("toggle", keys[0], version=1) for _ in range(50))]


@pytest.mark.parametrize(
    "kind", [new_tags, chains, created_and_toggled, everything_of_one, stale]
)
def test_a_hundred_operations_take_few_statements(
    api: ApiClient, alice: User, kind: Any
) -> None:
    operations = kind(many(alice, 60))
    answers: list[Any] = []

    taken = statements(lambda: answers.append(send(api, *operations, atomic=False)))

    told = statuses(answers[0])
    assert set(told) <= {200, 201, 412}
    assert told.count(412) == (50 if kind is stale else 0)
    assert taken <= MOST
    for task in Task.objects.all():
        events = Event.objects.of_task(task.pk).in_order()
        versions = list(events.values_list("version", flat=True))
        assert versions == list(range(1, task.version + 1))


def test_stale_versions_are_told_what_differs_within_the_batch(
    api: ApiClient, alice: User
) -> None:
    task = make_task(alice)
    Task.objects.filter(pk=task.pk).edit(BY, title="Before the batch")

    told = results(
        send(
            api,
            update(task.pk, priority="high"),
            op("complete", task.pk, version=1),
            op("complete", task.pk, version=2),
            op("complete", task.pk, version=3),
            op("complete", task.pk, version=3),
            atomic=False,
        )
    )

    problems = [each["problem"]["changed"] for each in told if "problem" in each]
    assert problems == [["priority", "title"], ["priority"], ["completed"]]


def test_more_new_tags_than_a_batch_may_make_are_refused(
    api: ApiClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.models.batches.MAX_NEW_TAGS", 3)
    keys = many(alice, 4)

    told = results(
        send(
            api,
            update(keys[0], tags=["a", "b"]),
            update(keys[1], tags=["c", "d"]),
            update(keys[2], tags=["a", "b", "c"]),
            create("New", tags=["d"]),
            atomic=False,
        )
    )

    assert [each["status"] for each in told] == [200, 422, 200, 422]
    [error] = told[1]["problem"]["errors"]
    assert error["pointer"] == "/operations/1/body/tags"
    assert error["detail"].startswith("A batch makes at most 3 new tags.")
    assert sorted(Tag.objects.values_list("name", flat=True)) == ["a", "b", "c"]


def test_a_task_of_the_batch_can_be_changed_by_its_key(
    api: ApiClient, alice: User
) -> None:
    """Nobody is told the key before, but a client may guess it."""
    key = make_task(alice).pk + 1

    told = results(
        send(
            api,
            op("toggle", key),
            create("New", tags=["a"]),
            op("toggle", key),
            create("Below", parent=key),
            update(key, title="Newer"),
            atomic=False,
        )
    )

    assert [each["status"] for each in told] == [404, 201, 200, 201, 200]
    task = told[4]["task"]
    assert (task["id"], task["version"], task["open_subtasks"]) == (key, 3, 1)
    assert make_task(alice).pk > told[3]["task"]["id"]


# What a batch tells and leaves is what separate requests tell and leave


def alone(api: ApiClient, one: dict[str, Any]) -> dict[str, Any]:
    """What becomes of the operation as a request of its own."""
    paths = {
        "create": ("POST", "/api/tasks"),
        "update": ("PATCH", f"/api/tasks/{one.get('id')}"),
        "delete": ("DELETE", f"/api/tasks/{one.get('id')}"),
    }
    method, path = paths.get(
        one["op"], ("POST", f"/api/tasks/{one.get('id')}/{one['op']}")
    )
    headers = {"If-Match": f'"{one["version"]}"'} if "version" in one else {}
    with transaction.atomic():
        answer = api.send(method, path, one.get("body"), headers=headers)
        if answer.status_code >= 400:
            transaction.set_rollback(True)
    if answer.status_code == 204:
        return {"status": 204, "task": None}
    kind = "problem" if answer.status_code >= 400 else "task"
    return {"status": answer.status_code, kind: answer.json()}


def plain(told: dict[str, Any], numbers: dict[int, int], places: list[str]) -> Any:
    """What was told, without times, and with positions by their order."""

    def of(task: dict[str, Any] | None) -> Any:
        if task is None:
            return None
        known = {**task, "id": numbers.setdefault(task["id"], len(numbers))}
        for name in ("created_at", "updated_at", "completed_at"):
            known[name] = task[name] is not None
        known["position"] = None
        return known

    if "problem" not in told:
        return told["status"], of(told["task"])
    problem = told["problem"]
    errors = [
        (re.sub(r"^/operations/\d+/body", "", each["pointer"]), each["detail"])
        for each in problem.get("errors", ())
    ]
    rest = [problem["code"], problem["title"], problem.get("changed"), errors]
    return problem["status"], rest, of(problem.get("current"))


def state(numbers: dict[int, int]) -> Any:
    tasks = Task.objects.order_by("list_id", "position", "id")
    names = ["title", "description", "list_id", "parent_id", "tags", "priority"]
    names += ["due_date", "due_at", "due_timezone", "due_moment", "completed"]
    names += ["version", "search", "sorted_title", "location", "location_key"]
    rows = [
        (
            numbers.setdefault(task.pk, len(numbers)),
            *(getattr(task, name) for name in names),
            bool(task.completed_at),
            bool(task.deleted_at),
        )
        for task in tasks
    ]
    tags = {tag.pk: tag.name for tag in Tag.objects.all()}
    told = [
        (
            numbers.get(event.task_id or 0),
            tags.get(event.tag_id or 0),
            event.verb,
            event.version,
            {
                name: values if name != "position" else None
                for name, values in event.changes.items()
            },
        )
        for event in Event.objects.filter(via="token").in_order()
    ]
    labels = Label.objects.values_list("task_id", "tag__name")
    tallies = [
        (one.kind, tags[one.key] if one.kind == "tag" else one.key, one.open)
        for one in Tally.objects.all()
        if one.open or one.completed
    ]
    return (
        rows,
        told,
        sorted((numbers[key], name) for key, name in labels),
        sorted(tallies, key=str),
    )


def operations_of(random: Random, keys: list[int], lists: list[int]) -> list[Any]:
    def body() -> dict[str, Any]:
        made: dict[str, Any] = {
            "title": random.choice(["One", "Two", "  Three ", " "]),
            "description": random.choice(["", "Some"]),
            "location": random.choice([None, "Café"]),
            "list": random.choice([None, *lists, 2**40]),
            "parent": random.choice([None, *keys, 2**40]),
            "tags": random.sample(["a", "A", "b", "c", "ß"], k=random.randrange(4)),
            "completed": random.random() < 0.5,
            "priority": random.choice(["none", "high"]),
            "due_date": random.choice([None, "2026-12-31"]),
            "due_at": random.choice([None, "2026-12-31T08:00:00Z"]),
            "due_timezone": random.choice([None, "Europe/Berlin"]),
        }
        chosen = {name: made[name] for name in made if random.random() < 0.3}
        if chosen.get("due_at") and chosen.get("due_date"):
            del chosen["due_date"]
        return chosen

    chosen: list[Any] = []
    for _ in range(random.randint(5, 40)):
        key = random.choice([*keys, *keys, 2**40] if random.random() < 0.1 else keys)
        names = ["create", "update", "update", "update", "complete", "reopen"]
        match random.choice([*names, "toggle", "move", "move", "delete", "restore"]):
            case "create":
                one = create(**{"title": "New", **body()})
            case "update":
                one = update(key, **body())
            case "move":
                side = random.choice(["before", "after"])
                one = op("move", key, body={side: random.choice(keys)})
            case name:
                one = op(name, key)
        if one["op"] != "create" and random.random() < 0.3:
            one["version"] = random.randint(1, 5)
        chosen.append(one)
    return chosen


@pytest.mark.parametrize("seed", range(40))
def test_a_batch_is_what_its_operations_are_as_requests(
    api: ApiClient, alice: User, seed: int
) -> None:
    random = Random(seed)
    alice.store(timezone="Asia/Tokyo")
    lists = [make_list(alice, name).pk for name in ("Home", "Work")]
    keys = many(alice, random.randint(2, 8))
    Task.objects.filter(pk=keys[1]).edit(BY, parent_id=keys[0], tags=["a"])
    for key in keys[2:4]:
        Task.objects.filter(pk=key).edit(BY, list_id=lists[0])
    chosen = operations_of(random, keys, lists)
    outcomes = []
    for together in (False, True):
        numbers = {key: number for number, key in enumerate(keys)}
        with transaction.atomic():
            if together:
                told = results(send(api, *chosen, atomic=False))
            else:
                told = [alone(api, one) for one in chosen]
            said = [plain(each, numbers, []) for each in told]
            outcomes.append((said, state(numbers)))
            transaction.set_rollback(True)

    one_by_one, whole = outcomes
    assert whole[0] == one_by_one[0]
    assert whole[1] == one_by_one[1]
