"""The members of tasks, lists and tags as they come in: their types and their bounds."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError

from taskproject.inputs import NO_NUL, STRIPPED
from taskproject.names import BREAKS, INVISIBLE, ON_ONE_LINE, fault
from tasks.cursors import BIGINT
from tasks.fields import ATTRIBUTES
from tasks.limits import (
    DESCRIPTION_LENGTH,
    LIST_NAME_LENGTH,
    MOST_TAGS,
    TAG_LENGTH,
    TITLE_LENGTH,
)
from tasks.models import PRIORITIES
from tasks.models.dues import read_day, read_instant
from tasks.models.words import MOST_WORDS, QUESTION_LENGTH, asked

# JSON Schema's own formats know no bounds, and its patterns other spaces than Python.
# (What is taken off the ends of a name is left out: it says nothing of a length.)
NAME = f"^[^{BREAKS}]*[^{INVISIBLE}][^{BREAKS}]*$"
NOT_NUL = r"^[^\u0000]*$"
DAY_SCHEMA = {"type": "string", "format": "date", "examples": ["2026-12-31"]}
INSTANT_SCHEMA = {
    "type": "string",
    "format": "date-time",
    "examples": ["2026-12-31T17:00:00Z"],
}


def _day(value: object) -> date:
    day = read_day(value) if isinstance(value, str) else None
    if day is None:
        raise PydanticCustomError(
            "date", "Send a date such as 2026-12-31, from the years 1900 to 2999."
        )
    return day


def _instant(value: object) -> datetime:
    moment = read_instant(value) if isinstance(value, str) else None
    if moment is None:
        raise PydanticCustomError(
            "instant",
            "Send an instant such as 2026-12-31T17:00:00Z or 2026-12-31T18:00:00+01:00 "
            "(in a query write + as %2B), from the years 1900 to 2999.",
        )
    return moment


def _day_or_instant(value: object) -> date | datetime:
    text = value if isinstance(value, str) else ""
    due = read_day(text) or read_instant(text)
    if due is None:
        raise PydanticCustomError(
            "date",
            "Send a date such as 2026-12-31 or an instant such as 2026-12-31T17:00:00Z "
            "(write + as %2B), from the years 1900 to 2999.",
        )
    return due


def _id_or_none(value: object) -> int:
    """0 stands for none."""
    if value == "none":
        return 0
    if isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{0,18}", value):
        return min(int(value), BIGINT)
    raise PydanticCustomError(
        "id_or_none", "Write an id, or none for those without one."
    )


def _name(value: str) -> str:
    wrong = fault(value)
    if wrong is None:
        return value
    if "\x00" in value:
        raise PydanticCustomError(
            "nul_character", "Remove the NUL character (\\u0000)."
        )
    code = "line_break" if wrong == ON_ONE_LINE else "invisible"
    raise PydanticCustomError(code, wrong)


def _question(value: str) -> str:
    if not 1 <= len(asked(value)) <= MOST_WORDS:
        raise PydanticCustomError(
            "words", f"Write 1 to {MOST_WORDS} words of letters or digits."
        )
    return value


#: For names: see `taskproject.names`. Says of a NUL what is said of it everywhere.
ONE_LINE = AfterValidator(_name)
Title = Annotated[
    str,
    StringConstraints(min_length=1, max_length=TITLE_LENGTH),
    STRIPPED,
    ONE_LINE,
    Field(
        description=f"1-{TITLE_LENGTH} characters on one line; space around it is taken off.",
        examples=["Buy oat milk"],
        json_schema_extra={"pattern": NAME},
    ),
]
Description = Annotated[
    str,
    StringConstraints(max_length=DESCRIPTION_LENGTH),
    NO_NUL,
    Field(
        description=f"At most {DESCRIPTION_LENGTH:,} characters.",
        examples=["The barista kind."],
        json_schema_extra={"pattern": NOT_NUL},
    ),
]
ListName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LIST_NAME_LENGTH),
    STRIPPED,
    ONE_LINE,
    Field(
        description=f"1-{LIST_NAME_LENGTH} characters on one line; yours only once, in any case.",
        examples=["Shopping"],
        json_schema_extra={"pattern": NAME},
    ),
]
TagName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=TAG_LENGTH),
    STRIPPED,
    ONE_LINE,
    Field(
        description=f"1-{TAG_LENGTH} characters on one line; the same in any case.",
        examples=["errand"],
        json_schema_extra={"pattern": NAME},
    ),
]
#: A tag that is asked for, which may be older than the rule for names.
TagWanted = Annotated[
    str,
    StringConstraints(min_length=1, max_length=TAG_LENGTH),
    STRIPPED,
    NO_NUL,
    Field(json_schema_extra={"pattern": NOT_NUL}),
]
Tags = Annotated[
    list[TagName],
    Field(
        max_length=MOST_TAGS,
        description=f"At most {MOST_TAGS} names; a new one is made as it is used.",
        examples=[["errand", "urgent"]],
    ),
]
Priority = Annotated[
    Literal["none", "low", "medium", "high", "urgent"],
    Field(description="Ordered from none to urgent.", examples=["high"]),
]
Id = Annotated[int, Field(ge=1, le=BIGINT)]
ListId = Annotated[
    Id | None, Field(description="The list it is in; null for none.", examples=[3])
]
ParentId = Annotated[
    Id | None,
    Field(
        description="The task that this is a subtask of; one level.", examples=[None]
    ),
]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema(DAY_SCHEMA)]
Instant = Annotated[datetime, BeforeValidator(_instant), WithJsonSchema(INSTANT_SCHEMA)]
DayOrInstant = Annotated[
    date | datetime,
    BeforeValidator(_day_or_instant),
    WithJsonSchema({"anyOf": [DAY_SCHEMA, INSTANT_SCHEMA]}),
]
IdOrNone = Annotated[
    int,
    BeforeValidator(_id_or_none),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"enum": ["none"]}]}),
]
Question = Annotated[
    str,
    StringConstraints(min_length=1, max_length=QUESTION_LENGTH),
    NO_NUL,
    AfterValidator(_question),
    Field(
        description=f"Up to {MOST_WORDS} words that a title or a description has, or that "
        "words in it begin with: all of them, in any order, whatever the case and the "
        "accents. Each Chinese or Japanese character is a word, and so are up to three "
        "characters of Thai and other scripts without spaces.",
        examples=["oat mil"],
    ),
]


def stored(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a task that came in, as its fields."""
    fields = {ATTRIBUTES.get(name, name): value for name, value in members.items()}
    if "priority" in fields:
        fields["priority"] = PRIORITIES[fields["priority"]]
    return fields
