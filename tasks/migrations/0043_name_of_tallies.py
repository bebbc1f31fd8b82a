from django.db import migrations


class Migration(migrations.Migration):
    # The name that the admin shows before a user is deleted; nothing in the database.

    dependencies = [
        ("tasks", "0042_open_due_of_all"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="tally",
            options={"verbose_name_plural": "tallies"},
        ),
    ]
