"""Records of a file into the database: looked at first, then stored batch by batch.

What has been stored before is known by its external id and left alone: a second import
of the same file changes nothing, and one that was interrupted goes on where it was.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any, BinaryIO

from taskproject.accounts.models import User
from taskproject.names import same
from tasks.exports import external_id
from tasks.formats import (
    Adjusted,
    BadRow,
    Incomplete,
    ListRecord,
    Record,
    Row,
    TagRecord,
    TaskRecord,
)
from tasks.models import PRIORITIES, Actor, Tag, Task, TaskList, feed_of
from tasks.models.events import database_now

BATCH = 1_000
#: Of this many bad rows the reasons are kept.
SHOWN = 50
BY = Actor(None, "command")
# The external id of a task that was made in some installation of this service.
NATIVE = re.compile(r"([1-9][0-9]{0,17})-([0-9]{1,18})")


class Numbered:
    """A file that knows which of its lines was read last; 0 while none was, as of a
    document, which is read whole."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._ended = 0
        self.line = 0

    def readline(self, size: int = -1) -> bytes:
        line = self._stream.readline(size)
        if line:
            self.line = self._ended + 1
            self._ended += line.endswith(b"\n")
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Survey:
    """The first look at a file: passes on what can be stored, and notes what cannot,
    or not as it stands in the file.

    Names of tasks that went by, and what was adjusted, are kept in a file of its own:
    memory stays constant.
    """

    def __init__(self, owner: User | None, file: Numbered) -> None:
        self.owner = owner
        self._file = file
        #: The first of the bad rows, and how many there are.
        self.shown: list[BadRow] = []
        self.bad = 0
        #: Why the file is known to lack records.
        self.incomplete: str | None = None
        #: Rows that were looked at, and tasks among them.
        self.number = self._tasks = 0
        self._users: dict[str, User | None] = {}
        # SQLite's own temporary file, which goes with the connection.
        self._names = sqlite3.connect("")
        self._names.execute(
            "CREATE TABLE name (owner INTEGER, id TEXT, top INTEGER, "
            "PRIMARY KEY (owner, id)) WITHOUT ROWID"
        )
        self._names.execute("CREATE TABLE adjusted (line INTEGER, what TEXT)")

    def close(self) -> None:
        self._names.close()

    def good(self, rows: Iterable[Row]) -> Iterator[tuple[User, Record]]:
        """The records that can be stored, each with whom it will belong to."""
        for row in rows:
            if isinstance(row, Incomplete):
                self.incomplete = row.reason
                continue
            if isinstance(row, Adjusted):
                self._names.execute(
                    "INSERT INTO adjusted VALUES (?, ?)", (row.line, row.what)
                )
                continue
            self.number += 1
            self._tasks += isinstance(row, TaskRecord | BadRow)
            reason = row.reason if isinstance(row, BadRow) else None
            owner = None
            if not isinstance(row, BadRow):
                owner = self._owner(row)
                reason = self._reason(owner, row)
            if reason is not None:
                line = self._file.line or self._tasks
                line = row.line if isinstance(row, BadRow) else line
                self.bad += 1
                if self.bad <= SHOWN:
                    self.shown.append(BadRow(line, reason))
            elif owner is not None and not isinstance(row, BadRow):
                yield owner, row

    def adjusted(self) -> Iterator[Adjusted]:
        """All that was adjusted, by line."""
        found = "SELECT line, what FROM adjusted ORDER BY line, rowid"
        for line, what in self._names.execute(found):
            yield Adjusted(line, what)

    def _owner(self, record: Record) -> User | None:
        if self.owner is not None or record.owner is None:
            return self.owner
        if record.owner not in self._users:
            found = User.objects.filter(username=record.owner).first()
            self._users[record.owner] = found
        return self._users[record.owner]

    def _reason(self, owner: User | None, record: Record) -> str | None:
        """Why the record cannot be stored."""
        if owner is None:
            if record.owner is None:
                return "It names no owner; name one with --owner."
            return f"There is no user {record.owner!r}; name another with --owner."
        if not isinstance(record, TaskRecord):
            return None
        if record.parent is not None:
            top = self._is_top(owner, record.parent)
            if top is None:
                return f"Its parent {record.parent!r} is neither above nor stored."
            if not top:
                return "Its parent is a subtask itself; there is one level only."
        try:
            self._names.execute(
                "INSERT INTO name VALUES (?, ?, ?)",
                (owner.pk, record.external_id, record.parent is None),
            )
        except sqlite3.IntegrityError:
            return f"The external_id {record.external_id!r} was there before."
        return None

    def _is_top(self, owner: User, name: str) -> bool | None:
        """Whether the task of this name is no subtask; None where there is none."""
        row = self._names.execute(
            "SELECT top FROM name WHERE owner = ? AND id = ?", (owner.pk, name)
        ).fetchone()
        if row is not None:
            return bool(row[0])
        for task in known(owner.pk, [name]).values():
            return task.parent_id is None
        return None


@dataclass
class Tally:
    """What an import did, or would do."""

    lists: int = 0
    tags: int = 0
    tasks: int = 0
    known: int = 0


@dataclass
class Importer:
    """Stores records, a batch a transaction; with `dry_run` only counts them."""

    dry_run: bool = False
    tally: Tally = field(default_factory=Tally)
    _seen: set[tuple[str, int, str]] = field(default_factory=set)

    def store(self, records: Iterable[tuple[User, Record]]) -> Iterator[int]:
        """Stores all of them; yields how many each step took."""
        for owner, together in groupby(records, key=lambda pair: pair[0]):
            remaining = (record for _, record in together)
            while batch := list(islice(remaining, BATCH)):
                with feed_of([owner.pk]):
                    self._batch(owner.pk, batch)
                yield len(batch)

    def _batch(self, owner_id: int, batch: list[Record]) -> None:
        tasks = [record for record in batch if isinstance(record, TaskRecord)]
        stored = known(owner_id, [record.external_id for record in tasks])
        new = [record for record in tasks if record.external_id not in stored]
        lists = self._lists(owner_id, batch, new)
        self._tags(owner_id, batch, new)
        self.tally.known += len(stored)
        self.tally.tasks += len(new)
        if self.dry_run:
            return
        # Parents first, which their subtasks need; those of earlier batches are stored.
        for level in (True, False):
            records = [record for record in new if (record.parent is None) == level]
            names = {record.parent for record in records if record.parent is not None}
            parents = known(owner_id, names)
            rows = [_fields(record, lists, parents) for record in records]
            if rows:
                Task.objects.add_all(BY, owner_id, rows, trusted=True)

    def _lists(
        self, owner_id: int, batch: list[Record], tasks: list[TaskRecord]
    ) -> dict[str, int]:
        """The lists that the batch names, by the names without their case."""
        wanted = {
            same(record.name): record
            for record in batch
            if isinstance(record, ListRecord)
        }
        for record in tasks:
            if record.list is not None:
                wanted.setdefault(same(record.list), ListRecord(record.list))
        lists = TaskList.objects.owned_by(owner_id).filter(key__in=list(wanted))
        keys = dict(lists.values_list("key", "pk"))
        for key, new in wanted.items():
            if key not in keys:
                self.tally.lists += self._unseen("list", owner_id, [key])
                if not self.dry_run:
                    keys[key] = TaskList.objects.add(
                        BY,
                        owner_id=owner_id,
                        name=new.name,
                        archived=new.archived,
                        position=new.position,
                    ).pk
        return keys

    def _tags(
        self, owner_id: int, batch: list[Record], tasks: list[TaskRecord]
    ) -> None:
        """Makes the tags that the batch names."""
        names = [record.name for record in batch if isinstance(record, TagRecord)]
        names += [name for record in tasks for name in record.tags]
        if not names:
            return
        stored = Tag.objects.owned_by(owner_id).named(names)
        new = {same(name) for name in names} - set(stored.values_list("key", flat=True))
        self.tally.tags += self._unseen("tag", owner_id, new)
        if new and not self.dry_run:
            Tag.objects.obtain(BY, database_now(), owner_id, names)

    def _unseen(self, kind: str, owner_id: int, keys: Iterable[str]) -> int:
        """How many of these new lists or tags no batch had before: a dry run stores
        none, so that each batch that names them meets them as new."""
        before = len(self._seen)
        self._seen.update((kind, owner_id, key) for key in keys)
        return len(self._seen) - before


def known(owner_id: int, names: Iterable[str]) -> dict[str, Task]:
    """The owner's tasks of these external ids, those among them that were made here."""
    names = list(names)
    # Of one number there may be several names: each installation has one.
    native = {int(match[1]) for name in names if (match := NATIVE.fullmatch(name))}
    tasks = Task.objects.owned_by(owner_id).only(
        "pk", "parent_id", "external_id", "created_at"
    )
    found = {
        task.external_id: task
        for task in tasks.filter(external_id__in=names)
        if task.external_id is not None
    }
    wanted = set(names)
    for task in tasks.filter(pk__in=native, external_id__isnull=True):
        name = external_id(task.pk, task.created_at, None)
        if name in wanted:
            found[name] = task
    return found


def _fields(
    record: TaskRecord, lists: dict[str, int], parents: dict[str, Task]
) -> dict[str, Any]:
    """The record as the fields of a new task."""
    created = record.created_at or record.updated_at
    # A parent that has become a subtask since: one level, as with foreign files.
    parent = None if record.parent is None else parents[record.parent]
    return {
        "external_id": record.external_id,
        "title": record.title,
        "description": record.description,
        "completed": record.completed,
        "completed_at": record.completed_at
        or (record.updated_at if record.completed else None),
        "created_at": created,
        "updated_at": record.updated_at or created,
        "deleted_at": record.deleted_at,
        "list_id": None if record.list is None else lists[same(record.list)],
        "parent_id": None if parent is None else parent.parent_id or parent.pk,
        "tags": record.tags,
        "priority": PRIORITIES[record.priority],
        "due_date": record.due_date,
        "due_at": record.due_at,
        "due_timezone": record.due_timezone,
        "position": record.position,
    }
