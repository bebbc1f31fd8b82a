"""Events: what happened to tasks, lists and tags, in the order of the commits."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, NamedTuple, Self, TypeAlias

import orjson
from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, ExpressionWrapper, F, OuterRef, Q
from django.db.models.lookups import Exact
from django.utils import timezone

from taskproject.sql import NO_GUARD, Guard, adapted, fetch, insert_rows
from tasks.models.functions import Among, Given
from tasks.models.tallies import COUNTED

# The first half of the advisory locks that order the feed; any constant would do.
FEED_LOCK = 7_203_114
# Beyond this many versions a client does better to read the task again.
MOST_COMPARED = 1_000


_NAMES = (
    *("owner_id", "task_id", "list_id", "tag_id", "actor_id"),
    *("via", "verb", "version", "at", "changes"),
)
#: What a statement that appends events inserts into.
COLUMNS = '"tasks_event" ("{}")'.format('", "'.join(_NAMES))


def after_lock(value: str, *, counted: bool = False) -> str:
    """The SQL of a value that is computed once the owner's place in the feed is taken;
    for a statement that is `counted`, see `tallies.py`. (CASE keeps the order of
    evaluation, as PostgreSQL's documentation says.)"""
    place = "pg_advisory_xact_lock(%s, %s) IS NOT NULL"
    return f"CASE WHEN {place}{f' AND {COUNTED}' if counted else ''} THEN {value} END"


def with_locked_now(*, counted: bool = False) -> str:
    """The start of a statement that takes the owner's place in the feed, and only then
    the time: a later version, or place in the feed, has no earlier one."""
    now = after_lock("clock_timestamp()", counted=counted)
    return f'WITH "moment" AS MATERIALIZED (SELECT {now} AS "now")'


_LOCK_FEED = f'{with_locked_now()} SELECT "now" FROM "moment"'
_PLACEHOLDERS = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"


class Actor(NamedTuple):
    """Who makes a change, and by which way, for its event; and a condition on their
    credential, for the statement to check."""

    user_id: int | None
    via: str
    guard: Guard = NO_GUARD


class NewEvent(NamedTuple):
    """A new event of one row: `subject` is `task_id`, `list_id` or `tag_id`,
    `at` the time of the change."""

    at: datetime
    owner_id: int
    subject: str
    key: int
    version: int
    verb: str
    changes: dict[str, list[Any]]


def append(by: Actor, new_events: Sequence[NewEvent]) -> None:
    """Appends an event for each of these. Call it inside `lock_feeds`."""
    rows = [
        (
            event.owner_id,
            event.key if event.subject == "task_id" else None,
            event.key if event.subject == "list_id" else None,
            event.key if event.subject == "tag_id" else None,
            by.user_id,
            by.via,
            str(event.verb),
            event.version,
            adapted(event.at),
            orjson.dumps(event.changes).decode(),
        )
        for event in new_events
    ]
    # By hand: the ORM takes 0.4 ms to compose what the database does in 0.05.
    if len(rows) == 1:
        fetch(f"INSERT INTO {COLUMNS} VALUES {_PLACEHOLDERS} RETURNING 1", rows[0])
    elif rows:
        insert_rows("tasks_event", _NAMES, rows)


def changes_between(
    before: object | None, after: object | None, names: Iterable[str]
) -> dict[str, list[Any]]:
    """Those of the named fields that differ between two states of a row, each with its
    old and its new value as JSON. Of a new row, which has all its fields, those that it was given;
    of a deleted one, none."""
    if after is None:
        return {}
    if before is None:
        kind: Any = type(after)
        given, default = vars(after), _default(kind)
        return {
            name: [None, as_json(given[name])]
            for name in names
            if given[name] != default[name]
        }
    return {
        name: [as_json(old), as_json(new)]
        for name in names
        if (old := getattr(before, name)) != (new := getattr(after, name))
    }


def changed_fields(
    changes_of: Mapping[int, dict[str, list[Any]]], version: int, current: int
) -> list[str] | None:
    """The fields that differ between two versions of a row, by the changes in the
    event of each version; None where some of them are missing."""
    first: dict[str, Any] = {}
    last: dict[str, Any] = {}
    if not 1 <= version < current:
        return None
    for number in range(version + 1, current + 1):
        if number not in changes_of:
            return None
        for name, (old, new) in changes_of[number].items():
            first.setdefault(name, old)
            last[name] = new
    return sorted(name for name in last if first[name] != last[name])


@cache
def _default(model: Any) -> dict[str, Any]:
    """The fields of a row that was given nothing."""
    fields: dict[str, Any] = vars(model())
    return fields


def as_json(value: object) -> Any:
    """A field's value as JSON: times as the API writes them."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


@contextmanager
def lock_feeds(owner_ids: Iterable[int]) -> Iterator[datetime]:
    """A transaction that holds its owners' places in the feed until it commits. Yields
    the database's time once it holds them.

    On PostgreSQL sequences are taken when a row is inserted and seen when it commits, so
    a reader that remembers the highest one it saw would miss a slower transaction's
    lower one. One owner's writers therefore take turns from before their first row lock
    (which also keeps them from deadlocking) until after their commit. SQLite has one
    writer at a time anyway.
    """
    # No savepoint: an error is never swallowed on the way out.
    with transaction.atomic(savepoint=False):
        now = None
        if settings.ON_POSTGRESQL:
            for owner_id in sorted(set(owner_ids)):
                [(now,)] = fetch(_LOCK_FEED, feed_lock_key(owner_id))
        yield now or database_now()


def database_now() -> datetime:
    """The time by the database's clock, which is the same for all processes and machines
    that write to it. Call it inside `lock_feeds`: a time that is taken before the owner's
    place in the feed can be earlier than those of changes committed meanwhile."""
    if not settings.ON_POSTGRESQL:
        return timezone.now()  # SQLite's clock is that of its one machine
    [(now,)] = fetch("SELECT clock_timestamp()", [])
    moment: datetime = now
    return moment


def feed_lock_key(owner_id: int) -> tuple[int, int]:
    """The advisory lock that is an owner's place in the feed."""
    return FEED_LOCK, owner_id % (2**31 - 1)


class EventQuerySet(models.QuerySet["Event"]):
    def owned_by(self, user_id: int) -> Self:
        return self.filter(owner_id=user_id)

    def of_task(self, task_id: int) -> Self:
        return self.filter(task_id=task_id)

    def after(self, sequence: int) -> Self:
        return self.filter(sequence__gt=sequence)

    def of_task_in_feed(self, user_id: int, task_id: int) -> Self:
        """Those of one task that are in this user's feed. They are found by the task
        alone: without statistics, PostgreSQL would read the whole feed's index too."""
        owner = ExpressionWrapper(F("owner_id") + 0, models.BigIntegerField())
        return self.of_task(task_id).filter(Exact(owner, user_id))

    def before(self, sequence: int) -> Self:
        return self.filter(sequence__lt=sequence)

    def superseded(self) -> Self:
        """Those that are not the newest of their owner."""
        newer = Event.objects.filter(
            owner_id=OuterRef("owner_id"), sequence__gt=OuterRef("sequence")
        )
        return self.filter(Exists(newer))

    def in_order(self) -> Self:
        """With their actors, as they were committed."""
        return self.select_related("actor").order_by("sequence")

    def changed_fields_since(self, version: int, current: int) -> list[str] | None:
        """The fields of one task that differ between two of its versions; None where
        the events between them are not all kept."""
        if not 1 <= version < current or current - version > MOST_COMPARED:
            return None
        events = self.filter(version__gt=version, version__lte=current)
        # A transfer has two events of one version, one in each feed.
        changes_of = dict(events.values_list("version", "changes"))
        return changed_fields(changes_of, version, current)

    def last_sequence(self) -> int:
        """The newest event's, or 0: it changes whenever one of the tasks does, and never
        goes back, because an owner's newest event is never purged."""
        last = self.order_by("-sequence").values_list("sequence", flat=True).first()
        return last or 0


class _Verb(models.TextChoices):
    CREATED = "created"
    EDITED = "edited"
    COMPLETED = "completed"
    REOPENED = "reopened"
    TRASHED = "trashed"
    RESTORED = "restored"
    DELETED = "deleted"
    TRANSFERRED = "transferred"
    MOVED = "moved"


class Event(models.Model):
    """One change of one task, list or tag: who, when, how, and what it changed.

    Appended in the transaction of the change, and never altered. History, the feed of
    changes, the list's ETag and the admin's timeline all read these rows.
    """

    Verb: TypeAlias = _Verb

    # Within one owner's events, the order of the commits (see lock_feeds).
    sequence = models.BigAutoField(primary_key=True)
    # No constraint: whoever appends an event, or deletes a user, holds the owner's place in
    # the feed (see `lock_feeds`), and the rows that change are the owner's by constraint.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    # What changed: one of the three. No constraint: an event outlives its subject and its
    # actor.
    task_id = models.BigIntegerField(null=True)
    list_id = models.BigIntegerField(null=True)
    tag_id = models.BigIntegerField(null=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        related_name="+",
        db_index=False,
        db_constraint=False,
        null=True,
    )
    via = models.CharField(max_length=20)
    verb = models.CharField(max_length=20, choices=Verb.choices)
    version = models.BigIntegerField()
    at = models.DateTimeField()
    changes = models.JSONField(default=dict)

    objects = EventQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=["owner", "sequence"], name="event_feed"),
            models.Index(fields=["task_id", "sequence"], name="event_history"),
            models.Index(
                fields=["list_id", "sequence"],
                name="event_of_list",
                condition=Q(list_id__isnull=False),
            ),
            models.Index(
                fields=["tag_id", "sequence"],
                name="event_of_tag",
                condition=Q(tag_id__isnull=False),
            ),
        )
        constraints = (
            models.CheckConstraint(
                name="event_verb_known",
                condition=Q(Among("verb", _Verb.values)),
            ),
            models.CheckConstraint(
                name="event_of_one_row",
                condition=Q(Exact(Given("task_id", "list_id", "tag_id"), 1)),
            ),
        )

    def __str__(self) -> str:
        kinds = {"task": self.task_id, "list": self.list_id, "tag": self.tag_id}
        subject = next(f"{kind} {key}" for kind, key in kinds.items() if key)
        return f"{self.verb} {subject}"


class FeedHorizon(models.Model):
    """How far an owner's events have been purged: a cursor before it has missed some."""

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+"
    )
    sequence = models.BigIntegerField()

    def __str__(self) -> str:
        return f"purged through {self.sequence}"
