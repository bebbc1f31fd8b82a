from django.db import migrations, models

from taskproject.postgresql.operations import ReplaceIndexOnline


class Migration(migrations.Migration):
    # Beside the traffic; a run that failed can be repeated.
    atomic = False

    dependencies = [
        ("tasks", "0045_upload_files"),
    ]

    operations = [
        # With the ids, so that thousands of tasks of one import are not sorted by them.
        ReplaceIndexOnline(
            model_name="task",
            index=models.Index(fields=["created_at", "id"], name="task_created"),
            replaced=models.Index(fields=["created_at"], name="task_created"),
        ),
    ]
