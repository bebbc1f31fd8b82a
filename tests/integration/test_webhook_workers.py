"""Workers that send webhooks: several at once, killed, and with requested deliveries."""

from collections.abc import Callable
from datetime import timedelta
from threading import Event as Signal
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import OperationalError

from taskproject.accounts.models import User
from tasks import webhooks
from tasks.models import Event, Webhook, WebhookDelivery
from tasks.models.webhooks import LEASE, SLOW_MS
from tests.support.receivers import Receiver, hang, status
from tests.support.webhooks import (
    NOW,
    Clock,
    clock,
    happen,
    loopback,
    outcomes,
    receiver,
    send_all,
    webhook_to,
)

__all__ = ["clock", "loopback", "receiver"]


def test_an_owner_has_no_more_requests_in_progress_than_a_share(
    alice: User, bob: User, receiver: Receiver, clock: Clock
) -> None:
    release = Signal()
    receiver.answers = [lambda handler: (release.wait(10), status(200)(handler))[1]]
    for number in range(6):
        webhook_to(alice, receiver.url(f"/{number}"))
    webhook_to(bob, receiver.url("/bob"))
    happen(alice)
    happen(bob)
    sender = webhooks.Sender(clock)

    sender.work()

    assert len(sender._messages) == webhooks.MOST_OF_OWNER + 1
    release.set()
    while sender.work() == 0:
        pass
    assert len(receiver.received) == 7


@pytest.mark.parametrize("trouble", ["failing", "slow", "many of one owner"])
def test_those_that_hang_do_not_hide_the_others(
    alice: User,
    bob: User,
    receiver: Receiver,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
) -> None:
    """However many of them are due, and before the others."""
    monkeypatch.setattr(webhooks, "MOST", 4)
    monkeypatch.setattr(webhooks, "MOST_TROUBLED", 2)
    limit = 2 if trouble == "many of one owner" else 20
    monkeypatch.setattr(webhooks, "MOST_OF_OWNER", limit)
    receiver.of_paths["/hangs"] = hang
    for _ in range(10):
        webhook = webhook_to(alice, receiver.url("/hangs"))
        if trouble == "slow":
            done = WebhookDelivery.Outcome.DELIVERED
            WebhookDelivery.objects.create(
                webhook=webhook, outcome=done, duration_ms=SLOW_MS
            )
            webhook.request(None)  # which waits, and is no delivery yet
    if trouble == "failing":
        Webhook.objects.update(failing_since=NOW)
    good = webhook_to(bob, receiver.url("/good"), next_attempt_at=NOW)
    happen(alice)
    happen(bob, 3)
    sender = webhooks.Sender(clock)

    for _ in range(20):  # of at most WAIT seconds, fewer than the others hang
        if len(outcomes(good)) < 3:
            sender.work()

    assert len(sender._messages) >= 2
    assert [one[0] for one in outcomes(good)] == ["delivered"] * 3


def test_a_request_that_could_not_begin_begins_after_the_lease(
    alice: User, receiver: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook_to(alice, receiver.url())
    events = happen(alice)
    sender = webhooks.Sender(clock)
    with monkeypatch.context() as patched:
        refuse = Mock(side_effect=RuntimeError("can't start new thread"))
        patched.setattr(webhooks, "Thread", refuse)
        with pytest.raises(RuntimeError):
            sender.work()

    clock.after(seconds=LEASE.total_seconds())
    while sender.work() <= 0:
        pass

    assert receiver.events == events


def test_two_workers_send_nothing_twice(
    alice: User, receiver: Receiver, clock: Clock
) -> None:
    webhook_to(alice, receiver.url())
    events = happen(alice, 10)
    senders = [webhooks.Sender(clock), webhooks.Sender(clock)]

    while min(sender.work() for sender in senders) <= 0:
        pass

    assert receiver.events == events


def test_killed_after_it_sent_the_next_worker_sends_the_same_id(
    alice: User, receiver: Receiver, clock: Clock
) -> None:
    webhook_to(alice, receiver.url())
    events = happen(alice, 2)
    killed = webhooks.Sender(clock)
    killed.work()  # and never records the response
    assert receiver.events == events[:1]

    send_all(clock)
    assert receiver.events == events[:1]
    clock.after(seconds=LEASE.total_seconds())
    send_all(clock)

    assert receiver.events == [events[0], *events]
    assert receiver.received[0].id == receiver.received[1].id
    # Late, its response changes nothing.
    killed._record()
    assert Webhook.objects.get().cursor == events[-1]
    assert WebhookDelivery.objects.count() == 2


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        (lambda webhook: webhook.edit(active=False), [0]),
        (lambda webhook: webhook.rotate(), [0, 1]),
        (lambda webhook: webhook.delete(), [0]),
        (lambda webhook: webhook.owner.delete(), [0]),
        (lambda webhook: User.objects.update(is_active=False), [0]),
        # The other one has not had it.
        (lambda webhook: webhook.edit(url=webhook.url + "2"), [0, 0, 1]),
    ],
    ids=["off", "rotated", "deleted", "without owner", "owner off", "moved"],
)
def test_what_changes_while_an_event_is_sent_is_heeded_after_it(
    alice: User,
    receiver: Receiver,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[Webhook], None],
    sent: list[int],
) -> None:
    webhook = webhook_to(alice, receiver.url())
    events = happen(alice, 2)
    sender = webhooks.Sender(clock)
    sender.work()  # It has the response, and has not recorded it.
    change(webhook)

    while sender.work() <= 0:
        pass

    assert receiver.events == [events[number] for number in sent]
    assert caplog.records == []
    last = receiver.received[-1]
    signed = f"{last.id}.{last.headers['webhook-timestamp']}.".encode() + last.body
    expected = webhooks.signature(webhook.secret, signed)
    assert last.headers["webhook-signature"] == expected
    left = Webhook.objects.first()
    assert left is None or left.cursor == events[sent[-1]]


def test_a_request_that_would_not_end_within_the_lease_is_not_sent(
    alice: User, receiver: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process stood still after the claim: another worker may have sent later events."""
    webhook_to(alice, receiver.url())
    events = happen(alice, 2)
    with monkeypatch.context() as patched:
        patched.setattr(webhooks, "BEGIN_WITHIN", -1.0)
        sender = webhooks.Sender(clock)
        sender.work()
    assert receiver.events == []

    while sender.work() <= 0:
        pass

    assert receiver.events == events


@pytest.mark.parametrize("step", ["next_message", "record"])
def test_a_database_that_goes_away_after_a_claim_delays_by_no_lease(
    alice: User,
    receiver: Receiver,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    webhook_to(alice, receiver.url())
    events = happen(alice, 3)
    sender = webhooks.Sender(clock)
    with monkeypatch.context() as patched:
        patched.setattr(webhooks, step, Mock(side_effect=OperationalError))
        with pytest.raises(OperationalError):
            while sender.work() <= 0:
                pass

    while sender.work() <= 0:
        pass

    assert receiver.events == events


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=3)])
def test_a_clock_that_is_set_back_delays_nothing(
    alice: User, receiver: Receiver, clock: Clock, back: timedelta
) -> None:
    webhook_to(alice, receiver.url())
    delivered = happen(alice)
    send_all(clock)
    left = happen(alice)
    webhooks.Sender(clock).work()  # and is killed, so that its lease is left
    clock.now -= back

    send_all(clock)

    assert receiver.events == [*delivered, *left, *left]


@pytest.mark.parametrize("ahead", [timedelta(seconds=1), timedelta(days=1)])
def test_a_retry_does_not_wait_for_a_clock_that_was_ahead(
    alice: User, receiver: Receiver, clock: Clock, ahead: timedelta
) -> None:
    """It comes when the clock is set back, and the next one after its usual wait."""
    receiver.answers = [status(500), status(500), status(200)]
    webhook_to(alice, receiver.url())
    events = happen(alice)
    clock.now += ahead
    send_all(clock)
    clock.now -= ahead

    send_all(clock)
    send_all(clock)
    assert receiver.events == events * 2
    clock.after(seconds=webhooks.SCHEDULE[1] * (1 + webhooks.JITTER))
    send_all(clock)

    assert receiver.events == events * 3


def test_a_worker_that_stops_records_what_was_received(
    alice: User, receiver: Receiver, clock: Clock
) -> None:
    release = Signal()
    receiver.answers = [lambda handler: (release.wait(10), status(200)(handler))[1]]
    webhook = webhook_to(alice, receiver.url())
    events = happen(alice, 2)
    stopping = webhooks.Sender(clock)
    stopping.work()
    release.set()

    stopping.finish()

    assert outcomes(webhook) == [("delivered", 1, 200, "")]
    send_all(clock)  # another one, at once
    assert receiver.events == events


def test_events_after_a_restored_backup_have_other_ids(alice: User) -> None:
    webhook = webhook_to(alice, "https://example.com/")
    happen(alice)
    event = Event.objects.get()
    before = webhooks.message_id(webhooks.Message(webhook, event))
    assert webhooks.message_id(webhooks.Message(webhook, event)) == before
    event.at += timedelta(microseconds=1)

    assert webhooks.message_id(webhooks.Message(webhook, event)) != before


def test_a_backlog_is_read_event_by_event(
    alice: User, receiver: Receiver, clock: Clock, django_assert_num_queries: Any
) -> None:
    webhook = webhook_to(alice, receiver.url())
    happen(alice, 50)

    with django_assert_num_queries(3):
        message = webhooks.next_message(webhook)

    assert message is not None


def test_a_backlog_does_not_look_for_others_at_each_event(
    alice: User, receiver: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "WAIT", 10.0)
    look = Mock(side_effect=webhooks.Sender._chosen, autospec=True)
    monkeypatch.setattr(webhooks.Sender, "_chosen", lambda *args: look(*args))
    webhook_to(alice, receiver.url())
    events = happen(alice, 9)

    send_all(clock)

    assert receiver.events == events
    # For the first, beside it, and after the last.
    assert look.call_count == 3


# Requested deliveries


def test_a_test_comes_at_once_and_leaves_the_cursor(
    alice: User, receiver: Receiver, clock: Clock
) -> None:
    later = NOW + timedelta(days=1)
    webhook = webhook_to(alice, receiver.url(), attempts=1, next_attempt_at=later)
    happen(alice)
    webhook.request(None)

    send_all(clock)

    [one] = receiver.received
    assert (one.json()["type"], one.json()["data"]["event"]) == ("webhook.test", None)
    assert outcomes(webhook) == [("delivered", 1, 204, "")]


def test_an_event_is_sent_once_more_with_its_id(
    alice: User, receiver: Receiver, clock: Clock
) -> None:
    webhook = webhook_to(alice, receiver.url())
    events = happen(alice, 3)
    send_all(clock)
    webhook.request(events[1])
    webhook.request(events[0])
    webhook.request(10**9)

    send_all(clock)

    assert receiver.events == [*events, events[1], events[0]]
    assert receiver.received[3].id == receiver.received[1].id
    assert outcomes(webhook)[-1] == ("failed", 1, None, "event_purged")


def test_all_events_since_a_time_are_sent_once_more(
    alice: User, receiver: Receiver, clock: Clock
) -> None:
    webhook = webhook_to(alice, receiver.url())
    events = happen(alice, 9)
    send_all(clock)
    for number, sequence in enumerate(events):
        at = NOW - timedelta(hours=9 - number)
        Event.objects.filter(sequence=sequence).update(at=at)
    webhook.refresh_from_db()

    webhook.rewind(NOW - timedelta(hours=3, minutes=30))
    clock.now = max(clock.now, webhook.next_attempt_at)
    send_all(clock)

    assert receiver.events == events + events[6:]


def test_a_backlog_lets_the_other_webhooks_of_its_owner_have_their_turn(
    alice: User, receiver: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "MOST_OF_OWNER", 1)
    monkeypatch.setattr(webhooks, "MOST_AT_ONCE", 3)
    for path in ("/first", "/second"):
        webhook_to(alice, receiver.url(path))
    events = happen(alice, 5)

    send_all(clock)

    paths = [one.path for one in receiver.received]
    assert paths[:6] == ["/first"] * 3 + ["/second"] * 3
    assert sorted(receiver.events) == sorted(events * 2)
