"""Vikunja, as it exports the data of a user: a zip with a data.json.

Its projects, with their tasks in them, were read in Vikunja's own source, which writes
and reads that file: pkg/models/export.go, tasks.go and task_relation.go, and
pkg/modules/migration/vikunja-file/vikunja.go of https://github.com/go-vikunja/vikunja.
Go has no null times: 0001-01-01T00:00:00Z is none. Descriptions are HTML.
"""

import lzma
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO
from zipfile import BadZipFile, ZipFile

from tasks.formats.documents import (
    DOCUMENT_BYTES,
    Members,
    array,
    as_object,
    boolean,
    identifier,
    instant,
    load,
    member,
    number,
    objects,
    text,
)
from tasks.formats.foreign import Draft, Reading, external_id
from tasks.formats.markup import plain_text
from tasks.formats.records import BadRow, Refused, Row, TaskRecord
from tasks.formats.times import write_instant

DATA = "data.json"
#: Vikunja's 0 to 5: unset, low, medium, high, urgent, do now.
PRIORITIES = ("none", "low", "medium", "high", "urgent", "urgent")
# Vikunja tells instants without the zone that somebody meant.
TIMEZONE = "UTC"


def read(stream: BinaryIO, name: str = "Vikunja") -> Iterator[Row]:
    """The projects and tasks of the zip; projects without a title are called `name`.

    data.json is refused when it is over 512 MiB, whatever the zip says of its size.
    Attachments are named in the description and not read.
    """
    reading = Reading()
    try:
        projects = _projects(stream)
    except Refused as refusal:
        yield BadRow(1, str(refusal))
        return
    parents: dict[str, str] = {}
    for project in projects:
        with reading.at(reading.count + 1):
            _read_project(reading, as_object(DATA, project), name, parents)
    for draft in reading.drafts:
        parent = parents.get(draft.record.external_id)
        draft.record = replace(draft.record, parent=parent)
    yield from reading.rows()


def _projects(stream: BinaryIO) -> list[Any]:
    try:
        with ZipFile(stream) as archive:
            entry = archive.getinfo(DATA)
            if entry.file_size > DOCUMENT_BYTES:
                raise Refused(f"{DATA} is larger than {DOCUMENT_BYTES // 2**20} MiB.")
            with archive.open(entry) as data:
                projects = load(data)  # type: ignore[arg-type]  # an IO[bytes]
    except KeyError:
        raise Refused(f"The zip has no {DATA}; give Vikunja's own export.") from None
    except Refused:
        raise
    # What zipfile raises for archives that are cut, damaged, encrypted, or packed in a
    # way that it does not know.
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
    return projects


def _read_project(
    reading: Reading, project: Members, name: str, parents: dict[str, str]
) -> None:
    title = reading.lists.name(
        text(project, "title") or name, boolean(project, "is_archived")
    )
    buckets = _buckets(project)
    for task in array(project, "tasks"):
        reading.count += 1
        with reading.at(reading.count):
            task = as_object("tasks", task)
            draft = _draft(task, reading.count, title, buckets)
            _relate(task, parents)
            reading.drafts.append(draft)


def _buckets(project: Members) -> dict[str, str]:
    """The bucket of each task that is in one, by the ids of the tasks."""
    titles = {
        identifier(bucket): text(bucket, "title")
        for bucket in objects(project, "buckets")
    }
    return {
        identifier(place, "task_id"): titles.get(identifier(place, "bucket_id"), "")
        for place in objects(project, "task_buckets")
    }


def _relate(task: Members, parents: dict[str, str]) -> None:
    """Adds what the task says of its parent and children; what was said first holds."""
    own = _id(task)
    related = member(task, "related_tasks")
    for parent in objects(related, "parenttask"):
        parents.setdefault(own, _id(parent))
    for child in objects(related, "subtask"):
        parents.setdefault(_id(child), own)


def _id(task: Members) -> str:
    return external_id("vikunja", identifier(task))


def _draft(task: Members, ordinal: int, title: str, buckets: dict[str, str]) -> Draft:
    due_at = instant(task, "due_date")
    record = TaskRecord(
        external_id=_id(task),
        title=text(task, "title"),
        description=plain_text(text(task, "description")),
        completed=boolean(task, "done"),
        completed_at=instant(task, "done_at"),
        created_at=instant(task, "created"),
        updated_at=instant(task, "updated"),
        list=title,
        tags=tuple(text(label, "title") for label in objects(task, "labels")),
        priority=_priority(number(task, "priority")),
        due_at=due_at,
        due_timezone=TIMEZONE if due_at else None,
    )
    bucket = buckets.get(identifier(task), "")
    return Draft(ordinal, record, [*_lines(task, bucket), *_comments(task)])


def _priority(value: float) -> str:
    # Vikunja's API takes any number.
    return PRIORITIES[max(0, min(int(value), len(PRIORITIES) - 1))]


def _lines(task: Members, bucket: str) -> Iterator[str]:
    """What has no field here, a line each."""
    if bucket:
        yield f"Bucket: {bucket}"
    for word, name in (("Start", "start_date"), ("End", "end_date")):
        if moment := instant(task, name):
            yield f"{word}: {write_instant(moment)}"
    if seconds := number(task, "repeat_after"):
        yield f"Repeats: every {seconds / 86_400:g} days"
    elif number(task, "repeat_mode") == 1:
        yield "Repeats: every month"
    if 0 < (done := number(task, "percent_done")) < 1:
        yield f"Progress: {done:.0%}"
    if people := [_person(person) for person in objects(task, "assignees")]:
        yield f"Assigned to: {', '.join(people)}"
    for attachment in objects(task, "attachments"):
        yield f"Attachment: {text(member(attachment, 'file'), 'name')}"


def _comments(task: Members) -> Iterator[str]:
    for comment in objects(task, "comments"):
        moment = instant(comment, "created")
        day = moment.date().isoformat() if moment else ""
        by = (_person(member(comment, "author")), day)
        said = plain_text(text(comment, "comment"))
        yield f"Comment ({', '.join(filter(None, by))}): {said}"


def _person(person: Members) -> str:
    return text(person, "name") or text(person, "username")
