"""What was measured, as a table for people and as JSON for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench.load import Run


@dataclass(frozen=True)
class Figure:
    """The medians over the rounds of one contestant, operation and number of
    connections; errors and unanswered connections are the sums. Units as in Run."""

    contestant: str
    title: str
    operation: str
    connections: int
    rounds: int
    requests: int
    per_second: float
    p50: float | None
    p99: float | None
    errors: int
    unanswered: int
    app_cpu: float | None
    postgres_cpu: float | None
    rss: float | None
    pss: float | None
    stuck: bool


def summarize(runs: Sequence[Run]) -> list[Figure]:
    """In the order in which they first ran."""
    groups: dict[tuple[str, str, int], list[Run]] = {}
    for run in runs:
        key = (run.contestant, run.operation, run.connections)
        groups.setdefault(key, []).append(run)
    return [_figure(group) for group in groups.values()]


def _figure(runs: Sequence[Run]) -> Figure:
    first = runs[0]
    return Figure(
        first.contestant,
        first.title,
        first.operation,
        first.connections,
        len(runs),
        sum(run.requests for run in runs),
        median(run.per_second for run in runs),
        _median(run.p50 for run in runs),
        _median(run.p99 for run in runs),
        sum(run.errors for run in runs),
        sum(run.unanswered for run in runs),
        _median(run.app_cpu for run in runs),
        _median(run.postgres_cpu for run in runs),
        _median(run.rss for run in runs),
        _median(run.pss for run in runs),
        any(run.stuck for run in runs),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


HEADINGS = (
    "",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "errors",
    "app CPU ms",
    "PostgreSQL CPU ms",
    "RSS MB",
    "PSS MB",
)


def tables(figures: Sequence[Figure]) -> str:
    """Markdown: a table for each number of connections and operation."""
    parts = []
    for connections in dict.fromkeys(figure.connections for figure in figures):
        parts.append(f"### {connections:,} connections")
        for operation in dict.fromkeys(figure.operation for figure in figures):
            rows = [
                _row(figure)
                for figure in figures
                if (figure.connections, figure.operation) == (connections, operation)
            ]
            if rows:
                parts.append(table((operation, *HEADINGS[1:]), rows))
    return "\n\n".join(parts)


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.title,
        f"{figure.per_second:,.0f}",
        number(figure.p50),
        number(figure.p99),
        task_or_raise(figure),
        number(figure.app_cpu, 2),
        number(figure.postgres_cpu, 2),
        number(figure.rss, 0),
        number(figure.pss, 0),
    )


def task_or_raise(figure: Figure) -> str:
    """The errors, and what is worse than an error."""
    said = [f"{figure.errors:,}"] if figure.errors else []
    if figure.unanswered:
        said.append(f"{figure.unanswered:,} unanswered")
    if figure.stuck:
        said.append("stuck")
    return ", ".join(said) or "0"


def number(value: float | None, places: int = 1) -> str:
    return "–" if value is None else f"{value:,.{places}f}"


def listed(values: Mapping[str, object]) -> str:
    """Names and values on one line."""
    return " · ".join(f"{name} {value}" for name, value in values.items())


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that reads as plain text too: the first column to the left, the
    others to the right."""
    every = [headings, *rows]
    widths = [max(len(row[at]) for row in every) for at in range(len(headings))]
    lines = [_line(headings, widths)]
    rules = ["-" * (width + 1) + ":" for width in widths]
    rules[0] = ":" + rules[0][:-1]
    lines.append("|" + "|".join(rules) + "|")
    lines += [_line(row, widths) for row in rows]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if at else cell.ljust(width)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "| " + " | ".join(padded) + " |"


def write_json(
    path: Path,
    machine: Mapping[str, str],
    settings: Mapping[str, object],
    starting: Mapping[str, Sequence[float]],
    runs: Sequence[Run],
) -> None:
    """Everything: the machine, the medians, and every single run."""
    document = {
        "machine": dict(machine),
        "settings": dict(settings),
        "starting_seconds": {name: median(each) for name, each in starting.items()},
        "figures": [asdict(figure) for figure in summarize(runs)],
        "runs": [asdict(run) for run in runs],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
