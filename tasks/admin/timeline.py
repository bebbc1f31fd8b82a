"""The history of a row as staff see it, and the restoring of earlier values."""

from collections.abc import Iterable
from datetime import date

from taskproject.accounts.models import User
from taskproject.names import fault
from tasks.fields import FIELDS, ONE_LINE, Values
from tasks.models import PRIORITIES, Event, EventQuerySet, Task, TaskList
from tasks.models.due_dates import read_instant
from tasks.reminder_rules import describe

LENGTH = 200
#: Fields that staff do not restore: the service sets them, and beside an earlier position
#: other tasks may stand today.
UNRESTORED = {"position", *(field.name for field in FIELDS if not field.writable)}
# The models of the fields that are foreign keys.
KEYS: dict[str, type[User] | type[TaskList] | type[Task]] = {
    "owner_id": User,
    "list_id": TaskList,
    "parent_id": Task,
}


def timeline(events: EventQuerySet, most: int = LENGTH) -> list[dict[str, object]]:
    """At most this many of the newest events of one row, newest first, for the template."""
    # One of each version: a transfer has an event in both owners' feeds. Reminders that fire
    # change no version.
    newest = events.in_order().reverse()[: 2 * most]
    shown = [*{_change(event): event for event in newest}.values()][:most]
    names = _names(shown)
    return [_represent(event, names) for event in shown]


def _change(event: Event) -> tuple[int, int]:
    """What only the event, and another one of the same change, has."""
    reminded = event.verb == Event.Verb.REMINDED
    return event.version, event.sequence if reminded else 0


def earlier(event: Event, field: str) -> Values | None:
    """The arguments of `edit` that restore a field of a task to its value before the
    event; None if it cannot be restored."""
    if not restorable(event, field):
        return None
    old = event.changes[field][0]
    if field == "priority":
        return {field: PRIORITIES[old]}
    if field == "due_date":
        return {field: old and date.fromisoformat(old)}
    if field == "due_at":
        zone, _ = event.changes.get("due_timezone", (None, None))
        back = {field: old and read_instant(old)}
        return back | {"due_timezone": zone} if old and zone else back
    return {field: old}


def restorable(event: Event, field: str) -> bool:
    """Whether the earlier value of the field can be restored."""
    made = event.verb in (Event.Verb.CREATED, Event.Verb.REMINDED)
    return field in event.changes and field not in UNRESTORED and not made


def lost(task: Task, field: str, value: object) -> str:
    """The reason why the earlier owner, list or parent cannot be restored, or ""."""
    if field not in KEYS or not isinstance(value, int):
        return ""
    kind = field.removesuffix("_id")
    row = KEYS[field]._default_manager.filter(pk=value).first()
    if row is None:
        return f"The earlier {kind} was deleted."
    if not isinstance(row, User) and row.owner_id != task.owner_id:
        return f"The earlier {kind} is not {task.owner}'s."
    if isinstance(row, Task) and row.deleted_at is not None:
        return f"The earlier {kind} is in the trash."
    return ""


def refused(task: Task, field: str, value: object) -> str:
    """The reason why the earlier text or tags break today's rules for names, or ""."""
    names: list[str] = []
    if field == "tags" and isinstance(value, list):
        names = value
    elif field in ONE_LINE and isinstance(value, str):
        names = [value]
    faults = (fault(name) for name in names if name not in task.tags)
    return next(filter(None, faults), "")


def _names(events: Iterable[Event]) -> dict[tuple[str, object], str]:
    """The names of the rows whose keys are in the events; deleted ones have none."""
    names: dict[tuple[str, object], str] = {}
    changes = [event.changes for event in events]
    for field, model in KEYS.items():
        pairs = [pair for each in changes if (pair := each.get(field))]
        keys = {key for pair in pairs for key in pair if key is not None}
        if keys:
            title = {User: "username", TaskList: "name", Task: "title"}[model]
            rows = model._default_manager.filter(pk__in=keys).values_list("pk", title)
            names |= {(field, key): name for key, name in rows}
    return names


def _represent(event: Event, names: dict[tuple[str, object], str]) -> dict[str, object]:
    """An event for the template. Deleted users are shown by their ids."""
    user = event.actor_id
    made = event.verb == Event.Verb.CREATED
    return {
        "sequence": event.sequence,
        "at": event.at,
        "who": event.actor or (f"user {user}" if user else "the service"),
        "via": event.via,
        "verb": event.verb,
        "version": event.version,
        "made": made,
        "changes": [
            {
                "name": (name := field.removesuffix("_id")),
                "label": name.replace("_", " "),
                "old": _text(field, old, names),
                "new": _text(field, new, names),
                "restorable": restorable(event, field),
            }
            for field, (old, new) in event.changes.items()
        ],
    }


def _text(field: str, value: object, names: dict[tuple[str, object], str]) -> str:
    if value is None:
        return ""
    if field in KEYS:
        kind = field.removesuffix("_id")
        return names.get((field, value), f"{kind} {value} (deleted)")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text("", one, names) for one in value)
    return describe(value) if isinstance(value, dict) else str(value)
