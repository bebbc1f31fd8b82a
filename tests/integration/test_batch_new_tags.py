"""A batch that makes as many new tags as it may: few statements, and nobody waits long"""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.models import Event, Label, Tag, Task
from tasks.models.batches import MAX_NEW_TAGS, MAX_OPERATIONS
from tests.conftest import BY, ApiClient, make_task
from tests.support.batches import send
from tests.support.threads import PATIENCE, Threads

pytestmark = pytest.mark.usefixtures("patience")

EACH = MAX_NEW_TAGS // MAX_OPERATIONS


def tagging(owner: User, tasks: int) -> list[dict[str, Any]]:
    """Operations that give each of so many new tasks EACH new tags."""
    rows = [{"title": f"Task {number}"} for number in range(tasks)]
    return [
        {
            "op": "update",
            "id": task.pk,
            "body": {"tags": [f"Tag {number}.{one}" for one in range(EACH)]},
        }
        for number, task in enumerate(Task.objects.add_all(BY, owner.pk, rows))
    ]


def test_new_tags_are_stored_in_their_order_with_labels_and_events(
    api: ApiClient, alice: User
) -> None:
    operations = tagging(alice, 3)

    assert send(api, *operations).status_code == 200

    names = [f"Tag {number}.{one}" for number in range(3) for one in range(EACH)]
    stored = list(Tag.objects.order_by("pk"))
    assert [(tag.name, tag.key) for tag in stored] == [(it, it.lower()) for it in names]
    assert {(tag.owner_id, tag.version) for tag in stored} == {(alice.pk, 1)}
    told = Event.objects.filter(tag_id__isnull=False).in_order()
    assert [(event.tag_id, event.changes, event.at) for event in told] == [
        (tag.pk, {"name": [None, tag.name]}, tag.created_at) for tag in stored
    ]
    for task, operation in zip(Task.objects.order_by("pk"), operations, strict=True):
        labels = Label.objects.filter(task=task).order_by("tag")
        assert [label.tag.name for label in labels] == operation["body"]["tags"]


def test_as_many_statements_for_many_new_tags_as_for_few(
    api: ApiClient, alice: User
) -> None:
    def statements(operations: list[dict[str, Any]]) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert send(api, *operations).status_code == 200
        return len(queries)

    few, many = tagging(alice, 3), tagging(alice, 90)
    for number, operation in enumerate(many):
        operation["body"]["tags"] = [f"Other {number}.{one}" for one in range(EACH)]

    assert statements(many) <= statements(few) + 1


@pytest.mark.django_db(transaction=True)
def test_another_writer_gets_their_turn(api: ApiClient, alice: User, bob: User) -> None:
    operations = tagging(alice, MAX_OPERATIONS // 2)
    other = make_task(bob)

    with Threads(1) as threads:
        batch = threads.start(lambda: send(api, *operations))
        changes = [
            Task.objects.filter(pk=other.pk).toggle(BY).changed for _ in range(5)
        ]
        answer = batch.result(PATIENCE)

    assert answer.status_code == 200, answer.content
    assert all(changes)
    assert Tag.objects.count() == MAX_NEW_TAGS // 2
