"""The deliveries of webhooks: which event is next, its signed request, and what follows from the
response (Standard Webhooks 1.0, https://www.standardwebhooks.com).

Nothing is copied: a webhook has a cursor into the feed of its owner. A worker leases a webhook,
sends the event after its cursor without a transaction, and then moves the cursor, if it still
has the lease. Killed in between, the next worker sends the event again, with the same id."""

import base64
import hashlib
import hmac
import logging
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple

import orjson
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import QuerySet

from taskproject import __version__, outbound
from taskproject.outbound import Response
from taskproject.worker import count, on_stop, work
from tasks import cursors
from tasks.models import Event, Webhook, WebhookDelivery
from tasks.models.events import database_now
from tasks.models.webhooks import LEASE, SLOW_MS

logger = logging.getLogger(__name__)

#: Seconds between the attempts to send an event, of which there is one more: three days.
SCHEDULE = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
#: Up to so much of them is added by chance, so that those of many webhooks do not coincide.
JITTER = 0.2
LONGEST_RETRY_AFTER = 86_400.0  # seconds
#: Requests in progress: of one process, of one owner, and of webhooks whose last delivery failed
#: or was slow. Each is a thread that waits: those that hang for the first time, such as all of a
#: host that has just failed, must leave some for the others.
MOST, MOST_OF_OWNER, MOST_TROUBLED = 128, 4, 64
#: Most events that a webhook is sent before others of its owner have their turn.
MOST_AT_ONCE = 20
WAIT = 0.25  # seconds that one call waits for the end of a request
IDLE = 60.0  # seconds until the next call, if nothing is due
#: Seconds after the begin of a lease in which a request may begin: it ends within the lease, so
#: that no other worker sends the event, or later ones, meanwhile.
BEGIN_WITHIN = LEASE.total_seconds() - outbound.TOTAL_SECONDS
#: Seconds that a worker which stops waits for responses.
FINISH_SECONDS = 0.5

Outcome = WebhookDelivery.Outcome


class Message(NamedTuple):
    """What is sent: an event or, without one, a test."""

    webhook: Webhook
    event: Event | None
    #: The request of its owner or of staff that it answers.
    requested: WebhookDelivery | None = None
    #: The number of those that its webhook has had since it was claimed.
    run: int = 1


def message_id(message: Message) -> str:
    """The same for each attempt to send the event. With its time, so that the events after a
    restored backup, which have the sequence numbers of others, have other ids."""
    event, requested = message.event, message.requested
    if event is not None:
        subject = f"{event.sequence} {event.at.astimezone(UTC).isoformat()}"
    else:
        subject = f"test {requested.pk if requested else 0}"
    digest = hashlib.sha256(f"{message.webhook.pk} {subject}".encode()).digest()
    return f"msg_{base64.urlsafe_b64encode(digest[:18]).decode()}"


def body_of(message: Message, now: datetime) -> bytes:
    """The payload: what happened to which row, and the cursor of the changes after it. What is in
    the row is asked of the API."""
    event = message.event
    if event is None:
        kind, at, data = "webhook.test", now, None
        sequence = message.webhook.cursor
    else:
        data = {
            "sequence": event.sequence,
            "verb": event.verb,
            "task_id": event.task_id,
            "list_id": event.list_id,
            "tag_id": event.tag_id,
            "version": event.version,
            "via": event.via,
            "request": event.request,
        }
        kind, at, sequence = type_of(event), event.at, event.sequence
    members = {
        "type": kind,
        "timestamp": at,
        "data": {"event": data, "cursor": cursors.encode("after", sequence)},
    }
    return orjson.dumps(members, option=orjson.OPT_UTC_Z)


def type_of(event: Event) -> str:
    """Such as `task.completed`."""
    subject = "task" if event.task_id else "list" if event.list_id else "tag"
    return f"{subject}.{event.verb}"


def headers_of(message: Message, body: bytes, now: datetime) -> dict[str, str]:
    """With a signature of each secret that is valid now."""
    identity, seconds = message_id(message), int(now.timestamp())
    signed = f"{identity}.{seconds}.".encode() + body
    return {
        "Content-Type": "application/json",
        "User-Agent": f"Tasks/{__version__}",
        "Connection": "close",
        "webhook-id": identity,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(
            signature(secret, signed) for secret in message.webhook.secrets(now)
        ),
    }


def signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.partition("_")[2])
    code = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(code).decode()}"


def next_message(webhook: Webhook) -> Message | None:
    """A requested delivery, or the next event after the cursor. Without one, the cursor moves to
    the end of the feed."""
    pending = WebhookDelivery.objects.pending().filter(webhook=webhook)
    for requested in pending.order_by("pk")[:1]:
        found = Event.objects.owned_by(webhook.owner_id).filter(
            sequence=requested.sequence or 0
        )
        return Message(webhook, found.first(), requested)
    feed = Event.objects.owned_by(webhook.owner_id).after(webhook.cursor)
    # Read first: what is committed meanwhile is after it.
    end = Event.objects.owned_by(webhook.owner_id).last_sequence()
    wanted = feed.filter(sequence__lte=end)
    if webhook.verbs:
        wanted = wanted.filter(verb__in=webhook.verbs.split())
    event = wanted.order_by("owner_id", "sequence").defer("changes").first()
    if event is not None:
        return Message(webhook, event)
    if end > webhook.cursor:
        _leased(webhook).update(cursor=end)
    return None


def send(message: Message, now: datetime) -> Response:
    """One attempt. Without a database."""
    requested = message.requested
    if requested and requested.sequence and message.event is None:
        return Response(None, "event_purged")
    body = body_of(message, now)
    return outbound.post(message.webhook.url, body, headers_of(message, body, now))


def record(
    message: Message, response: Response, now: datetime, keep: bool = False
) -> Webhook | None:
    """Stores what came of an attempt, unless the lease was lost, and gives the lease back. With
    `keep` and a success, it is renewed in the same transaction, which SQLite writes to the disk,
    and the webhook is returned as it is now, if it is still switched on."""
    webhook = message.webhook
    keep = keep and not response.error and message.requested is None
    lease = now + LEASE if keep else None
    with transaction.atomic():
        if message.requested is not None:
            outcome = Outcome.FAILED if response.error else Outcome.DELIVERED
            changes: dict[str, object] = {}
            attempt = 1
        else:
            attempt = webhook.attempts + 1
            outcome, changes = _follow(message, response, now)
        if response.status == 410:
            changes |= {"active": False, "stopped": Webhook.Stopped.GONE}
        if not _leased(webhook).update(**changes, leased_until=lease):
            return None
        values = {
            "outcome": outcome,
            "attempt": attempt,
            "status": response.status,
            "error": response.error,
            "duration_ms": response.duration_ms,
            "at": now,
        }
        if message.requested is not None:
            mine = WebhookDelivery.objects.filter(pk=message.requested.pk)
            mine.update(**values)
        else:
            sequence = message.event.sequence if message.event else None
            WebhookDelivery.objects.create(
                webhook_id=webhook.pk, sequence=sequence, **values
            )
        # Before the commit: when that has succeeded, nothing may fail.
        kept = Webhook.objects.filter(pk=webhook.pk, active=True, owner__is_active=True)
        following = kept.first() if keep else None
    count("webhooks", outcome.value)
    _log(webhook, outcome, response, changes)
    return following


def _leased(webhook: Webhook) -> QuerySet[Webhook]:
    """The row, while the lease of this instance holds."""
    return Webhook.objects.filter(pk=webhook.pk, leased_until=webhook.leased_until)


def _follow(
    message: Message, response: Response, now: datetime
) -> tuple[Outcome, dict[str, object]]:
    """The outcome of an attempt to send the event after the cursor, and what it changes."""
    webhook = message.webhook
    assert message.event is not None
    passed: dict[str, object] = {
        "cursor": message.event.sequence,
        "attempts": 0,
        "next_attempt_at": now,
    }
    if not response.error:
        return Outcome.DELIVERED, passed | {"failing_since": None}
    failing: dict[str, object] = {"failing_since": webhook.failing_since or now}
    if webhook.attempts >= len(SCHEDULE):
        return Outcome.GIVEN_UP, passed | failing
    if webhook.failing_since and not webhook.attempts:
        # The event before was given up, and this one fails as well: it is not the event.
        off = {"active": False, "stopped": Webhook.Stopped.FAILING}
        return Outcome.FAILED, failing | off
    delay = SCHEDULE[webhook.attempts] * (1 + random.uniform(0, JITTER))
    asked = outbound.seconds_of(response.retry_after, now)
    delay = max(delay, min(asked, LONGEST_RETRY_AFTER))
    return Outcome.FAILED, failing | {
        "attempts": webhook.attempts + 1,
        "next_attempt_at": now + timedelta(seconds=delay),
    }


def _log(
    webhook: Webhook, outcome: Outcome, response: Response, changes: dict[str, object]
) -> None:
    if not response.error:
        return
    fields = {
        "webhook": webhook.pk,
        "host": webhook.host,
        "outcome": outcome,
        "status": response.status,
        "error": response.error,
    }
    if "active" in changes:
        fields["stopped"] = changes["stopped"]
        logger.warning("a webhook was switched off", extra={"fields": fields})
    else:
        logger.info("a webhook has failed", extra={"fields": fields})


class Turn(NamedTuple):
    """A leased webhook, whose next event is to be sent."""

    webhook: Webhook
    #: When the lease began, and until when (`time.monotonic`) the request may begin.
    now: datetime
    give_up: float
    #: The number of events that it has been sent since it was claimed, with this one.
    run: int


class Sender:
    """The requests in progress of one process: each in a thread of its own, which uses no database.
    All else is done by the thread that calls `work`."""

    def __init__(self, clock: Callable[[], datetime] = database_now) -> None:
        self._clock = clock
        self._turns: deque[Turn] = deque()
        self._messages: dict[int, Message] = {}  # by the ids of webhooks
        self._responses: SimpleQueue[tuple[int, Response | None]] = SimpleQueue()
        self._received: deque[tuple[int, Response | None]] = deque()
        self._finishing = False
        #: When to look for webhooks that are due (`time.monotonic`). Not at each delivery of a
        #: backlog: to find that there are no others takes half of its processor time.
        self._look_at = 0.0

    def work(self) -> float:
        """Records responses and begins requests; returns the seconds until the next call."""
        self._record()
        self._begin()
        if not self._messages or time.monotonic() >= self._look_at:
            self._claim()
        if not self._messages:
            return IDLE
        self._receive(WAIT)
        return 0.0

    def finish(self) -> None:
        """Records the responses that come within FINISH_SECONDS, and begins no request more: what
        has been received is not sent again after the lease."""
        self._finishing = True
        give_up = time.monotonic() + FINISH_SECONDS
        while self._messages and (left := give_up - time.monotonic()) > 0:
            self._receive(left)
            self._record()

    def _receive(self, seconds: float) -> None:
        with suppress(Empty):
            self._received.append(self._responses.get(timeout=seconds))

    def _record(self) -> None:
        while not self._responses.empty():
            self._received.append(self._responses.get())
        while self._received:
            key, response = self._received[0]
            message, kept = self._messages[key], None
            give_up, now = time.monotonic() + BEGIN_WITHIN, self._clock()
            try:
                if response is None:
                    _leased(message.webhook).update(leased_until=None)
                else:
                    # The next event follows at once, unless other webhooks may wait for room.
                    keep = message.run < MOST_AT_ONCE and len(self._messages) < MOST
                    keep = keep and response.duration_ms < SLOW_MS
                    keep = keep and not self._finishing
                    kept = record(message, response, now, keep)
            except (OperationalError, InterfaceError):
                raise  # the database is away; the response waits for the next call
            except Exception:
                # The others have their turn; the event is sent again after the lease.
                logger.exception("a response to a webhook could not be stored")
            del self._messages[key], self._received[0]
            if kept is not None:
                self._turns.append(Turn(kept, now, give_up, message.run + 1))
            else:
                self._look_at = 0.0  # there is room

    def _claim(self) -> None:
        give_up, now = time.monotonic() + BEGIN_WITHIN, self._clock()
        if chosen := self._chosen(now):
            claimed = Webhook.objects.claim(chosen, now)
            self._turns.extend(Turn(one, now, give_up, 1) for one in claimed)
            self._begin()
        self._look_at = 0.0 if chosen else time.monotonic() + WAIT

    def _begin(self) -> None:
        """Begins the requests of the leased webhooks, or gives the leases back."""
        while self._turns:
            turn = self._turns.popleft()
            try:
                message = next_message(turn.webhook)
                if message is None:
                    _leased(turn.webhook).update(leased_until=None)
            except (OperationalError, InterfaceError):
                self._turns.appendleft(turn)
                raise  # the database is away; the lease is kept for the next call
            if message is not None:
                message = message._replace(run=turn.run)
                Thread(target=self._send, args=(message, turn), daemon=True).start()
                self._messages[turn.webhook.pk] = message

    def _chosen(self, now: datetime) -> list[Webhook]:
        """Those that are due, as many as there is room for."""
        room = MOST - len(self._messages)
        if room <= 0:
            return []
        webhooks = [message.webhook for message in self._messages.values()]
        owners = Counter(webhook.owner_id for webhook in webhooks)
        troubled = sum(webhook.troubled for webhook in webhooks)
        full = [owner for owner, count in owners.items() if count >= MOST_OF_OWNER]
        # Left out here, not below: however many there are, they hide no others.
        due = Webhook.objects.due(now, untroubled=troubled >= MOST_TROUBLED)
        due = due.exclude(pk__in=self._messages).exclude(owner_id__in=full)
        chosen: list[Webhook] = []
        for webhook in due[: MOST * 2]:
            if owners[webhook.owner_id] >= MOST_OF_OWNER or len(chosen) >= room:
                continue
            if webhook.troubled and troubled >= MOST_TROUBLED:
                continue
            owners[webhook.owner_id] += 1
            troubled += webhook.troubled
            chosen.append(webhook)
        return chosen

    def _send(self, message: Message, turn: Turn) -> None:
        response: Response | None = None
        try:
            # Else the process, or its database, stood still.
            if time.monotonic() < turn.give_up:
                response = send(message, turn.now)
        except Exception:
            # The thread that waits needs a response, whatever is wrong.
            logger.exception("a webhook could not be sent")
            response = Response(None, "internal")
        self._responses.put((message.webhook.pk, response))


#: Of this process.
_sender = Sender()


@work("webhooks", *(one.value for one in Outcome if one != Outcome.PENDING))
def send_due() -> float:
    return _sender.work()


on_stop("webhooks", _sender.finish)
