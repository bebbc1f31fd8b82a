"""The new values of a task's columns as SQL, for edits that do not read the task first.

The rules are those of `new_values.py`; `tests/integration/test_edit_properties.py` compares the
two. For PostgreSQL only.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from taskproject import timezones
from tasks.fields import KEYS, Values
from tasks.models import reminders
from tasks.models.due_dates import NEVER_SQL, due_moment
from tasks.models.words import (
    IS_CURRENT,
    MARK,
    SEPARATOR,
    description_search_key,
    match_key,
    sort_key,
    title_search_key,
)

#: SQL with a %s for each parameter. It can use the columns of the row before the edit, and
#: "before"."now", the time of the write.
Expression = tuple[str, tuple[object, ...]]
#: Placeholders for the values of `completed` and `deleted_at`: the opposite of the stored
#: value, and the time of the write.
OPPOSITE, NOW = object(), object()
#: The fields that can be set: those without references to other rows.
SETTABLE = frozenset(
    {
        *("title", "description", *KEYS, "priority", "completed", "deleted_at"),
        *("due_date", "due_at", "due_timezone"),
    }
)
NULL: Expression = ("NULL", ())
#: The search keys of texts, in the order in which `search` has them.
_SEARCHED = {"title": title_search_key, "description": description_search_key}
_MIDNIGHT = '("tasks_task"."due_date" + 1)::timestamp AT TIME ZONE \'UTC\''
_NOW = '"before"."now"'


class Assignments(NamedTuple):
    """The assignments to columns, and the conditions on the row before the edit under which
    they are correct. Otherwise `new_values.py` has to compute the values."""

    columns: dict[str, Expression]
    conditions: tuple[str, ...] = ()


def assignments(fields: Values, zone: str) -> Assignments | None:
    """The assignments of an edit that sets these fields; None if there are none, or if a field
    or a value is not supported. `zone`: see `new_values.due`."""
    if not fields.keys() <= SETTABLE:
        return None
    columns: dict[str, Expression] = {}
    conditions: list[str] = []
    if not fields.keys().isdisjoint(_SEARCHED):
        columns |= _texts(fields)
        if not _SEARCHED.keys() <= fields.keys():
            # In keys of versions before 1.3, which lack SEPARATOR, the parts are unknown.
            conditions = [f"strpos(\"search\", '{SEPARATOR}') > 0", f"({IS_CURRENT})"]
    for name, key in KEYS.items():
        if name in fields:
            columns[name] = "%s", (fields[name],)
            columns[key] = "%s", (match_key(fields[name]),)
    if "priority" in fields:
        columns["priority"] = "%s", (int(fields["priority"]),)
    if "completed" in fields:
        if fields["completed"] not in _COMPLETING:
            return None
        columns |= _COMPLETING[fields["completed"]]
    if "deleted_at" in fields:
        if fields["deleted_at"] is not NOW:
            return None
        columns["deleted_at"] = _NOW, ()
    columns |= _due(fields, zone)
    if "completed" in fields or _clears_due(fields):
        # The next occurrence of a task that recurs is another row.
        conditions.append('num_nonnulls("recurrence", "next_occurrence") = 0')
    named = fields.get("due_timezone")
    if named is not None:
        if not named or ("due_at" in columns and fields.get("due_at") is None):
            return None  # `new_values.due` raises the error.
        columns["due_timezone"] = "%s", (timezones.known(named),)
        if "due_at" not in columns:
            conditions.append('"due_at" IS NOT NULL')
    if not columns.keys().isdisjoint(reminders.TASK_COLUMNS):
        # `schedule` brings their rows up to date.
        conditions.append('"reminders" IS NULL')
    return Assignments(columns, tuple(conditions)) if columns else None


_COMPLETING: dict[object, dict[str, Expression]] = {
    True: {
        "completed": ("true", ()),
        # Completing a completed task keeps its `completed_at`.
        "completed_at": (f'COALESCE("tasks_task"."completed_at", {_NOW})', ()),
    },
    False: {"completed": ("false", ()), "completed_at": NULL},
    OPPOSITE: {
        "completed": ('NOT "tasks_task"."completed"', ()),
        "completed_at": (
            f'CASE WHEN "tasks_task"."completed" THEN NULL ELSE {_NOW} END',
            (),
        ),
    },
}


def _clears_due(fields: Values) -> bool:
    given = [fields[name] for name in ("due_date", "due_at") if name in fields]
    return bool(given) and not any(given)


def _due(fields: Values, zone: str) -> dict[str, Expression]:
    """The columns of the due date, except for a given time zone: see `new_values.due`."""
    instant, day = fields.get("due_at"), fields.get("due_date")
    if instant is not None:
        kept = 'COALESCE("tasks_task"."due_timezone", %s)'
        return {
            "due_date": NULL,
            "due_at": ("%s", (instant,)),
            "due_timezone": (kept, (timezones.known(zone),)),
            "due_moment": ("%s", (instant,)),
        }
    no_instant = {"due_at": NULL, "due_timezone": NULL}
    if day is not None:
        moment = "%s", (due_moment(day, None),)
        return {"due_date": ("%s", (day,)), **no_instant, "due_moment": moment}
    if "due_date" in fields and "due_at" in fields:
        return {"due_date": NULL, **no_instant, "due_moment": (NEVER_SQL, ())}
    if "due_date" in fields:
        kept = f'COALESCE("tasks_task"."due_at", {NEVER_SQL})'
        return {"due_date": NULL, "due_moment": (kept, ())}
    if "due_at" in fields:
        return {**no_instant, "due_moment": (f"COALESCE({_MIDNIGHT}, {NEVER_SQL})", ())}
    return {}


def _texts(fields: Values) -> dict[str, Expression]:
    columns: dict[str, Expression] = {}
    words = []
    for name, words_of in _SEARCHED.items():
        if name in fields:
            columns[name] = "%s", (fields[name],)
            words.append(words_of(fields[name]))
    if "title" in fields:
        columns["sorted_title"] = "%s", (sort_key(fields["title"]),)
    mark = "" if "".join(words).isascii() else MARK
    columns["search"] = (
        _search("title" in fields, "description" in fields),
        (*words, mark),
    )
    return columns


@cache
def _search(title: bool, description: bool) -> str:
    """The SQL of `search` with the words of one text, or of both, replaced."""
    part = f'split_part("tasks_task"."search", \'{SEPARATOR}\', {{}})'
    parts = ["%s" if title else part.format(1), "%s" if description else part.format(2)]
    mark = "%s"
    if not (title and description):
        # MARK is added if a part is not ASCII: see `search_key`.
        kept = part.format(2 if title else 1)
        mark = (
            f"CASE WHEN octet_length({kept}) = length({kept}) THEN %s ELSE '{MARK}' END"
        )
    return f"{parts[0]} || '{SEPARATOR}' || {parts[1]} || {mark}"
