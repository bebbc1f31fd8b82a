"""The figures as a picture: bars of requests a second, an operation a row.

Plain SVG with its own colours for light and dark pages, readable where scripts and fonts
are not loaded, as in a README.
"""

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from bench.figures import Figure

WIDTH = 860
MARGIN = 16
LABELS = 150  # for the names of the contestants, left of all bars
NUMBERS = 74  # for the figure right of a bar
GAP = 24  # between two columns
BAR, STEP = 13, 17
HEAD = 62  # above the first row
TITLE, AFTER = 20, 14  # of a row

STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.quiet { fill: #59636e }
.bold { font-weight: 600 }
.bar { fill: #a5b1be }
.ours { fill: #0969da }
.bad { fill: #cf222e }
line { stroke: #d1d9e0 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .quiet { fill: #9198a1 }
  .bar { fill: #59636e }
  .ours { fill: #4493f8 }
  .bad { fill: #ff7b72 }
  line { stroke: #3d444d }
}
"""


def draw(figures: Sequence[Figure], note: str) -> str:
    """A column for each number of connections, a row for each operation. Not the floor,
    beside which all other bars would be dots."""
    figures = [f for f in figures if not f.contestant.startswith("pgbench")]
    columns = list(dict.fromkeys(figure.connections for figure in figures))
    operations = list(dict.fromkeys(figure.operation for figure in figures))
    names = list(dict.fromkeys(figure.contestant for figure in figures))
    room = WIDTH - 2 * MARGIN - LABELS - GAP * (len(columns) - 1)
    wide = room / len(columns)
    row = TITLE + len(names) * STEP + AFTER
    height = HEAD + len(operations) * row + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>Requests per second of this service and its peers</title>",
        f"<style>{STYLE}</style>",
        _text(MARGIN, 24, "Requests per second", "bold"),
        _text(MARGIN + LABELS, 24, "longer is better", "quiet"),
    ]
    for at, connections in enumerate(columns):
        x = MARGIN + LABELS + at * (wide + GAP)
        parts.append(_text(x, 48, f"{connections:,} connections", "quiet"))
    for down, operation in enumerate(operations):
        top = HEAD + down * row
        parts.append(
            f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{top}" y2="{top}"/>'
        )
        parts.append(_text(MARGIN, top + 16, operation, "bold"))
        for line, name in enumerate(names):
            title = next(f.title for f in figures if f.contestant == name)
            kind = "" if _ours(name) else "quiet"
            y = top + TITLE + line * STEP
            parts.append(_text(MARGIN, y + BAR - 2, title, kind))
        for at, connections in enumerate(columns):
            x = MARGIN + LABELS + at * (wide + GAP)
            shown = [
                figure
                for figure in figures
                if (figure.operation, figure.connections) == (operation, connections)
            ]
            most = max((figure.per_second for figure in shown), default=0) or 1
            for figure in shown:
                y = top + TITLE + names.index(figure.contestant) * STEP
                length = (wide - NUMBERS) * figure.per_second / most
                parts += _bar(figure, x, y, length)
    parts.append(_text(MARGIN, height - 10, note, "quiet"))
    return "\n".join([*parts, "</svg>", ""])


def write(path: Path, figures: Sequence[Figure], note: str) -> None:
    path.write_text(draw(figures, note), encoding="utf-8")


def _bar(figure: Figure, x: float, y: float, length: float) -> list[str]:
    kind = "bar ours" if _ours(figure.contestant) else "bar"
    said = f"{figure.per_second:,.0f}"
    bad = figure.errors or figure.unanswered or figure.stuck
    if figure.stuck:
        said += " stopped answering"
    elif figure.errors:
        said += " errors"
    elif figure.unanswered:
        said += " unanswered clients"
    shape = f'x="{x:.1f}" y="{y}" width="{max(length, 1):.1f}" height="{BAR}" rx="2"'
    return [
        f'<rect class="{kind}" {shape}/>',
        _text(x + length + 6, y + BAR - 2, said, "bad" if bad else ""),
    ]


def _ours(contestant: str) -> bool:
    return contestant.startswith("tasks")


def _text(x: float, y: float, said: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(said)}</text>'
