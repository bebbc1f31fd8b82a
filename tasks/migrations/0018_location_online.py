from django.db import migrations, models
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual

from taskproject.postgresql.operations import AddConstraintOnline, AddIndexOnline


class Migration(migrations.Migration):
    # Beside the traffic; a run that failed can be repeated.
    atomic = False

    dependencies = [
        ('tasks', '0017_location'),
    ]

    operations = [
        AddConstraintOnline(
            model_name='task',
            constraint=models.CheckConstraint(condition=models.Q(GreaterThanOrEqual(Length('location'), 1), LessThanOrEqual(Length('location'), 500)), name='task_location_length'),
        ),
        AddIndexOnline(
            model_name='task',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True), ('location_key__isnull', False)), fields=['owner', 'location_key', '-id'], name='task_owner_location'),
        ),
    ]
