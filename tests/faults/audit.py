"""What must be true of a database after any load: run as a program, on DATABASE_URL.

    python -m tests.faults.audit

Prints a JSON list with a sentence for each thing that is not so.
"""

import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskproject.settings")
django.setup(set_prefix=False)

from django.db import connection  # it needs the settings

from taskproject.models import Job
from tasks.models import Event, Label, Tag, Tally, Task, TaskList
from tasks.models.events import as_json
from tasks.models.words import search_key, sort_key

#: The fields that a task's events must add up to, and what each is before the first.
FIELDS: dict[str, Any] = {
    "title": None,
    "description": "",
    "completed": False,
    "list_id": None,
    "parent_id": None,
    "tags": [],
    "due_date": None,
}


def problems() -> Iterator[str]:
    tasks = {task.pk: task for task in Task.objects.all()}
    yield from _histories(tasks)
    for task in tasks.values():
        yield from _row(task)
    yield from _positions(tasks)
    yield from _labels(tasks)
    yield from _counts(tasks)
    for job in Job.objects.unfinished():
        yield f"job {job} is not finished: {job.done} of {job.total}"
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA integrity_check")
            if (found := cursor.fetchone()) != ("ok",):
                yield f"the file is damaged: {found}"


def _histories(tasks: dict[int, Task]) -> Iterator[str]:
    lives: defaultdict[int, list[Event]] = defaultdict(list)
    times: dict[int, Any] = {}
    for event in Event.objects.order_by("sequence"):
        if event.task_id is not None:
            lives[event.task_id].append(event)
        last = times.get(event.owner_id)
        if last is not None and event.at < last:
            yield f"event {event.sequence} is earlier than the one before it"
        times[event.owner_id] = event.at
    for key, life in lives.items():
        versions = [event.version for event in life]
        if versions != list(range(1, len(life) + 1)):
            yield f"task {key} has the versions {versions}"
        if key not in tasks:
            if life[-1].verb != "deleted":
                yield f"task {key} is gone, and its last event is {life[-1].verb}"
            continue
        task = tasks[key]
        if life[-1].version != task.version or life[-1].at != task.updated_at:
            yield f"task {key} is at {task.version}, its events at {life[-1].version}"
        state = dict(FIELDS)
        for event in life:
            for name, (old, new) in event.changes.items():
                known = state.get(name) == old or event.version == 1
                if name in state and not known:
                    yield f"task {key} v{event.version}: {name} was {state[name]}"
                state[name] = new
        for name in FIELDS:
            if state[name] != as_json(getattr(task, name)):
                yield f"task {key}: its events come to another {name}"
    yield from (f"task {key} has no events" for key in tasks.keys() - lives.keys())


def _row(task: Task) -> Iterator[str]:
    if task.completed != (task.completed_at is not None):
        yield f"task {task.pk} is completed without a time, or the other way round"
    if task.search != search_key(task.title, task.description):
        yield f"task {task.pk} is found by other words than its own"
    if task.sorted_title != sort_key(task.title):
        yield f"task {task.pk} is sorted by another title"


def _positions(tasks: dict[int, Task]) -> Iterator[str]:
    places = Counter(
        (task.owner_id, task.list_id, task.position)
        for task in tasks.values()
        if task.deleted_at is None
    )
    yield from (
        f"{number} tasks at {place}" for place, number in places.items() if number > 1
    )


def _labels(tasks: dict[int, Task]) -> Iterator[str]:
    tags = {tag.pk: tag for tag in Tag.objects.all()}
    labelled: defaultdict[int, set[str]] = defaultdict(set)
    for label in Label.objects.all():
        labelled[label.task_id].add(tags[label.tag_id].name)
    for task in tasks.values():
        if set(task.tags) != labelled[task.pk]:
            yield f"task {task.pk} has {task.tags}, labels {labelled[task.pk]}"


def _counts(tasks: dict[int, Task]) -> Iterator[str]:
    """The kept counts against a recount."""
    tags = {(tag.owner_id, tag.name): tag.pk for tag in Tag.objects.all()}
    lists = set(TaskList.objects.values_list("pk", flat=True)) | {0}
    recount: Counter[tuple[int, str, int, bool]] = Counter()
    for task in tasks.values():
        if task.deleted_at is not None:
            continue
        of = [("all", 0), ("list", task.list_id or 0)]
        of += [("tag", tags[task.owner_id, name]) for name in task.tags]
        for kind, key in of:
            recount[task.owner_id, kind, key, task.completed] += 1
    kept: Counter[tuple[int, str, int, bool]] = Counter()
    for tally in Tally.objects.filter(kind__in=["all", "list", "tag"]):
        kept[tally.owner_id, tally.kind, tally.key, False] = tally.open
        kept[tally.owner_id, tally.kind, tally.key, True] = tally.completed
        absent = tally.kind == "list" and tally.key not in lists
        if absent or (tally.kind == "tag" and tally.key not in tags.values()):
            yield f"the counts of {tally.kind} {tally.key} are kept, and it is gone"
    for what in kept.keys() | recount.keys():
        if kept[what] != recount[what]:
            yield f"{kept[what]} are counted of {what}, and there are {recount[what]}"


if __name__ == "__main__":
    json.dump([*problems()], sys.stdout)
