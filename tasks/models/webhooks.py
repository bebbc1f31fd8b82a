"""Webhooks: the addresses to which a user's events are sent, and the log of these requests."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Self, TypeAlias
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from taskproject.problems import NO_SUCH_ROW, Conflict, NotFound
from tasks.models.events import Event, too_far
from tasks.models.functions import Among

URL_LENGTH, DESCRIPTION_LENGTH, VERBS_LENGTH = 500, 200, 255
#: Most webhooks of a user, and most requested deliveries of one that wait.
MAX_WEBHOOKS, MAX_PENDING = 20, 100
SECRET_PREFIX, SECRET_BYTES = "whsec_", 32
#: How long a replaced secret still signs.
PREVIOUS_LIFETIME = timedelta(hours=24)
#: How long a worker has a webhook for itself: longer than one delivery takes.
LEASE = timedelta(seconds=60)
#: Milliseconds from which a delivery is slow.
SLOW_MS = 2_000


def new_secret() -> str:
    """A key of 256 bits, as Standard Webhooks 1.0 writes them."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def owned_by(self, user_id: int) -> Self:
        return self.filter(owner_id=user_id)

    def issue(self, owner_id: int, **values: object) -> "Webhook":
        """Adds a webhook, to which events after now are sent. Raises `Conflict` if the owner
        has MAX_WEBHOOKS."""
        with transaction.atomic():
            get_user_model().lock(owner_id)
            if self.owned_by(owner_id).count() >= MAX_WEBHOOKS:
                raise Conflict(
                    f"You have {MAX_WEBHOOKS} webhooks; delete one that you do not need: "
                    "DELETE /api/webhooks/{id}."
                )
            cursor = Event.objects.owned_by(owner_id).last_sequence()
            secret = new_secret()
            return self.create(
                owner_id=owner_id, secret=secret, cursor=cursor, **values
            )

    def due(self, now: datetime, *, untroubled: bool = False) -> Self:
        """Those with something to send now, that no worker has; or of these, those whose last
        delivery neither failed nor was slow. Longest due first."""
        free = Q(leased_until__isnull=True) | Q(leased_until__lte=now)
        free |= too_far("leased_until", now, LEASE)
        events = Event.objects.filter(
            owner_id=OuterRef("owner_id"), sequence__gt=OuterRef("cursor")
        )
        requested = WebhookDelivery.objects.pending().filter(webhook_id=OuterRef("pk"))
        sent = WebhookDelivery.objects.sent().filter(webhook_id=OuterRef("pk"))
        last = sent.order_by("-pk")
        # Without a failed attempt there is no reason to wait, whatever the clock showed then; nor
        # after one that is yet to come: the clock was ahead, and has been set back.
        ready = Q(attempts=0) | Q(next_attempt_at__lte=now) | Q(last_at__gt=now)
        wanted = Q(Exists(requested)) | ready & Q(Exists(events))
        active = self.filter(active=True, owner__is_active=True).alias(
            last_at=Subquery(last.values("at")[:1]),
            last_ms=Coalesce(Subquery(last.values("duration_ms")[:1]), 0),
        )
        due = active.filter(free, wanted)
        troubled = Q(failing_since__isnull=False) | Q(last_ms__gte=SLOW_MS)
        told = due.annotate(troubled=troubled).order_by("next_attempt_at", "pk")
        return told.filter(troubled=False) if untroubled else told

    def claim(self, webhooks: Sequence["Webhook"], now: datetime) -> list["Webhook"]:
        """Those of these webhooks that are still due, now leased to the caller."""
        with transaction.atomic():
            keys = [webhook.pk for webhook in webhooks]
            due = self.due(now).filter(pk__in=keys)
            found: list[Webhook] = list(
                due.select_for_update(skip_locked=True, of=("self",), no_key=True)
            )
            for webhook in found:
                webhook.leased_until = now + LEASE
            self.filter(pk__in=[webhook.pk for webhook in found]).update(
                leased_until=now + LEASE
            )
        return found

    def unsent(self) -> tuple[datetime | None, int]:
        """Of those that are switched on and do not fail: the time of the oldest event after the
        cursor of one, and the number of those with such events. Reads an event of each."""
        well = self.filter(
            active=True, owner__is_active=True, failing_since__isnull=True
        )
        feed = Event.objects.filter(
            owner_id=OuterRef("owner_id"), sequence__gt=OuterRef("cursor")
        )
        first = Subquery(feed.order_by("owner_id", "sequence").values("at")[:1])
        found = well.annotate(first=first).aggregate(
            at=models.Min("first"), number=models.Count("first")
        )
        return found["at"], found["number"]

    def failing(self) -> Self:
        """Those whose last delivery failed, or that were switched off for that."""
        stopped = (Webhook.Stopped.GONE, Webhook.Stopped.FAILING)
        return self.filter(Q(failing_since__isnull=False) | Q(stopped__in=stopped))

    def switch_off(self) -> int:
        """By staff; the owner can switch them on again no more. Returns how many."""
        return self.exclude(stopped=Webhook.Stopped.STAFF).update(
            active=False, stopped=Webhook.Stopped.STAFF
        )


class _Stopped(models.TextChoices):
    GONE = "gone"  # it responded with 410
    FAILING = "failing"  # it failed for days
    STAFF = "staff"


class Webhook(models.Model):
    """An address to which the events of its owner's feed are sent, one after the other."""

    Stopped: TypeAlias = _Stopped

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+"
    )
    url = models.CharField(max_length=URL_LENGTH)
    description = models.CharField(max_length=DESCRIPTION_LENGTH, blank=True)
    # The verbs of the events that are sent, separated by spaces; empty: all.
    verbs = models.CharField(max_length=VERBS_LENGTH, blank=True)
    active = models.BooleanField(default=True)
    # Why it was switched off, if the owner did not do it.
    stopped = models.CharField(max_length=20, choices=_Stopped.choices, blank=True)
    # As they are: a signature cannot be made of a digest.
    secret = models.CharField(max_length=100)
    previous_secret = models.CharField(max_length=100, blank=True)
    rotated_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    # The sequence of the last event that was sent, passed over or given up.
    cursor = models.BigIntegerField()
    # Failed attempts to send the event after it, and when the next one is due; without a failed
    # one, since when it waits for its turn.
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    failing_since = models.DateTimeField(null=True)
    # Until when a worker has it for itself; identifies its claim, too.
    leased_until = models.DateTimeField(null=True)

    #: Whether its last delivery failed, or took SLOW_MS or longer; only `due` knows.
    troubled = False

    objects = WebhookQuerySet.as_manager()

    class Meta:
        default_permissions = ("view", "change")
        constraints = (
            models.CheckConstraint(
                name="webhook_stopped_known",
                condition=Q(stopped__in=["", *_Stopped.values]),
            ),
        )

    #: What a new start of its deliveries sets.
    FRESH: ClassVar[dict[str, object]] = {
        "attempts": 0,
        "failing_since": None,
        "leased_until": None,
    }

    def __str__(self) -> str:
        return f"webhook {self.pk} to {self.host}"

    @property
    def host(self) -> str:
        """Of its URL, the rest of which may be secret."""
        return urlsplit(self.url).netloc

    def secrets(self, now: datetime) -> list[str]:
        """Those that sign now: the current one, and for a day the one before."""
        recent = self.rotated_at and self.rotated_at > now - PREVIOUS_LIFETIME
        return [self.secret, *([self.previous_secret] if recent else [])]

    def edit(self, **values: object) -> None:
        """Changes these fields. Switched on, or with another URL, it continues at once after
        the last event that was sent. Raises `Conflict` if staff have switched it off."""
        with transaction.atomic():
            now = self._locked()
            switched_on = values.get("active") and not now.active
            if switched_on and now.stopped == _Stopped.STAFF:
                raise Conflict("Staff have switched this webhook off; ask them.")
            if switched_on:
                values |= {"stopped": ""}
            if switched_on or values.get("url", now.url) != now.url:
                values |= {**self.FRESH, "next_attempt_at": timezone.now()}
            self._change(**values)

    def rotate(self) -> None:
        """Gives it a new secret; both sign for PREVIOUS_LIFETIME."""
        with transaction.atomic():
            self._change(
                previous_secret=self._locked().secret,
                secret=new_secret(),
                rotated_at=timezone.now(),
            )

    def request(self, sequence: int | None) -> "WebhookDelivery":
        """Has this event sent once more, or a test (None). Raises `Conflict` if the webhook is
        switched off, or MAX_PENDING wait."""
        self._check_active()
        with transaction.atomic():
            self._locked()
            waiting = WebhookDelivery.objects.pending().filter(webhook=self)
            if waiting.count() >= MAX_PENDING:
                raise Conflict(f"{MAX_PENDING} deliveries wait; try again later.")
            return WebhookDelivery.objects.create(webhook=self, sequence=sequence)

    def rewind(self, since: datetime) -> None:
        """Has all events since then sent once more. Raises `Conflict` if it is switched off."""
        self._check_active()
        cursor = min(self.cursor, _last_before(self.owner_id, since))
        now = timezone.now()
        # Without the lease: a delivery in progress does not move the cursor any more.
        self._change(**self.FRESH, cursor=cursor, next_attempt_at=now)

    def _check_active(self) -> None:
        if not self.active:
            raise Conflict(
                "This webhook is switched off; switch it on first: PATCH "
                f'/api/webhooks/{self.pk} {{"active": true}}.'
            )

    def _locked(self) -> "Webhook":
        """The row as it is now, until the transaction ends. Raises `NotFound` if it was deleted
        meanwhile."""
        rows = Webhook.objects.select_for_update(no_key=True).filter(pk=self.pk)
        for row in rows:
            return row
        raise NotFound(NO_SUCH_ROW.format("webhook"))

    def _change(self, **values: object) -> None:
        """The fields of the row and of this instance, and no others: workers write some."""
        Webhook.objects.filter(pk=self.pk).update(**values)
        for name, value in values.items():
            setattr(self, name, value)


def _last_before(owner_id: int, moment: datetime) -> int:
    """The sequence of the owner's last event before then, or 0. Times do not decrease within
    a feed: some twenty reads of one row each find it among millions."""
    events = Event.objects.owned_by(owner_id).order_by("sequence")
    before, after = 0, events.last_sequence() + 1
    # Events up to `before` are earlier, those from `after` on are not.
    while before + 1 < after:
        middle = (before + after) // 2
        found = (
            events.filter(sequence__gte=middle).values_list("sequence", "at").first()
        )
        if found is None or found[1] >= moment:
            after = middle
        else:
            before = found[0]
    return before


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    def pending(self) -> Self:
        return self.filter(outcome=_Outcome.PENDING)

    def sent(self) -> Self:
        return self.exclude(outcome=_Outcome.PENDING)

    def expired(self) -> Self:
        horizon = timezone.now() - timedelta(days=settings.WEBHOOK_LOG_DAYS)
        return self.filter(at__lt=horizon)


class _Outcome(models.TextChoices):
    PENDING = "pending"  # requested, and not sent yet
    DELIVERED = "delivered"
    FAILED = "failed"
    GIVEN_UP = "given_up"  # the last attempt failed


class WebhookDelivery(models.Model):
    """One attempt to send an event, or a request for one."""

    Outcome: TypeAlias = _Outcome

    id = models.BigAutoField(primary_key=True)
    webhook = models.ForeignKey(
        Webhook, models.CASCADE, related_name="+", db_index=False
    )
    # Of the event; null: a test.
    sequence = models.BigIntegerField(null=True)
    outcome = models.CharField(
        max_length=20, choices=_Outcome.choices, default=_Outcome.PENDING
    )
    attempt = models.PositiveSmallIntegerField(default=1)
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=40, blank=True)
    duration_ms = models.PositiveIntegerField(null=True)
    at = models.DateTimeField(default=timezone.now)

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        indexes = (
            models.Index(fields=["webhook", "id"], name="delivery_of_webhook"),
            models.Index(fields=["at"], name="delivery_at"),
            models.Index(
                fields=["webhook"],
                name="delivery_pending",
                condition=Q(outcome=_Outcome.PENDING),
            ),
        )
        constraints = (
            models.CheckConstraint(
                name="delivery_outcome_known",
                condition=Q(Among("outcome", _Outcome.values)),
            ),
        )

    def __str__(self) -> str:
        return f"{self.outcome} {self.sequence or 'test'}"
