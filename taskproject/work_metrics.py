"""What `manage.py work` has done, for `/metrics`: in the directory that it shares with the
processes of `manage.py serve`, which runs it. A worker that runs by itself has none; what
waits for it is in the samples of the database (`metrics.py`).

Only the worker imports this module: prometheus-client looks for the directory when it is
imported, which `manage.py serve` does before there is one."""

from collections import Counter as Numbers

from prometheus_client import CollectorRegistry, Counter, Gauge

from taskproject import worker

registry = CollectorRegistry()
done = Counter(
    "tasks_work_done",
    "What workers have done, by kind of work and result",
    ["kind", "result"],
    registry=registry,
)
last_call = Gauge(
    "tasks_work_last_call_time_seconds",
    "When a call of this kind of work last succeeded, as Unix time",
    ["kind"],
    multiprocess_mode="livemax",
    registry=registry,
)
_published: Numbers[tuple[str, str]] = Numbers()


def publish() -> None:
    """Adds what this worker has done since the last call."""
    for (kind, result), number in worker.counts.items():
        grown = number - _published[kind, result]
        _published[kind, result] = number
        done.labels(kind, result).inc(grown)
    for kind, moment in worker.last_calls().items():
        last_call.labels(kind).set(moment)
