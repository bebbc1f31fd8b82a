"""The import of records: they are validated first, then stored batch by batch.

Tasks that are stored already are recognised by their external ids, or by their
client_ids, and left unchanged. So importing the same file again changes nothing, and an
interrupted import can be resumed."""

import pickle
import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from itertools import groupby
from operator import attrgetter
from tempfile import TemporaryFile
from typing import BinaryIO

import orjson
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from taskproject.accounts.models import User
from taskproject.names import casefold_key
from taskproject.sql import ON_POSTGRESQL, batched
from tasks.exports import external_id
from tasks.fields import ATTRIBUTES
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
from tasks.formats.records import TASK_FIELDS
from tasks.models import PRIORITIES, Actor, Tag, Task, TaskList, lock_feeds
from tasks.models.events import database_now

BATCH = 2_000
#: The reason of a bad row, with what to do.
NO_OWNER = "It names no owner; {}."
#: The number of bad rows whose reasons are kept.
SHOWN = 50
#: The number of records that are written to the temporary file at a time.
KEPT = 500
BY = Actor(None, "command")
_KINDS: tuple[type[Record], ...] = (ListRecord, TagRecord, TaskRecord)
_VALUES = [attrgetter(*(each.name for each in fields(kind))) for kind in _KINDS]
_IDENTITY = ("pk", "parent_id", "external_id", "created_at")
# The external id of a task that was created in an installation of this service.
NATIVE = re.compile(r"([1-9][0-9]{0,17})-([0-9]{1,18})")


class LineCounter:
    """A file that counts its lines. `line` is the number of the last one; 0 before the first, and
    for documents, which are read as a whole."""

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

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


class ImportValidator:
    """The validation of a file before anything is stored: which records can be stored, and which
    cannot or need adjustments.

    External ids, the numbers of bad rows, and adjustments are kept in a temporary database,
    and the records in a temporary file, so that memory stays constant, and a parent may
    follow its subtasks."""

    #: How to choose an owner.
    choose_owner = "use --owner"

    def __init__(self, owner: User | None) -> None:
        self.owner = owner
        #: The first bad rows, and the number of all.
        self.shown: list[BadRow] = []
        self.bad = 0
        #: The reason why the file is known to be incomplete, or None.
        self.incomplete: str | None = None
        #: Whether a parent follows one of its subtasks.
        self.parents_last = False
        #: The number of rows so far, and of those whose owner is missing or unknown.
        self.number = self.unowned = 0
        self._users: dict[str, User | None] = {}
        # Deleted when it is closed, as is the temporary database.
        self._records = TemporaryFile()  # noqa: SIM115  # close() does
        self._store = sqlite3.connect("")
        self._store.executescript(
            "CREATE TABLE name (owner INTEGER, id TEXT, parent TEXT, number INTEGER, "
            "line INTEGER, title TEXT, PRIMARY KEY (owner, id)) WITHOUT ROWID;"
            "CREATE TABLE client (owner INTEGER, id TEXT, PRIMARY KEY (owner, id)) "
            "WITHOUT ROWID;"
            "CREATE TABLE bad (number INTEGER PRIMARY KEY);"
            "CREATE TABLE adjusted (line INTEGER, what TEXT);"
        )

    def close(self) -> None:
        self._store.close()
        self._records.close()

    def validate(self, rows: Iterable[Row], file: LineCounter) -> None:
        """Validates all rows of the file."""
        tasks = 0
        kept: list[tuple[int, int, int, tuple[object, ...]]] = []
        for row in rows:
            if isinstance(row, Incomplete):
                self.incomplete = row.reason
                continue
            if isinstance(row, Adjusted):
                self._store.execute(
                    "INSERT INTO adjusted VALUES (?, ?)", (row.line, row.what)
                )
                continue
            self.number += 1
            tasks += isinstance(row, TaskRecord | BadRow)
            line = file.line or tasks
            if isinstance(row, BadRow):
                self._refuse(self.number, row)
            elif (reason := self._reason(row, line)) is not None:
                self._refuse(self.number, BadRow(line, reason, title_of(row)))
            else:
                kind = _KINDS.index(type(row))
                kept.append((self.number, line, kind, _VALUES[kind](row)))
                if len(kept) == KEPT:
                    pickle.dump(kept, self._records)
                    kept.clear()
        pickle.dump(kept, self._records)
        self._check_parents()
        self.shown.sort(key=lambda bad: bad.line)
        del self.shown[SHOWN:]

    def valid(self, top: bool | None = None) -> Iterator[tuple[User, Record]]:
        """The valid records, each with its owner: all, or only subtasks (`top` False), or all
        others (True)."""
        return ((owner, row) for _, owner, row in self.numbered(top))

    def numbered(self, top: bool | None = None) -> Iterator[tuple[int, User, Record]]:
        """The same, each with its line."""
        self._records.seek(0)
        while True:
            # Unpickling is safe: this process wrote the file, which no other can open.
            try:
                kept = pickle.load(self._records)
            except EOFError:
                return
            for number, line, kind, values in kept:
                if self.bad and self._is_bad(number):
                    continue
                row = _KINDS[kind](*values)
                below = isinstance(row, TaskRecord) and row.parent is not None
                owner = self._owner(row)
                if owner is not None and (top is None or top != below):
                    yield line, owner, row

    def adjusted(self) -> Iterator[Adjusted]:
        """All adjustments, by line."""
        found = "SELECT line, what FROM adjusted ORDER BY line, rowid"
        for line, what in self._store.execute(found):
            yield Adjusted(line, what)

    def of_digits(self) -> tuple[int, str]:
        """The number of new tasks whose external ids are digits only, and one of these ids."""
        count, example = 0, ""
        found = self._store.execute(
            "SELECT owner, id FROM name WHERE id NOT GLOB '*[^0-9]*' ORDER BY number"
        )
        while some := found.fetchmany(BATCH):
            for owner_id, pairs in groupby(sorted(some), key=lambda pair: pair[0]):
                names = [name for _, name in pairs]
                new = [name for name in names if name not in known(owner_id, names)]
                count += len(new)
                example = example or (new[0] if new else "")
        return count, example

    def _is_bad(self, number: int) -> bool:
        found = self._store.execute("SELECT 1 FROM bad WHERE number = ?", (number,))
        return found.fetchone() is not None

    def _refuse(self, number: int, row: BadRow) -> None:
        """Refuses a row for the first of its reasons."""
        refuse = "INSERT OR IGNORE INTO bad VALUES (?)"
        if self._store.execute(refuse, (number,)).rowcount:
            self.bad += 1
            self._show(row)

    def _show(self, row: BadRow) -> None:
        # Missing parents are found at the end, and may come before these: keep twice as many.
        if len(self.shown) < 2 * SHOWN:
            self.shown.append(row)

    def _owner(self, record: Record) -> User | None:
        if self.owner is not None or record.owner is None:
            return self.owner
        if record.owner not in self._users:
            found = User.objects.filter(username=record.owner).first()
            self._users[record.owner] = found
        return self._users[record.owner]

    def _reason(self, record: Record, line: int) -> str | None:
        """The reason why the record cannot be stored, apart from its parent; or None."""
        owner = self._owner(record)
        if owner is None:
            self.unowned += 1
            if record.owner is None:
                return NO_OWNER.format(self.choose_owner)
            return (
                f"There is no user {record.owner!r}: create the user, or "
                f"{self.choose_owner} for all rows."
            )
        if not isinstance(record, TaskRecord):
            return None
        try:
            self._store.execute(
                "INSERT INTO name VALUES (?, ?, ?, ?, ?, ?)",
                (
                    owner.pk,
                    record.external_id,
                    record.parent,
                    self.number,
                    line,
                    record.title,
                ),
            )
        except sqlite3.IntegrityError:
            return f"The external_id {record.external_id!r} is used by an earlier row."
        if record.client_id is None:
            return None
        try:
            self._store.execute(
                "INSERT INTO client VALUES (?, ?)", (owner.pk, record.client_id.hex)
            )
        except sqlite3.IntegrityError:
            return f"The client_id {record.client_id} is used by an earlier row."
        return None

    def _check_parents(self) -> None:
        """Refuses tasks whose parent does not exist or is a subtask."""
        below = self._store.execute(
            "SELECT one.owner, one.parent, one.number, one.line, one.title, "
            "parent.number, parent.parent IS NULL FROM name one LEFT JOIN name parent "
            "ON parent.owner = one.owner AND parent.id = one.parent "
            "WHERE one.parent IS NOT NULL ORDER BY one.number"
        )
        while some := below.fetchmany(BATCH):
            stored = self._stored_parents(
                (owner, name)
                for owner, name, _, _, _, above, _ in some
                if above is None
            )
            for owner, name, number, line, title, above, top in some:
                if above is not None:
                    self.parents_last |= above > number
                elif (owner, name) in stored:
                    top = stored[owner, name]
                else:
                    reason = f"The parent {name!r} is neither in the file nor in the database."
                    self._refuse(number, BadRow(line, reason, title))
                    continue
                if not top:
                    reason = "The parent is a subtask, which can have no subtasks."
                    self._refuse(number, BadRow(line, reason, title))

    def _stored_parents(
        self, names: Iterable[tuple[int, str]]
    ) -> dict[tuple[int, str], bool]:
        """Those of the ids that are stored, and whether each can be a parent."""
        return {
            (owner, name): task.parent_id is None
            for owner, pairs in groupby(sorted(set(names)), key=lambda pair: pair[0])
            for name, task in known(owner, [name for _, name in pairs]).items()
        }


def title_of(record: Record) -> str:
    """The title of a task; of a list or a tag its kind and its name."""
    if isinstance(record, TaskRecord):
        return record.title
    kind = "List" if isinstance(record, ListRecord) else "Tag"
    return f"{kind} “{record.name}”"


@dataclass
class ImportSummary:
    """The numbers of what an import stored, or would store."""

    lists: int = 0
    tags: int = 0
    tasks: int = 0
    known: int = 0
    #: The existing lists to which tasks were added.
    joined: set[str] = field(default_factory=set)


@dataclass
class Importer:
    """Stores records, one batch in a transaction. With `dry_run` it only counts them."""

    dry_run: bool = False
    by: Actor = BY
    summary: ImportSummary = field(default_factory=ImportSummary)
    _seen: set[tuple[str, int, str]] = field(default_factory=set)
    #: The tasks that were recognised by their client_ids, by owners and external ids.
    _same: dict[tuple[int, str], Task] = field(default_factory=dict)

    def store(self, records: Iterable[tuple[User, Record]]) -> Iterator[int]:
        """Stores all records; yields the number of each batch."""
        for owner, together in groupby(records, key=lambda pair: pair[0]):
            for batch in batched((record for _, record in together), BATCH):
                with lock_feeds([owner.pk]):
                    self.store_batch(owner.pk, batch)
                yield len(batch)

    def store_batch(self, owner_id: int, batch: list[Record]) -> dict[str, Task]:
        """Stores some records of one owner, whose feed is locked; returns the tasks that were
        stored before, by external ids. Raises `KeyError` for a parent that is neither."""
        tasks = [record for record in batch if isinstance(record, TaskRecord)]
        stored = known(owner_id, [record.external_id for record in tasks])
        stored |= self._with_client_ids(owner_id, tasks)
        new = [record for record in tasks if record.external_id not in stored]
        lists = self._lists(owner_id, batch, new)
        self._tags(owner_id, batch, new)
        self.summary.known += len(stored)
        self.summary.tasks += len(new)
        if self.dry_run:
            return stored
        # Parents first, which their subtasks need; those of earlier batches are stored.
        for level in (True, False):
            records = [record for record in new if (record.parent is None) == level]
            names = {record.parent for record in records if record.parent is not None}
            parents = known(owner_id, names)
            for name in names - parents.keys():
                parents[name] = self._same[owner_id, name]
            rows = [_fields(record, lists, parents) for record in records]
            if rows:
                Task.objects.add_all(self.by, owner_id, rows, trusted=True)
        return stored

    def name_of(self, owner_id: int, name: str) -> str:
        """An external id that the stored task has, if this one is of a record that was
        recognised by its client_id."""
        task = self._same.get((owner_id, name))
        if task is None:
            return name
        return external_id(task.pk, task.created_at, task.external_id)

    def _with_client_ids(
        self, owner_id: int, records: list[TaskRecord]
    ) -> dict[str, Task]:
        """The tasks that have the client_ids of these records, by the external ids of the
        records: the same tasks, even if they have other external ids."""
        names = {
            record.client_id: record.external_id
            for record in records
            if record.client_id is not None
        }
        if not names:
            return {}
        tasks = Task.objects.owned_by(owner_id).only(*_IDENTITY, "client_id")
        same = {
            names[task.client_id]: task
            for task in tasks.filter(_among("client_id", [id.hex for id in names]))
            if task.client_id is not None
        }
        self._same |= {(owner_id, name): task for name, task in same.items()}
        return same

    def _lists(
        self, owner_id: int, batch: list[Record], tasks: list[TaskRecord]
    ) -> dict[str, int]:
        """The lists that the batch names, by their case-folded names."""
        wanted = {
            casefold_key(record.name): record
            for record in batch
            if isinstance(record, ListRecord)
        }
        for record in tasks:
            if record.list is not None:
                wanted.setdefault(casefold_key(record.list), ListRecord(record.list))
        lists = TaskList.objects.owned_by(owner_id).filter(key__in=list(wanted))
        keys = dict(lists.values_list("key", "pk"))
        for record in tasks:
            if record.list is None or (key := casefold_key(record.list)) not in keys:
                continue
            if ("list", owner_id, key) not in self._seen:
                self.summary.joined.add(record.list)
        for key, new in wanted.items():
            if key not in keys:
                self.summary.lists += self._unseen("list", owner_id, [key])
                if not self.dry_run:
                    keys[key] = TaskList.objects.add(
                        self.by,
                        owner_id=owner_id,
                        name=new.name,
                        archived=new.archived,
                        position=new.position,
                    ).pk
        return keys

    def _tags(
        self, owner_id: int, batch: list[Record], tasks: list[TaskRecord]
    ) -> None:
        """Creates the tags that the batch names."""
        named = [record.name for record in batch if isinstance(record, TagRecord)]
        named += [name for record in tasks for name in record.tags]
        if not named:
            return
        names = list(dict.fromkeys(named))
        stored = Tag.objects.owned_by(owner_id).named(names)
        new = {casefold_key(name) for name in names} - set(
            stored.values_list("key", flat=True)
        )
        self.summary.tags += self._unseen("tag", owner_id, new)
        if new and not self.dry_run:
            Tag.objects.obtain(self.by, database_now(), owner_id, names)

    def _unseen(self, kind: str, owner_id: int, keys: Iterable[str]) -> int:
        """The number of these new lists or tags that no batch had before: a dry run stores none, so
        that they are new to each batch."""
        before = len(self._seen)
        self._seen.update((kind, owner_id, key) for key in keys)
        return len(self._seen) - before


def known(owner_id: int, names: Iterable[str]) -> dict[str, Task]:
    """Those of the external ids that the owner's tasks have, including native ids."""
    wanted = set(names)
    # Of one number there may be several names: each installation has one.
    native = {int(match[1]) for name in wanted if (match := NATIVE.fullmatch(name))}
    tasks = Task.objects.owned_by(owner_id).only(*_IDENTITY)
    found = {
        task.external_id: task
        for task in (tasks.filter(_among("external_id", wanted)) if wanted else ())
        if task.external_id is not None
    }
    if not native:
        return found
    for task in tasks.filter(_among("id", native), external_id__isnull=True):
        name = external_id(task.pk, task.created_at, None)
        if name in wanted:
            found[name] = task
    return found


def _among(column: str, values: Iterable[str | int]) -> RawSQL:
    """The condition that the column is one of many values, which are one parameter: the
    ORM and psycopg take 10 us for each of their own."""
    if ON_POSTGRESQL:
        kind = {"id": "bigint", "client_id": "uuid"}.get(column, "text")
        values_sql = f'SELECT "value"::{kind} FROM json_array_elements_text(%s)'
    else:
        values_sql = 'SELECT "value" FROM json_each(%s)'
    condition = f'"tasks_task"."{column}" IN ({values_sql})'
    parameters = [orjson.dumps(list(values)).decode()]
    return RawSQL(condition, parameters, BooleanField())


def _fields(
    record: TaskRecord, lists: dict[str, int], parents: dict[str, Task]
) -> dict[str, object]:
    """The fields of the new task for a record."""
    created = record.created_at or record.updated_at
    # A parent that has become a subtask since: one level, as with foreign files.
    parent = None if record.parent is None else parents[record.parent]
    values = {ATTRIBUTES[name]: getattr(record, name) for name in TASK_FIELDS}
    return values | {
        "external_id": record.external_id,
        "completed_at": record.completed_at
        or (record.updated_at if record.completed else None),
        "created_at": created,
        "updated_at": record.updated_at or created,
        "deleted_at": record.deleted_at,
        "list_id": None if record.list is None else lists[casefold_key(record.list)],
        "parent_id": None if parent is None else parent.parent_id or parent.pk,
        "priority": PRIORITIES[record.priority],
        "reminders": [*record.reminders],
    }
