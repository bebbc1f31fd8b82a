"""Tasks: their fields. `task_queryset.py` has the methods that change them."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from tasks import limits
from tasks.models import constraints
from tasks.models.bytewise import BytewiseField
from tasks.models.due_dates import NEVER
from tasks.models.lists import TaskList
from tasks.models.tags import Tag
from tasks.models.task_queryset import TaskQuerySet
from tasks.models.words import MATCH_KEY_LENGTH, SORT_KEY_LENGTH


class Task(models.Model):
    """A task of one owner. `tasks/fields.py` lists the fields that are public."""

    class Priority(models.IntegerChoices):
        NONE = 0, "none"
        LOW = 1, "low"
        MEDIUM = 2, "medium"
        HIGH = 3, "high"
        URGENT = 4, "urgent"

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="tasks", db_index=False
    )
    # Given by the client that created it; unique among the tasks of its owner.
    client_id = models.UUIDField(null=True, editable=False)
    title = models.CharField(max_length=limits.TITLE_LENGTH)
    description = models.TextField(
        max_length=limits.DESCRIPTION_LENGTH, blank=True, default=""
    )
    location = models.CharField(
        max_length=limits.LOCATION_LENGTH, null=True, blank=True
    )
    # Its case-folded key, for filters (see words.py).
    location_key = BytewiseField(max_length=MATCH_KEY_LENGTH, null=True, editable=False)
    completed = models.BooleanField(default=False)
    completed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The names of its tags in the order given, so that reading them needs no join.
    tags = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        blank=True,
        editable=False,
    )
    labels = models.ManyToManyField(
        Tag, through="tasks.Label", related_name="tasks", editable=False
    )
    # `leave_list` and `remove` clear these before the list or the parent is deleted. The
    # database refuses other deletions.
    list = models.ForeignKey(
        TaskList,
        models.DO_NOTHING,
        related_name="tasks",
        db_index=False,
        null=True,
        blank=True,
    )
    parent = models.ForeignKey(
        "self",
        models.DO_NOTHING,
        related_name="subtasks",
        db_index=False,
        null=True,
        blank=True,
    )
    priority = models.SmallIntegerField(
        choices=Priority.choices, default=Priority.NONE, db_default=Priority.NONE
    )
    due_date = models.DateField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    # The time zone in which `due_at` was given: a name in the IANA time zone database.
    due_timezone = models.CharField(
        max_length=limits.TIMEZONE_LENGTH, null=True, blank=True
    )
    reminders = models.JSONField(null=True, editable=False)  # see reminders.py
    # Its series (see series.py): rule, choices, planned date, and the id of the next one.
    recurrence = models.CharField(max_length=limits.RULE_LENGTH, null=True, blank=True)
    recurrence_from = models.CharField(max_length=10, null=True, blank=True)
    recurrence_subtasks = models.CharField(max_length=10, null=True, blank=True)
    occurrence = models.CharField(
        max_length=limits.PLAN_LENGTH, null=True, editable=False
    )
    next_occurrence = models.BigIntegerField(null=True, editable=False)
    # The sort key of the due date (see due_dates.py).
    due_moment = models.DateTimeField(default=NEVER, db_default=NEVER, editable=False)
    # The manual order (see positions.py).
    position = BytewiseField(
        max_length=limits.POSITION_LENGTH, db_default="", editable=False
    )
    # The sort key of the title, and the words of the search index (see words.py).
    sorted_title = BytewiseField(
        max_length=SORT_KEY_LENGTH, db_default="", editable=False
    )
    search = models.TextField(db_default="", editable=False)
    # The id of the task in the service that it was imported from.
    external_id = models.CharField(
        max_length=limits.EXTERNAL_ID_LENGTH, null=True, editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    # When it was moved to the trash.
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Starts at 1; each change increments it.
    version = models.BigIntegerField(default=1, editable=False)

    objects = TaskQuerySet.as_manager()

    #: Set for tasks that `shown` and the methods that change tasks return.
    open_subtasks: int = 0

    class Meta:
        permissions = (
            ("remove_task", "Can delete tasks permanently"),
            ("view_all_tasks", "Can view tasks, lists and tags of all users"),
        )
        indexes = constraints.INDEXES
        constraints = constraints.CONSTRAINTS

    def __str__(self) -> str:
        return self.title

    @classmethod
    def one(cls, user_id: int, key: int) -> TaskQuerySet:
        """The owner's task with this id, in the trash or not. The set is for methods that
        change tasks; it cannot be queried."""
        return TaskQuerySet.one(cls, user_id, key)
