"""Deliveries of webhooks: to a real receiver, which answers, fails, hangs and comes back."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import gaierror
from threading import Timer
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from taskproject import outbound, worker
from taskproject.accounts.models import User
from tasks import webhooks
from tasks.models import Event, Task, Webhook, WebhookDelivery
from tasks.models.webhooks import PREVIOUS_LIFETIME, new_secret
from tests.conftest import BY, ApiClient
from tests.support.receivers import Answer, Receiver, hang, raw, status
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


# What is sent


def test_an_event_is_sent_signed_and_thin(alice: User, receiver: Receiver) -> None:
    url, due = receiver.url("/hook?key=1"), datetime.now(UTC)
    webhook = webhook_to(alice, url, next_attempt_at=due)
    [sequence] = happen(alice)

    assert worker._kinds["webhooks"] == webhooks.send_due
    sent = worker.counts["webhooks", "delivered"]
    while webhooks.send_due() == 0:
        pass
    assert worker.counts["webhooks", "delivered"] == sent + 1

    [one] = receiver.received
    event = Event.objects.get()
    payload = Verifier(webhook.secret).verify(one.body, dict(one.headers.items()))
    assert one.path == "/hook?key=1"
    assert one.headers["Content-Type"] == "application/json"
    assert payload == {
        "type": "task.created",
        "timestamp": event.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": {
            "event": {
                "sequence": sequence,
                "verb": "created",
                "task_id": event.task_id,
                "list_id": None,
                "tag_id": None,
                "version": 1,
                "via": "command",
                "request": None,
            },
            "cursor": payload["data"]["cursor"],
        },
    }
    assert outcomes(webhook) == [("delivered", 1, 204, "")]


def test_the_example_of_the_documentation_verifies_it(
    alice: User, receiver: Receiver
) -> None:
    page = Path("docs/webhooks.md").read_text()
    names: dict[str, Any] = {}
    exec(page.partition("```python verify\n")[2].partition("```")[0], names)  # noqa: S102 - our own text
    webhook = webhook_to(alice, receiver.url())
    webhook.request(None)
    send_all(lambda: datetime.now(UTC))

    [one] = receiver.received
    headers = {name.lower(): value for name, value in one.headers.items()}
    assert names["verify"](webhook.secret, headers, one.body)
    assert not names["verify"](new_secret(), headers, one.body)
    assert not names["verify"](webhook.secret, headers, one.body + b" ")
    old = {**headers, "webhook-timestamp": "1"}
    assert not names["verify"](webhook.secret, old, one.body)


def test_the_cursor_is_that_of_the_changes_after_the_event(
    api: ApiClient, alice: User, receiver: Receiver, clock: Clock
) -> None:
    webhook_to(alice, receiver.url())
    events = happen(alice, 3)
    send_all(clock)

    cursor = receiver.received[1].json()["data"]["cursor"]

    after = api.get(f"/api/changes?after={cursor}").json()["items"]
    assert [event["sequence"] for event in after] == events[2:]


def test_a_replaced_secret_signs_for_a_day(
    alice: User, receiver: Receiver, clock: Clock
) -> None:
    webhook = webhook_to(alice, receiver.url())
    secrets = [webhook.secret]
    webhook.rotate()
    secrets.append(webhook.secret)
    Webhook.objects.update(rotated_at=NOW - PREVIOUS_LIFETIME + timedelta(seconds=1))
    for _ in range(2):
        happen(alice)
        send_all(clock)
        clock.after(seconds=1)

    signed = [one.headers["webhook-signature"].split() for one in receiver.received]
    first, second = (
        [
            Verifier(secret).sign(
                one.id,
                datetime.fromtimestamp(int(one.headers["webhook-timestamp"]), UTC),
                one.body.decode(),
            )
            for secret in reversed(secrets)
        ]
        for one in receiver.received
    )
    assert signed == [first, second[:1]]


def test_only_events_with_its_verbs_are_sent(
    alice: User, bob: User, receiver: Receiver, clock: Clock
) -> None:
    webhook = webhook_to(alice, receiver.url(), verbs="completed deleted")
    happen(alice, 2)
    happen(bob)
    Task.objects.owned_by(alice.pk).filter(title="Task 1").complete(BY)
    happen(alice, 2)
    send_all(clock)

    webhook.refresh_from_db()
    assert [one.json()["type"] for one in receiver.received] == ["task.completed"]
    assert webhook.cursor == Event.objects.owned_by(alice.pk).last_sequence()
    assert webhook.leased_until is None


@pytest.mark.parametrize("fields", [{"active": False}, {"owner": False}])
def test_nothing_is_sent_while_it_or_its_owner_is_switched_off(
    alice: User, receiver: Receiver, clock: Clock, fields: dict[str, bool]
) -> None:
    webhook_to(alice, receiver.url(), active=fields.get("active", True))
    User.objects.update(is_active=fields.get("owner", True))
    happen(alice)

    send_all(clock)

    assert not receiver.received


# Order, and attempts


def test_all_events_come_once_and_in_order(
    alice: User, receiver: Receiver, clock: Clock
) -> None:
    webhook = webhook_to(alice, receiver.url())
    events = happen(alice, 20)

    send_all(clock)

    webhook.refresh_from_db()
    assert receiver.events == events
    assert webhook.cursor == events[-1]


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("answer", "code", "error"),
    [
        (status(500), 500, "status"),
        (status(404), 404, "status"),
        (status(302, Location="/other"), 302, "redirect"),
        (status(307, Location="/other"), 307, "redirect"),
        (raw(), None, "connection"),
        (raw(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000), None, "malformed_response"),
        (raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200), None, "malformed_response"),
        (raw(b"SSH-2.0\r\n\r\n"), None, "malformed_response"),
        (raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000), None, "malformed_response"),
    ],
)
def test_a_failure_is_repeated_and_the_next_event_waits(
    alice: User,
    receiver: Receiver,
    clock: Clock,
    answer: Answer,
    code: int | None,
    error: str,
) -> None:
    webhook = webhook_to(alice, receiver.url())
    events = happen(alice, 2)
    receiver.answers = [answer, status(200)]

    send_all(clock)
    clock.after(seconds=4)
    send_all(clock)
    assert receiver.events == events[:1]
    clock.after(seconds=3)
    send_all(clock)

    assert receiver.events == [events[0], *events]
    assert len({one.id for one in receiver.received}) == 2
    assert {one.path for one in receiver.received} == {"/hook"}
    assert outcomes(webhook) == [
        ("failed", 1, code, error),
        ("delivered", 2, 200, ""),
        ("delivered", 1, 200, ""),
    ]


def test_a_name_that_was_not_found_is_looked_up_again(
    alice: User,
    receiver: Receiver,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    """With another address at each attempt, of which the second is refused."""
    settings.WEBHOOK_ALLOWED_HOSTS = ["hook.test"]
    found: list[Any] = [gaierror("try again"), "10.0.0.1", "127.0.0.1"]
    webhook = webhook_to(alice, f"http://hook.test:{receiver.port}/hook")
    happen(alice)

    def look_up(*_: object, **__: object) -> list[Any]:
        address = found.pop(0)
        allowed = [] if address == "10.0.0.1" else ["hook.test"]
        settings.WEBHOOK_ALLOWED_HOSTS = allowed
        if isinstance(address, gaierror):
            raise address
        return [(0, 0, 0, "", (address, receiver.port))]

    monkeypatch.setattr(outbound, "getaddrinfo", look_up)
    for _ in range(3):
        send_all(clock)
        clock.after(minutes=7)

    assert outcomes(webhook) == [
        ("failed", 1, None, "name_not_found"),
        ("failed", 2, None, "address_refused"),
        ("delivered", 3, 204, ""),
    ]
    assert len(receiver.received) == 1


def test_down_for_three_days_it_gets_every_event_once_in_order(
    alice: User, receiver: Receiver, clock: Clock
) -> None:
    webhook = webhook_to(alice, receiver.url())
    events = happen(alice, 3)
    receiver.answers = [status(503)]
    while clock.now < NOW + timedelta(days=3):
        send_all(clock)
        webhook.refresh_from_db()
        clock.now = webhook.next_attempt_at
    assert webhook.active
    failed = len(receiver.received)
    receiver.answers = [status(200)]

    send_all(clock)

    assert failed == 9
    assert receiver.events == [events[0]] * failed + events
    assert len({one.id for one in receiver.received}) == 3


def test_it_is_switched_off_when_the_next_event_fails_too(
    alice: User, receiver: Receiver, clock: Clock
) -> None:
    webhook = webhook_to(alice, receiver.url())
    events = happen(alice, 3)
    receiver.answers = [status(503)]
    for _ in range(len(webhooks.SCHEDULE) + 1):
        send_all(clock)
        webhook.refresh_from_db()
        clock.now = webhook.next_attempt_at

    assert (webhook.active, webhook.stopped) == (False, "failing")
    assert receiver.events == [events[0]] * 10 + [events[1]]
    assert [one[:2] for one in outcomes(webhook)[-2:]] == [
        ("given_up", 10),
        ("failed", 1),
    ]
    # Switched on again, it continues where it stopped.
    receiver.answers, receiver.received[:] = [status(200)], []
    webhook.edit(active=True)
    clock.now = max(clock.now, webhook.next_attempt_at)
    send_all(clock)
    webhook.refresh_from_db()
    assert receiver.events == events[1:]
    assert (webhook.stopped, webhook.failing_since) == ("", None)


def test_an_event_that_alone_is_refused_is_given_up(
    alice: User, receiver: Receiver, clock: Clock
) -> None:
    webhook = webhook_to(alice, receiver.url())
    events = happen(alice, 2)
    receiver.answers = [status(400)] * 10 + [status(200)]
    for _ in range(len(webhooks.SCHEDULE) + 1):
        send_all(clock)
        webhook.refresh_from_db()
        clock.now = webhook.next_attempt_at

    assert (webhook.active, webhook.failing_since) == (True, None)
    assert receiver.events == [events[0]] * 10 + [events[1]]


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("120", 120, 120),
        ("Fri, 01 Mar 2030 12:03:00 GMT", 180, 180),
        ("999999999999999999999", 86_400, 86_400),
        ("1", 5, 6),
        ("soon", 5, 6),
        ("-5", 5, 6),
        ("²", 5, 6),
        ("Fri, 01 Mar 2030 12:03:00", 5, 6),
        ("Fri, 01 Mar 99999 12:03:00 GMT", 5, 6),
        ("Fri, 01 Mar 2030 12:03:00 +99999999999999", 5, 6),
    ],
)
def test_retry_after_is_obeyed_within_a_day(
    alice: User, receiver: Receiver, clock: Clock, header: str, low: int, high: int
) -> None:
    webhook = webhook_to(alice, receiver.url())
    happen(alice)
    receiver.answers = [
        raw(f"HTTP/1.1 429 Slow\r\nRetry-After: {header}\r\n\r\n".encode("latin-1"))
    ]

    send_all(clock)

    webhook.refresh_from_db()
    assert low <= (webhook.next_attempt_at - NOW).total_seconds() <= high


def test_410_switches_it_off(alice: User, receiver: Receiver, clock: Clock) -> None:
    webhook = webhook_to(alice, receiver.url())
    [first] = happen(alice)
    receiver.answers = [status(410)]

    send_all(clock)
    clock.after(days=1)
    send_all(clock)

    webhook.refresh_from_db()
    assert receiver.events == [first]
    assert (webhook.active, webhook.stopped) == (False, "gone")
    assert webhook.cursor < first


def test_what_hangs_is_given_up_and_delays_no_other(
    alice: User,
    bob: User,
    receiver: Receiver,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timers: list[Any] = []

    class ByHand(Timer):
        """Ends when the test says so."""

        def start(self) -> None:
            timers.append(self)

    monkeypatch.setattr(outbound, "Timer", ByHand)
    slow = webhook_to(alice, receiver.url("/slow"))
    fast = webhook_to(bob, receiver.url("/fast"))
    receiver.of_paths["/slow"] = hang
    happen(alice, 2)
    events = happen(bob, 5)
    sender = webhooks.Sender(clock)
    while WebhookDelivery.objects.filter(webhook=fast).count() < 5:
        assert sender.work() == 0

    assert not WebhookDelivery.objects.filter(webhook=slow).exists()
    while sender.work() == 0:
        for timer in timers:
            timer.function()

    assert outcomes(slow) == [("failed", 1, None, "timeout")]
    assert [one.event for one in receiver.received if one.path == "/fast"] == events


def test_a_byte_now_and_then_does_not_extend_the_time(
    alice: User, receiver: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "TOTAL_SECONDS", 0.2)

    def trickle(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nA: ")
        while True:
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.01)

    webhook = webhook_to(alice, receiver.url())
    happen(alice)
    receiver.answers = [trickle]

    send_all(clock)

    assert outcomes(webhook) == [("failed", 1, None, "timeout")]
    row = WebhookDelivery.objects.get()
    assert row.duration_ms is not None
    assert 190 <= row.duration_ms < 5_000


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"\r\n", b"x" * 10_000),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 2_000),
        # Trailers, which http.client does not count.
        (b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 2_000),
    ],
)
def test_an_endless_response_is_not_read_to_its_end(
    alice: User, receiver: Receiver, clock: Clock, head: bytes, part: bytes
) -> None:
    sent = 0

    def endless(handler: Any) -> None:
        nonlocal sent
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + head)
        while True:
            sent += handler.wfile.write(part)

    webhook = webhook_to(alice, receiver.url())
    happen(alice)
    receiver.answers = [endless]

    send_all(clock)

    assert outcomes(webhook) == [("delivered", 1, 200, "")]
    assert sent < 50_000_000
