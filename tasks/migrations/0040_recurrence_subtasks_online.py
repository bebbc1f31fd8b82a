from datetime import UTC, datetime

from django.db import migrations, models
from django.db.models.lookups import Exact

from taskproject.postgresql.operations import ReplaceConstraintOnline
from tasks.models.functions import Among, Given

SERIES = ("recurrence", "recurrence_from", "recurrence_subtasks", "occurrence")
LAST = datetime(9999, 12, 31, tzinfo=UTC)
CONDITION = (
    models.Q(Exact(Given(*SERIES), 0))
    | models.Q(
        models.Q(recurrence_subtasks__isnull=True)
        | models.Q(Among("recurrence_subtasks", ["again", "once"])),
        Exact(Given("recurrence", "occurrence"), 2),
        Among("recurrence_from", ["due", "each_due", "completion"]),
        due_moment__lt=LAST,
    )
) & (models.Q(completed=True) | models.Q(next_occurrence__isnull=True))


class Migration(migrations.Migration):
    # Beside the traffic; a run that failed can be repeated.
    atomic = False

    dependencies = [
        ("tasks", "0039_recurrence_subtasks"),
    ]

    operations = [
        ReplaceConstraintOnline(
            "task",
            "task_recurrence_whole",
            models.CheckConstraint(condition=CONDITION, name="task_recurrence_whole"),
        ),
    ]
