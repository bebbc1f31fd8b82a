"""What the readers of other services' files share: making their tasks fit ours.

Nothing that somebody wrote is lost: what does not fit its field goes on in the
description. One level of subtasks exists here, so deeper ones become children of the
ancestor at the top.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256

from taskproject.names import same
from tasks.formats.records import (
    ID_LENGTH,
    LIST_NAME_LENGTH,
    MOST_TAGS,
    TAG_LENGTH,
    TITLE_LENGTH,
    BadRow,
    ListRecord,
    Refused,
    Row,
    TaskRecord,
    checked_task,
)

#: The list of a task whose own has no name.
UNNAMED = "Imported"

_SURROGATES = re.compile(r"[\ud800-\udfff]")


@dataclass(slots=True)
class Draft:
    """A task of a foreign file, before it fits. `lines` follow its description."""

    line: int
    record: TaskRecord
    lines: list[str] = field(default_factory=list)


class Lists:
    """The names of the lists of a file, each yielded once: before the first of its
    tasks. Names that are equal but for their case are one list."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._new: list[ListRecord] = []

    def name(self, wanted: str, archived: bool = False) -> str:
        """What the list is called here: cut where it is too long."""
        name = cut(clean(wanted).strip() or UNNAMED, LIST_NAME_LENGTH)
        if same(name) not in self._names:
            self._names[same(name)] = name
            self._new.append(ListRecord(name, archived=archived))
        return self._names[same(name)]

    def new(self) -> Iterator[ListRecord]:
        """Those that have not been yielded yet."""
        while self._new:
            yield self._new.pop(0)


def clean(text: str) -> str:
    """Without NULs, with each half of a surrogate pair replaced, and with line breaks
    of one kind."""
    text = text.replace("\x00", "").replace("\r\n", "\n")
    return _SURROGATES.sub("\ufffd", text)


def cut(text: str, most: int) -> str:
    """At most that many characters; an ellipsis shows that there were more."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def external_id(service: str, *parts: str) -> str:
    """`service:part:part`, with a digest for parts that are too long or not storable."""
    name = ":".join((service, *parts))
    if len(name) <= ID_LENGTH and clean(name) == name:
        return name
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{service}:sha256:{digest}"


def fitted(record: TaskRecord, lines: Iterable[str] = ()) -> TaskRecord:
    """The task within the bounds of the service, with the lines at the end of its
    description. A task without a title takes the first line of its description.

    Raises `Refused` where the description gets too long, or there is no title at all.
    """
    title = clean(record.title).strip()
    description = clean(record.description).strip()
    if not title:
        title = description.partition("\n")[0].strip()
    tags, left = _fitted_tags(record.tags)
    told = description.startswith(title)
    whole = [title] if len(title) > TITLE_LENGTH and not told else []
    last = [*(clean(line).strip() for line in lines), *left]
    parts = [*whole, description, "\n".join(filter(None, last))]
    return checked_task(
        replace(
            record,
            title=cut(title, TITLE_LENGTH),
            description="\n\n".join(filter(None, parts)),
            tags=tags,
        )
    )


def _fitted_tags(names: Iterable[str]) -> tuple[tuple[str, ...], list[str]]:
    """The tags that fit, and a line that names those that do not."""
    whole = [name for name in (clean(name).strip() for name in names) if name]
    fitting: dict[str, str] = {}
    left: dict[str, str] = {}
    for name in whole:
        short = cut(name, TAG_LENGTH)
        if same(short) in fitting or len(fitting) < MOST_TAGS:
            fitting.setdefault(same(short), short)
            if short == name:
                continue
        left.setdefault(same(name), name)
    line = [f"Tags: {', '.join(left.values())}"] if left else []
    return tuple(fitting.values()), line


class Reading:
    """What has been read of a document: its lists, its tasks, and what is neither."""

    def __init__(self) -> None:
        self.lists = Lists()
        self.drafts: list[Draft] = []
        #: How many tasks have been come across.
        self.count = 0
        self._bad: list[BadRow] = []

    @contextmanager
    def at(self, line: int) -> Iterator[None]:
        """What is refused inside is a bad row, and reading goes on behind it."""
        try:
            yield
        except Refused as refusal:
            self._bad.append(BadRow(max(line, 1), str(refusal)))

    def rows(self) -> Iterator[Row]:
        """The lists; the tasks, parents before children; what was refused.

        A parent that is not there, or was refused, leaves its children at the top.
        """
        yield from self.lists.new()
        tops = top_ancestors(
            {draft.record.external_id: draft.record.parent for draft in self.drafts}
        )
        there: set[str] = set()
        for wanted in (False, True):
            for draft in self.drafts:
                parent = tops[draft.record.external_id]
                if (parent is not None) == wanted:
                    row = row_of(draft, parent if parent in there else None)
                    if isinstance(row, TaskRecord):
                        there.add(row.external_id)
                    yield row
        yield from sorted(self._bad, key=lambda bad: bad.line)


def row_of(draft: Draft, parent: str | None) -> TaskRecord | BadRow:
    """The task under that parent, made to fit."""
    try:
        return fitted(replace(draft.record, parent=parent), draft.lines)
    except Refused as refusal:
        return BadRow(draft.line, str(refusal))


def top_ancestors(parents: Mapping[str, str | None]) -> dict[str, str | None]:
    """For each task the ancestor that has no parent among them, or None for such an
    ancestor itself. One task of each circle is taken for the top of it."""
    tops: dict[str, str] = {}
    for start in parents:
        path: dict[str, None] = {}
        at = start
        while at not in tops and at not in path:
            path[at] = None
            parent = parents[at]
            if parent is None or parent not in parents:
                break
            at = parent
        top = tops.get(at, at)
        tops.update(dict.fromkeys(path, top))
    return {task: None if top == task else top for task, top in tops.items()}
