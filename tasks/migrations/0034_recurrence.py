from django.db import migrations, models


class Migration(migrations.Migration):
    # Columns without a default: a moment's lock.

    dependencies = [
        ('tasks', '0033_webhooks'),
    ]

    operations = [
        migrations.AddField(
            model_name='task',
            name='recurrence',
            field=models.CharField(blank=True, max_length=300, null=True),
        ),
        migrations.AddField(
            model_name='task',
            name='recurrence_from',
            field=models.CharField(blank=True, max_length=10, null=True),
        ),
        migrations.AddField(
            model_name='task',
            name='occurrence',
            field=models.CharField(editable=False, max_length=100, null=True),
        ),
        migrations.AddField(
            model_name='task',
            name='next_occurrence',
            field=models.BigIntegerField(editable=False, null=True),
        ),
    ]
