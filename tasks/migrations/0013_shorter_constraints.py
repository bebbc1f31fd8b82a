import datetime

from django.db import migrations, models
from django.db.models.expressions import NegatedExpression
from django.db.models.lookups import Exact

from taskproject.postgresql.operations import RewordConstraintOnline
from tasks.models.functions import Among, Filled, Given


def reworded(model, name, condition):
    return RewordConstraintOnline(
        model_name=model,
        name=name,
        constraint=models.CheckConstraint(condition=condition, name=name),
    )


class Migration(migrations.Migration):
    # Beside the traffic; a run that failed can be repeated. The constraints say what they
    # said, in the words that PostgreSQL reads fastest: it reads them at every write.
    atomic = False

    dependencies = [
        ('tasks', '0012_tally_of_dues'),
    ]

    operations = [
        reworded('event', 'event_verb_known', models.Q(Among('verb', ['created', 'edited', 'completed', 'reopened', 'trashed', 'restored', 'deleted', 'transferred', 'moved']))),
        reworded('event', 'event_of_one_row', models.Q(Exact(Given('task_id', 'list_id', 'tag_id'), 1))),
        reworded('task', 'task_completed_at_when_completed', models.Q(Exact(models.F('completed'), Filled('completed_at')))),
        reworded('task', 'task_due_in_one_form', models.Q(Exact(Filled('due_at'), Filled('due_timezone')), models.Q(('due_at__isnull', True), ('due_date__isnull', True), _connector='OR'))),
        reworded('task', 'task_due_date_in_range', models.Q(('due_date__gte', datetime.date(1900, 1, 1)), ('due_date__lte', datetime.date(2999, 12, 31)))),
        reworded('task', 'task_due_at_in_range', models.Q(('due_at__gte', datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('due_at__lt', datetime.datetime(3000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)))),
        reworded('task', 'task_not_its_own_parent', models.Q(NegatedExpression(Exact(models.F('parent'), models.F('id'))))),
    ]
