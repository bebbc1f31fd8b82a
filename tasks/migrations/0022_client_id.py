from django.db import migrations, models


class Migration(migrations.Migration):
    # A column without a default: a moment's lock.

    dependencies = [
        ("tasks", "0021_cheaper_checks"),
    ]

    operations = [
        migrations.AddField(
            model_name="task",
            name="client_id",
            field=models.UUIDField(editable=False, null=True),
        ),
    ]
