"""The query of operations that find tasks: which ones, in which order, what is shown."""

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from taskproject.inputs import DIGITS, WORD
from tasks import cursors
from tasks.api.field_types import (
    FIELD_NAMES,
    SHORT,
    ClientId,
    DayOrInstant,
    FieldNames,
    Id,
    IdOrNone,
    Instant,
    Location,
    Priority,
    Question,
    TagWanted,
    TaskSort,
)
from tasks.api.schemas import InZone, Page
from tasks.limits import MAX_TAGS
from tasks.models import PRIORITIES, listing
from tasks.models.criteria import Criteria
from tasks.models.words import query_words

# Within TaskFilters `list` is a member.
TagNames = list[TagWanted]
PriorityNames = list[Priority]
Ids = list[Annotated[Id, DIGITS]]
#: Most tasks on a page with highlights: up to 1 ms each.
MAX_HIGHLIGHTED = 100
#: Most ids that a list may be asked for.
MAX_IDS = 100


class TaskFilters(Page, InZone):
    """Which tasks, in which order. A task must meet all of the filters."""

    ids: Ids = Field(
        [],
        max_length=MAX_IDS,
        description="Only tasks with these ids (repeated).",
    )
    completed: Annotated[bool, WORD] | None = Field(
        None, description="Only completed tasks, or only others."
    )
    list: IdOrNone | None = Field(
        None, description="Only tasks in this list; `none`: in no list."
    )
    parent: IdOrNone | None = Field(
        None,
        description="Only subtasks of this task; `none`: no subtasks.",
    )
    tag: TagNames = Field(
        [],
        max_length=MAX_TAGS,
        description="Only tasks with this tag; repeated: with all of them.",
    )
    priority: PriorityNames = Field(
        [],
        max_length=5,
        description="Only tasks of this priority; repeated: of any of them.",
    )
    location: Location | None = Field(
        None, description="Only tasks with this location."
    )
    client_id: ClientId | None = Field(
        None, description="Only the task with this `client_id`."
    )
    due_before: DayOrInstant | None = Field(
        None, description="Only tasks due before this day or instant."
    )
    due_after: DayOrInstant | None = Field(
        None, description="Only tasks due on or after this day or instant."
    )
    overdue: Annotated[bool, WORD] | None = Field(
        None,
        description="Only overdue tasks, or only others.",
    )
    has_due: Annotated[bool, WORD] | None = Field(
        None, description="Only tasks with a due date, or only others."
    )
    created_after: Instant | None = Field(
        None, description="Only tasks created after this instant."
    )
    updated_after: Instant | None = Field(
        None, description="Only tasks changed after this instant."
    )
    q: Question | None = None
    fields: FieldNames = Field(
        [],
        max_length=len(FIELD_NAMES),
        description="Show only these members, `id` and `version`; `short`: all but "
        "`description`.",
    )
    highlight: Annotated[bool, WORD] = Field(False, description="Add `highlights`.")
    total: Annotated[bool, WORD] = Field(False, description="Add `total`.")
    sort: TaskSort = Field(
        "-created",
        description="A minus reverses the order.",
    )

    @model_validator(mode="after")
    def _with_words(self) -> Self:
        if self.q is None and self.sort == listing.RELEVANCE:
            raise PydanticCustomError("refused", "Send sort=relevance together with q.")
        if self.q is None and self.highlight:
            raise PydanticCustomError("refused", "Send highlight together with q.")
        if self.highlight and self.limit > MAX_HIGHLIGHTED:
            detail = f"Send highlight with a limit of at most {MAX_HIGHLIGHTED}."
            raise PydanticCustomError("refused", detail)
        return self

    def criteria(self) -> Criteria:
        return Criteria(
            ids=self.ids,
            completed=self.completed,
            list_id=self.list,
            parent_id=self.parent,
            tags=self.tag,
            priorities=[PRIORITIES[word] for word in self.priority],
            location=self.location,
            client_id=self.client_id,
            due_before=self.due_before,
            due_after=self.due_after,
            overdue=self.overdue,
            has_due=self.has_due,
            created_after=self.created_after,
            updated_after=self.updated_after,
            words=query_words(self.q or ""),
        )

    def shown(self) -> frozenset[str] | None:
        """The members of a task that are shown; None: all."""
        names = {"id", "version", *self.fields}
        if SHORT in names:
            names |= {*FIELD_NAMES} - {"description", SHORT}
        return frozenset(names) if self.fields else None

    def place(self) -> listing.Place | None:
        """The end of the previous page."""
        if self.cursor is None:
            return None
        place = listing.Place.from_cursor(
            self.sort, *cursors.decode(self.cursor, self.sort)
        )
        return place or cursors.refuse("cursor")
