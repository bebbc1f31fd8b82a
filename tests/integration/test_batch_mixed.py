"""POST /api/tasks/batch with much to refuse: what is found at fault, and how soon."""

from typing import Any

import pytest

from taskproject.accounts.models import User
from tasks.models import Event, Tag, Task
from tests.conftest import BY, ApiClient, make_task
from tests.support.batches import (
    MISSING,
    create,
    invalid,
    op,
    results,
    send,
    statements,
    statuses,
    update,
)


def many(owner: User, count: int) -> list[int]:
    rows = [{"title": f"Task {number}"} for number in range(count)]
    return [task.pk for task in Task.objects.add_all(BY, owner.pk, rows)]


FAULTS: dict[str, Any] = {
    "list": lambda key, sub: update(key, list=MISSING, tags=["stray"]),
    "parent": lambda key, sub: update(key, parent=MISSING),
    "itself": lambda key, sub: update(key, parent=key),
    "third level": lambda key, sub: update(key, parent=sub),
    "zone alone": lambda key, sub: update(key, due_timezone="UTC", tags=["stray"]),
    "new in a list": lambda key, sub: create("New", list=MISSING, tags=["stray"]),
    "new below": lambda key, sub: create("New", parent=sub),
    "title": lambda key, sub: update(key, title=""),
    "no body": lambda key, sub: op("update", key),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_second_of_sixty_may_be_at_fault(
    api: ApiClient, alice: User, fault: str
) -> None:
    below = make_task(alice, "Below", parent_id=make_task(alice, "Top").pk)
    keys = many(alice, 60)
    bad = FAULTS[fault]
    operations: list[Any] = []
    for good_key, bad_key in zip(keys[::2], keys[1::2], strict=True):
        new = fault.startswith("new")
        operations += [
            create("Good") if new else update(good_key, title="Good"),
            bad(bad_key, below.pk),
        ]
    answers: list[Any] = []

    taken = statements(lambda: answers.append(send(api, *operations, atomic=False)))

    told = statuses(answers[0])
    assert set(told[::2]) <= {200, 201} and set(told[1::2]) == {422}
    assert Task.objects.filter(title="Good").count() == 30
    assert Event.objects.filter(via="token").count() == 30
    assert not Tag.objects.exists()
    assert taken <= 25


@pytest.mark.parametrize(
    ("fields", "pointer", "detail"),
    [
        ({"list": MISSING}, "/list", "You have no list with this id."),
        ({"parent": MISSING}, "/parent", "You have no task with this id."),
        (
            {"due_timezone": "UTC"},
            "/due_timezone",
            "A due_timezone goes with due_at only.",
        ),
    ],
)
def test_a_fault_is_pointed_at_within_the_batch_wherever_it_is(
    api: ApiClient, alice: User, fields: Any, pointer: str, detail: str
) -> None:
    keys = many(alice, 4)
    operations = [update(key, title="Good") for key in keys]
    operations[2] = update(keys[2], **fields)

    told = results(send(api, *operations, atomic=False))
    alone = results(send(api, operations[2], atomic=False))

    path = f"/api/tasks/{keys[2]}"
    code = "zone_alone" if pointer == "/due_timezone" else "not_found"
    assert told[2] == {
        "status": 422,
        "problem": invalid(path, (f"/operations/2/body{pointer}", code, detail)),
    }
    assert alone[0]["problem"] == invalid(
        path, (f"/operations/0/body{pointer}", code, detail)
    )


def test_what_is_missing_or_stale_is_told_before_what_it_refers_to(
    api: ApiClient, alice: User, bob: User
) -> None:
    keys = many(alice, 3)
    Task.objects.filter(pk=keys[2]).trash(BY)

    answer = send(
        api,
        update(MISSING, list=MISSING),
        update(make_task(bob).pk, list=MISSING),
        update(keys[0], list=MISSING) | {"version": 7},
        update(keys[1], list=MISSING),
        update(keys[2], list=MISSING),
        atomic=False,
    )

    assert statuses(answer) == [404, 404, 412, 422, 410]


def test_a_task_keeps_a_parent_that_is_in_the_trash(
    api: ApiClient, alice: User
) -> None:
    parent = make_task(alice, "Top")
    below = make_task(alice, "Below", parent_id=parent.pk)
    Task.objects.filter(pk=parent.pk).trash(BY)
    other = make_task(alice)

    answer = send(
        api,
        update(below.pk, parent=parent.pk, title="Still below"),
        update(other.pk, parent=parent.pk),
        atomic=False,
    )

    assert statuses(answer) == [200, 422]


def test_a_task_that_is_freed_can_be_a_parent_in_the_same_batch(
    api: ApiClient, alice: User
) -> None:
    parent = make_task(alice, "Top")
    below = make_task(alice, "Below", parent_id=parent.pk)
    other, bad = make_task(alice, "Other"), make_task(alice, "Bad")

    answer = send(
        api,
        update(below.pk, parent=None),
        update(bad.pk, list=MISSING),
        update(other.pk, parent=below.pk),
        atomic=False,
    )

    assert statuses(answer) == [200, 422, 200]
