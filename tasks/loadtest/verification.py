"""The check that everything that was acknowledged is there, once, as the responses said.

Three things are compared with what the clients kept: the feed, which is followed while the
load runs, so that an event which appeared behind a cursor is missed; all tasks, read back
afterwards; and the versions that the clients were told."""

import asyncio
from collections import Counter, defaultdict
from contextlib import suppress
from itertools import pairwise
from typing import NamedTuple

from tasks.loadtest.figures import Figures
from tasks.loadtest.load import Account, Client, LoadTask

INTERVAL = 0.5  # seconds between two pages of the feed, if there are no more
PAGE = 100  # tasks
EVENTS = 500  # of a page of the feed
TOLD = 10  # versions that a message names


class Event(NamedTuple):
    """Of the feed: the version of a task after a change, and the key of its request."""

    sequence: int
    task_id: int
    version: int
    key: str | None


class Row(NamedTuple):
    """A task as it was read back."""

    id: int
    title: str
    version: int
    description: str
    completed: bool


class Follower(Client):
    """Reads the events of an account's list as they appear."""

    async def follow(self, ended: asyncio.Event) -> list[Event]:
        """All of them, once the load has ended."""
        events: list[Event] = []
        cursor = self.account.cursor
        while True:
            last = ended.is_set()
            path = f"/api/changes?after={cursor}&list={self.account.list_id}&limit={EVENTS}"
            page = (await self.request("changes", "GET", path)).json()
            items = page.get("items")
            events += [
                Event(
                    item["sequence"], item["task_id"], item["version"], item["request"]
                )
                for item in (items if isinstance(items, list) else [])
                if item["task_id"] is not None
            ]
            cursor = str(page.get("next_cursor"))
            if page.get("has_more"):
                continue
            if last:
                return events
            await wait(ended, INTERVAL)


async def wait(ended: asyncio.Event, seconds: float) -> None:
    """Until the event, or for so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await ended.wait()


async def read_back(client: Client) -> list[Row]:
    """All tasks of the account's list."""
    rows: list[Row] = []
    cursor = ""
    while True:
        path = f"/api/tasks?list={client.account.list_id}&limit={PAGE}{cursor}"
        page = (await client.request("read back", "GET", path)).json()
        items = page.get("items")
        rows += [
            Row(*(item[name] for name in Row._fields))
            for item in (items if isinstance(items, list) else [])
        ]
        if not page.get("next_cursor"):
            return rows
        cursor = f"&cursor={page['next_cursor']}"


def check(
    account: Account, rows: list[Row], events: list[Event], figures: Figures
) -> None:
    """Adds a fault to the figures for each thing that is not as it was acknowledged."""
    figures.tasks += len(rows)
    figures.events += len(events)
    _check_tasks(account, rows, figures)
    _check_shared(account, rows, figures)
    _check_events(account, rows, events, figures)


def _check_tasks(account: Account, rows: list[Row], figures: Figures) -> None:
    by_title = defaultdict(list)
    for row in rows:
        by_title[row.title].append(row)
    for made in account.made:
        found = by_title.pop(made.title, [])
        if len(found) > 1:
            ids = ", ".join(str(row.id) for row in found)
            figures.add_fault(
                "duplicated", made.id, f"{made.title!r} was created as tasks {ids}"
            )
        elif found:
            _check_task(made, found[0], figures)
        elif made.id is not None:
            figures.add_fault(
                "lost", made.id, f"task {made.id}, {made.title!r}, does not exist"
            )
    by_title.pop(account.shared.title, None)
    for title, found in by_title.items():
        figures.add_fault(
            "duplicated", found[0].id, f"nobody created task {found[0].id}, {title!r}"
        )


def _check_task(made: LoadTask, row: Row, figures: Figures) -> None:
    if made.id is not None and row.id != made.id:
        figures.add_fault("lost", made.id, f"task {made.id} is task {row.id} now")
    elif not made.version <= row.version <= made.version + made.in_doubt:
        figures.add_fault(
            "lost" if row.version < made.version else "duplicated",
            row.id,
            f"task {row.id} is at version {row.version}, and {made.version} was "
            "acknowledged",
        )
    elif row.version == made.version and (row.description, row.completed) != (
        made.description,
        made.completed,
    ):
        figures.add_fault(
            "lost", row.id, f"task {row.id} has other values than its last response had"
        )


def _check_shared(account: Account, rows: list[Row], figures: Figures) -> None:
    """Each toggle of the shared task made a version of its own."""
    shared = account.shared
    found = [row for row in rows if row.id == shared.id]
    if not found:
        figures.add_fault(
            "lost", shared.id, f"task {shared.id}, which all toggle, does not exist"
        )
        return
    told = Counter(
        write.version for write in account.writes.values() if write.task_id == shared.id
    )
    for version, number in told.items():
        if number > 1:
            figures.add_fault(
                "lost",
                shared.id,
                f"{number} toggles of task {shared.id} at once were acknowledged as "
                f"version {version}",
            )
    row, least = found[0], 1 + told.total()
    if not least <= row.version <= least + account.toggles_in_doubt:
        figures.add_fault(
            "lost" if row.version < least else "duplicated",
            shared.id,
            f"task {shared.id} was toggled {told.total()} times, and is at version "
            f"{row.version}",
        )
    elif row.completed != (row.version % 2 == 0):
        figures.add_fault(
            "lost", shared.id, f"a toggle of task {shared.id} had no effect"
        )


def _check_events(
    account: Account, rows: list[Row], events: list[Event], figures: Figures
) -> None:
    """The feed has one event of each write, in the order of the versions."""
    by_key = Counter(event.key for event in events)
    versions = {event.key: (event.task_id, event.version) for event in events}
    for key, write in account.writes.items():
        if by_key[key] > 1:
            figures.add_fault(
                "duplicated",
                write.task_id,
                f"the write {key} of task {write.task_id} has {by_key[key]} events",
            )
        elif versions.get(key) != write:
            figures.add_fault(
                "lost",
                write.task_id,
                f"the feed has no event of version {write.version} of task "
                f"{write.task_id} (write {key})",
            )
    for one, other in pairwise(events):
        if other.sequence <= one.sequence:
            figures.add_fault(
                "duplicated",
                other.task_id,
                f"event {other.sequence} came after event {one.sequence}",
            )
    lives: dict[int, list[int]] = defaultdict(list)
    for event in events:
        lives[event.task_id].append(event.version)
    for row in rows:
        life = lives[row.id]
        if life != list(range(1, row.version + 1)):
            figures.add_fault(
                "duplicated" if len(life) > row.version else "lost",
                row.id,
                f"task {row.id} is at version {row.version}, and its events are of "
                f"{', '.join(map(str, life[:TOLD])) or 'none'}",
            )
