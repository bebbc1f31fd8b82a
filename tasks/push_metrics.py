"""What `manage.py push` does, for `/metrics`: in the directory that it shares with the processes of
`manage.py serve`, which runs it, as `taskproject/work_metrics.py` is of the worker."""

from collections import Counter as Numbers

from prometheus_client import CollectorRegistry, Counter, Gauge

from tasks.push import Server

registry = CollectorRegistry()
streams = Gauge(
    "tasks_push_streams",
    "Streams of hints that are open",
    multiprocess_mode="livesum",
    registry=registry,
)
done = Counter(
    "tasks_push_done",
    "Streams that began, were refused or ended by the service, hints, and failed questions",
    ["result"],
    registry=registry,
)
last_look = Gauge(
    "tasks_push_last_look_time_seconds",
    "When the database was last asked for changes, as Unix time; now, without streams",
    multiprocess_mode="livemax",
    registry=registry,
)
_published: Numbers[str] = Numbers()


def publish(server: Server) -> None:
    """Adds what the server has done since the last call."""
    streams.set(server.open)
    last_look.set(server.looked)
    for result, number in server.counts.items():
        done.labels(result).inc(number - _published[result])
        _published[result] = number
