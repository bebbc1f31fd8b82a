import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    # New tables.

    dependencies = [
        ("tasks", "0024_request_of_events"),
    ]

    operations = [
        migrations.CreateModel(
            name="BulkChange",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("actor_id", models.BigIntegerField()),
                ("verb", models.CharField(max_length=20)),
                ("values", models.JSONField(default=dict)),
                ("query", models.TextField(default="")),
                ("state", models.CharField(default="selected", max_length=20)),
                ("total", models.BigIntegerField()),
                (
                    "created_at",
                    models.DateTimeField(
                        db_index=True, default=django.utils.timezone.now
                    ),
                ),
                ("finished_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="BulkPortion",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("keys", models.JSONField()),
                ("done", models.JSONField(null=True)),
                ("undone", models.JSONField(null=True)),
                (
                    "change",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="portions",
                        to="tasks.bulkchange",
                    ),
                ),
            ],
        ),
    ]
