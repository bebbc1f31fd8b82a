"""The schemas of tasks: bodies and query parameters of requests, and the representation of
a task in responses."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from ninja import Body
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.config import JsonDict
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError

from taskproject.inputs import DIGITS, Closed, Zone, absent
from tasks import cursors, reminder_rules
from tasks.api.field_types import (
    ClientId,
    Day,
    Description,
    Id,
    Instant,
    ListEnd,
    Location,
    ParentId,
    Priority,
    Recurrence,
    RecurrenceFrom,
    RecurrenceSubtasks,
    Reminder,
    Reminders,
    SeriesSource,
    SeriesSubtasks,
    Tags,
    TaskId,
    Title,
    Version,
)
from tasks.fields import ATTRIBUTES
from tasks.limits import PLAN_LENGTH, POSITION_LENGTH
from tasks.models import PRIORITIES


def to_model_fields(members: Mapping[str, object]) -> dict[str, object]:
    """The members of a task in a request, as the attributes of the model."""
    fields = {ATTRIBUTES.get(name, name): value for name, value in members.items()}
    if "priority" in fields:
        fields["priority"] = PRIORITIES[str(fields["priority"])]
    if "reminders" in fields:
        given: Any = fields["reminders"]
        fields["reminders"] = given and reminder_rules.each_once(map(_rule, given))
    return fields


def _rule(given: Reminder | Mapping[str, Any]) -> reminder_rules.Rule:
    """The reminder as it is stored."""
    members = vars(given) if isinstance(given, Reminder) else given
    if members.get("at") is not None:
        return reminder_rules.absolute(members["at"])
    hour = members.get("hour", reminder_rules.DEFAULT_HOUR)
    return reminder_rules.relative(members["minutes_before"], hour)


class InZone(Closed):
    """The query of every operation that responds with tasks."""

    tz: Zone | None = Field(None, description="The time zone; default: yours.")


DUE = "Setting it clears due_at."
DUE_AT = "Setting it clears due_date."
ZONE = "Of due_at; default: yours."


def _one_due(members: "TaskMembers | TaskPatch") -> None:
    if members.due_date is not None and members.due_at is not None:
        raise PydanticCustomError("two_dues", "Send due_date or due_at, not both.")


class TaskMembers(Closed):
    """The writable members of a whole task."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "title": "Buy oat milk",
                    "description": "The barista kind.",
                    "location": "Market hall, Lisbon",
                    "tags": ["errand"],
                    "priority": "high",
                    "due_date": "2026-11-30",
                }
            ]
        }
    )

    title: Title
    description: Description = ""
    location: Location | None = None
    completed: bool = False
    list: Id | None = None
    parent: ParentId = None
    tags: Tags = Field([])
    priority: Priority = "none"
    due_date: Annotated[Day | None, Field(description=DUE)] = None
    due_at: Annotated[Instant | None, Field(description=DUE_AT)] = None
    due_timezone: Annotated[Zone | None, Field(description=ZONE)] = None
    reminders: Reminders = Field([])
    recurrence: Recurrence = None
    recurrence_from: RecurrenceFrom = None
    recurrence_subtasks: RecurrenceSubtasks = None

    @model_validator(mode="after")
    def _one_due(self) -> Self:
        _one_due(self)
        if self.due_timezone is not None and self.due_at is None:
            raise PydanticCustomError(
                "zone_alone", "Send due_timezone together with due_at only."
            )
        return self


class TaskCreate(TaskMembers):
    client_id: Annotated[
        ClientId | None,
        Field(description="Creating it again is the same task."),
    ] = None


class TaskIn(TaskMembers):
    """A task as GET returns it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "Buy oat milk"}]}
    )

    id: Annotated[Id, WithJsonSchema({"type": "integer"})] = absent()
    client_id: Annotated[
        ClientId | None, WithJsonSchema({"type": ["string", "null"], "format": "uuid"})
    ] = None
    overdue: bool = absent()
    occurrence: Annotated[str | None, Field(max_length=PLAN_LENGTH)] = None
    position: Annotated[str, Field(max_length=POSITION_LENGTH)] = absent()
    open_subtasks: Annotated[
        int, Field(ge=0, le=cursors.BIGINT), WithJsonSchema({"type": "integer"})
    ] = absent()
    completed_at: Annotated[
        Instant | None,
        WithJsonSchema({"type": ["string", "null"], "format": "date-time"}),
    ] = None
    next_occurrence: Annotated[
        Id | None, WithJsonSchema({"type": ["integer", "null"]})
    ] = None
    created_at: Instant = absent()
    updated_at: Instant = absent()
    version: Version = absent()

    def writable(self) -> dict[str, object]:
        return self.model_dump(include={*TaskMembers.model_fields})

    def read_only(self) -> dict[str, object]:
        """Those that only the service writes, if given. (`version` is a precondition, and the
        others that are left out change without a new version.)"""
        given = self.model_fields_set - TaskMembers.model_fields.keys()
        return self.model_dump(include=given - {"version", "overdue", "open_subtasks"})


class TaskPatch(Closed):
    model_config = ConfigDict(json_schema_extra={"examples": [{"completed": True}]})

    title: Title = absent()
    description: Description = absent()
    location: Location | None = None
    completed: bool = absent()
    list: Id | None = None
    parent: ParentId = None
    tags: Tags = absent()
    priority: Priority = absent()
    due_date: Annotated[Day | None, Field(description=DUE)] = None
    due_at: Annotated[Instant | None, Field(description=DUE_AT)] = None
    due_timezone: Zone = absent()
    reminders: Reminders = absent()
    recurrence: Recurrence = None
    recurrence_from: RecurrenceFrom = None
    recurrence_subtasks: RecurrenceSubtasks = None
    version: Version = absent()

    @model_validator(mode="after")
    def _one_due(self) -> Self:
        _one_due(self)
        return self


def _no_members(body: object) -> object:
    # Many clients send a body with every request.
    return {} if body is None else body


class Precondition(Closed):
    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 1}]})

    version: Version = absent()


#: The body of an operation that may have none.
OptionalBody = Annotated[
    Precondition, BeforeValidator(_no_members), Body(Precondition())
]


def _check_place(move: BaseModel) -> None:
    if len(move.model_fields_set - {"version"}) != 1:
        raise PydanticCustomError(
            "one_place",
            "Send one of before or after, with the id of another one, or position, with "
            "first or last.",
        )


class Move(Closed):
    """One of `before`, `after` (ids) and `position`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"before": 41}]})

    before: Id = absent()
    after: Id = absent()
    position: ListEnd = absent()
    version: Version = absent()

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        _check_place(self)
        return self


class TaskMove(Closed):
    """As Move, in the list of the other task."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"before": 41}]})

    before: TaskId = absent()
    after: TaskId = absent()
    position: ListEnd = absent()
    version: Version = absent()

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        _check_place(self)
        return self


EXAMPLE: JsonDict = {
    "id": 42,
    "client_id": None,
    "title": "Buy oat milk",
    "description": "The barista kind.",
    "location": "Market hall, Lisbon",
    "list": 3,
    "parent": None,
    "tags": ["errand"],
    "priority": "high",
    "due_date": "2026-11-30",
    "due_at": None,
    "due_timezone": None,
    "reminders": [],
    "recurrence": None,
    "recurrence_from": None,
    "recurrence_subtasks": None,
    "occurrence": None,
    "overdue": False,
    "position": "n0hog8tngddri",
    "open_subtasks": 0,
    "completed": False,
    "completed_at": None,
    "next_occurrence": None,
    "created_at": "2026-11-23T08:30:00.123456Z",
    "updated_at": "2026-11-23T08:30:00.123456Z",
    "version": 1,
}

#: The format in which tasks, and pages and counts of them, are represented, as a part of
#: the ETags: increase it when the members change, or the way that one of them is written.
REPRESENTATION = 3


# Within TaskOut `list` is a member.
Names = list[str]
RemindersOut = list[Reminder]


class TaskOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: int
    client_id: UUID | None
    title: str
    description: str
    location: str | None
    list: int | None
    parent: int | None
    tags: Names
    priority: Priority
    due_date: date | None
    due_at: datetime | None
    due_timezone: str | None = Field(description="Of due_at.")
    reminders: RemindersOut
    recurrence: str | None
    recurrence_from: SeriesSource | None
    recurrence_subtasks: SeriesSubtasks | None
    occurrence: str | None = Field(description="Its planned due date.")
    overdue: bool = Field(description="Open, and its due date has passed.")
    position: str = Field(description="Compare as ASCII text.")
    open_subtasks: int
    completed: bool
    completed_at: datetime | None
    next_occurrence: int | None = Field(description="The task that followed it.")
    created_at: datetime
    updated_at: datetime
    version: int = Field(description="1, and one more after every change.")


#: Most items on a page.
MAX_ITEMS = 500


class Page(Closed):
    """The query of every operation that responds with pages."""

    limit: Annotated[int, Field(ge=1, le=MAX_ITEMS), DIGITS] = Field(
        50, description="Items on a page."
    )
    cursor: Annotated[str, Field(max_length=cursors.CURSOR_LENGTH)] | None = Field(
        None, description="The `next_cursor` of the previous page."
    )
