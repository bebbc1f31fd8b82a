"""`/metrics`: numbers about this service for Prometheus, off unless a setting asks for it.

A request appends one tuple to a queue. A thread of each process adds the tuples to the
metrics, which prometheus-client keeps in files that all processes share (the directory is
made by `manage.py serve`). A scrape reads these files, and never the database: what is
asked of it is sampled by one process, and only while there are requests, so that a
database that sleeps is left asleep.
"""

import fcntl
import hmac
import logging
import os
import re
import resource
import sys
import time
from bisect import bisect_left
from collections import Counter as Counting
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from threading import Lock, Thread, get_ident

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from taskproject.deadlines import deadline
from taskproject.metrics_files import fold
from taskproject.models import Job
from taskproject.problems import DATABASE_ERROR
from taskproject.request_queue import WAITED
from taskproject.sql import this_thread
from tasks.models import Event, Reminder, Webhook

logger = logging.getLogger(__name__)

PATH = "/metrics"
INTERVAL = 0.5  # seconds between two additions of the queue
SAMPLING = 15.0  # seconds between two samples of the database
PATIENCE = 2.0  # seconds that a sample may take
#: Requests that wait to be added; older ones are dropped.
QUEUE = 100_000
#: Upper bounds of the histogram, in seconds.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
#: What requests that are no operation are counted as: by the beginnings of their paths.
PLACES = {
    "/admin": "admin",
    "/static": "static",
    "/livez": "livez",
    "/readyz": "readyz",
    "/api/auth": "auth",
}
_PLACE = re.compile(f"({'|'.join(PLACES)})(?=/|$)")
#: Headers of a proxy, behind which everybody has its address.
PROXIED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_FORWARDED")

registry = CollectorRegistry()
requests = Counter(
    "tasks_http_requests",
    "Requests that were answered",
    ["operation", "method", "status"],
    registry=registry,
)
duration = Histogram(
    "tasks_http_request_duration_seconds",
    "Time from the request's arrival at a thread to its response",
    ["operation"],
    buckets=BUCKETS,
    registry=registry,
)
waits = Histogram(
    "tasks_http_queue_seconds",
    "Time that requests waited for a thread; those that found one are not in it",
    buckets=BUCKETS,
    registry=registry,
)
in_flight = Gauge(
    "tasks_http_requests_in_flight",
    "Requests that a thread is answering",
    multiprocess_mode="livesum",
    registry=registry,
)
threads = Gauge(
    "tasks_threads",
    "Threads that answer requests",
    multiprocess_mode="livesum",
    registry=registry,
)
database_seconds = Counter(
    "tasks_database_seconds",
    "Time that requests waited for the database",
    ["operation"],
    registry=registry,
)
round_trips = Counter(
    "tasks_database_round_trips",
    "Round trips of requests to the database",
    ["operation"],
    registry=registry,
)
database_errors = Counter(
    "tasks_database_errors",
    "Requests that failed because of the database: 503, or a bug",
    registry=registry,
)
replays = Counter(
    "tasks_idempotent_replays",
    "Stored responses that were sent again for an Idempotency-Key",
    registry=registry,
)
memory = Gauge(
    "tasks_worker_memory_bytes",
    "Resident memory of a worker",
    multiprocess_mode="liveall",
    registry=registry,
)
cpu = Counter("tasks_worker_cpu_seconds", "CPU time of all workers", registry=registry)
started = Gauge(
    "tasks_worker_start_time_seconds",
    "When a worker started, as Unix time",
    multiprocess_mode="liveall",
    registry=registry,
)
events = Gauge(
    "tasks_newest_event",
    "The sequence number of the newest event of the feed; its growth is the rate of changes",
    multiprocess_mode="livemax",
    registry=registry,
)
jobs = Gauge(
    "tasks_jobs_unfinished",
    "Changes of thousands of rows that are not finished",
    multiprocess_mode="livemax",
    registry=registry,
)
oldest_job = Gauge(
    "tasks_jobs_oldest_seconds",
    "Age of the oldest unfinished job, or 0",
    multiprocess_mode="livemax",
    registry=registry,
)
oldest_reminder = Gauge(
    "tasks_reminders_oldest_seconds",
    "Time that a reminder is due and has not fired, or 0",
    multiprocess_mode="livemax",
    registry=registry,
)
oldest_webhook = Gauge(
    "tasks_webhooks_oldest_seconds",
    "Age of the oldest event that a webhook without failures has not been sent, or 0",
    multiprocess_mode="livemax",
    registry=registry,
)
waiting_webhooks = Gauge(
    "tasks_webhooks_waiting",
    "Webhooks without failures that have yet to be sent events",
    multiprocess_mode="livemax",
    registry=registry,
)
failing_webhooks = Gauge(
    "tasks_webhooks_failing",
    "Webhooks whose last delivery failed, or that were switched off for that",
    multiprocess_mode="livemax",
    registry=registry,
)
sample_failures = Counter(
    "tasks_database_sample_failures",
    "Samples of the database that failed or timed out",
    registry=registry,
)

#: Operation or None, path, method, status, seconds, those of the database, round trips,
#: whether it was a replay, seconds in the queue or None, whether the database failed.
_Request = tuple[
    str | None, str, str | None, int, float, float, int, bool, float | None, bool
]
_answered: deque[_Request] = deque(maxlen=QUEUE)
_running: set[int] = set()  # threads that are answering


class MetricsMiddleware:
    """Stands above the pipeline, so that every request passes it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if not (settings.METRICS_TOKEN or settings.METRICS_ADDRESSES):
            raise MiddlewareNotUsed
        self.get_response = get_response
        collector.start()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info == PATH:
            return scrape(request)
        thread = get_ident()
        _running.add(thread)
        began = time.perf_counter()
        try:
            response = self.get_response(request)
        finally:
            _running.discard(thread)
        usage = this_thread.usage
        own = response.headers._store  # `in headers` raises and catches KeyError
        _answered.append(
            (
                getattr(request, "operation", None),
                request.path_info,
                request.method,
                response.status_code,
                time.perf_counter() - began,
                usage.seconds,
                usage.round_trips,
                "idempotency-replayed" in own,
                request.META.get(WAITED),
                request.META.get(DATABASE_ERROR, False),
            )
        )
        return response


# The endpoint


def scrape(request: HttpRequest) -> HttpResponse:
    """The metrics of all processes of this host."""
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    collector.add()
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    directory = _directory()
    if directory is None:
        content = encode(registry)
    else:
        shared = CollectorRegistry(support_collectors_without_names=True)
        MultiProcessCollector(shared, str(directory))
        with _locked(directory / "scrape.lock"):
            fold(directory)
            content = encode(shared)
    response = HttpResponse(content, content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    return response


def _refusal(request: HttpRequest) -> HttpResponse | None:
    """The response to who may not read the metrics: not from these addresses, no token."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
    if settings.METRICS_ADDRESSES and not _is_near(request):
        return HttpResponse(status=404)
    given = request.META.get("HTTP_AUTHORIZATION", "").encode(errors="replace")
    if settings.METRICS_TOKEN and not hmac.compare_digest(
        given, f"Bearer {settings.METRICS_TOKEN}".encode()
    ):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    return None


def _is_near(request: HttpRequest) -> bool:
    """Whether the peer has one of the addresses, and is no proxy that says so."""
    if any(name in request.META for name in PROXIED):
        return False
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in settings.METRICS_ADDRESSES)


def _directory() -> Path | None:
    """The files that processes share; None if there is one process alone."""
    path = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(path) if path else None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock that all processes share."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# The threads of each process


class Collector:
    """Adds what was answered to the metrics."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process = 0
        self._cpu = 0.0
        self._busy = False  # whether there were requests since the last sample

    def start(self) -> None:
        """Starts the threads of this process, once."""
        with self._lock:
            if self._process == os.getpid():
                return
            self._process, self._cpu = os.getpid(), 0.0
        started.set(time.time())
        threads.set(settings.THREADS)
        for work in (self._add_forever, self._sample_forever):
            Thread(target=work, name="metrics", daemon=True).start()

    def add(self) -> None:
        """Adds the requests of the queue, and what the process uses."""
        with self._lock:
            # Together for each kind of request: an addition to a file takes 2 us.
            sums: dict[tuple[str, str, int], tuple[int, float, int]] = {}
            durations: defaultdict[str, list[float]] = defaultdict(list)
            waited_for_threads: list[float] = []
            while _answered:
                (
                    operation,
                    path,
                    method,
                    status,
                    seconds,
                    waited,
                    trips,
                    replayed,
                    queued,
                    failed,
                ) = _answered.popleft()
                name = operation or place(path)
                kind = (name, method if method in METHODS else "other", status)
                count, waited_in_all, sent = sums.get(kind, (0, 0.0, 0))
                sums[kind] = count + 1, waited_in_all + waited, sent + trips
                durations[name].append(seconds)
                if replayed:
                    replays.inc()
                if queued is not None:
                    waited_for_threads.append(queued)
                if failed:
                    database_errors.inc()
            for (name, method, status), (count, waited, sent) in sums.items():
                self._busy = True
                requests.labels(name, method, status).inc(count)
                database_seconds.labels(name).inc(waited)
                round_trips.labels(name).inc(sent)
            for name, each in durations.items():
                _observe(_duration(name), each)
            _observe(waits, waited_for_threads)
            in_flight.set(len(_running))
            used = time.process_time()
            cpu.inc(max(0.0, used - self._cpu))
            self._cpu = used
            memory.set(_resident())

    def sample(self) -> None:
        """Asks the database for what no request knows."""
        try:
            with deadline(PATIENCE, includes_connecting=True):
                newest = Event.objects.order_by("-sequence").first()
                events.set(newest.sequence if newest else 0)
                unfinished = Job.objects.unfinished()
                jobs.set(unfinished.count())
                oldest = unfinished.first()
                oldest_job.set(_age(oldest.created_at if oldest else None))
                due = Reminder.objects.due(timezone.now()).first()
                oldest_reminder.set(_age(due.fire_at if due else None))
                oldest_event, waiting = Webhook.objects.unsent()
                oldest_webhook.set(_age(oldest_event))
                waiting_webhooks.set(waiting)
                failing_webhooks.set(Webhook.objects.failing().count())
        except DatabaseError:
            sample_failures.inc()
        finally:
            connection.close()

    def _add_forever(self) -> None:
        while True:
            time.sleep(INTERVAL)
            try:
                self.add()
            except Exception:
                logger.exception("the metrics cannot be updated")

    def _sample_forever(self) -> None:
        directory = _directory()
        if directory is not None:
            # One process samples; another takes its place once it has ended.
            file = (directory / "sample.lock").open("ab")
            fcntl.flock(file, fcntl.LOCK_EX)
        while True:
            time.sleep(INTERVAL)
            if self._busy:
                self._busy = False
                try:
                    self.sample()
                except Exception:
                    logger.exception("the database cannot be sampled")
                time.sleep(SAMPLING)


collector = Collector()


def place(path: str) -> str:
    """What a request is counted as that is no operation: few names, whatever is sent."""
    found = _PLACE.match(path)
    return PLACES[found[1]] if found else "other"


def _age(moment: datetime | None) -> float:
    """Seconds since then; 0 without one."""
    return max(0.0, (timezone.now() - moment).total_seconds()) if moment else 0.0


@lru_cache(maxsize=1_000)
def _duration(operation: str) -> Histogram:
    return duration.labels(operation)


def _observe(histogram: Histogram, amounts: list[float]) -> None:
    """Observes all of them by one addition to each bucket, in 0.3 us each instead of 5:
    prometheus-client has no function for that."""
    histogram._sum.inc(sum(amounts))
    for bucket, number in Counting(bisect_left(BUCKETS, it) for it in amounts).items():
        histogram._buckets[bucket].inc(number)


def _resident() -> int:
    """The resident memory of this process, in bytes; its peak where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * resource.getpagesize()
