"""The tour of the README with openapi-python-client."""

import datetime
import os

from client import AuthenticatedClient, Client
from client.api.accounts import get_me
from client.api.changes import list_changes
from client.api.lists import create_list
from client.api.tasks import (
    batch_tasks,
    count_tasks,
    create_task,
    delete_task,
    get_task,
    list_tasks,
    toggle_task,
    update_task,
)
from client.api.trash import restore_task
from client.models import (
    BatchIn,
    BatchOut,
    ChangePage,
    Counts,
    CreateOperation,
    Invalid,
    ListIn,
    ListOut,
    MeOut,
    NotFound,
    Precondition,
    Priority,
    SimpleOperation,
    SimpleOperationOp,
    TaskCreate,
    TaskGone,
    TaskOut,
    TaskPage,
    TaskPatch,
    TaskSort,
    TaskStale,
)

guest = Client(os.environ["SERVER"])
anna = AuthenticatedClient(os.environ["SERVER"], os.environ["TOKEN"])

created = create_task.sync(client=guest, body=TaskCreate(title="Buy oat milk"))
assert isinstance(created, TaskOut)
got = get_task.sync(created.id, client=guest)
assert isinstance(got, TaskOut) and got.title == "Buy oat milk"

toggled = toggle_task.sync(created.id, client=guest, body=Precondition())
assert isinstance(toggled, TaskOut) and toggled.completed
title = "Buy oat milk, two litres"
patched = update_task.sync(created.id, client=guest, body=TaskPatch(title=title))
assert isinstance(patched, TaskOut) and patched.title == title

refused = create_task.sync(client=guest, body=TaskCreate(title=""))
assert isinstance(refused, Invalid) and refused.code == "invalid"

completed = list_tasks.sync(client=guest, completed=True, limit=10)
assert isinstance(completed, TaskPage)
assert [task.id for task in completed.items] == [created.id]

me = get_me.sync(client=anna)
assert isinstance(me, MeOut) and me.username == "anna"
foreign = get_task.sync(created.id, client=anna)
assert isinstance(foreign, NotFound)

stale = update_task.sync(
    created.id, client=guest, body=TaskPatch(completed=True), if_match='"1"'
)
assert isinstance(stale, TaskStale), stale
assert stale.current.title == title and stale.changed is not None
assert sorted(stale.changed) == ["completed", "title"]

bread = TaskCreate(title="Buy bread")
first = create_task.sync(client=guest, body=bread, idempotency_key="7f1b")
again = create_task.sync_detailed(client=guest, body=bread, idempotency_key="7f1b")
assert isinstance(first, TaskOut) and isinstance(again.parsed, TaskOut)
assert again.parsed.id == first.id
assert again.headers["Idempotency-Replayed"] == "true"

assert delete_task.sync_detailed(created.id, client=guest).status_code == 204
gone = get_task.sync(created.id, client=guest)
assert isinstance(gone, TaskGone)
restored = restore_task.sync(created.id, client=guest, body=Precondition())
assert isinstance(restored, TaskOut)

shopping = create_list.sync(client=guest, body=ListIn(name="Shopping"))
assert isinstance(shopping, ListOut)
oats = create_task.sync(
    client=guest,
    body=TaskCreate(
        title="Buy oats",
        list_=shopping.id,
        tags=["errand"],
        priority=Priority.HIGH,
        due_date=datetime.date(2026, 12, 31),
    ),
)
assert isinstance(oats, TaskOut)
found = list_tasks.sync(
    client=guest, completed=False, tag=["errand"], q="oat", sort=TaskSort.DUE
)
assert isinstance(found, TaskPage)
assert [task.id for task in found.items] == [oats.id]
counts = count_tasks.sync(client=guest)
assert isinstance(counts, Counts) and counts.tags[0].tag == "errand"

batch = batch_tasks.sync(
    client=guest,
    body=BatchIn(
        operations=[
            CreateOperation(op="create", body=TaskCreate(title="Pay the rent")),
            SimpleOperation(op=SimpleOperationOp.COMPLETE, id=created.id),
        ]
    ),
)
assert isinstance(batch, BatchOut)
assert [result.status for result in batch.results] == [201, 200]

changes = list_changes.sync(client=guest)
assert isinstance(changes, ChangePage) and changes.items[0].verb == "created"
