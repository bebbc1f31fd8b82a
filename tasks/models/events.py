"""Events: what happened to tasks, in the order of the commits."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef, Q

# The first half of the advisory locks that order the feed; any constant would do.
FEED_LOCK = 7_203_114
# Beyond this many versions a client does better to read the task again.
MOST_COMPARED = 1_000


class Actor(NamedTuple):
    """Who makes a change, and how they came: written on its event."""

    user_id: int | None
    via: str


@contextmanager
def feed_of(owner_ids: Iterable[int]) -> Iterator[None]:
    """A transaction that holds its owners' places in the feed until it commits.

    On PostgreSQL sequences are taken when a row is inserted and seen when it commits, so
    a reader that remembers the highest one it saw would miss a slower transaction's
    lower one. One owner's writers therefore take turns from before their first row lock
    (which also keeps them from deadlocking) until after their commit. SQLite has one
    writer at a time anyway.
    """
    # No savepoint: an error is never swallowed on the way out.
    with transaction.atomic(savepoint=False):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                for owner_id in sorted(set(owner_ids)):
                    cursor.execute(
                        "SELECT pg_advisory_xact_lock(%s, (%s %% 2147483647)::int)",
                        [FEED_LOCK, owner_id],
                    )
        yield


class EventQuerySet(models.QuerySet["Event"]):
    def owned_by(self, user_id: int) -> Self:
        return self.filter(owner_id=user_id)

    def of_task(self, task_id: int) -> Self:
        return self.filter(task_id=task_id)

    def after(self, sequence: int) -> Self:
        return self.filter(sequence__gt=sequence)

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

    def differences(self, version: int, current: int) -> list[str] | None:
        """The fields of one task that differ between two of its versions; None where
        the events between them are not all kept."""
        if not 1 <= version < current or current - version > MOST_COMPARED:
            return None
        events = self.filter(version__gt=version, version__lte=current)
        # A transfer has two events of one version, one in each feed.
        told = dict(events.order_by("version").values_list("version", "changes"))
        if list(told) != list(range(version + 1, current + 1)):
            return None
        first: dict[str, Any] = {}
        last: dict[str, Any] = {}
        for changes in told.values():
            for name, (old, new) in changes.items():
                first.setdefault(name, old)
                last[name] = new
        return sorted(name for name in last if first[name] != last[name])

    def last_sequence(self) -> int:
        """The newest event's, or 0: it changes whenever one of the tasks does, and never
        goes back, because an owner's newest event is never purged."""
        last = self.order_by("-sequence").values_list("sequence", flat=True).first()
        return last or 0


class Event(models.Model):
    """One change of one task: who, when, how, and what it changed.

    Appended in the transaction of the change, and never altered. History, the feed of
    changes, the list's ETag and the admin's timeline all read these rows; webhooks and
    live updates can be further readers.
    """

    class Verb(models.TextChoices):
        CREATED = "created"
        EDITED = "edited"
        COMPLETED = "completed"
        REOPENED = "reopened"
        TRASHED = "trashed"
        RESTORED = "restored"
        DELETED = "deleted"
        TRANSFERRED = "transferred"

    # Within one owner's events, the order of the commits (see feed_of).
    sequence = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    # Neither is a constraint: an event outlives its task and its actor.
    task_id = models.BigIntegerField()
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
    version = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    changes = models.JSONField(default=dict)

    objects = EventQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=["owner", "sequence"], name="event_feed"),
            models.Index(fields=["task_id", "sequence"], name="event_history"),
        )
        constraints = (
            models.CheckConstraint(
                name="event_verb_known",
                condition=Q(
                    verb__in=[
                        "created",
                        "edited",
                        "completed",
                        "reopened",
                        "trashed",
                        "restored",
                        "deleted",
                        "transferred",
                    ]
                ),
            ),
        )

    def __str__(self) -> str:
        return f"{self.verb} task {self.task_id}"


class FeedHorizon(models.Model):
    """How far an owner's events have been purged: a cursor before it has missed some."""

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+"
    )
    sequence = models.BigIntegerField()

    def __str__(self) -> str:
        return f"purged through {self.sequence}"
