"""Values in the list of tasks that are told by a word and a colour."""

from django.utils.html import format_html

from tasks.models import Task
from tasks.models.due_dates import clock, due_state

#: The words of `due_state`.
WORDS = {"overdue": "overdue", "today": "due today", "tomorrow": "due tomorrow"}
# The colours of badges in theme.css.
COLOURS = {
    "overdue": "danger",
    "today": "warning",
    "tomorrow": "info",
    "urgent": "danger",
    "high": "warning",
    "medium": "info",
    "low": "",
}


def priority_badge(task: Task) -> str:
    """Empty without a priority."""
    if not task.priority:
        return ""
    word = task.get_priority_display()
    return format_html('<span class="badge {}">{}</span>', COLOURS[word], word)


def due_badge(task: Task, zone: str) -> str:
    """Whether the task is overdue or due soon in this time zone, as the filters have it;
    and in the owner's, if that differs there."""
    due = task.completed, task.due_date, task.due_at
    here, there = (due_state(*due, clock(name)) for name in (zone, task.owner.timezone))
    badge = note = ""
    if here:
        badge = format_html(
            '<strong class="badge {}">{}</strong>', COLOURS[here], WORDS[here]
        )
    if here != there:
        note = format_html(
            '<span class="badge" title="In the time zone {}">{} for {}</span>',
            task.owner.timezone,
            WORDS.get(there, "later"),
            task.owner,
        )
    return format_html("{} {}", badge, note) if badge or note else ""


def completion_button(task: Task, address: str) -> str:
    """A button that completes or reopens the task, by a form of the page. It sends the
    version that the page shows."""
    return format_html(
        '<button form="row-form" formaction="{}" name="version" value="{}" '
        'id="completion-{}" class="completion" aria-pressed="{}" '
        'aria-label="Completed: {}">{}</button>',
        address,
        task.version,
        task.pk,
        "true" if task.completed else "false",
        task.title,
        "☑" if task.completed else "☐",
    )
