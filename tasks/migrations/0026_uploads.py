import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    # New tables.

    dependencies = [
        ("tasks", "0025_bulk_changes"),
    ]

    operations = [
        migrations.CreateModel(
            name="Upload",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("actor_id", models.BigIntegerField()),
                ("name", models.CharField(max_length=255)),
                ("format", models.CharField(max_length=20)),
                ("state", models.CharField(default="reading", max_length=20)),
                ("summary", models.JSONField(default=dict)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_index=True, default=django.utils.timezone.now
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="UploadPage",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("rows", models.JSONField()),
                (
                    "upload",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="pages",
                        to="tasks.upload",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="UploadPortion",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("owners", models.JSONField()),
                ("records", models.TextField()),
                ("done", models.JSONField(null=True)),
                (
                    "upload",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="portions",
                        to="tasks.upload",
                    ),
                ),
            ],
        ),
    ]
