import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    # A new table.

    dependencies = [
        ("tasks", "0044_filters_of_open_due"),
    ]

    operations = [
        migrations.CreateModel(
            name="UploadFile",
            fields=[
                (
                    "upload",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="file",
                        serialize=False,
                        to="tasks.upload",
                    ),
                ),
                ("content", models.BinaryField()),
            ],
        ),
    ]
