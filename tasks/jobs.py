"""Deletion and renaming of lists, tags and users with many tasks, emptying of the trash, and
bulk changes and imports of staff, in portions."""

from datetime import datetime
from typing import Any

from django.db import models, transaction

from taskproject import jobs
from taskproject.accounts.models import Invitation, User
from taskproject.jobs import AT_ONCE, PORTION, Progress
from taskproject.models import Job, StoredResponse
from tasks.models import (
    Actor,
    BulkChange,
    Event,
    Label,
    Tag,
    Task,
    TaskList,
    TaskQuerySet,
    lock_feeds,
)
from tasks.models.bulk import State
from tasks.models.uploads import Upload, UploadState
from tasks.upload_imports import import_portion, undo_portion

# Call these inside `lock_feeds`, with the row locked


def remove_list(row: TaskList, by: Actor, *, tasks: bool) -> Job | None:
    """Deletes a list; its tasks are kept, or with `tasks` moved to the trash. With more than
    `AT_ONCE` tasks, a job does it, which is returned; the list exists until it has finished."""
    running = Job.objects.about("list", row.pk)
    if running is None and _few(row.tasks.all()):
        row.remove(by, tasks=tasks)
        return None
    about = "list", row.pk, row.owner_id
    return _create("delete", *about, by, row.tasks.count(), tasks=tasks)


def remove_tag(row: Tag, by: Actor) -> Job | None:
    """Deletes a tag, and removes it from its tasks; returns a job as above."""
    labels = Label.objects.filter(tag_id=row.pk)
    running = Job.objects.about("tag", row.pk)
    if running is None and _few(labels):
        row.remove(by)
        return None
    return _create("delete", "tag", row.pk, row.owner_id, by, labels.count())


def rename_tag(row: Tag, by: Actor, name: str) -> Job | None:
    """Renames a tag, in its tasks too. If it returns a job, the tag itself has the new name at
    once. Raises `Conflict` while another job changes the tag."""
    running = Job.objects.about("tag", row.pk)
    if running is not None and row.name != name.strip():
        jobs.refuse_during(running, "")
    labels, old = Label.objects.filter(tag_id=row.pk), row.name
    if running is not None or _few(labels):
        row.rename(by, name)
        return running
    row.rename(by, name, tasks=False)
    if row.name == old:
        return None
    names = {"old": old, "new": row.name, "after": 0}
    return _create("rename", "tag", row.pk, row.owner_id, by, labels.count(), **names)


def empty_trash(owner_id: int, by: Actor) -> Job | None:
    """Deletes the owner's tasks in the trash permanently; returns a job as above. Tasks that are
    moved to the trash, or into it again, after the job began are kept."""
    with lock_feeds([owner_id]) as now:
        trashed = Task.objects.owned_by(owner_id).trashed()
        running = Job.objects.about("trash", owner_id)
        if running is None and _few(trashed):
            trashed.remove(by)
            return None
        about = "trash", owner_id, owner_id
        until = now.isoformat()
        return running or _create("empty", *about, by, trashed.count(), until=until)


def remove_user(user: User, by: Actor) -> Job | None:
    """Deletes a user with all of their data; returns a job as above. Then the user is disabled in
    the same transaction, so that no data is added meanwhile."""
    with lock_feeds([user.pk]):
        Invitation.objects.filter(email=user.email.lower()).delete()
        rows: list[models.QuerySet[Any]] = [
            kind._default_manager.filter(owner_id=user.pk)
            for kind in (Task, Event, Tag, TaskList)
        ]
        running = Job.objects.about("user", user.pk)
        if running is None and all(map(_few, rows)):
            User.objects.filter(pk=user.pk).delete()
            return None
        User.objects.filter(pk=user.pk).update(is_active=False)
        total = sum(kind.count() for kind in rows)
        return _create("delete", "user", user.pk, user.pk, by, total)


def _few(rows: models.QuerySet[models.Model]) -> bool:
    return rows.order_by()[: AT_ONCE + 1].count() <= AT_ONCE


def _create(
    verb: str,
    subject: str,
    subject_id: int,
    owner_id: int,
    by: Actor,
    total: int,
    **arguments: object,
) -> Job:
    return jobs.create(
        verb,
        subject,
        subject_id,
        owner_id=owner_id,
        total=total,
        actor_id=by.user_id,
        via=by.via,
        **arguments,
    )


def confirm_bulk_change(change: BulkChange) -> Job | None:
    """Does the change, unless it was confirmed before; more than one portion is a job, which is
    returned. Raises `Conflict` if it was shown too long ago."""
    return _begin(change, State.SELECTED, State.RUNNING, "change")


def undo_bulk_change(change: BulkChange) -> Job | None:
    """Undoes the change, unless it is undone already; returns a job as above. Raises `Conflict`
    if it is too late."""
    return _begin(change, State.DONE, State.UNDOING, "undo")


def confirm_upload(upload: Upload) -> Job | None:
    """Imports what an upload showed, unless it was confirmed before; returns a job as above.
    Raises `Conflict` if it was shown too long ago."""
    return _begin(upload, UploadState.SHOWN, UploadState.RUNNING, "import")


def undo_upload(upload: Upload) -> Job | None:
    """Undoes an import, unless it is undone already; returns a job as above. Raises `Conflict`
    if it is too late."""
    return _begin(upload, UploadState.DONE, UploadState.UNDOING, "undo")


def _begin(row: BulkChange | Upload, before: str, after: str, verb: str) -> Job | None:
    with transaction.atomic():
        # Locked, so that of two requests only one does it.
        row = type(row)._default_manager.select_for_update().get(pk=row.pk)
        if row.state != before:
            return None
        row.check_in_time()
        row.state = after
        row.save(update_fields=["state"])
        if row.portions.count() > 1:
            subject = "selection" if isinstance(row, BulkChange) else "upload"
            # The owner is staff, and not of the API.
            return _create(verb, subject, row.pk, 0, row.by(), row.total)
        while _do_portion(row) is not None:
            pass
    return None


# The portions


@jobs.step("change_selection")
@jobs.step("undo_selection")
def _change_selection(job: Job) -> Progress:
    return _progress(BulkChange.objects.filter(pk=job.subject_id))


@jobs.step("import_upload")
@jobs.step("undo_upload")
def _import_upload(job: Job) -> Progress:
    return _progress(Upload.objects.filter(pk=job.subject_id))


def _progress(found: models.QuerySet[Any]) -> Progress:
    row = found.select_for_update().first()
    rows = _do_portion(row) if row else None
    return Progress(rows or 0, finished=rows is None)


def _do_portion(row: BulkChange | Upload) -> int | None:
    """Does, or undoes, the next portion, of this locked row. Returns the number of its rows;
    None at the end."""
    if isinstance(row, BulkChange):
        return row.do_portion()
    undoing = row.state == UploadState.UNDOING
    return undo_portion(row) if undoing else import_portion(row)


def _actor(job: Job) -> Actor:
    return Actor(job.actor_id, job.via)


def _tasks(job: Job, keys: list[int]) -> TaskQuerySet:
    return Task.objects.owned_by(job.owner_id).filter(pk__in=keys)


@jobs.step("delete_list")
def _delete_list(job: Job) -> Progress:
    by, tasks = _actor(job), job.arguments["tasks"]
    with lock_feeds([job.owner_id]):
        row = TaskList.objects.select_for_update().filter(pk=job.subject_id).first()
        if row is None:
            return Progress(0, finished=True)
        newest = row.tasks.order_by("-pk").values_list("pk", flat=True)
        keys = list(newest[:PORTION])
        if len(keys) < PORTION:
            row.remove(by, tasks=tasks)
            return Progress(len(keys), finished=True)
        if tasks:
            _tasks(job, keys).trash(by, list_id=None)
        # Also those that were in the trash before.
        _tasks(job, keys).leave_list(by)
    return Progress(len(keys), finished=False)


@jobs.step("delete_tag")
def _delete_tag(job: Job) -> Progress:
    by = _actor(job)
    with lock_feeds([job.owner_id]):
        row = Tag.objects.select_for_update().filter(pk=job.subject_id).first()
        if row is None:
            return Progress(0, finished=True)
        labels = Label.objects.filter(tag_id=row.pk)
        keys = list(
            labels.order_by("task_id").values_list("task_id", flat=True)[:PORTION]
        )
        if len(keys) < PORTION:
            row.remove(by)
            return Progress(len(keys), finished=True)
        _tasks(job, keys).retag(by, {row.name: None})
        labels.filter(task_id__in=keys).delete()
    return Progress(len(keys), finished=False)


@jobs.step("rename_tag")
def _rename_tag(job: Job) -> Progress:
    names = job.arguments
    with lock_feeds([job.owner_id]):
        labels = Label.objects.filter(tag_id=job.subject_id, task_id__gt=names["after"])
        keys = list(
            labels.order_by("task_id").values_list("task_id", flat=True)[:PORTION]
        )
        _tasks(job, keys).retag(_actor(job), {names["old"]: names["new"]})
    if keys:
        job.arguments = {**names, "after": keys[-1]}
    return Progress(len(keys), finished=len(keys) < PORTION)


@jobs.step("empty_trash")
def _empty_trash(job: Job) -> Progress:
    with lock_feeds([job.owner_id]):
        until = datetime.fromisoformat(job.arguments["until"])
        trashed = Task.objects.owned_by(job.owner_id).filter(deleted_at__lte=until)
        # Subtasks before their parents, which are mostly older.
        keys = list(trashed.order_by("-pk").values_list("pk", flat=True)[:PORTION])
        _tasks(job, keys).remove(_actor(job))
    return Progress(len(keys), finished=len(keys) < PORTION)


@jobs.step("delete_user")
def _delete_user(job: Job) -> Progress:
    """Deletes tasks, subtasks before their parents, then events, stored responses, tags and
    lists, then the user."""
    owner = job.subject_id
    tasks = Task.objects.filter(owner_id=owner)
    keys = list(tasks.order_by("-pk").values_list("pk", flat=True)[:PORTION])
    if keys:
        subtasks = Task.objects.filter(parent_id__in=keys)
        below = list(subtasks.order_by().values_list("pk", flat=True)[:PORTION])
        return Progress(_delete(tasks, below or keys), finished=False)
    events = Event.objects.filter(owner_id=owner)
    responses = StoredResponse.objects.filter(owner_id=owner)
    tags, lists = Tag.objects.owned_by(owner), TaskList.objects.owned_by(owner)
    rows: models.QuerySet[models.Model]
    for rows in (events, responses, tags, lists):
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[: 4 * PORTION])
        if keys:
            return Progress(_delete(rows, keys), finished=False)
    with lock_feeds([owner]):
        User.objects.filter(pk=owner).delete()
    return Progress(0, finished=True)


def _delete(rows: models.QuerySet[models.Model], keys: list[int]) -> int:
    rows.filter(pk__in=keys).delete()
    return len(keys)
