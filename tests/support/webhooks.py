"""Webhooks of a receiver on loopback, and the events and workers of their tests.

A test file imports the fixtures."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test.utils import override_settings

from taskproject.accounts.models import User
from tasks import webhooks
from tasks.models import Event, Task, Webhook, WebhookDelivery
from tests.conftest import BY
from tests.support.receivers import Receiver, receiving

NOW = datetime(2030, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    with override_settings(WEBHOOK_ALLOWED_HOSTS=["127.0.0.1"]):
        yield


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def after(self, **spent: float) -> None:
        self.now += timedelta(**spent)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def webhook_to(owner: User, url: str, **fields: Any) -> Webhook:
    fields = {"next_attempt_at": NOW - timedelta(days=1)} | fields
    return Webhook.objects.issue(owner.pk, url=url, **fields)


def happen(owner: User, count: int = 1) -> list[int]:
    """The sequences of so many new events."""
    for number in range(count):
        Task.objects.add(BY, owner_id=owner.pk, title=f"Task {number}")
    newest = Event.objects.owned_by(owner.pk).order_by("-sequence")[:count]
    return sorted(event.sequence for event in newest)


def send_all(clock: Callable[[], datetime]) -> None:
    """All that is due now."""
    sender = webhooks.Sender(clock)
    while sender.work() <= 0:
        pass


def outcomes(webhook: Webhook) -> list[tuple[str, int, int | None, str]]:
    rows = WebhookDelivery.objects.filter(webhook=webhook).order_by("pk")
    return [(one.outcome, one.attempt, one.status, one.error) for one in rows]
