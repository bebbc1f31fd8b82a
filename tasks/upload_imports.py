"""The import of uploaded files: what would become of each row, then the import, in portions,
and its undoing."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from io import BytesIO
from pathlib import PurePath
from typing import Any, BinaryIO, cast

from django.utils import timezone

from taskproject.accounts.models import User
from taskproject.sql import batched
from tasks.formats import READERS, BadRow, Record, Row, TaskRecord, jsonl
from tasks.imports import (
    Importer,
    ImportSummary,
    ImportValidator,
    LineCounter,
    known,
    title_of,
)
from tasks.models import Actor, Event, Tag, Task, TaskList, lock_feeds
from tasks.models.events import EventQuerySet, changed_fields
from tasks.models.uploads import (
    Upload,
    UploadFile,
    UploadPage,
    UploadPortion,
    UploadState,
)

#: Most bytes, and most rows, of a file. Larger ones are for `manage.py import_tasks`.
MAX_BYTES = 10 * 2**20
MAX_ROWS = 50_000
#: Rows of a page of the preview, and records of a portion.
PAGE = 200
PORTION = 250
#: What becomes of a row.
ADDED, KNOWN, BY_NAME = "added", "known", "by name"
REFUSED, ADJUSTED = "refused", "adjusted"
#: The columns of events that name a created row.
SUBJECTS = ("task_id", "list_id", "tag_id")
NO_USER = "Its owner does not exist any more."
IN_TRASH, GONE = "Was moved to the trash since.", "It does not exist any more."
NO_PARENT = "Its parent does not exist any more."


class TooManyRows(Exception):
    """The file has more than MAX_ROWS rows."""


class ResultRecorder(ImportValidator):
    """The validation of an upload, which keeps the result of every row."""

    choose_owner = "choose an owner"

    def __init__(self, owner: User | None) -> None:
        super().__init__(owner)
        self._store.execute(
            "CREATE TABLE result (line INTEGER, what TEXT, title TEXT, reason TEXT)"
        )

    def _show(self, row: BadRow) -> None:
        super()._show(row)
        self.note(row.line, REFUSED, row.title, row.reason)

    def note(self, line: int, what: str, title: str, reason: str = "") -> None:
        self._store.execute(
            "INSERT INTO result VALUES (?, ?, ?, ?)", (line, what, title, reason)
        )

    def results(self) -> Iterator[tuple[int, str, str, str]]:
        """In the order of the lines. A row that is stored and adjusted is there twice."""
        found = "SELECT line, what, title, reason FROM result ORDER BY line, rowid"
        yield from self._store.execute(found)


def read_upload(
    upload: Upload,
    stream: BinaryIO,
    owner: User | None,
    before_read: Callable[[], None] = lambda: None,
) -> None:
    """Reads the file, and stores what would become of each row. Without `owner`, tasks go to
    the users that the file names. Raises `TooManyRows`.

    Stores no task, but the file, if rows lack an owner. Takes no transaction: an upload that
    was not read to its end is in the state READING, and cannot be confirmed."""
    file = LineCounter(stream)
    rows = READERS[upload.format](cast(BinaryIO, file), PurePath(upload.name).stem)
    with closing(ResultRecorder(owner)) as recorder:
        recorder.validate(_bounded(rows, before_read), file)
        importer = Importer(dry_run=True, by=upload.by())
        passes = (True, False) if recorder.parents_last else (None,)
        valid = (each for top in passes for each in recorder.numbered(top))
        for some in batched(valid, PORTION):
            before_read()
            _store_portion(upload, recorder, importer, some)
        for adjusted in recorder.adjusted():
            recorder.note(adjusted.line, ADJUSTED, "", adjusted.what)
        results: Counter[str] = Counter()
        for page in batched(recorder.results(), PAGE):
            results.update(what for _, what, _, _ in page)
            UploadPage.objects.create(upload=upload, rows=page)
        upload.summary = {
            "results": results,
            "owner": owner.username if owner else "",
            **_summary(upload, recorder, importer.summary),
        }
        if recorder.unowned:
            stream.seek(0)
            UploadFile.objects.create(upload=upload, content=stream.read())
    upload.state = UploadState.SHOWN
    upload.save(update_fields=["summary", "state"])


def _summary(
    upload: Upload, recorder: ResultRecorder, summary: ImportSummary
) -> dict[str, object]:
    """What the import would add, and what of the file it would not."""
    digits, example = recorder.of_digits() if upload.format == "csv" else (0, "")
    return {
        "lists": summary.lists,
        "tags": summary.tags,
        "joined": sorted(summary.joined)[:PAGE],
        "refused": [[bad.line, bad.reason, bad.title] for bad in recorder.shown],
        "incomplete": recorder.incomplete,
        "digits": digits,
        "example": example,
    }


def read_again(
    upload: Upload, owner: User, before_read: Callable[[], None] = lambda: None
) -> Upload:
    """Another upload of the stored file, whose tasks all go to `owner`. The first one stays as
    it is."""
    content = upload.file.content
    again = Upload.objects.create(
        actor_id=upload.actor_id, name=upload.name, format=upload.format
    )
    UploadFile.objects.create(upload=again, content=content)
    read_upload(again, BytesIO(content), owner, before_read)
    return again


def _bounded(rows: Iterable[Row], before_each: Callable[[], None]) -> Iterator[Row]:
    for number, row in enumerate(rows):
        if number == MAX_ROWS:
            raise TooManyRows
        before_each()
        yield row


def _store_portion(
    upload: Upload,
    recorder: ResultRecorder,
    importer: Importer,
    some: list[tuple[int, User, Record]],
) -> None:
    """Stores the records that would be imported, with what becomes of the others."""
    some.sort(key=lambda each: each[1].pk)
    kept: list[tuple[int, int, Record]] = []
    stored: dict[int, dict[str, Any]] = {}
    for _, owner, _ in some:
        if owner.pk not in stored:
            mine = [record for _, user, record in some if user.pk == owner.pk]
            stored[owner.pk] = importer.store_batch(owner.pk, mine)
    for line, owner, record in some:
        if not isinstance(record, TaskRecord):
            recorder.note(line, BY_NAME, title_of(record))
        elif record.external_id in stored[owner.pk]:
            recorder.note(line, KNOWN, record.title)
            continue
        else:
            recorder.note(line, ADDED, record.title)
            if record.parent is not None:
                name = importer.name_of(owner.pk, record.parent)
                record = replace(record, parent=name)
        kept.append((line, owner.pk, record))
    if kept:
        records = b"".join(jsonl.write(record for _, _, record in kept))
        UploadPortion.objects.create(
            upload=upload,
            owners=[[owner_id, line] for line, owner_id, _ in kept],
            records=records.decode(),
        )


def import_portion(upload: Upload) -> int | None:
    """Imports the next portion. Returns the number of its records; None at the end. Call it in
    a transaction that has locked the row of the upload."""
    portion = upload.portions.filter(done__isnull=True).order_by("pk").first()
    if portion is None:
        upload.state, upload.finished_at = UploadState.DONE, timezone.now()
        upload.save(update_fields=["state", "finished_at"])
        return None
    portion.done = _imported(portion, upload.by())
    portion.save(update_fields=["done"])
    return len(portion.owners)


def _imported(portion: UploadPortion, by: Actor) -> dict[str, Any]:
    owners: dict[int, list[tuple[int, Record]]] = {}
    rows = jsonl.read(BytesIO(portion.records.encode()))
    records = (row for row in rows if isinstance(row, Record))
    for (owner_id, line), record in zip(portion.owners, records, strict=True):
        owners.setdefault(owner_id, []).append((line, record))
    importer, refused = Importer(by=by), list[tuple[int, str]]()
    with lock_feeds(owners):
        before = Event.objects.last_sequence()
        # Users are deleted under this lock too.
        users = User.objects.in_bulk(owners)
        for owner_id, some in owners.items():
            if owner_id not in users:
                refused += [(line, NO_USER) for line, _ in some]
                continue
            orphans = _orphans(owner_id, [record for _, record in some])
            refused += [
                (line, NO_PARENT) for line, record in some if id(record) in orphans
            ]
            importer.store_batch(
                owner_id, [record for _, record in some if id(record) not in orphans]
            )
        # While the feeds are locked, nobody else appends events to them.
        created = _created(Event.objects.after(before).filter(owner_id__in=owners))
    summary = importer.summary
    return {
        "tasks": summary.tasks,
        "known": summary.known,
        "lists": summary.lists,
        "tags": summary.tags,
        "refused": refused,
        "created": created,
    }


def _created(events: EventQuerySet) -> dict[str, list[int]]:
    """The ids of the rows that were created, by the columns of events."""
    rows = events.filter(verb=Event.Verb.CREATED).values_list(*SUBJECTS)
    return {
        column: [key for key in keys if key is not None]
        for column, keys in zip(SUBJECTS, zip(*rows, strict=True), strict=False)
    }


def _orphans(owner_id: int, records: list[Record]) -> set[int]:
    """The subtasks whose parents were deleted since the file was read."""
    tasks = [record for record in records if isinstance(record, TaskRecord)]
    names = {task.parent for task in tasks if task.parent is not None}
    names -= {task.external_id for task in tasks}
    missing = names - known(owner_id, names).keys() if names else set()
    return {id(task) for task in tasks if task.parent in missing}


def outcome(upload: Upload) -> tuple[Counter[str], list[tuple[int, str]]]:
    """The numbers of what was stored so far, and the records that were refused."""
    return _summed(upload.portions.values_list("done", flat=True))


def undone(upload: Upload) -> tuple[Counter[str], list[tuple[int, str]]]:
    """The numbers of what was undone so far, and the ids of tasks that stay, with reasons; of
    lists, 0."""
    return _summed(upload.portions.values_list("undone", flat=True))


def _summed(
    portions: Iterable[dict[str, Any] | None],
) -> tuple[Counter[str], list[tuple[int, str]]]:
    counts: Counter[str] = Counter()
    refused: list[tuple[int, str]] = []
    for told in portions:
        numbers = dict(told or {})
        numbers.pop("created", None)
        some = numbers.pop("refused", ())
        counts.update({**numbers, "refused": len(some)})
        refused += [(key, why) for key, why in some[: PAGE - len(refused)]]
    return counts, refused


def undo_portion(upload: Upload) -> int | None:
    """Deletes what the last portion that is not undone yet has created, unless others have
    changed it since. Returns the number of its records; None at the end. Call it in a
    transaction that has locked the row of the upload."""
    # Subtasks are not imported before their parents, nor tasks before their lists and tags.
    todo = upload.portions.filter(done__isnull=False, undone__isnull=True)
    portion = todo.order_by("-pk").first()
    if portion is None:
        upload.state = UploadState.UNDONE
        upload.save(update_fields=["state"])
        return None
    portion.undone = _undone(portion, upload.by())
    portion.save(update_fields=["undone"])
    return len(portion.owners)


def _undone(portion: UploadPortion, by: Actor) -> dict[str, object]:
    created = (portion.done or {}).get("created", {})
    tasks, lists, tags = (created.get(column, ()) for column in SUBJECTS)
    with lock_feeds({owner_id for owner_id, _ in portion.owners}):
        reasons = _reasons_to_stay(tasks)
        refused = [*reasons.items()]
        gone = Task.objects.filter(pk__in=[key for key in tasks if key not in reasons])
        removed = gone.remove(by).changed
        emptied = 0
        for row in TaskList.objects.select_for_update().filter(pk__in=lists):
            if row.version > 1 or row.tasks.exists():
                why = "was changed since" if row.version > 1 else "has other tasks"
                refused.append((0, f"The list “{row.name}” {why}."))
                continue
            row.remove(by)
            emptied += 1
        unused = Tag.objects.filter(pk__in=tags, version=1).remove_unused(by)
    return {
        "tasks": len(removed),
        "lists": emptied,
        "tags": unused,
        "refused": refused,
    }


def _reasons_to_stay(keys: Collection[int]) -> dict[int, str]:
    """The reasons why tasks that were imported are not to be deleted, by their ids: others have
    changed them, or given them subtasks. Call it with the feeds of their owners locked."""
    tasks = Task.objects.filter(pk__in=keys)
    versions = dict(tasks.values_list("pk", "version"))
    trashed = {*tasks.trashed().values_list("pk", flat=True)}
    reasons = dict.fromkeys(set(keys) - versions.keys(), GONE)
    changed = {key: version for key, version in versions.items() if version > 1}
    events = Event.objects.filter(task_id__in=changed, version__gt=1)
    told = events.changes_by_task()
    for key, version in changed.items():
        names = changed_fields(told.get(key, {}), 1, version) or ()
        fields = ", ".join(name.removesuffix("_id") for name in names)
        where = f", in: {fields}" if fields else ""
        reasons[key] = IN_TRASH if key in trashed else f"Was changed since{where}."
    below = Task.objects.filter(parent_id__in=versions.keys() - reasons.keys())
    staying = below.exclude(pk__in=versions.keys() - reasons.keys())
    has_subtasks = set(staying.values_list("parent_id", flat=True))
    return reasons | {key: "Has subtasks that stay." for key in has_subtasks if key}
