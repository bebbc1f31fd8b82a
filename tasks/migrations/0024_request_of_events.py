from django.db import migrations, models


class Migration(migrations.Migration):
    # A column without a default: a moment's lock.

    dependencies = [
        ("tasks", "0023_client_id_online"),
    ]

    operations = [
        migrations.AddField(
            model_name="event",
            name="request",
            field=models.CharField(max_length=255, null=True),
        ),
    ]
