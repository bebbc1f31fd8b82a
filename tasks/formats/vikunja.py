"""Vikunja, as it exports the data of a user: a zip with a data.json.

The structure of its projects and tasks is known from Vikunja's source, which writes and
reads that file: pkg/models/export.go, project.go, tasks.go, task_relation.go,
task_reminder.go and saved_filters.go, and pkg/modules/migration/vikunja-file/vikunja.go
of https://github.com/go-vikunja/vikunja. Go has no null times: 0001-01-01T00:00:00Z means
none. Descriptions are HTML. Unknown members are kept in descriptions."""

import lzma
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import inf
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile

from tasks.formats.documents import (
    DOCUMENT_BYTES,
    Item,
    Members,
    Remarks,
    as_object,
    load,
)
from tasks.formats.foreign import Draft, Reading, content_id, external_id, item_id
from tasks.formats.foreign_rules import Repeats, as_series, of_seconds
from tasks.formats.markup import plain_text
from tasks.formats.records import BadRow, Refused, Row, TaskRecord, shown
from tasks.formats.times import write_instant

DATA = "data.json"
FILTERS = "filters.json"
#: Vikunja's 0 to 5: unset, low, medium, high, urgent, do now.
PRIORITIES = ("none", "low", "medium", "high", "urgent", "urgent")
# Vikunja exports instants without the time zone that was meant.
TIMEZONE = "UTC"
_NEVER = "0001-01-01T00:"
#: The list of favorite tasks, each of which is also in its own project.
FAVORITES = -1
#: What else the projects in data.json may be within.
_WITHIN = ("child_projects", "lists")
# Members without text of the user.
_UNUSED_OF_PROJECTS = (
    *(
        "id",
        "created",
        "updated",
        "position",
        "max_permission",
        "max_right",
        "subscription",
    ),
    *("background_blur_hash", "background_file_id", "namespace_id"),
)
_UNUSED = (
    *("project_id", "list_id", "index", "position", "bucket_id", "kanban_position"),
    *("cover_image_attachment_id", "subscription", "max_permission", "max_right"),
    *("buckets", "comment_count", "is_unread", "time_entries_count"),
)
_UNUSED_OF_COMMENTS = ("id", "updated")
_KINDS = {
    "related": "Related",
    "duplicateof": "Duplicate of",
    "duplicates": "Duplicated by",
    "blocking": "Blocking",
    "blocked": "Blocked by",
    "precedes": "Precedes",
    "follows": "Follows",
    "copiedfrom": "Copied from",
    "copiedto": "Copied to",
}
_PARENTS, _CHILDREN = "parenttask", "subtask"


#: The parent of each task that has one: its id, and its title if it is known.
Parents = dict[str, tuple[str, str]]


@dataclass(slots=True)
class _Place:
    """The current position in the document."""

    #: The name of projects without a title.
    name: str
    #: The numbers of the project and of those that it is within.
    path: tuple[int, ...]
    parents: Parents
    #: The owner of the project, and the buckets of its tasks.
    owner: str = ""
    buckets: dict[str, list[str]] = field(default_factory=dict)


def read(stream: BinaryIO, name: str = "Vikunja") -> Iterator[Row]:
    """The projects and tasks of the zip; projects without a title are called `name`.

    A data.json of more than 512 MiB is refused, whatever the zip says of its size. Attachments
    are named in the description and not read. The other data of a project is in a task of its
    own."""
    reading = Reading("vikunja")
    try:
        projects, filters = _projects(stream)
    except Refused as refusal:
        yield BadRow(1, str(refusal))
        return
    titles = _titles(projects)
    parents: Parents = {}
    _read_projects(reading, projects, DATA, _Place(name, (), parents), titles)
    _set_parents(reading, parents)
    for title in filters:
        reading.adjusted(1, f"The saved filter {title!r} is not imported.")
    yield from reading.rows()


def _set_parents(reading: Reading, parents: Parents) -> None:
    there = {draft.record.external_id for draft in reading.drafts()}
    for draft in reading.drafts():
        parent, title = parents.get(draft.record.external_id, (None, ""))
        if parent is None or parent in there:
            draft.record = replace(draft.record, parent=parent)
        else:
            draft.remarks.keep("Subtask of", title, "is not in the file")


def _projects(stream: BinaryIO) -> tuple[list[object], list[str]]:
    """The projects of the zip, and the titles of its filters."""
    try:
        with ZipFile(stream) as archive:
            entry = archive.getinfo(DATA)
            if entry.file_size > DOCUMENT_BYTES:
                raise Refused(f"{DATA} is larger than {DOCUMENT_BYTES // 2**20} MiB.")
            with archive.open(entry) as data:
                projects = load(data)
            filters: object = []
            if FILTERS in archive.namelist():
                with archive.open(FILTERS) as data:
                    filters = load(data)
    except KeyError:
        raise Refused(f"The zip has no {DATA}; give Vikunja's own export.") from None
    except Refused:
        raise
    # The exceptions of zipfile for archives that are cut off, damaged, encrypted, or
    # compressed in an unknown way.
    except (
        BadZipFile,
        EOFError,
        NotImplementedError,
        OSError,
        RuntimeError,
        ValueError,
        zlib.error,
        lzma.LZMAError,
        struct.error,
    ):
        raise Refused("The file is no zip that can be read.") from None
    if not isinstance(projects, list):
        raise Refused(f"{DATA} has no array of projects.")
    return projects, _titles_of_filters(filters)


def _titles_of_filters(filters: object) -> list[str]:
    if not isinstance(filters, list):
        return [] if filters is None else [shown(filters)]
    return [
        str(found.get("title", "")) if isinstance(found, dict) else shown(found)
        for found in filters
    ]


def _titles(projects: list[object]) -> dict[str, str]:
    """The titles of the projects by their ids."""
    titles = {}
    pending = list(projects)
    while pending:
        project = pending.pop()
        if not isinstance(project, dict):
            continue
        if isinstance(project.get("title"), str):
            titles[str(project.get("id"))] = project["title"]
        for within in _WITHIN:
            if isinstance(project.get(within), list):
                pending += project[within]
    return titles


def _read_projects(
    reading: Reading,
    projects: list[object],
    name: str,
    place: "_Place",
    titles: dict[str, str],
) -> None:
    """Reads projects in their order."""
    for number, project in sorted(enumerate(projects), key=_project_position):
        with reading.at(reading.count + 1):
            inner = _Place(place.name, (*place.path, number), place.parents)
            _read_project(reading, as_object(name, project), inner, titles)


def _project_position(numbered: tuple[int, object]) -> float:
    project = numbered[1]
    position = project.get("position") if isinstance(project, dict) else None
    return position if isinstance(position, int | float) else inf


def _read_project(
    reading: Reading, members: Members, place: "_Place", titles: dict[str, str]
) -> None:
    if members.get("id") == FAVORITES and not members.get("tasks"):
        return
    line = reading.count + 1
    item = Item(members, Remarks())
    identifier = item.identifier()
    key = place.path if identifier is None else ("id", identifier)
    wanted = item.text("title") or place.name
    title = reading.lists.name(wanted, key, line, archived=item.boolean("is_archived"))
    place.owner = _person(item.member("owner", None))
    place.buckets = _buckets(item, reading)
    positions = _positions(item)
    tasks = list(enumerate(item.array("tasks"), line))
    reading.count += len(tasks)
    if parent := titles.get(item.identifier("parent_project_id") or ""):
        what = (
            f"The project {wanted!r} is within {parent!r}; lists have no levels here."
        )
        reading.adjusted(line, what)
    number = identifier or content_id("project", members)
    if notes := _notes(item, line, title, number):
        reading.add(notes)
    within = [(name, item.array(name)) for name in _WITHIN]
    reading.finish_list(line, "project", item, _UNUSED_OF_PROJECTS)
    for ordinal, task in sorted(tasks, key=lambda pair: positions[_key(pair[1])]):
        with reading.at(ordinal):
            task = as_object("tasks", task)
            _report_labels(reading, ordinal, task)
            reading.add(_draft(task, ordinal, title, place, place.parents))
    for name, projects in within:
        _read_projects(reading, projects, name, place, titles)


def _key(task: object) -> str:
    return str(task.get("id")) if isinstance(task, dict) else ""


def _buckets(project: Item, reading: Reading) -> dict[str, list[str]]:
    """The titles of the buckets of each task, by the ids of the tasks."""
    titles = {
        bucket.identifier(): bucket.text("title")
        for bucket in project.objects("buckets")
    }
    found: dict[str, list[str]] = defaultdict(list)
    used = set()
    for place in project.objects("task_buckets"):
        bucket, task = place.identifier("bucket_id"), place.identifier("task_id")
        used.add(bucket)
        title = titles.get(bucket)
        if title and task and title not in found[task]:
            found[task].append(title)
    if titles.keys() - used:
        reading.left_out(["buckets without tasks"])
    return found


def _positions(project: Item) -> dict[str, float]:
    """The position of each task in the first view of the project, its list."""
    places = [
        (place.number("project_view_id"), place.identifier("task_id"), place)
        for place in project.objects("positions")
    ]
    first = min((view for view, _, _ in places), default=0)
    found: dict[str, float] = defaultdict(lambda: inf)
    for view, task, place in places:
        if view == first and task:
            found[task] = place.number("position")
    return found


def _notes(item: Item, line: int, title: str, name: str) -> Draft | None:
    """The description of the project, as a task of its own."""
    remarks = Remarks()
    text = _plain(item, "description")
    if not text.strip():
        return None
    remarks.adjusted.append(
        f"The description of the project {title!r} is a task of its own."
    )
    record = TaskRecord(
        external_id=external_id("vikunja", "project", name),
        title=f"About {title}",
        description=text,
        list=title,
    )
    return Draft(line, record, remarks)


def _draft(
    members: Members, ordinal: int, title: str, place: "_Place", parents: Parents
) -> Draft:
    remarks = Remarks()
    task = Item(members, remarks)
    own = item_id("vikunja", task.identifier(), members)
    due_at = _instant(task, "due_date")
    record = TaskRecord(
        external_id=own,
        title=task.text("title"),
        description=_plain(task, "description"),
        completed=task.boolean("done"),
        completed_at=_instant(task, "done_at"),
        created_at=_instant(task, "created"),
        updated_at=_instant(task, "updated"),
        deleted_at=_instant(task, "deleted_at"),
        list=title,
        tags=tuple(label.text("title") for label in task.objects("labels", None)),
        priority=_priority(task),
        due_at=due_at,
        due_timezone=TIMEZONE if due_at else None,
    )
    remarks.lines[:0] = [
        *(f"Bucket: {bucket}" for bucket in place.buckets[_key(members)]),
        *_lines(task, place.owner),
        *_relations(task, own, parents),
        *_comments(task),
    ]
    record = as_series(record, _repeats(task), remarks)
    task.finish(_UNUSED)
    return Draft(ordinal, record, remarks)


def _instant(item: Item, name: str) -> datetime | None:
    return item.instant(name, never=_NEVER)


def _plain(item: Item, name: str) -> str:
    """The text of a member that is HTML."""
    markup = item.text(name)
    try:
        return plain_text(markup)
    except Refused:
        item.remarks.adjusted.append(
            f"{name} is kept as the HTML that it is: too long."
        )
        return markup


def _priority(task: Item) -> str:
    # Vikunja's API takes any number.
    value = task.number("priority")
    if value not in range(len(PRIORITIES)):
        task.remarks.keep("Priority", value, "is not from 0 to 5")
    return PRIORITIES[round(max(0, min(value, len(PRIORITIES) - 1)))]


def _lines(task: Item, owner: str) -> Iterator[str]:
    """The values without a field here, one line each."""
    for word, name in (("Start", "start_date"), ("End", "end_date")):
        if moment := _instant(task, name):
            yield f"{word}: {write_instant(moment)}"
    for reminder in task.objects("reminders"):
        yield f"Reminder: {_reminder(reminder)}"
    if done := task.number("percent_done"):
        yield f"Progress: {done * 100:.10g}%"
    if people := [_person(person) for person in task.objects("assignees", None)]:
        yield f"Assigned to: {', '.join(people)}"
    by = _person(task.member("created_by", None))
    if owner and by and by != owner:
        yield f"Created by: {by}"
    identifier = task.text("identifier")
    if identifier and not identifier.startswith("#"):
        yield f"Identifier: {identifier}"
    if color := task.text("hex_color"):
        yield f"Color: #{color.removeprefix('#')}"
    if task.boolean("is_favorite"):
        yield "Favorite: yes"
    for attachment in task.objects("attachments", None):
        name = attachment.member("file").text("name")
        yield f"Attachment: {name}"
        task.remarks.adjusted.append(f"The attachment {name!r} is not imported.")
    if reactions := _reactions(task):
        yield f"Reactions: {reactions}"


def _reminder(reminder: Item) -> str:
    moment = _instant(reminder, "reminder")
    words = [write_instant(moment)] if moment else []
    seconds = reminder.number("relative_period")
    if to := reminder.text("relative_to"):
        when = "after" if seconds > 0 else "before"
        words.append(
            f"{_duration(abs(seconds))} {when} {to}" if seconds else f"at {to}"
        )
    elif seconds:
        words.append(f"{seconds:g} s")
    return ", ".join(words)


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} seconds"


def _repeats(task: Item) -> Repeats:
    seconds, mode = task.number("repeat_after"), task.number("repeat_mode")
    if mode == 1:
        return Repeats("every month", "FREQ=MONTHLY")
    if not seconds:
        return Repeats("", None)
    words = f"every {_duration(seconds)}"
    if mode == 2:
        words += ", from the day that it was done"
    return of_seconds(seconds, words, "completion" if mode == 2 else "due")


def _reactions(item: Item) -> str:
    """Each reaction with its user: "👍 bob, 🎉 bob"."""
    reactions = item.member("reactions")
    return ", ".join(
        " ".join(
            [symbol, *(_person(person) for person in reactions.objects(symbol, None))]
        )
        for symbol in reactions.names()
    )


def _relations(task: Item, own: str, parents: Parents) -> Iterator[str]:
    """Adds the task's relations to its parent and children; the first one in the file holds.
    Yields the other relations, one line each."""
    related = task.member("related_tasks")
    for kind in related.names():
        for other in related.objects(kind, None):
            identifier = other.identifier()
            title = other.text("title") or identifier or ""
            name = external_id("vikunja", identifier or "")
            if kind == _PARENTS and identifier:
                if parents.setdefault(own, (name, title))[0] == name:
                    continue
                yield f"Subtask of: {title}"
                task.remarks.adjusted.append(
                    "It has more than one parent; one is kept."
                )
            elif kind == _CHILDREN and identifier:
                if parents.setdefault(name, (own, ""))[0] == own:
                    continue
                yield f"Parent of: {title}"
            else:
                yield f"{_KINDS.get(kind, kind)}: {title}"


def _comments(task: Item) -> Iterator[str]:
    for comment in task.objects("comments", _UNUSED_OF_COMMENTS):
        moment = _instant(comment, "created")
        day = moment.date().isoformat() if moment else ""
        by = (_person(comment.member("author", None)), day)
        yield f"Comment ({', '.join(filter(None, by))}): {_plain(comment, 'comment')}"
        if reactions := _reactions(comment):
            yield f"Reactions to it: {reactions}"


def _person(person: Item) -> str:
    return person.text("name") or person.text("username")


def _report_labels(reading: Reading, line: int, task: Members) -> None:
    """Reports labels with a description, which tags do not have."""
    labels = task.get("labels")
    for label in labels if isinstance(labels, list) else ():
        text = label.get("description") if isinstance(label, dict) else None
        if text and isinstance(text, str):
            title, text = f"{label.get('title')}", plain_text(text)
            reading.adjusted_once(
                line, f"The label {title!r} is described: {text!r}; tags are not."
            )
