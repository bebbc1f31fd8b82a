"""/api/webhooks: the addresses to which a person's events are sent"""

import logging
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from threading import Event as Signal
from typing import Any

import pytest
from django.test import Client
from django.test.utils import override_settings

from taskproject import outbound
from taskproject.accounts.models import User
from taskproject.doctor import Options
from taskproject.doctor_database import check_webhooks
from taskproject.problems import Conflict, NotFound
from tasks import cursors, webhooks
from tasks.models import Event, Webhook, WebhookDelivery
from tasks.models.webhooks import MAX_PENDING, MAX_WEBHOOKS
from tests.conftest import ApiClient, make_task
from tests.support.answers import rfc3339
from tests.support.commands import run

PATH = "/api/webhooks"
URL = "https://example.com/hook?key=1"
NEW = {"url": URL}


def shown(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.pk,
        "url": webhook.url,
        "description": webhook.description,
        "verbs": webhook.verbs.split() or None,
        "active": webhook.active,
        "stopped": None,
        "cursor": cursors.encode("after", webhook.cursor),
        "failing_since": None,
        "attempts": 0,
        "next_attempt_at": None,
        "created_at": rfc3339(webhook.created_at),
        "secret": None,
    }


@pytest.fixture
def webhook(alice: User) -> Webhook:
    return Webhook.objects.issue(alice.pk, url=URL)


@pytest.fixture
def path(webhook: Webhook) -> str:
    return f"{PATH}/{webhook.pk}"


def test_it_is_created_and_its_secret_shown_once(api: ApiClient, alice: User) -> None:
    make_task(alice)
    body = NEW | {"description": "Chat", "verbs": ["created", "completed"]}
    answer = api.send("POST", PATH, body)

    webhook = Webhook.objects.get()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{PATH}/{webhook.pk}"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json() == shown(webhook) | {"secret": webhook.secret}
    assert webhook.owner == alice
    assert webhook.cursor == Event.objects.get().sequence
    assert answer.json()["verbs"] == ["completed", "created"]
    assert webhook.secret.startswith("whsec_")
    for where in (PATH, f"{PATH}/{webhook.pk}"):
        assert webhook.secret not in api.get(where).text
    assert api.get(PATH).json() == {"items": [shown(webhook)], "next_cursor": None}


def test_a_user_has_a_bounded_number(api: ApiClient) -> None:
    for _ in range(MAX_WEBHOOKS):
        assert api.send("POST", PATH, NEW).status_code == 201

    answer = api.send("POST", PATH, NEW)

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "DELETE /api/webhooks/{id}" in answer.json()["detail"]


def test_it_is_changed(api: ApiClient, webhook: Webhook, path: str) -> None:
    answer = api.send("PATCH", path, {"verbs": ["moved"], "active": False})
    assert (answer.json()["verbs"], answer.json()["active"]) == (["moved"], False)
    answer = api.send("PATCH", path, {"verbs": None, "description": "x"})

    webhook.refresh_from_db()
    assert answer.json() == shown(webhook)
    assert (webhook.verbs, webhook.active, webhook.url) == ("", False, URL)
    assert api.send("PATCH", path, {}).json() == shown(webhook)


def test_switched_on_it_begins_anew(api: ApiClient, path: str) -> None:
    failed = {"attempts": 3, "failing_since": datetime.now(UTC)}
    later = datetime.now(UTC) + timedelta(days=1)
    Webhook.objects.update(
        active=False, stopped="gone", next_attempt_at=later, cursor=7, **failed
    )
    answer = api.send("PATCH", path, {"active": True})

    webhook = Webhook.objects.get()
    assert answer.json() == shown(webhook)
    assert webhook.cursor == 7
    assert webhook.next_attempt_at <= datetime.now(UTC)


def test_another_url_is_tried_at_once(api: ApiClient, path: str) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    Webhook.objects.update(attempts=3, next_attempt_at=later)
    api.send("PATCH", path, {"url": "https://example.org/"})

    webhook = Webhook.objects.get()
    assert (webhook.attempts, webhook.next_attempt_at < later) == (0, True)


def test_what_staff_switched_off_stays_off(api: ApiClient, path: str) -> None:
    assert Webhook.objects.all().switch_off() == 1

    answer = api.send("PATCH", path, {"active": True})

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert api.get(path).json()["stopped"] == "staff"
    assert not Webhook.objects.get().active


def test_staff_who_switch_it_off_meanwhile_are_heeded(webhook: Webhook) -> None:
    Webhook.objects.all().switch_off()

    with pytest.raises(Conflict):
        webhook.edit(active=True)  # as it was read before


def test_one_that_is_deleted_meanwhile_is_not_found(webhook: Webhook) -> None:
    Webhook.objects.all().delete()

    for change in (webhook.rotate, lambda: webhook.request(None), webhook.edit):
        with pytest.raises(NotFound):
            change()


def test_a_new_secret_replaces_the_old_one(
    api: ApiClient, webhook: Webhook, path: str
) -> None:
    answer = api.send("POST", f"{path}/rotate")

    now = datetime.now(UTC)
    old, webhook = webhook.secret, Webhook.objects.get()
    assert answer.json() == shown(webhook) | {"secret": webhook.secret}
    assert answer.headers["Cache-Control"] == "no-store"
    assert webhook.secrets(now) == [webhook.secret, old]
    assert webhook.secrets(now + timedelta(hours=25)) == [webhook.secret]


def test_it_is_deleted_with_its_log(
    api: ApiClient, webhook: Webhook, path: str
) -> None:
    webhook.request(None)

    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404
    assert not WebhookDelivery.objects.exists()


def test_a_test_is_requested_and_shown(api: ApiClient, path: str) -> None:
    answer = api.send("POST", f"{path}/test")

    row = WebhookDelivery.objects.get()
    assert answer.status_code == 202
    assert answer.json() == {
        "id": row.pk,
        "event": None,
        "outcome": "pending",
        "attempt": 1,
        "status": None,
        "error": None,
        "duration_ms": None,
        "at": rfc3339(row.at),
    }
    log = api.get(answer.headers["Location"])
    assert log.json() == {"items": [answer.json()], "next_cursor": None}


def test_an_event_is_requested_once_more(
    api: ApiClient, alice: User, bob: User, path: str
) -> None:
    make_task(alice)
    make_task(bob)
    mine, theirs = Event.objects.order_by("sequence")
    where = f"{path}/redeliver"

    assert api.send("POST", where, {"event": mine.sequence}).status_code == 202
    answer = api.send("POST", where, {"event": theirs.sequence})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "not_found"
    assert WebhookDelivery.objects.get().sequence == mine.sequence


def test_all_events_since_a_time_are_requested(
    api: ApiClient, alice: User, path: str
) -> None:
    for _ in range(3):
        make_task(alice)
    first, second, third = Event.objects.order_by("sequence")
    Webhook.objects.update(cursor=third.sequence, attempts=2)

    answer = api.send("POST", f"{path}/redeliver", {"since": rfc3339(second.at)})

    assert answer.status_code == 202
    assert answer.json()["cursor"] == cursors.encode("after", first.sequence)
    assert answer.json()["attempts"] == 0
    api.send("POST", f"{path}/redeliver", {"since": "1900-01-01T00:00:00Z"})
    assert Webhook.objects.get().cursor == 0
    api.send("POST", f"{path}/redeliver", {"since": "2999-01-01T00:00:00Z"})
    assert Webhook.objects.get().cursor == 0


def test_requests_are_bounded_and_refused_while_it_is_off(
    api: ApiClient, webhook: Webhook, path: str
) -> None:
    waiting = [WebhookDelivery(webhook=webhook) for _ in range(MAX_PENDING)]
    WebhookDelivery.objects.bulk_create(waiting)
    assert api.send("POST", f"{path}/test").status_code == 409
    Webhook.objects.update(active=False)

    body = {"since": "2026-01-01T00:00:00Z"}
    answer = api.send("POST", f"{path}/redeliver", body)

    assert answer.status_code == 409
    assert '{"active": true}' in answer.json()["detail"]


def test_a_user_is_deleted_with_webhooks(api: ApiClient, webhook: Webhook) -> None:
    webhook.request(None)

    assert api.delete("/api/me?confirm=alice").status_code == 204
    assert not Webhook.objects.exists()


def test_purge_removes_old_deliveries(webhook: Webhook) -> None:
    for days in (13, 15):
        at = datetime.now(UTC) - timedelta(days=days)
        WebhookDelivery.objects.create(webhook=webhook, at=at, outcome="failed")

    assert "1 deliveries of webhooks" in run("purge")[0]
    assert WebhookDelivery.objects.count() == 1


# Which addresses are called


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1"),
        *("192.0.0.192", "3fff::1"),
        *("168.63.129.16", "169.254.169.254", "172.16.0.1", "192.0.2.1", "192.168.0.1"),
        *("198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::7f00:1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
        *("64:ff9b::a00:1", "64:ff9b:1::1", "2002:a00:1::", "2001:0:a00:1::"),
        *("fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%1", "fec0::1", "ff02::1"),
        "2001:db8::1",
    ],
)
def test_addresses_that_are_not_public_are_refused(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    connected: list[Any] = []
    found = [(0, 0, 0, "", ("8.8.8.8", 443)), (0, 0, 0, "", (address, 443))]
    monkeypatch.setattr(outbound, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(outbound, "create_connection", lambda *to: connected.append(to))

    response = outbound.post("https://example.com/", b"", {})

    assert (response.status, response.error) == (None, "address_refused")
    assert not connected


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_called(address: str) -> None:
    assert outbound.is_public(ip_address(address))


def test_the_address_that_was_checked_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second answer of the name server changes nothing."""
    asked: list[str] = []

    def answer(host: str, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        return [(0, 0, 0, "", ("8.8.8.8" if len(asked) == 1 else "127.0.0.1", 443))]

    def connect(to: tuple[str, int], seconds: float) -> None:
        asked.append(to[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(outbound, "getaddrinfo", answer)
    monkeypatch.setattr(outbound, "create_connection", connect)

    assert outbound.post("https://example.com/", b"", {}).error == "connection"
    assert asked == ["example.com", "8.8.8.8"]


def test_a_name_that_is_not_resolved_in_time_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolved = Signal()
    monkeypatch.setattr(outbound, "TOTAL_SECONDS", 0.05)

    def wait(*_: object, **__: object) -> list[Any]:
        resolved.wait(10)
        return []

    monkeypatch.setattr(outbound, "getaddrinfo", wait)

    response = outbound.post("https://example.com/", b"", {})

    resolved.set()
    assert response.error == "timeout"
    assert response.duration_ms < 5_000


@pytest.mark.either_database
@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/", "ftp://example.com/", "https://", "https:///a", "a"),
        *("https://user@example.com/", "https://a:b@example.com/"),
        *("https://example.com/#a", "https://example.com:0/", "https://a:65536/"),
        *("https://a b/", "https://a/\r\nX: y", "https://münchen.de/", "https://[::1/"),
        *("https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1:8443/"),
        *("https://169.254.169.254/latest", "https://localhost.:0/"),
    ],
)
def test_a_url_that_cannot_be_called_is_refused(
    api: ApiClient, path: str, url: str
) -> None:
    for method, where in (("POST", PATH), ("PATCH", path)):
        answer = api.send(method, where, {"url": url})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["code"] == "url"


def test_allowed_hosts_are_called_by_http(api: ApiClient) -> None:
    for url in ("http://10.0.0.1/", "http://HOOKS.internal:8080/a", "http://[::1]/"):
        with override_settings(WEBHOOK_ALLOWED_HOSTS=[]):
            assert api.send("POST", PATH, {"url": url}).status_code == 422
        allowed = ["10.0.0.1", "hooks.internal", "::1"]
        with override_settings(WEBHOOK_ALLOWED_HOSTS=allowed):
            assert api.send("POST", PATH, {"url": url}).status_code == 201


def test_the_log_shows_neither_secrets_nor_the_path(
    alice: User,
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    webhook.rotate()
    make_task(alice)
    monkeypatch.setattr(outbound, "post", lambda *_: outbound.Response(410, "status"))
    while webhooks.send_due() == 0:
        pass

    text = "".join(str(vars(record)) for record in caplog.records)
    assert "a webhook was switched off" in text
    assert "example.com" in text
    webhook.refresh_from_db()
    for hidden in ("key=1", "/hook", webhook.secret, webhook.previous_secret):
        assert hidden not in text


# Staff


def test_staff_see_the_host_alone_and_switch_it_off(
    staff: Client, webhook: Webhook
) -> None:
    webhook.request(None)
    page = staff.get(f"/admin/tasks/webhook/{webhook.pk}/change/").content.decode()
    assert "example.com" in page
    assert "pending test" in page
    assert 'name="_save"' not in page
    for hidden in ("key=1", webhook.secret):
        assert hidden not in page

    staff.post(
        "/admin/tasks/webhook/",
        {"action": "switch_off", "_selected_action": [webhook.pk]},
    )

    webhook.refresh_from_db()
    assert (webhook.active, webhook.stopped) == (False, "staff")


def test_doctor_counts_those_that_fail(webhook: Webhook) -> None:
    assert not list(check_webhooks(Options()))
    Webhook.objects.update(failing_since=datetime.now(UTC))

    [(level, message)] = check_webhooks(Options())

    assert (level, message[:15]) == ("warning", "1 webhooks fail")
