"""The new values of a task's fields, for each kind of change.

The functions do not access the database, except by calling `End`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from taskproject import timezones
from taskproject.names import casefold_key
from taskproject.problems import Invalid
from taskproject.sql import instance
from tasks import recurrence, recurrence_rules
from tasks.fields import KEYS, TEXTS, Values
from tasks.models.due_dates import due_moment
from tasks.models.positions import Row
from tasks.models.words import match_key, search_key, sort_key
from tasks.recurrence import Occurrence

if TYPE_CHECKING:
    from tasks.models.tasks import Task

#: Returns a new last position in a list, another one at each call: see `positions.Ends`.
End = Callable[[Row], str]
#: The place of a task in the manual order: its owner, list and position.
Place = tuple[int, int | None, str]
#: Fields that refer to other rows.
REFERENCES = frozenset({"owner_id", "list_id", "parent_id", "tags"})
_DUE = ("due_date", "due_at", "due_timezone")
_SERIES = ("recurrence", "recurrence_from")  # a change of these begins it anew
_NO_DUE = (
    "A task that recurs needs a due date: send due_date or due_at, or recurrence: null to "
    "end the series."
)
#: Fields that are computed from the texts. They are used in SQL only, and not loaded.
DERIVED = ("search", "sorted_title", *KEYS.values())


def changes(task: Task, values: Values) -> Values:
    """The values that differ from those of the task. DERIVED values, which are not loaded,
    always count as different."""
    return {
        name: value
        for name, value in values.items()
        if name in DERIVED or getattr(task, name) != value
    }


def new(
    model: type[Task],
    now: datetime,
    tags: Mapping[str, str],
    fields: Values,
) -> Task:
    """A new task with these fields. The position is empty unless it is given. `tags` are
    the names of tags by their keys. Raises `TypeError` for an unknown field."""
    values = {
        "created_at": now,
        "updated_at": now,
        "position": "",
        **{name: value for name, value in fields.items() if value is not None},
    }
    values["title"] = values["title"].strip()
    blank = _blank(model)
    if not values.keys() <= blank.keys():
        raise TypeError(f"no fields of a task: {values.keys() - blank.keys()}")
    task = instance(model, blank | values)
    if task.completed and task.completed_at is None:
        task.completed_at = now
    task.tags = list(dict.fromkeys(tags[casefold_key(name)] for name in task.tags))
    if task.due_at:
        task.due_timezone = timezones.known(task.due_timezone or "UTC")
    task.due_moment = due_moment(task.due_date, task.due_at)
    task.reminders = task.reminders or None
    if any(vars(task)[name] is not None for name in recurrence.SERIES):
        task.__dict__.update(_series({}, vars(task)))
    task.__dict__.update(_derived(task.__dict__))
    return task


def _derived(texts: Values) -> Values:
    """The values of DERIVED."""
    title, description = texts["title"], texts["description"]
    return {
        "sorted_title": sort_key(title),
        "search": search_key(title, description),
        **{key: match_key(texts[name]) for name, key in KEYS.items()},
    }


@cache
def _blank(model: type[Task]) -> Values:
    """The defaults of all fields. Its list of tags is shared: `new` replaces it."""
    fields = [field.attname for field in model._meta.concrete_fields]
    blank = model()
    return {name: getattr(blank, name) for name in fields}


def completing(task: Task, now: datetime, completed: bool) -> Values:
    """Completing a completed task keeps its `completed_at`."""
    if completed == task.completed:
        return {}
    values = {"completed": completed, "completed_at": now if completed else None}
    if task.next_occurrence is not None:
        values["next_occurrence"] = None
    return values


def restored(task: Task, end: End, taken: set[Place]) -> Values:
    """`taken` are the places of other tasks; the place of the task is added to it."""
    values: Values = {"deleted_at": None}
    return values | (_placed(task, end, task.list_id, taken) if task.deleted_at else {})


def without_list(task: Task, end: End, taken: set[Place]) -> Values:
    """The values of a task that leaves its list. `taken`: see `restored`."""
    values = {"list_id": None}
    return values | (_placed(task, end, None, taken) if task.list_id else {})


def _placed(task: Task, end: End, list_id: int | None, taken: set[Place]) -> Values:
    """The position at the end of the list, if another task has the task's position."""
    row = (task.owner_id, list_id)
    position = task.position
    if (*row, position) in taken:
        position = end(row)
    taken.add((*row, position))
    return {} if position == task.position else {"position": position}


def edited(
    task: Task,
    now: datetime,
    tags: Mapping[tuple[int, str], str],
    zone: str,
    fields: Values,
    end: End,
) -> Values:
    """The values after an edit that sets these fields. `tags` are the names of tags by
    owner and key; `zone`: see `due`. Raises `Invalid`."""
    values = dict(fields)
    owner_id = values.get("owner_id", task.owner_id)
    if owner_id != task.owner_id:
        # Its list, its parent and its client_id belong to the old owner.
        none = dict.fromkeys(("list_id", "parent_id", "client_id", "next_occurrence"))
        values = none | {"tags": task.tags} | values
    if "tags" in values:
        names = [tags[owner_id, casefold_key(name)] for name in values["tags"]]
        values["tags"] = list(dict.fromkeys(names))
    if "completed" in values:
        values |= completing(task, now, values["completed"])
    moved = values.get("list_id", task.list_id) != task.list_id
    if moved and "position" not in values:
        values["position"] = end((owner_id, values["list_id"]))
    values |= due(task, zone, values)
    if "reminders" in values:
        values["reminders"] = values["reminders"] or None
    if task.recurrence is not None or any(map(values.get, recurrence.SERIES)):
        values |= _series(vars(task), values)
    if changes(task, {name: values[name] for name in TEXTS if name in values}):
        values |= _derived(
            {name: values.get(name, getattr(task, name)) for name in TEXTS}
        )
    return values


def due(task: Task, zone: str, values: Values) -> Values:
    """All fields of the due date, if some of them are among the values. The time zone of an
    instant is, in this order, the given one, that of the task, and `zone`. Raises
    `Invalid` for a time zone without an instant."""
    if not any(name in values for name in _DUE):
        return {}
    due_date = values.get("due_date", task.due_date)
    due_at = values.get("due_at", task.due_at)
    if values.get("due_at") is not None:
        due_date = None
    elif values.get("due_date") is not None:
        due_at = None
    named = values.get("due_timezone")
    named, zone = named and timezones.known(named), timezones.known(zone)
    if due_at is None and named is not None:
        detail = "A due_timezone goes with due_at only."
        raise Invalid.of("due_timezone", detail, "zone_alone")
    return {
        "due_date": due_date,
        "due_at": due_at,
        "due_timezone": due_at and (named or task.due_timezone or zone),
        "due_moment": due_moment(due_date, due_at),
    }


def _series(before: Values, values: Values) -> Values:
    """The fields of the series after a change of a recurring task, or one to it: `before` are
    its fields, none of a new task, and `values` the new values of some.

    A change of the due date alone moves this occurrence, and leaves its planned date and the
    series; together with `recurrence` it begins the series anew. Raises `Invalid`."""
    now = {**before, **values}
    text, source = now["recurrence"], now["recurrence_from"]
    if text is None:
        for name in ("recurrence_from", "recurrence_subtasks"):
            if values.get(name) is not None:
                detail = f"Send {name} together with recurrence only."
                raise Invalid.of(name, detail, "recurrence_alone")
        return dict.fromkeys(recurrence.SERIES)
    begin = recurrence.planned(*map(now.get, _DUE))
    if begin is None:
        raise Invalid.of("recurrence", _NO_DUE, "due_missing")
    source = source or recurrence.SOURCES[0]
    subtasks = now["recurrence_subtasks"] or recurrence.SUBTASKS[0]
    if values.get("occurrence") is not None:
        return {"recurrence_from": source, "recurrence_subtasks": subtasks}
    if before and not any(name in values for name in _SERIES):
        given = "recurrence_subtasks" in values
        return {"recurrence_subtasks": subtasks} if given else {}
    rule = str(checked_rule(text, begin, source))
    same = rule == before.get("recurrence")
    moved = any(now[name] != before.get(name) for name in _DUE)
    anew = not same or ("recurrence" in values and moved)
    planned = str(begin) if anew else before["occurrence"]
    return {
        "recurrence": rule,
        "recurrence_from": source,
        "recurrence_subtasks": subtasks,
        "occurrence": planned,
    }


def checked_rule(
    text: str, begin: Occurrence, source: str, part: str = "body"
) -> recurrence_rules.Rule:
    """The rule of a series that begins with this occurrence, in this part of the request. Raises
    `Invalid`."""
    try:
        return recurrence.checked(text, begin, source)
    except recurrence_rules.RuleError as error:
        raise Invalid.of("recurrence", str(error), "recurrence", part) from None
