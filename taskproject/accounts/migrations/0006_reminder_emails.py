from django.db import migrations, models


class Migration(migrations.Migration):
    # A constant default, which PostgreSQL does not write into the rows: a moment's lock.

    dependencies = [
        ("accounts", "0005_identity"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="reminder_emails",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
