from django.db import migrations, models

from taskproject.postgresql.operations import AddIndexOnline


class Migration(migrations.Migration):
    # Beside the traffic; a run that failed can be repeated.
    atomic = False

    dependencies = [
        ("tasks", "0036_reminder_emails"),
    ]

    operations = [
        AddIndexOnline(
            model_name="reminder",
            index=models.Index(
                condition=models.Q(("email_at__isnull", False)),
                fields=["owner", "email_at"],
                name="reminder_email",
            ),
        ),
    ]
