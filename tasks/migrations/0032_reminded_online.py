from django.db import migrations, models

from taskproject.postgresql.operations import AddConstraintOnline
from tasks.models.functions import Among

VERBS = (
    *("created", "edited", "completed", "reopened", "trashed", "restored", "deleted"),
    *("transferred", "moved", "reminded"),
)


class Migration(migrations.Migration):
    # Beside the traffic; a run that failed can be repeated.
    atomic = False

    dependencies = [
        ("tasks", "0031_reminders"),
    ]

    operations = [
        AddConstraintOnline(
            model_name="event",
            constraint=models.CheckConstraint(
                condition=models.Q(Among("verb", [*VERBS])), name="event_verb_known"
            ),
        ),
    ]
