from django.db import migrations, models


class Migration(migrations.Migration):
    # A column without a default: a moment's lock.

    dependencies = [
        ("tasks", "0038_rows_go_with_their_users"),
    ]

    operations = [
        migrations.AddField(
            model_name="task",
            name="recurrence_subtasks",
            field=models.CharField(blank=True, max_length=10, null=True),
        ),
    ]
