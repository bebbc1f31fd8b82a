"""A new task in one line: `Buy oat milk !high #errand @Shopping due:tomorrow`.

A hint is a word of its own, or has a name in quotation marks: `@"Five minutes"`. All else is
the title. A backslash before a sign keeps it in the title: `Fix \\#12`.
"""

import re
from datetime import date, timedelta

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import QueryDict

from taskproject.names import casefold_key, fault
from tasks.admin.choices import KEY
from tasks.forms.fields import tag_text
from tasks.models import PRIORITIES, TaskList

#: What the page says of it.
HELP = (
    "Hints: !low to !urgent, #tag, @list, due:today, due:tomorrow, due:2026-12-31. "
    '@"Two words" is one name; \\#12 is no hint.'
)
EXAMPLE = "Buy oat milk !high #errand @Shopping due:tomorrow"
_HINT = re.compile(r'(?<!\S)(!|#|@|due:)(?:"([^"]+)"|([^\s"]\S*))(?!\S)')
_ESCAPE = re.compile(r"(?<!\S)\\(?=!|#|@|due:)")
# What stands once in a line, by its sign.
_ONCE = {"!": "priority", "@": "list", "due:": "due date"}


def parse(line: str, today: date) -> dict[str, str]:
    """The values of the form of a task; `list` is a name. Raises ValidationError."""
    if line and (wrong := fault(line)):
        raise ValidationError(f"Title: {wrong}")
    given: dict[str, list[str]] = {"!": [], "#": [], "@": [], "due:": []}
    for sign, quoted, word in _HINT.findall(line):
        given[sign].append(quoted or word)
    for sign, name in _ONCE.items():
        if len(given[sign]) > 1:
            raise ValidationError(f"A task has one {name}: {', '.join(given[sign])}.")
    title = _ESCAPE.sub("", " ".join(_HINT.sub("", line).split()))
    values = {"title": title, "tag_names": tag_text(given["#"])}
    for word in given["!"]:
        values["priority"] = str(_priority(word))
    for word in given["due:"]:
        soon = {"today": today, "tomorrow": today + timedelta(days=1)}
        values["due_date"] = str(soon.get(word.lower(), word))
    for word in given["@"]:
        values["list"] = word
    return values


def place(
    values: dict[str, str], viewer_id: int, shown: QueryDict, lists: QuerySet[TaskList]
) -> dict[str, str]:
    """The values, with the keys of the owner and the list: of the list that the line names,
    else of those that the page is filtered by. `lists` are those that the user may view.
    Raises ValidationError."""
    name, row = values.pop("list", None), None
    owner, key = (shown.get(field, "") for field in ("owner", "list"))
    if KEY.fullmatch(key):
        row = lists.filter(pk=int(key)).first()
    owner_id = int(owner) if KEY.fullmatch(owner) else viewer_id
    if row is not None:
        owner_id = row.owner_id
    if name is not None:
        row = lists.filter(owner_id=owner_id, key=casefold_key(name)).first()
        if row is None:
            raise ValidationError(
                f"There is no list “{name}” of this owner. Add it first, correct the name, "
                f"or write \\@{name} to keep it in the title."
            )
    found = {"list": str(row.pk)} if row else {}
    return {**values, "owner": str(owner_id), **found}


def _priority(word: str) -> int:
    if word.lower() not in PRIORITIES:
        raise ValidationError(
            f"There is no priority “{word}”, but {', '.join(PRIORITIES)}. Write \\!{word} to "
            "keep it in the title."
        )
    return PRIORITIES[word.lower()]
