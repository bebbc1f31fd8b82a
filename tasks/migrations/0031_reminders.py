import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    # A new table, a column without a default, and a constraint less: a moment's lock.

    dependencies = [
        ("tasks", "0030_undo_of_uploads"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Reminder",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("task_id", models.BigIntegerField()),
                ("at", models.DateTimeField(null=True)),
                ("minutes_before", models.IntegerField(null=True)),
                ("hour", models.SmallIntegerField(null=True)),
                ("fire_at", models.DateTimeField(null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("fired", "Fired"),
                            ("inactive", "Inactive"),
                        ],
                        max_length=8,
                    ),
                ),
                ("fired_at", models.DateTimeField(null=True)),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "pending")),
                        fields=["fire_at"],
                        name="reminder_due",
                    ),
                    models.Index(fields=["task_id"], name="reminder_of_task"),
                    models.Index(
                        fields=["owner", "status", "id"], name="reminder_of_owner"
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="task",
            name="reminders",
            field=models.JSONField(editable=False, null=True),
        ),
        migrations.RemoveConstraint(model_name="event", name="event_verb_known"),
        migrations.AlterField(
            model_name="event",
            name="verb",
            field=models.CharField(
                choices=[
                    ("created", "Created"),
                    ("edited", "Edited"),
                    ("completed", "Completed"),
                    ("reopened", "Reopened"),
                    ("trashed", "Trashed"),
                    ("restored", "Restored"),
                    ("deleted", "Deleted"),
                    ("transferred", "Transferred"),
                    ("moved", "Moved"),
                    ("reminded", "Reminded"),
                ],
                max_length=20,
            ),
        ),
    ]
