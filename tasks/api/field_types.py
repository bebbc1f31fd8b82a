"""The types of the members of tasks in requests: their bounds, and how they are described.

A type with a name is a component of the OpenAPI document of this name."""

import re
from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    model_validator,
)
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError
from typing_extensions import TypeAliasType

from taskproject import uuids
from taskproject.inputs import NO_NUL, STRIPPED, Closed, absent
from taskproject.names import BREAKS, INVISIBLE_OF_FIRST_PLANE, ON_ONE_LINE, fault
from taskproject.openapi_errors import with_names
from taskproject.uuids import parse_uuid
from tasks.cursors import BIGINT
from tasks.fields import FIELDS
from tasks.limits import (
    DESCRIPTION_LENGTH,
    LIST_NAME_LENGTH,
    LOCATION_LENGTH,
    MAX_MINUTES_BEFORE,
    MAX_REMINDERS,
    MAX_TAGS,
    RULE_LENGTH,
    TAG_LENGTH,
    TITLE_LENGTH,
)
from tasks.models.due_dates import read_day, read_instant
from tasks.models.words import MAX_WORDS, QUERY_LENGTH, query_words
from tasks.reminder_rules import DEFAULT_HOUR

# JSON Schema's formats have no bounds, and its patterns define white space differently than
# Python. (White space at the ends of a name, which is removed, is not described.)
NAME = f"^[^{BREAKS}]*[^{INVISIBLE_OF_FIRST_PLANE}][^{BREAKS}]*$"
NOT_NUL = r"^[^\u0000]*$"
DAY_SCHEMA = {"type": "string", "format": "date"}
INSTANT_SCHEMA = {"type": "string", "format": "date-time"}


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
    """0 means none."""
    if value == "none":
        return 0
    if isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{0,18}", value):
        return min(int(value), BIGINT)
    raise PydanticCustomError(
        "id_or_none", "Send an id, or none for tasks without one."
    )


def _uuid(value: object) -> UUID:
    found = parse_uuid(value) if isinstance(value, str) else None
    if found is None:
        raise PydanticCustomError("uuid", f"Send a UUID such as {uuids.EXAMPLE}.")
    return found


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


def _separated(values: list[str]) -> list[str]:
    """The values of a parameter that is repeated, or has them separated by commas."""
    return [value for text in values for value in text.split(",")]


def _field_name(value: str) -> str:
    if value not in FIELD_NAMES:
        known = ", ".join(map(repr, FIELD_NAMES))
        raise PydanticKnownError("literal_error", {"expected": known})
    return value


def _question(value: str) -> str:
    if not 1 <= len(query_words(value)) <= MAX_WORDS:
        raise PydanticCustomError(
            "words",
            f"Send 1 to {MAX_WORDS} words of letters or digits.",
            {"min": 1, "max": MAX_WORDS},
        )
    return value


#: For all names and other text on one line: see `taskproject.names`. A NUL has the same
#: error as in other text.
ONE_LINE = AfterValidator(_name)
Title = TypeAliasType(
    "Title",
    Annotated[
        str,
        StringConstraints(min_length=1, max_length=TITLE_LENGTH),
        STRIPPED,
        ONE_LINE,
        Field(
            examples=["Buy oat milk"],
            json_schema_extra={"pattern": NAME},
        ),
    ],
)
Description = Annotated[
    str,
    StringConstraints(max_length=DESCRIPTION_LENGTH),
    NO_NUL,
    Field(json_schema_extra={"pattern": NOT_NUL}),
]
Location = TypeAliasType(
    "Location",
    Annotated[
        str,
        StringConstraints(min_length=1, max_length=LOCATION_LENGTH),
        STRIPPED,
        ONE_LINE,
        Field(json_schema_extra={"pattern": NAME}),
    ],
)
TagName = TypeAliasType(
    "TagName",
    Annotated[
        str,
        StringConstraints(min_length=1, max_length=TAG_LENGTH),
        STRIPPED,
        ONE_LINE,
        Field(
            description="Case makes no difference.",
            examples=["errand"],
            json_schema_extra={"pattern": NAME},
        ),
    ],
)
ListName = TypeAliasType(
    "ListName",
    Annotated[
        str,
        StringConstraints(min_length=1, max_length=LIST_NAME_LENGTH),
        STRIPPED,
        ONE_LINE,
        Field(json_schema_extra={"pattern": NAME}),
    ],
)
#: A tag in a filter; an old tag need not keep today's rule for names.
TagWanted = Annotated[
    str,
    StringConstraints(min_length=1, max_length=TAG_LENGTH),
    STRIPPED,
    NO_NUL,
    Field(json_schema_extra={"pattern": NOT_NUL}),
]
Tags = Annotated[
    list[TagName],
    Field(max_length=MAX_TAGS, description="New tags are created."),
]
Priority = TypeAliasType(
    "Priority",
    Annotated[
        Literal["none", "low", "medium", "high", "urgent"],
        Field(examples=["high"]),
    ],
)
# Without a name: a model that has a named type twice validates it by the strictness of the
# model around it (see findings/pydantic-named-type-strict.sh), which is ninja's.
Id = Annotated[int, Field(ge=1, le=BIGINT)]
Version = TypeAliasType(
    "Version",
    Annotated[Id, Field(description="The same as If-Match.")],
)
ClientId = TypeAliasType(
    "ClientId",
    Annotated[
        UUID,
        BeforeValidator(_uuid),
        WithJsonSchema({"type": "string", "format": "uuid", "pattern": uuids.PATTERN}),
    ],
)


class TaskReference(Closed):
    """Instead of its id."""

    client_id: ClientId


_id = TypeAdapter[int](Id, config=ConfigDict(strict=True))


def _task_id(value: object) -> int | UUID:
    if isinstance(value, dict):
        return TaskReference.model_validate(value).client_id
    return _id.validate_python(value)


#: The id of a task, or its client_id.
TaskId = TypeAliasType(
    "TaskId",
    Annotated[
        int | UUID,
        PlainValidator(_task_id, json_schema_input_type=Id | TaskReference),
    ],
)
ParentId = TypeAliasType("ParentId", TaskId | None)
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema(DAY_SCHEMA)]
Instant = Annotated[datetime, BeforeValidator(_instant), WithJsonSchema(INSTANT_SCHEMA)]


class Reminder(Closed):
    """`at` an instant, or `minutes_before` the due date: of a day, before `hour` in your zone."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"hour": 9, "minutes_before": 30}]}
    )

    at: Instant = absent()
    minutes_before: Annotated[int, Field(ge=0, le=MAX_MINUTES_BEFORE)] = absent()
    hour: Annotated[int, Field(ge=0, le=23)] = DEFAULT_HOUR

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        given = self.model_fields_set
        if len(given & {"at", "minutes_before"}) != 1:
            detail = "Send one of at, an instant, or minutes_before, a number."
            raise PydanticCustomError("refused", detail)
        if given == {"at", "hour"}:
            detail = "Send hour together with minutes_before only."
            raise PydanticCustomError("refused", detail)
        return self


Reminders = Annotated[list[Reminder], Field(max_length=MAX_REMINDERS)]
DayOrInstant = Annotated[
    date | datetime,
    BeforeValidator(_day_or_instant),
    WithJsonSchema({"anyOf": [DAY_SCHEMA, INSTANT_SCHEMA]}),
]
Recurrence = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=RULE_LENGTH), NO_NUL]
    | None,
    Field(description="A rule of RFC 5545."),
]
SeriesSource = TypeAliasType("SeriesSource", Literal["due", "each_due", "completion"])
RecurrenceFrom = Annotated[
    SeriesSource | None,
    Field(description="What the next due date counts from; default: due."),
]
SeriesSubtasks = TypeAliasType("SeriesSubtasks", Literal["again", "once"])
RecurrenceSubtasks = Annotated[
    SeriesSubtasks | None,
    Field(description="Whether completed subtasks recur; default: again."),
]
IdOrNone = Annotated[
    int,
    BeforeValidator(_id_or_none),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"enum": ["none"]}]}),
]
Question = Annotated[
    str,
    StringConstraints(min_length=1, max_length=QUERY_LENGTH),
    NO_NUL,
    AfterValidator(_question),
    Field(
        description=f"Up to {MAX_WORDS} words, or their beginnings, in title and "
        "description.",
        examples=["oat mil"],
    ),
]
#: The names of the members of a task, and of their short form.
SHORT = "short"
FIELD_NAMES = (*(field.name for field in FIELDS), SHORT)
TaskField = TypeAliasType(
    "TaskField",
    Annotated[
        str,
        AfterValidator(_field_name),
        WithJsonSchema(with_names({"type": "string", "enum": [*FIELD_NAMES]})),
    ],
)
FieldNames = Annotated[list[TaskField], BeforeValidator(_separated)]
NextCursor = TypeAliasType(
    "NextCursor",
    Annotated[
        str | None,
        Field(
            description="Null on the last page.",
            examples=["WyJhZnRlciIsMTIwMV0"],
        ),
    ],
)
ListEnd = TypeAliasType("ListEnd", Literal["first", "last"])
TaskSort = TypeAliasType(
    "TaskSort",
    Literal[
        "created",
        "-created",
        "updated",
        "-updated",
        "due",
        "-due",
        "priority",
        "-priority",
        "title",
        "-title",
        "position",
        "-position",
        "relevance",
    ],
)
