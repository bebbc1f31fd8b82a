"""Records of every kind that the service can hold, for Hypothesis to make up."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import strategies as st

from taskproject.names import casefold_key, one_line, visible
from tasks.formats import Adjusted, BadRow, ListRecord, TagRecord, TaskRecord
from tasks.limits import PRIORITIES
from tasks.recurrence import SOURCES, SUBTASKS

#: Any text but NULs and halves of surrogate pairs, and often what is awkward.
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    st.text(st.sampled_from(" '\"=+-@,;:\\\t\r\n\u2028éß漢🌱a1")),
)
INSTANTS = st.datetimes(
    datetime(1900, 1, 1), datetime(2999, 12, 31, 23, 59, 59), timezones=st.just(UTC)
)
LATE = date(2990, 1, 1)
DAYS = st.dates(date(1900, 1, 1), date(2999, 12, 31))
POSITIONS = st.none() | st.text("0123456789abcxyz", min_size=1, max_size=30)
ZONES = st.sampled_from(["UTC", "Europe/Paris", "Asia/Kathmandu", "America/St_Johns"])


def names(most: int) -> st.SearchStrategy[str]:
    return TEXT.map(lambda text: one_line(text)[:most].strip()).filter(visible)


def identifiers(most: int) -> st.SearchStrategy[str]:
    return TEXT.map(lambda text: text.strip()[:most].strip()).filter(bool)


def lists() -> st.SearchStrategy[ListRecord]:
    owners = st.none() | identifiers(150)
    return st.builds(ListRecord, names(100), POSITIONS, st.booleans(), owners)


def tags() -> st.SearchStrategy[TagRecord]:
    return st.builds(TagRecord, names(50), st.none() | identifiers(150))


@st.composite
def tasks(draw: st.DrawFn, /, **fixed: Any) -> TaskRecord:
    """Any task; `fixed` members are as given."""
    completed = draw(st.booleans())
    members: dict[str, Any] = {
        "external_id": draw(identifiers(255)),
        "title": draw(names(200)),
        "description": draw(TEXT),
        "location": draw(st.none() | names(500)),
        "completed": completed,
        "completed_at": draw(INSTANTS) if completed else None,
        "deleted_at": draw(st.none() | INSTANTS),
        "list": draw(st.none() | names(100)),
        "parent": draw(st.none() | identifiers(255)),
        "tags": tuple(draw(st.lists(names(50), max_size=20, unique_by=casefold_key))),
        "priority": draw(st.sampled_from(PRIORITIES)),
        "position": draw(POSITIONS),
        "client_id": draw(st.none() | st.uuids()),
        "owner": draw(st.none() | identifiers(150)),
        "created_at": draw(st.none() | INSTANTS),
        "updated_at": draw(st.none() | INSTANTS),
        **draw(_dues()),
        **fixed,
    }
    if members["parent"] == members["external_id"]:
        members["parent"] = None
    return TaskRecord(**members)


#: Rules that a series from any day on can have.
RULES = (
    *("FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY;BYDAY=MO,SU;COUNT=5"),
    *("FREQ=MONTHLY;BYMONTHDAY=31", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"),
)


@st.composite
def series(draw: st.DrawFn, /, **fixed: Any) -> TaskRecord:
    """Any task that recurs, moved from its planned date or not."""
    rule, source = draw(st.sampled_from(RULES)), draw(st.sampled_from(SOURCES))
    due = draw(
        st.one_of(
            st.fixed_dictionaries({"due_date": st.dates(date(1900, 1, 1), LATE)}),
            st.fixed_dictionaries(
                {
                    "due_at": INSTANTS.filter(lambda it: it.date() < LATE),
                    "due_timezone": ZONES,
                }
            ),
        )
    )
    planned = draw(st.sampled_from(["2026-11-29", "2026-11-29T17:00:00 Europe/Paris"]))
    rest: dict[str, Any] = {"due_date": None, "due_at": None, "due_timezone": None}
    return draw(
        tasks(
            **{**rest, **due, **fixed},
            recurrence=rule,
            recurrence_from=source,
            recurrence_subtasks=draw(st.sampled_from(SUBTASKS)),
            occurrence=planned,
        )
    )


def _dues() -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.just({}),
        st.fixed_dictionaries({"due_date": DAYS}),
        st.fixed_dictionaries({"due_at": INSTANTS, "due_timezone": ZONES}),
    )


def bad_rows(rows: Iterable[object]) -> list[BadRow]:
    return [row for row in rows if isinstance(row, BadRow)]


def adjusted(rows: Iterable[object]) -> list[str]:
    """What the rows say that was adjusted."""
    return [row.what for row in rows if isinstance(row, Adjusted)]


def records(rows: Iterable[object]) -> list[Any]:
    """The rows without what they say that was adjusted."""
    return [row for row in rows if not isinstance(row, Adjusted)]


def nothing_raises(rows: Iterable[object]) -> None:
    for row in rows:
        assert isinstance(row, ListRecord | TagRecord | TaskRecord | BadRow | Adjusted)
        if isinstance(row, Adjusted):
            assert row.line >= 1
            row.what.encode()
        if isinstance(row, BadRow):
            assert row.line >= 1
            assert 0 < len(row.reason) < 1000
            row.reason.encode()
