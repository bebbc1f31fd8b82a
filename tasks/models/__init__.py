"""Tasks and their events: each model under its QuerySet."""

from tasks.models.events import Actor, Event, EventQuerySet, FeedHorizon, feed_of
from tasks.models.tasks import (
    DESCRIPTION_LENGTH,
    TITLE_LENGTH,
    Outcome,
    Task,
    TaskQuerySet,
    record,
)

__all__ = [
    "DESCRIPTION_LENGTH",
    "TITLE_LENGTH",
    "Actor",
    "Event",
    "EventQuerySet",
    "FeedHorizon",
    "Outcome",
    "Task",
    "TaskQuerySet",
    "feed_of",
    "record",
]
