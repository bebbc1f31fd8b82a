from django.db import migrations, models


class Migration(migrations.Migration):
    # Columns without a default: a moment's lock.

    dependencies = [
        ("tasks", "0035_recurrence_online"),
    ]

    operations = [
        migrations.AddField(
            model_name="reminder",
            name="email_status",
            field=models.CharField(
                choices=[
                    ("pending", "Pending"),
                    ("sent", "Sent"),
                    ("failed", "Failed"),
                ],
                max_length=8,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="reminder",
            name="email_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="reminder",
            name="email_attempts",
            field=models.SmallIntegerField(null=True),
        ),
    ]
