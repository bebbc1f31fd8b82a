"""Shared by the readers of other services' files: fitting their tasks into ours.

No text of the user is lost: what does not fit a field is kept in the description, what
does not fit the description in subtasks, and an `Adjusted` reports it. There is one level
of subtasks here; deeper ones become children of their topmost ancestor."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from hashlib import sha256

from taskproject.names import casefold_key, one_line, visible
from tasks.fields import Values
from tasks.formats.documents import Item, Members, Remarks, written
from tasks.formats.records import (
    UNSTORABLE,
    Adjusted,
    BadRow,
    ListRecord,
    Refused,
    Row,
    TaskRecord,
    checked_task,
    shown,
)
from tasks.formats.times import write_instant
from tasks.limits import (
    DESCRIPTION_LENGTH,
    EXTERNAL_ID_LENGTH,
    FIRST_DAY,
    LAST_DAY,
    LIST_NAME_LENGTH,
    MAX_TAGS,
    TAG_LENGTH,
    TITLE_LENGTH,
)

#: The name for a list without one.
UNNAMED = "Imported"
UNTITLED = "(no title)"


@dataclass(slots=True)
class Draft:
    """A task of another service, before it is fitted."""

    line: int
    record: TaskRecord
    remarks: Remarks = field(default_factory=Remarks)


class Lists:
    """The lists of a file, each yielded once, before the first of its tasks. Their names are
    unique: a second `Home` is called `Home (2)`."""

    def __init__(self) -> None:
        #: By their keys in the file.
        self._names: dict[object, str] = {}
        self._taken: set[str] = set()
        self._new: list[Row] = []

    def name(
        self, wanted: str, key: object, line: int = 1, *, archived: bool = False
    ) -> str:
        """The name of the list with this key here."""
        if key not in self._names:
            self._names[key] = self._added(wanted, line, archived)
        return self._names[key]

    def new(self) -> Iterator[Row]:
        """The lists that have not been yielded yet."""
        while self._new:
            yield self._new.pop(0)

    def _added(self, wanted: str, line: int, archived: bool) -> str:
        whole = one_line(clean(wanted))
        whole = whole if visible(cut(whole, LIST_NAME_LENGTH)) else UNNAMED
        name, count = cut(whole, LIST_NAME_LENGTH), 1
        while casefold_key(name) in self._taken:
            count += 1
            name = numbered(whole, f" ({count})", LIST_NAME_LENGTH)
        self._taken.add(casefold_key(name))
        self._new.append(ListRecord(name, archived=archived))
        if name != wanted.strip():
            what = f"The list {wanted!r} is called {name!r} here."
            self._new.append(Adjusted(line, what))
        return name


def clean(text: str) -> str:
    """The text with unstorable characters (NUL, lone surrogates) escaped, and with LF line
    ends."""
    text = text.replace("\r\n", "\n")
    return UNSTORABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def cut(text: str, most: int) -> str:
    """At most that many characters; an ellipsis replaces the rest."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def numbered(text: str, number: str, most: int) -> str:
    """The text with the number after it, cut if it is too long."""
    return cut(text, most - len(number)) + number


def external_id(service: str, *parts: str) -> str:
    """`service:part:part`, with a digest for parts that are too long or not storable."""
    name = ":".join((service, *parts))
    if (
        len(name) <= EXTERNAL_ID_LENGTH
        and not UNSTORABLE.search(name)
        and "\r\n" not in name
    ):
        return name
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{service}:sha256:{digest}"


def item_id(service: str, identifier: str | None, members: Members) -> str:
    """The id of something by its identifier in the file, else by its content."""
    if identifier:
        return external_id(service, identifier)
    return content_id(service, members)


def content_id(service: str, members: Members) -> str:
    """The id of something without an id, derived from its content."""
    content = written(members).encode("utf-8", "surrogatepass")
    return f"{service}:content:{sha256(content).hexdigest()}"


def fitted(draft: Draft) -> list[TaskRecord]:
    """The task within the limits of the service, and after it subtasks with the rest of its
    description (siblings, if it is a subtask itself).

    A task without a title takes the first line of its description. Adjustments are added to
    the remarks. Raises `Refused` if the task still cannot be stored; no input is known that
    does this."""
    remarks = draft.remarks
    record = _fitted_times(draft.record, remarks)
    for text in (record.title, record.description, *record.tags, *remarks.lines):
        if UNSTORABLE.search(text):
            remarks.adjusted.append(
                "Characters that cannot be stored are written as escapes, such as "
                "\\u0000."
            )
            break
    title, parts = _fitted_title(record, remarks)
    tags, left = _fitted_tags(record.tags, remarks)
    lines = filter(None, (clean(line).strip() for line in (*remarks.lines, *left)))
    whole = "\n\n".join(filter(None, [*parts, "\n".join(lines)]))
    texts = _pages(whole)
    if len(texts) > 1:
        remarks.adjusted.append(
            f"The description has {len(whole):,} characters; what is over "
            f"{DESCRIPTION_LENGTH:,} is in {len(texts) - 1} tasks of its own."
        )
    first = checked_task(replace(record, title=title, description=texts[0], tags=tags))
    return [first, *_more(first, texts)]


def _fitted_title(record: TaskRecord, remarks: Remarks) -> tuple[str, list[str]]:
    """The title, and the parts of the description, with what does not fit the title."""
    wanted = clean(record.title).strip()
    description = clean(record.description)
    if not description.strip():
        description = ""
    title = one_line(wanted)
    if not visible(cut(title, TITLE_LENGTH)):
        if wanted:
            remarks.lines.append(f"Title: {wanted.encode('unicode_escape').decode()}")
        lines = (cut(one_line(line), TITLE_LENGTH) for line in description.splitlines())
        title = next(filter(visible, lines), UNTITLED)
        remarks.adjusted.append(f"The title is empty; it is {cut(title, 50)!r} here.")
        return title, [description]
    short = cut(title, TITLE_LENGTH)
    if short == wanted:
        return short, [description]
    why = "is not on one line" if title != wanted else f"has {len(title)} characters"
    remarks.adjusted.append(f"The title {why}; all of it is in the description.")
    whole = [] if description.lstrip().startswith(wanted) else [wanted]
    return short, [*whole, description]


def _fitted_times(record: TaskRecord, remarks: Remarks) -> TaskRecord:
    """The task without the times that cannot be stored, which go to the remarks."""
    changed: Values = {}
    for name, value in (
        ("due_date", record.due_date),
        ("due_at", record.due_at),
        ("completed_at", record.completed_at),
        ("created_at", record.created_at),
        ("updated_at", record.updated_at),
        ("deleted_at", record.deleted_at),
    ):
        if value is None:
            continue
        word = _TIMES[name]
        if not FIRST_DAY <= _day(value) <= LAST_DAY:
            reason = f"is not from {FIRST_DAY} to {LAST_DAY}"
        elif name == "completed_at" and not record.completed:
            reason = "is there, and the task is open"
        else:
            continue
        text = write_instant(value) if isinstance(value, datetime) else f"{value}"
        remarks.keep(word, text, reason)
        changed[name] = None
        if name == "due_at":
            changed["due_timezone"] = None
    return replace(record, **changed)


_TIMES = {
    "due_date": "Due",
    "due_at": "Due",
    "completed_at": "Completed",
    "created_at": "Created",
    "updated_at": "Updated",
    "deleted_at": "Deleted",
}


def _day(value: date | datetime) -> date:
    if isinstance(value, datetime):
        return value.astimezone(UTC).date()
    return value


def _fitted_tags(
    names: Iterable[str], remarks: Remarks
) -> tuple[tuple[str, ...], list[str]]:
    """The tags that fit, and a line with those that do not."""
    whole = [name for name in (clean(name).strip() for name in names) if name]
    fitting: dict[str, str] = {}
    left: dict[str, str] = {}
    for name in whole:
        short = cut(one_line(name), TAG_LENGTH)
        if visible(short) and (
            casefold_key(short) in fitting or len(fitting) < MAX_TAGS
        ):
            fitting.setdefault(casefold_key(short), short)
            if short == name:
                continue
        left.setdefault(casefold_key(name), name)
    if not left:
        return tuple(fitting.values()), []
    remarks.adjusted.append(
        f"{len(left)} of the tags cannot be stored as they are; they are in the "
        "description."
    )
    return tuple(fitting.values()), [f"Tags: {', '.join(left.values())}"]


def _pages(text: str) -> list[str]:
    """The text in pieces of the length of a description, cut after a line or a word if there is
    one in the last tenth."""
    pages = []
    while len(text) > DESCRIPTION_LENGTH:
        last = DESCRIPTION_LENGTH * 9 // 10
        at = text.rfind("\n", last, DESCRIPTION_LENGTH) + 1
        at = at or text.rfind(" ", last, DESCRIPTION_LENGTH) + 1 or DESCRIPTION_LENGTH
        pages.append(text[:at])
        text = text[at:]
    return [*pages, text]


def _more(task: TaskRecord, texts: list[str]) -> Iterator[TaskRecord]:
    service = task.external_id.partition(":")[0]
    for number, text in enumerate(texts[1:], 2):
        yield replace(
            task,
            external_id=derived_id(service, task.external_id, f"part-{number}"),
            title=numbered(
                task.title, f" (part {number} of {len(texts)})", TITLE_LENGTH
            ),
            description=text,
            parent=task.parent or task.external_id,
            tags=(),
            priority="none",
            due_date=None,
            due_at=None,
            due_timezone=None,
            recurrence=None,
            recurrence_from=None,
            recurrence_subtasks=None,
            occurrence=None,
        )


def derived_id(service: str, origin: str, *parts: str) -> str:
    """The id of something that is made of a part of the item with the id `origin`."""
    return external_id(service, origin.removeprefix(f"{service}:"), *parts)


class Reading:
    """The lists and tasks read from a document so far, and its errors."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.lists = Lists()
        #: The number of tasks so far.
        self.count = 0
        self._drafts: dict[str, Draft] = {}
        self._others: list[BadRow | Adjusted] = []
        self._left_out: dict[str, None] = {}
        self._said: set[str] = set()

    @contextmanager
    def at(self, line: int) -> Iterator[None]:
        """Turns `Refused` into a bad row of this number; reading goes on after it."""
        try:
            yield
        except Refused as refusal:
            self.refused(line, str(refusal))

    def refused(self, line: int, reason: str) -> None:
        self._others.append(BadRow(max(line, 1), reason))

    def adjusted(self, line: int, what: str) -> None:
        self._others.append(Adjusted(max(line, 1), what))

    def adjusted_once(self, line: int, what: str) -> None:
        """`adjusted`, unless this was reported before."""
        if what not in self._said:
            self._said.add(what)
            self.adjusted(line, what)

    def finish_list(
        self, line: int, kind: str, item: Item, unused: Sequence[str]
    ) -> None:
        """Reports what was left out of a list, which the service calls `kind`, and its
        adjustments."""
        self.left_out(f"{name} of {kind}s" for name in item.passed_over(unused))
        for what in item.remarks.adjusted:
            self.adjusted(line, f"In a {kind}: {what}")

    def left_out(self, names: Iterable[str]) -> None:
        """Reports members with these names, for which there is no field."""
        self._left_out.update(dict.fromkeys(names))

    def add(self, draft: Draft) -> None:
        """Adds a task. If its id was used before, it gets another one, unless it is equal to that
        task in everything."""
        record, remarks = draft.record, draft.remarks
        before = self._drafts.get(record.external_id)
        if before is not None:
            if _content(before) == _content(draft):
                self.adjusted(
                    draft.line,
                    f"The task {shown(record.title)} is there twice; stored once.",
                )
                return
            digest = sha256(_content(draft).encode("utf-8", "surrogatepass"))
            copy = derived_id(self.service, record.external_id, digest.hexdigest()[:16])
            remarks.adjusted.append(
                f"It has the id of the task {shown(before.record.title)}; stored as a "
                "task of its own."
            )
            if copy in self._drafts:
                return
            record = draft.record = replace(record, external_id=copy)
        self._drafts[record.external_id] = draft

    def drafts(self) -> Iterable[Draft]:
        return self._drafts.values()

    def rows(self) -> Iterator[Row]:
        """The lists; the tasks, parents before children; then errors and adjustments.

        The children of a parent that is missing or invalid have no parent."""
        yield from self.lists.new()
        tops = top_ancestors(
            {name: draft.record.parent for name, draft in self._drafts.items()}
        )
        there: set[str] = set()
        for wanted in (False, True):
            for name, draft in self._drafts.items():
                parent = tops[name]
                if (parent is not None) == wanted:
                    self._report_parent(draft, parent)
                    for row in rows_of(draft, parent if parent in there else None):
                        if isinstance(row, TaskRecord):
                            there.add(row.external_id)
                        yield row
        if self._left_out:
            self.adjusted(1, f"Not imported: {', '.join(self._left_out)}.")
        yield from sorted(self._others, key=lambda other: other.line)

    def _report_parent(self, draft: Draft, top: str | None) -> None:
        """Reports a parent that differs from the one in the file."""
        parent = draft.record.parent
        if parent is None or parent == top:
            return
        if parent not in self._drafts:
            draft.remarks.adjusted.append(
                f"Its parent {shown(parent)} is not in the file; it is a task of its own."
            )
        elif top is None:
            draft.remarks.adjusted.append(
                "Its parents go round in a circle; it is the one at the top here."
            )
        else:
            title = one_line(clean(self._drafts[parent].record.title))
            report_level(draft.remarks, title or UNTITLED)


def report_level(remarks: Remarks, parent: str) -> None:
    """Reports the parent of a subtask of a subtask."""
    remarks.lines.append(f"Subtask of: {parent}")
    remarks.adjusted.append(
        f"Its parent {shown(parent)} is a subtask itself, and there is one level here: it "
        "is under the task at the top, and its description names the parent."
    )


def _content(draft: Draft) -> str:
    return repr((draft.record, draft.remarks.lines))


def rows_of(draft: Draft, parent: str | None) -> Iterator[Row]:
    """The task under that parent, fitted, and the adjustments."""
    draft.record = replace(draft.record, parent=parent)
    try:
        yield from fitted(draft)
    except Refused as refusal:
        yield BadRow(draft.line, str(refusal))
        return
    for what in draft.remarks.adjusted:
        yield Adjusted(draft.line, what)


def top_ancestors(parents: Mapping[str, str | None]) -> dict[str, str | None]:
    """For each task its topmost ancestor among the tasks; None if it has no parent. Of a cycle
    of parents, one task is taken as the topmost."""
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
