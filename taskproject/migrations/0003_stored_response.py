"""Renames the model, and keeps its table: no statement on the table is run."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("taskproject", "0002_job")]

    operations = [
        migrations.AlterModelTable("StoredAnswer", "taskproject_storedanswer"),
        migrations.RenameModel("StoredAnswer", "StoredResponse"),
    ]
