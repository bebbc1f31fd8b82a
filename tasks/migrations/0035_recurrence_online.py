from datetime import UTC, datetime

from django.db import migrations, models
from django.db.models.lookups import Exact

from taskproject.postgresql.operations import AddConstraintOnline
from tasks.models.functions import Among, Given


class Migration(migrations.Migration):
    # Beside the traffic; a run that failed can be repeated.
    atomic = False

    dependencies = [
        ('tasks', '0034_recurrence'),
    ]

    operations = [
        AddConstraintOnline(
            model_name='task',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(Exact(Given('recurrence', 'recurrence_from', 'occurrence'), 0), models.Q(Exact(Given('recurrence', 'occurrence'), 2), Among('recurrence_from', ['due', 'completion']), ('due_moment__lt', datetime(9999, 12, 31, tzinfo=UTC))), _connector='OR'), models.Q(('completed', True), ('next_occurrence__isnull', True), _connector='OR')), name='task_recurrence_whole'),
        ),
    ]
