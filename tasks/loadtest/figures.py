"""What a load measures: latencies, refusals and errors, and the faults that verification finds."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

#: What can be wrong with a service that acknowledged every write.
Kind = Literal["lost", "duplicated", "stale"]
#: In the order of the report. `repeat` is a write that is sent again, `changes` the feed.
OPERATIONS = (
    *("create", "get", "list", "patch", "complete", "toggle"),
    *("repeat", "changes"),
)
#: Faults that are told; more are counted.
TOLD = 20


class Latency(NamedTuple):
    """Of the responses of one operation, in milliseconds."""

    operation: str
    number: int
    per_second: float
    p50: float
    p95: float
    p99: float
    max: float


class Fault(NamedTuple):
    kind: Kind
    task_id: int | None
    message: str


@dataclass
class Figures:
    """Of one load."""

    #: The seconds that responses took, by operation.
    seconds: defaultdict[str, list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )
    #: Responses in each second of the load.
    by_second: Counter[int] = field(default_factory=Counter)
    #: 429, 503 and 409 `in_progress`: the requests were sent again with the same key.
    refused: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    #: The duration of the load.
    duration: float = 0.0
    acknowledged: int = 0
    repeated: int = 0
    #: Writes without a response, and those whose response was an error: done or not.
    in_doubt: int = 0
    tasks: int = 0
    events: int = 0

    @property
    def requests(self) -> int:
        """Responses that were as expected."""
        return sum(map(len, self.seconds.values()))

    @property
    def per_second(self) -> float:
        return self.requests / self.duration if self.duration else 0.0

    def add_fault(self, kind: Kind, task_id: int | None, message: str) -> None:
        self.faults.append(Fault(kind, task_id, message))

    def count(self, kind: Kind) -> int:
        """The number of tasks with such a fault: one of them may show in several places."""
        return len({fault.task_id for fault in self.faults if fault.kind == kind})

    def latencies(self) -> list[Latency]:
        return [
            Latency(
                operation,
                len(taken),
                len(taken) / self.duration if self.duration else 0.0,
                *(1000 * percentile(taken, part) for part in (50, 95, 99, 100)),
            )
            for operation in OPERATIONS
            if (taken := self.seconds.get(operation))
        ]

    def as_json(self) -> dict[str, object]:
        return {
            "duration_s": round(self.duration, 3),
            "requests": self.requests,
            "per_second": round(self.per_second, 1),
            "operations": [
                {
                    "operation": row.operation,
                    "count": row.number,
                    "per_second": round(row.per_second, 1),
                    "p50_ms": round(row.p50, 2),
                    "p95_ms": round(row.p95, 2),
                    "p99_ms": round(row.p99, 2),
                    "max_ms": round(row.max, 2),
                }
                for row in self.latencies()
            ],
            "refused": dict(self.refused),
            "errors": dict(self.errors),
            "acknowledged": self.acknowledged,
            "repeated": self.repeated,
            "in_doubt": self.in_doubt,
            "tasks": self.tasks,
            "events": self.events,
            "lost": self.count("lost"),
            "duplicated": self.count("duplicated"),
            "stale": self.count("stale"),
            "faults": [fault.message for fault in self.faults[:TOLD]],
        }


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that so many percent of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = max(1, math.ceil(part / 100 * len(ordered)))
    return ordered[rank - 1]
