from django.db import migrations, models

import tasks.models.bytewise


class Migration(migrations.Migration):
    # Columns without a default: a moment's lock.

    dependencies = [
        ('tasks', '0016_keys_of_letters'),
    ]

    operations = [
        migrations.AddField(
            model_name='task',
            name='location',
            field=models.CharField(blank=True, max_length=500, null=True),
        ),
        migrations.AddField(
            model_name='task',
            name='location_key',
            field=tasks.models.bytewise.BytewiseField(editable=False, max_length=32, null=True),
        ),
    ]
