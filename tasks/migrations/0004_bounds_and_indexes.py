import datetime

from django.db import migrations, models

from taskproject.postgresql.operations import AddConstraintOnline, AddIndexOnline


class Migration(migrations.Migration):
    # Beside the traffic; a run that failed can be repeated.
    atomic = False

    dependencies = [
        ('tasks', '0003_fill'),
    ]

    operations = [
        AddConstraintOnline(
            model_name='event',
            constraint=models.CheckConstraint(condition=models.Q(('verb__in', ['created', 'edited', 'completed', 'reopened', 'trashed', 'restored', 'deleted', 'transferred', 'moved'])), name='event_verb_known'),
        ),
        AddConstraintOnline(
            model_name='event',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('list_id', None), ('tag_id', None), ('task_id__isnull', False)), models.Q(('list_id__isnull', False), ('tag_id', None), ('task_id', None)), models.Q(('list_id', None), ('tag_id__isnull', False), ('task_id', None)), _connector='OR'), name='event_of_one_row'),
        ),
        AddIndexOnline(
            model_name='task',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True)), fields=['owner', 'updated_at', 'id'], name='task_owner_updated'),
        ),
        AddIndexOnline(
            model_name='task',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True)), fields=['owner', 'due_moment', 'id'], name='task_owner_due'),
        ),
        AddIndexOnline(
            model_name='task',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True)), fields=['owner', 'created_at', 'id'], name='task_owner_created'),
        ),
        AddIndexOnline(
            model_name='task',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True), ('completed', False)), fields=['owner', 'due_moment'], name='task_owner_open_due'),
        ),
        AddIndexOnline(
            model_name='task',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True), ('completed', False), ('due_at__isnull', False)), fields=['owner', 'due_at'], name='task_owner_instant'),
        ),
        AddIndexOnline(
            model_name='task',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True)), fields=['owner', 'priority', 'id'], name='task_owner_priority'),
        ),
        AddIndexOnline(
            model_name='task',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True)), fields=['owner', 'sorted_title', 'id'], name='task_owner_title'),
        ),
        AddIndexOnline(
            model_name='task',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True)), fields=['owner', 'position', 'id'], name='task_owner_position'),
        ),
        AddIndexOnline(
            model_name='task',
            index=models.Index(condition=models.Q(('deleted_at__isnull', True)), fields=['owner', 'list', 'position', 'id'], name='task_list_position'),
        ),
        AddIndexOnline(
            model_name='task',
            index=models.Index(fields=['list', '-id'], name='task_list_newest'),
        ),
        AddIndexOnline(
            model_name='task',
            index=models.Index(condition=models.Q(('parent__isnull', False)), fields=['parent', 'id'], name='task_parent'),
        ),
        AddConstraintOnline(
            model_name='task',
            constraint=models.CheckConstraint(condition=models.Q(('priority__gte', 0), ('priority__lte', 4)), name='task_priority_known'),
        ),
        AddConstraintOnline(
            model_name='task',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('due_at__isnull', True), ('due_timezone__isnull', True)), models.Q(('due_at__isnull', False), ('due_date__isnull', True), ('due_timezone__isnull', False)), _connector='OR'), name='task_due_in_one_form'),
        ),
        AddConstraintOnline(
            model_name='task',
            constraint=models.CheckConstraint(condition=models.Q(('due_date__isnull', True), models.Q(('due_date__gte', datetime.date(1900, 1, 1)), ('due_date__lte', datetime.date(2999, 12, 31))), _connector='OR'), name='task_due_date_in_range'),
        ),
        AddConstraintOnline(
            model_name='task',
            constraint=models.CheckConstraint(condition=models.Q(('due_at__isnull', True), models.Q(('due_at__gte', datetime.datetime(1900, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('due_at__lt', datetime.datetime(3000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), _connector='OR'), name='task_due_at_in_range'),
        ),
        AddConstraintOnline(
            model_name='task',
            constraint=models.CheckConstraint(condition=models.Q(('parent__isnull', True), models.Q(('parent', models.F('id')), _negated=True), _connector='OR'), name='task_not_its_own_parent'),
        ),
        AddConstraintOnline(
            model_name='task',
            constraint=models.UniqueConstraint(condition=models.Q(('external_id__isnull', False)), fields=('owner', 'external_id'), name='task_external_id_once'),
        ),
    ]
