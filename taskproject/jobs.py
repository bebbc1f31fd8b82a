"""Jobs: changes of many rows, done in portions.

A job is stored in the transaction of the request that starts it. The request then does as
many portions as it has time for, and leaves the rest to a thread of its process. A job that
was interrupted, because its process was stopped or the database was unavailable, is resumed
by the next process that starts, by the next request for its state, or by `manage.py purge`.
Several processes may run the same job: each portion locks the row of the job, and a process
that finds it locked skips it."""

import logging
import time
from collections.abc import Callable
from threading import Lock, Thread
from typing import NamedTuple

from django.db import Error, OperationalError, connection, transaction
from django.utils import timezone

from taskproject.deadlines import deadline
from taskproject.models import Job
from taskproject.problems import Conflict

logger = logging.getLogger("taskproject.jobs")

#: Rows that one portion writes. It takes a tenth of a second, during which the owner's
#: other writers wait (on SQLite, all writers).
PORTION = 250
#: Most rows that a request writes in its own transaction, without a job.
AT_ONCE = 1_000
REQUEST_SECONDS = 1.0  # that a request spends on its job before it responds with 202
PORTION_SECONDS = 20.0  # that one portion may wait for PostgreSQL
PAUSE = 0.02  # seconds between two portions, for other writers
LONGEST_PAUSE = 30.0  # seconds after repeated failures


class Progress(NamedTuple):
    """The result of a portion: rows done, and whether the job is finished."""

    rows: int
    finished: bool


#: Does one portion of a job, within a transaction that has locked the row of the job.
Step = Callable[[Job], Progress]
_steps: dict[str, Step] = {}


def step(kind: str) -> Callable[[Step], Step]:
    """Registers the function that does the portions of jobs of this kind."""

    def register(function: Step) -> Step:
        _steps[kind] = function
        return function

    return register


def create(
    verb: str,
    subject: str,
    subject_id: int,
    *,
    owner_id: int,
    total: int,
    actor_id: int | None,
    via: str,
    **arguments: object,
) -> Job:
    """Stores a job, which runs after the transaction is committed. Returns the unfinished job if
    there is one that does the same.

    Raises `Conflict` if another job about the same row is unfinished."""
    running = Job.objects.about(subject, subject_id)
    if running is not None:
        refuse_during(running, verb)
        return running
    return Job.objects.create(
        verb=verb,
        subject=subject,
        subject_id=subject_id,
        owner_id=owner_id,
        total=total,
        actor_id=actor_id,
        via=via,
        arguments=arguments,
    )


def refuse_during(job: Job, verb: str) -> None:
    """Raises `Conflict` unless the unfinished job does the same."""
    if job.verb != verb:
        raise Conflict(
            f"Job {job.pk} is still changing this {job.subject}; try again when "
            f"GET /api/jobs/{job.pk} has the status done.",
            headers={"Retry-After": "1"},
        )


def run(job: Job, seconds: float = REQUEST_SECONDS) -> Job:
    """Does portions of a job for so many seconds, and returns the job; a thread does the rest.
    Within a transaction the thread does all of it."""
    if connection.in_atomic_block:
        transaction.on_commit(start)
        return job
    give_up = time.monotonic() + seconds
    try:
        while job.finished_at is None and time.monotonic() < give_up:
            portion = do_portion(job.pk)
            if portion is None:
                break  # another process does it
            job = portion
    except (Error, Conflict) as error:
        away = isinstance(error, OperationalError)
        logger.warning("job %s is interrupted", job.pk, exc_info=not away)
    if job.finished_at is None:
        start()
    return job


def finish(job: Job, report: Callable[[Job], None] = lambda job: None) -> Job:
    """Does all portions of a job, and calls `report` after each. For commands: errors are raised."""
    while job.finished_at is None:
        portion = do_portion(job.pk)
        if portion is None:
            time.sleep(PAUSE)
            job.refresh_from_db()
        else:
            job = portion
        report(job)
    return job


def do_portion(key: int) -> Job | None:
    """Does one portion and returns the job; None if another process has locked it, or it does
    not exist."""
    with transaction.atomic():
        jobs = Job.objects.select_for_update(skip_locked=True)
        job = jobs.filter(pk=key).first()
        if job is None or job.finished_at is not None:
            return job
        progress = _steps[job.kind](job)
        job.done += progress.rows
        if progress.finished:
            job.finished_at = timezone.now()
        job.save(update_fields=["done", "arguments", "finished_at"])
    return job


class _Runner:
    """The thread of this process that does unfinished jobs, while there are any."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._wanted = False
        self._thread: Thread | None = None

    def start(self) -> None:
        with self._lock:
            self._wanted = True
            if self._thread is None:
                self._thread = Thread(target=self._work, name="jobs", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        pause = PAUSE
        while True:
            with self._lock:
                if not self._wanted:
                    self._thread = None
                    return
                self._wanted = False
            try:
                while self._round():
                    pause = PAUSE
                    time.sleep(pause)
            except Exception as error:
                # No error may end the thread while jobs are unfinished. An unavailable
                # database needs no traceback.
                away = isinstance(error, OperationalError)
                logger.warning("jobs are interrupted", exc_info=not away)
                pause = min(max(1.0, pause * 2), LONGEST_PAUSE)
                time.sleep(pause)
                with self._lock:
                    self._wanted = True
            finally:
                connection.close()

    def _round(self) -> bool:
        """Does a portion of each unfinished job. False if there is none. A job that fails does
        not keep those after it from their turn."""
        with deadline(PORTION_SECONDS):
            keys = list(Job.objects.unfinished().values_list("pk", flat=True)[:100])
        worked, failure = False, None
        for key in keys:
            try:
                with deadline(PORTION_SECONDS):
                    worked = do_portion(key) is not None or worked
            except OperationalError:
                raise  # the database is away
            except Exception as error:  # noqa: BLE001  # raised after the other jobs
                failure = error
        if failure is not None:
            raise failure
        if keys and not worked:
            time.sleep(1.0)  # other processes do them, and may be stopped
        return bool(keys)


_runner = _Runner()
#: Starts the thread, unless it runs. Returns at once.
start = _runner.start
