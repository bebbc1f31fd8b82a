"""The public fields of a task, in the order in which they are shown: one list.

Whatever has all of them takes them from here: the rows that are read and their JSON, the
events of a change, exports and imports, the columns of CSV, the admin's form, and the
lengths that the database checks. Written out beside it are the model
(`models/tasks.py`), the schemas of the API (`api/schemas.py`) and the records of files
(`formats/records.py`); a test compares them with this list.
"""

from dataclasses import dataclass

from tasks.limits import DESCRIPTION_LENGTH, LOCATION_LENGTH, TITLE_LENGTH


@dataclass(frozen=True, slots=True)
class Field:
    """One field, by its name in the API."""

    name: str
    #: The attribute of the model, where its name is another one.
    attribute: str = ""
    #: Whether it is computed when the task is read, and no attribute of the model.
    computed: bool = False
    #: Whether clients and staff set it. Events tell the old and the new value of what
    #: they do, and of what is `tracked` besides.
    writable: bool = True
    tracked: bool = False
    #: Of text: the most characters, and whether it is one line in which something can be
    #: seen (see `taskproject.names`).
    max_length: int | None = None
    one_line: bool = False
    #: Of text that filters compare without regard to case: the attribute with its key.
    key: str = ""


FIELDS = (
    Field("id", writable=False),
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
    Field("overdue", computed=True, writable=False),
    Field("position", writable=False, tracked=True),
    Field("open_subtasks", writable=False),
    Field("completed"),
    Field("completed_at", writable=False),
    Field("created_at", writable=False),
    Field("updated_at", writable=False),
    Field("version", writable=False),
)
#: The attributes of the model, by the names of their fields.
ATTRIBUTES = {
    field.name: field.attribute or field.name for field in FIELDS if not field.computed
}
#: The names of fields of one line.
ONE_LINE = tuple(field.name for field in FIELDS if field.one_line)
#: The names of fields that hold text.
TEXTS = tuple(field.name for field in FIELDS if field.max_length)
#: The attributes with keys of texts, by the names of their fields.
KEYS = {field.name: field.key for field in FIELDS if field.key}
#: The attributes whose old and new values events tell.
TRACKED = tuple(
    ATTRIBUTES[field.name] for field in FIELDS if field.writable or field.tracked
)
