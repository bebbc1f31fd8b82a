"""The list of the public fields of a task, in the order in which they are shown.

Derived from it: the rows that are read and their JSON, the events of a change, exports and
imports, the columns of CSV, the admin's form, the lengths that the database checks, and what
the next occurrence of a series takes over. Written out elsewhere are the model
(`models/tasks.py`), the schemas of the API (`api/schemas.py`, with the types in
`api/field_types.py`), the records of files (`formats/records.py`) and filters
(`models/criteria.py`); a test compares the first three with this list.
See "How to add a field" in docs/architecture.md."""

from dataclasses import dataclass
from typing import Any

from tasks.limits import DESCRIPTION_LENGTH, LOCATION_LENGTH, TITLE_LENGTH

#: Values of a task, by the attributes of the model. Each has a type of its own.
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One field, by its name in the API."""

    name: str
    #: The attribute of the model, if it has another name.
    attribute: str = ""
    #: Whether it is computed when a task is read, without an attribute of the model.
    computed: bool = False
    #: Whether clients and staff can set it. Events have the old and new values of writable
    #: fields, and of those that are `tracked`.
    writable: bool = True
    tracked: bool = False
    #: Of text: its maximum length, and whether it is one visible line (see
    #: `taskproject.names`).
    max_length: int | None = None
    one_line: bool = False
    #: Of text with a case-insensitive filter: the attribute with its case-folded key.
    key: str = ""


FIELDS = (
    Field("id", writable=False),
    # Given by a client that creates the task, and never changed.
    Field("client_id", writable=False),
    Field("title", max_length=TITLE_LENGTH, one_line=True),
    Field("description", max_length=DESCRIPTION_LENGTH),
    Field("location", max_length=LOCATION_LENGTH, one_line=True, key="location_key"),
    Field("list", "list_id"),
    Field("parent", "parent_id"),
    Field("tags"),
    Field("priority"),
    Field("due_date"),
    Field("due_at"),
    Field("due_timezone"),
    Field("reminders"),
    Field("recurrence"),
    Field("recurrence_from"),
    Field("recurrence_subtasks"),
    # The planned date of this occurrence of the series.
    Field("occurrence", writable=False, tracked=True),
    Field("overdue", computed=True, writable=False),
    Field("position", writable=False, tracked=True),
    Field("open_subtasks", writable=False),
    Field("completed"),
    Field("completed_at", writable=False),
    Field("next_occurrence", writable=False, tracked=True),
    Field("created_at", writable=False),
    Field("updated_at", writable=False),
    Field("version", writable=False),
)
#: The attributes of the model, by the names of their fields.
ATTRIBUTES = {
    field.name: field.attribute or field.name for field in FIELDS if not field.computed
}
#: The names of text fields of one line.
ONE_LINE = tuple(field.name for field in FIELDS if field.one_line)
#: The names of text fields.
TEXTS = tuple(field.name for field in FIELDS if field.max_length)
#: The attributes with case-folded keys, by the names of their fields.
KEYS = {field.name: field.key for field in FIELDS if field.key}
#: The attributes whose old and new values are in events.
TRACKED = tuple(
    ATTRIBUTES[field.name] for field in FIELDS if field.writable or field.tracked
)
