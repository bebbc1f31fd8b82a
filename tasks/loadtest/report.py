"""The result of a load test as text, as JSON, and as a page with charts."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from django.template.loader import render_to_string

from tasks.loadtest.figures import TOLD, Latency
from tasks.loadtest.run import Result

# Of the charts, in pixels.
WIDTH, LABELS, NUMBERS = 720, 90, 70
HEIGHT, ROW = 160, 34
#: Where the scale of latencies begins at the latest, in milliseconds.
SHORTEST = 10.0


def as_json(result: Result, max_errors: int) -> dict[str, object]:
    bounds = result.options.bounds
    return {
        "ok": result.ok(max_errors),
        "url": result.options.url,
        "version": result.version,
        "connections": bounds.connections,
        "users": len(result.options.tokens),
        **result.figures.as_json(),
        "read_back": result.read,
        "interrupted": result.interrupted,
        "left": result.left,
    }


def as_text(result: Result, max_errors: int) -> str:
    figures = result.figures
    lines = [
        (
            f"{figures.requests:,} requests in {figures.duration:.1f} s: "
            f"{figures.per_second:,.0f} a second, on {result.options.bounds.connections} "
            f"connections, by version {result.version} of the service."
        ),
        "",
        (
            f"{'operation':<10} {'requests':>9} {'a second':>9} {'p50':>8} {'p95':>8} "
            f"{'p99':>8} {'max':>8}  ms"
        ),
    ]
    lines += [
        f"{row.operation:<10} {row.number:>9,} {row.per_second:>9,.1f} {row.p50:>8.1f} "
        f"{row.p95:>8.1f} {row.p99:>8.1f} {row.max:>8.1f}"
        for row in figures.latencies()
    ]
    lines += ["", *_verdict(result)]
    for title, details in _details(result):
        lines += [f"{title}: {detail}" for detail in details]
    if figures.errors.total() > max_errors:
        lines.append(
            f"{figures.errors.total():,} errors are more than --max-errors={max_errors}."
        )
    return "\n".join(lines)


def _verdict(result: Result) -> list[str]:
    """Sentences that say what was verified."""
    figures = result.figures
    said = []
    if result.interrupted:
        said.append("Interrupted: the load was shorter than asked for.")
    if not result.read:
        said.append("Not verified: what was written could not be read back.")
    elif not figures.acknowledged:
        said.append("Not verified: no write was acknowledged.")
    else:
        said.append(
            f"{figures.acknowledged:,} acknowledged writes, {figures.repeated:,} sent "
            f"twice, {figures.tasks:,} tasks and {figures.events:,} events read back: "
            f"{figures.count('lost'):,} lost, {figures.count('duplicated'):,} duplicated, "
            f"{figures.count('stale'):,} read too old."
        )
    if figures.in_doubt:
        said.append(
            f"{figures.in_doubt:,} writes had no response: they may be done or not."
        )
    if result.left:
        said.append(f"Left there: {', '.join(result.left)}.")
    return said


def _details(result: Result) -> list[tuple[str, list[str]]]:
    """What went wrong, under titles."""
    figures = result.figures
    faults = [f"{fault.kind}: {fault.message}" for fault in figures.faults[:TOLD]]
    if len(figures.faults) > TOLD:
        faults.append(f"and {len(figures.faults) - TOLD:,} more")
    return [
        ("Refused and sent again", _counted(figures.refused)),
        ("Error", _counted(figures.errors)),
        ("Wrong", faults),
    ]


def _counted(kinds: Mapping[str, int]) -> list[str]:
    return [f"{number:,} × {kind}" for kind, number in kinds.items()]


def write_page(path: Path, result: Result, max_errors: int) -> None:
    """One file without scripts, for light and dark displays."""
    figures = result.figures
    page = render_to_string(
        "loadtest.html",
        {
            "ok": result.ok(max_errors),
            "host": urlsplit(result.options.url).netloc,
            "made": datetime.now(UTC),
            "connections": result.options.bounds.connections,
            "users": len(result.options.tokens),
            "result": result,
            "figures": figures,
            "verdict": _verdict(result),
            "all_refused": figures.refused.total(),
            "all_errors": figures.errors.total(),
            "rows": figures.latencies(),
            "details": _details(result),
            "throughput": _throughput(result),
            "latency": _latency(figures.latencies()),
            "width": WIDTH,
        },
    )
    path.write_text(page)


def _throughput(result: Result) -> dict[str, object]:
    """A bar for each full second of the load."""
    counted = result.figures.by_second
    seconds = max(1, int(result.figures.duration))
    most = max((counted[second] for second in range(seconds)), default=0) or 1
    wide = WIDTH / seconds
    return {
        "height": HEIGHT,
        "most": most,
        "seconds": seconds,
        "bars": [
            {
                "second": second,
                "count": counted[second],
                "x": round(second * wide + wide * 0.1, 2),
                "y": round(HEIGHT - HEIGHT * counted[second] / most, 2),
                "width": round(wide * 0.8, 2),
                "height": round(HEIGHT * counted[second] / most, 2),
            }
            for second in range(seconds)
        ],
    }


def _latency(rows: list[Latency]) -> dict[str, object]:
    """A line for each operation, from p50 to the maximum, on a logarithmic scale."""
    first = min((row.p50 for row in rows), default=SHORTEST)
    last = max((row.max for row in rows), default=SHORTEST)
    begin = math.floor(math.log10(max(0.01, min(first, SHORTEST))))
    decades = max(1, math.ceil(math.log10(max(last, SHORTEST))) - begin)
    room = WIDTH - LABELS - NUMBERS

    def place(milliseconds: float) -> float:
        return round(
            LABELS
            + room * max(0.0, math.log10(max(milliseconds, 0.01)) - begin) / decades,
            2,
        )

    return {
        "height": len(rows) * ROW + 26,
        "bottom": len(rows) * ROW,
        "ticks": [
            {"x": place(10.0**decade), "text": f"{10.0**decade:,g} ms"}
            for decade in range(begin, begin + decades + 1)
        ],
        "lines": [
            {
                "y": number * ROW + ROW / 2,
                "operation": row.operation,
                "p50": place(row.p50),
                "p95": place(row.p95),
                "p99": place(row.p99),
                "max": place(row.max),
                "title": f"{row.operation}: p50 {row.p50:.1f}, p95 {row.p95:.1f}, "
                f"p99 {row.p99:.1f}, longest {row.max:.1f} ms",
            }
            for number, row in enumerate(rows)
        ],
    }
