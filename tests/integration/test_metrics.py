"""/metrics: who may read it, what it counts, and that every process is in it"""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from prometheus_client import Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from taskproject import metrics, request_queue, work_metrics, worker
from taskproject.metrics import MetricsMiddleware, place
from taskproject.request_queue import Answer, Request
from tasks import push, push_metrics
from tasks.models import Event, Reminder, Task, Webhook, listing
from tests.conftest import ApiClient
from tests.support.copies import copy_of, free_port
from tests.support.servers import Server, live_server
from tests.support.threads import until

TOKEN = "0123456789abcdef-metrics"
OPEN = {"Authorization": f"Bearer {TOKEN}"}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def measured(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings with a token for the metrics. The threads are left out."""
    settings.METRICS_TOKEN = TOKEN
    name = f"{MetricsMiddleware.__module__}.{MetricsMiddleware.__name__}"
    settings.MIDDLEWARE = [name, *settings.MIDDLEWARE]
    monkeypatch.setattr(metrics.collector, "start", lambda: None)
    return settings


def samples(text: str) -> Samples:
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


def scraped() -> Samples:
    answer = Client().get("/metrics", headers=OPEN)
    assert answer.status_code == 200
    return samples(answer.content.decode())


# Who may read it


def test_it_is_off_without_a_setting(db: None) -> None:
    assert Client().get("/metrics").status_code == 404


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (TOKEN, 401),
        ("Bearer ☕", 401),
        (f"Bearer {TOKEN}", 200),
    ],
)
def test_it_asks_for_the_token(measured: Settings, given: str, status: int) -> None:
    answer = Client().get("/metrics", headers={"Authorization": given})

    assert answer.status_code == status
    assert (status == 401) == ("WWW-Authenticate" in answer.headers)
    assert Client().post("/metrics", headers=OPEN).status_code == 405


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("10.1.2.3", {}, 200),
        ("::ffff:10.1.2.3", {}, 200),
        ("2001:db8::1", {}, 200),
        ("10.2.0.1", {}, 404),
        ("2001:db8::2", {}, 404),
        ("", {}, 404),
        # Of a proxy, behind which everybody has its address.
        ("10.1.2.3", {"X-Forwarded-For": "10.1.2.3"}, 404),
        ("10.1.2.3", {"X-Forwarded-Proto": "https"}, 404),
        ("10.1.2.3", {"Forwarded": "for=10.1.2.3"}, 404),
    ],
)
def test_it_answers_to_its_addresses(
    measured: Settings, peer: str, headers: dict[str, str], status: int
) -> None:
    measured.METRICS_TOKEN = ""
    measured.METRICS_ADDRESSES = [
        ip_network("10.1.0.0/16"),
        ip_network("2001:db8::1"),
    ]

    answer = Client(REMOTE_ADDR=peer).get("/metrics", headers=headers)
    assert answer.status_code == status


def test_if_both_are_set_both_must_hold(measured: Settings) -> None:
    measured.METRICS_ADDRESSES = [ip_network("10.1.0.0/16")]

    near, far = Client(REMOTE_ADDR="10.1.0.1"), Client(REMOTE_ADDR="10.2.0.1")
    assert far.get("/metrics", headers=OPEN).status_code == 404
    assert near.get("/metrics").status_code == 401
    assert near.get("/metrics", headers=OPEN).status_code == 200


def test_it_answers_without_the_database_and_to_any_host(measured: Settings) -> None:
    # pytest-django lets no test without its mark use the database.
    answer = Client().get("/metrics", headers={**OPEN, "Host": "10.0.0.1:8000"})

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert answer.headers["Cache-Control"] == "no-store"


# What it counts


def test_requests_are_counted_by_operation_method_and_status(
    api: ApiClient, measured: Settings
) -> None:
    before = scraped()
    task = api.send("POST", "/api/tasks", {"title": "Buy milk"}).json()
    api.send("GET", f"/api/tasks/{task['id']}")
    api.send("GET", "/api/tasks/0")
    key = {"Idempotency-Key": "once"}
    for _ in range(2):
        api.send("POST", "/api/tasks", {"title": "Buy tea"}, headers=key)
    after = scraped()

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    counter = "tasks_http_requests_total"
    assert grown(counter, operation="create_task", method="POST", status="201") == 3
    assert grown(counter, operation="get_task", method="GET", status="200") == 1
    assert grown(counter, operation="get_task", method="GET", status="404") == 1
    assert grown("tasks_idempotent_replays_total") == 1
    histogram = "tasks_http_request_duration_seconds"
    assert grown(f"{histogram}_count", operation="create_task") == 3
    assert grown(f"{histogram}_bucket", operation="create_task", le="+Inf") == 3
    assert grown(f"{histogram}_sum", operation="create_task") > 0
    assert grown("tasks_database_round_trips_total", operation="get_task") > 0
    assert grown("tasks_database_seconds_total", operation="get_task") > 0
    assert value(after, "tasks_http_requests_in_flight") == 0
    assert value(after, "tasks_worker_memory_bytes") > 2**20


def test_durations_are_added_together_as_one_by_one() -> None:
    amounts = [0.0, 0.001, 0.0011, 5.0, 6.0, 6.0]
    one_by_one, together = (
        Histogram("tasks", "", buckets=metrics.BUCKETS, registry=None) for _ in range(2)
    )
    for amount in amounts:
        one_by_one.observe(amount)
    metrics._observe(together, amounts)

    def counted(histogram: Histogram) -> list[tuple[str, str, float]]:
        [family] = histogram.collect()
        return [(it.name, it.labels.get("le", ""), it.value) for it in family.samples]

    assert counted(together)[:-1] == counted(one_by_one)[:-1]  # but when they were made


def test_the_time_in_the_queue_is_measured(
    measured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one that waited; another waited too long, and a third found a thread free."""
    monkeypatch.setattr(request_queue, "LONGEST", 0)
    queue = request_queue.Queue()
    request = Request(cast(Answer, None), {})
    assert all(map(queue.admit, [request] * measured.THREADS))
    for _ in range(2):
        queue.admit(Request(cast(Answer, None), {}))
    waited, late = queue.following(request), queue.expired()
    assert waited
    before = scraped()
    for scope in (waited.scope, late[0].scope, {}):
        Client().get("/livez", **scope)
    after = scraped()

    name = "tasks_http_queue_seconds"
    assert value(after, f"{name}_count") - value(before, f"{name}_count") == 2
    assert value(after, f"{name}_sum") > value(before, f"{name}_sum")


def test_errors_of_the_database_are_counted(
    api: ApiClient, measured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **named: object) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(listing, "state", fail)
    before = scraped()
    poll = {"If-None-Match": '"a"'}
    assert api.send("GET", "/api/tasks", headers=poll).status_code == 503
    assert api.send("GET", "/api/tasks/0").status_code == 404
    after = scraped()

    name = "tasks_database_errors_total"
    assert value(after, name) - value(before, name) == 1


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/admin/", "admin"),
        ("/admin/tasks/task/5/change/", "admin"),
        ("/administrator", "other"),
        ("/static/x.css", "static"),
        ("/livez", "livez"),
        ("/api/auth/app/v1/config", "auth"),
        ("/api/nothing", "other"),
        ("/", "other"),
    ],
)
def test_paths_have_few_names(path: str, name: str) -> None:
    assert place(path) == name


@pytest.mark.django_db
def test_clients_cannot_make_up_labels(measured: Settings) -> None:
    for number in range(3):
        Client().generic("BREW", f"/coffee/{number}")
    named = {
        labels for name, labels in scraped() if name == "tasks_http_requests_total"
    }

    methods = {dict(labels)["method"] for labels in named}
    assert methods <= metrics.METHODS | {"other"}
    assert not [labels for labels in named if "coffee" in str(labels)]


def test_the_database_is_sampled(api: ApiClient, measured: Settings) -> None:
    key = api.send("POST", "/api/tasks", {"title": "Buy milk"}).json()["id"]
    due = timezone.now() - timedelta(seconds=70)
    owner_id = Task.objects.get().owner_id
    Reminder.objects.create(
        owner_id=owner_id, task_id=key, fire_at=due, status="pending"
    )
    webhook = Webhook.objects.issue(owner_id, url="https://example.com/")
    failing = {"url": webhook.url, "failing_since": due}
    Webhook.objects.issue(owner_id, **failing)
    api.send("POST", "/api/tasks", {"title": "Buy tea"})
    Event.objects.filter(sequence__gt=webhook.cursor).update(at=due)
    metrics.collector.sample()

    found = scraped()
    assert 70 <= value(found, "tasks_webhooks_oldest_seconds") < 90
    assert value(found, "tasks_webhooks_waiting") == 1
    assert value(found, "tasks_webhooks_failing") == 1
    assert 70 <= value(found, "tasks_reminders_oldest_seconds") < 90
    assert value(found, "tasks_newest_event") > 0
    assert value(found, "tasks_jobs_unfinished") == 0
    assert value(found, "tasks_jobs_oldest_seconds") == 0


def test_what_a_worker_has_done_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {("webhooks", "failed"): 0}
    monkeypatch.setattr(worker, "counts", counts)
    monkeypatch.setattr(worker, "last_calls", lambda: {"webhooks": 7.0})
    for number in (2, 0, 1):
        worker.count("webhooks", "failed", number)
        work_metrics.publish()

    found = samples(generate_latest(work_metrics.registry).decode())
    labels = {"kind": "webhooks", "result": "failed"}
    assert value(found, "tasks_work_done_total", **labels) == 3
    name = "tasks_work_last_call_time_seconds"
    assert value(found, name, kind="webhooks") == 7


def test_what_push_has_done_is_counted() -> None:
    server = SimpleNamespace(open=3, looked=7.0, counts={"hints": 0})
    for number in (2, 0, 1):
        server.counts["hints"] += number
        push_metrics.publish(cast(push.Server, server))

    found = samples(generate_latest(push_metrics.registry).decode())
    assert value(found, "tasks_push_streams") == 3
    assert value(found, "tasks_push_done_total", result="hints") == 3
    assert value(found, "tasks_push_last_look_time_seconds") == 7


# Real servers


@pytest.fixture(scope="module")
def server(migrated: str) -> Iterator[Server]:
    with (
        copy_of(migrated) as url,
        live_server(
            url,
            METRICS_TOKEN=TOKEN,
            LOG_LEVEL="ERROR",
            SERVE_WORK="on",
            PUSH_PORT=str(free_port()),
        ) as server,
    ):
        yield server


def live(server: Server) -> Samples:
    answer = server.send("GET", "/metrics", headers=OPEN)
    assert answer.status == 200
    return samples(answer.body.decode())


def created(server: Server) -> float:
    labels = {"operation": "create_task", "method": "POST", "status": "201"}
    return value(live(server), "tasks_http_requests_total", **labels)


def workers(server: Server) -> set[int]:
    return {
        int(dict(labels)["pid"])
        for name, labels in live(server)
        if name == "tasks_worker_memory_bytes"
        and b"push" not in Path(f"/proc/{dict(labels)['pid']}/cmdline").read_bytes()
    }


def replaced(server: Server, killed: int) -> bool:
    with suppress(OSError):  # What the process had accepted is reset.
        return len(workers(server) - {killed}) == 2
    return False


@pytest.mark.either_database
def test_all_processes_are_counted_and_none_is_forgotten(server: Server) -> None:
    for number in range(20):
        server.send("POST", "/api/tasks", {"title": f"Task {number}"})
    until(lambda: created(server) == 20)
    until(lambda: len(workers(server)) == 2)

    killed = min(workers(server))
    os.kill(killed, signal.SIGKILL)
    until(lambda: replaced(server, killed))

    assert killed not in workers(server)
    # What the process had counted is kept.
    assert created(server) == 20
    assert value(live(server), "tasks_threads") == 4


FILES = Path(metrics.__file__).parents[1] / "deploy/prometheus"
ALERTS = (FILES / "alerts.yml").read_text()


@pytest.mark.either_database
@pytest.mark.parametrize("name", ["alerts.yml", "dashboard.json"])
def test_every_metric_that_is_named_is_scraped(server: Server, name: str) -> None:
    def names() -> set[str]:
        server.send("GET", "/api/tasks")
        return {metric for metric, _ in live(server)}

    named = set(re.findall(r"\btasks_[a-z_]+\b", (FILES / name).read_text()))

    assert named
    until(lambda: named <= names())  # after the first sample, and the worker's start


def test_the_dashboard_shows_all_metrics() -> None:
    dashboard = (FILES / "dashboard.json").read_text()
    registries = (metrics.registry, work_metrics.registry, push_metrics.registry)
    kept = {one.name for registry in registries for one in registry.collect()}

    missing = {name for name in kept if name not in dashboard}
    assert missing == {"tasks_database_sample_failures"}  # an alert has it
    ids = [panel["id"] for panel in json.loads(dashboard)["panels"]]
    assert len(ids) == len(set(ids))


def test_the_document_says_what_to_do_for_each_alert() -> None:
    document = (FILES.parents[1] / "docs/operations.md").read_text()
    alerts = re.findall(r"- alert: (\w+)$", ALERTS, re.MULTILINE)

    assert re.findall(r"^\| `(Tasks\w+)` \|", document, re.MULTILINE) == alerts


@pytest.mark.either_database
@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
def test_promtool_accepts_the_rules() -> None:
    subprocess.run(["promtool", "check", "rules", FILES / "alerts.yml"], check=True)
    # Without the files that it names, of the token and of the rules.
    check = ["promtool", "check", "config", "--syntax-only"]
    subprocess.run([*check, FILES / "prometheus.yml"], check=True)
