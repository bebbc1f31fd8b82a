"""Tasks, their lists, tags and events: each model under its QuerySet."""

from tasks.models.bulk import BulkChange
from tasks.models.calendars import CalendarFeed
from tasks.models.events import Actor, Event, EventQuerySet, FeedHorizon, lock_feeds
from tasks.models.lists import TaskList, TaskListQuerySet
from tasks.models.outcomes import Outcome
from tasks.models.reminders import Reminder
from tasks.models.saved_views import SavedView
from tasks.models.tags import Label, Tag, TagQuerySet
from tasks.models.tallies import Tally
from tasks.models.task_queryset import TaskQuerySet
from tasks.models.tasks import Task
from tasks.models.uploads import Upload
from tasks.models.webhooks import Webhook, WebhookDelivery

#: The words of priorities, and the numbers that the database orders.
PRIORITIES: dict[str, int] = {kind.label: kind.value for kind in Task.Priority}

__all__ = [
    "PRIORITIES",
    "Actor",
    "BulkChange",
    "CalendarFeed",
    "Event",
    "EventQuerySet",
    "FeedHorizon",
    "Label",
    "Outcome",
    "Reminder",
    "SavedView",
    "Tag",
    "TagQuerySet",
    "Tally",
    "Task",
    "TaskList",
    "TaskListQuerySet",
    "TaskQuerySet",
    "Upload",
    "Webhook",
    "WebhookDelivery",
    "lock_feeds",
]
