"""What the database itself holds tasks to, and what it finds them by.

Every bound of the API's schemas is a named constraint, so that the admin, a command and
an old client obey it as well. They are as short as can be: PostgreSQL reads the text of
all of them anew for each statement that writes (0.07 ms of the 0.31 of a new task; longer
ones took 0.09). What is null meets a condition that compares it.
"""

from datetime import UTC, datetime, timedelta

from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint
from django.db.models.expressions import NegatedExpression
from django.db.models.functions import Length, Trim
from django.db.models.lookups import Exact, LessThanOrEqual

from tasks.fields import FIELDS, KEYS, Field
from tasks.limits import FIRST_DAY, LAST_DAY
from tasks.models.due_dates import NEVER
from tasks.models.functions import Among, Filled, Given, Within
from tasks.recurrence import SERIES, SOURCES, SUBTASKS

LIVE = Q(deleted_at__isnull=True)
TRASHED = Q(deleted_at__isnull=False)
_FIRST = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
_LAST = datetime(LAST_DAY.year, LAST_DAY.month, LAST_DAY.day, tzinfo=UTC)


def _length(field: Field) -> CheckConstraint:
    """A text has its characters, and one of one line at least one."""
    most = field.max_length or 0
    if field.one_line:
        condition = Q(Within(field.name, most))
    else:
        condition = Q(LessThanOrEqual(Length(field.name), most))
    return CheckConstraint(name=f"task_{field.name}_length", condition=condition)


CONSTRAINTS = (
    *(_length(field) for field in FIELDS if field.max_length),
    CheckConstraint(
        name="task_title_trimmed", condition=Q(Exact(Trim("title"), F("title")))
    ),
    CheckConstraint(
        name="task_completed_at_when_completed",
        condition=Q(Exact(F("completed"), Filled("completed_at"))),
    ),
    CheckConstraint(name="task_version_positive", condition=Q(version__gte=1)),
    CheckConstraint(
        name="task_priority_known", condition=Q(priority__gte=0, priority__lte=4)
    ),
    CheckConstraint(
        name="task_due_in_one_form",
        condition=Q(Exact(Filled("due_at"), Filled("due_timezone")))
        & (Q(due_at__isnull=True) | Q(due_date__isnull=True)),
    ),
    CheckConstraint(
        name="task_due_date_in_range",
        condition=Q(due_date__gte=FIRST_DAY, due_date__lte=LAST_DAY),
    ),
    CheckConstraint(
        name="task_due_at_in_range",
        condition=Q(due_at__gte=_FIRST, due_at__lt=_LAST + timedelta(days=1)),
    ),
    # A series, whole and with a due date, or none; what follows, of completed tasks.
    CheckConstraint(
        name="task_recurrence_whole",
        condition=(
            Q(Exact(Given(*SERIES), 0))
            | Q(
                Q(recurrence_subtasks__isnull=True)
                | Q(Among("recurrence_subtasks", [*SUBTASKS])),
                Exact(Given("recurrence", "occurrence"), 2),
                Among("recurrence_from", [*SOURCES]),
                due_moment__lt=NEVER,
            )
        )
        & (Q(completed=True) | Q(next_occurrence__isnull=True)),
    ),
    CheckConstraint(
        name="task_not_its_own_parent",
        condition=Q(NegatedExpression(Exact(F("parent"), F("id")))),
    ),
    UniqueConstraint(
        name="task_client_id_once",
        fields=["owner", "client_id"],
        condition=Q(client_id__isnull=False),
    ),
    UniqueConstraint(
        name="task_external_id_once",
        fields=["owner", "external_id"],
        condition=Q(external_id__isnull=False),
    ),
)

INDEXES = (
    # What a filter compares, newest first.
    *(
        Index(
            fields=["owner", key, "-id"],
            name=f"task_owner_{name}",
            condition=LIVE & Q(**{f"{key}__isnull": False}),
        )
        for name, key in KEYS.items()
    ),
    # The list, whole or by state, newest first; and what an owner's tasks are sorted by.
    Index(fields=["owner", "-id"], name="task_owner_newest", condition=LIVE),
    Index(
        fields=["owner", "completed", "-id"], name="task_owner_state", condition=LIVE
    ),
    Index(
        fields=["owner", "created_at", "id"], name="task_owner_created", condition=LIVE
    ),
    Index(
        fields=["owner", "updated_at", "id"], name="task_owner_updated", condition=LIVE
    ),
    Index(fields=["owner", "due_moment", "id"], name="task_owner_due", condition=LIVE),
    # What is due of the open ones, to count what is overdue.
    Index(
        fields=["owner", "due_moment"],
        name="task_owner_open_due",
        condition=LIVE & Q(completed=False),
    ),
    # The same of all owners, for the admin, with what it filters by: tasks that meet several
    # filters are counted in the index alone. (SQLite needs the last two for that too.)
    Index(
        fields=[
            *("due_moment", "id", "priority", "list", "due_date", "due_at"),
            *("completed", "deleted_at"),
        ],
        name="task_open_due",
        condition=LIVE & Q(completed=False),
    ),
    # The instants, for what became overdue last.
    Index(
        fields=["owner", "due_at"],
        name="task_owner_instant",
        condition=LIVE & Q(due_at__isnull=False, completed=False),
    ),
    Index(
        fields=["owner", "priority", "id"], name="task_owner_priority", condition=LIVE
    ),
    Index(
        fields=["owner", "sorted_title", "id"], name="task_owner_title", condition=LIVE
    ),
    Index(
        fields=["owner", "position", "id"], name="task_owner_position", condition=LIVE
    ),
    Index(
        fields=["owner", "list", "position", "id"],
        name="task_list_position",
        condition=LIVE,
    ),
    Index(
        fields=["list", "id"], name="task_list_newest", condition=Q(list__isnull=False)
    ),
    Index(
        fields=["parent", "id"], name="task_parent", condition=Q(parent__isnull=False)
    ),
    Index(fields=["owner", "-id"], name="task_owner_trash", condition=TRASHED),
    Index(fields=["deleted_at"], name="task_trashed", condition=TRASHED),
    # The order of creation, whole: an import may create thousands at one instant.
    Index(fields=["created_at", "id"], name="task_created"),
    # What all owners completed on a day.
    Index(
        fields=["completed_at", "owner"],
        name="task_completed",
        condition=LIVE & Q(completed_at__isnull=False),
    ),
)
