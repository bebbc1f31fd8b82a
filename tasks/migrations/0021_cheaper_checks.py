import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from taskproject.postgresql.operations import RewordConstraintOnline
from tasks.models.functions import Within

# PostgreSQL reads the text of a table's checks at every write, and looks a foreign key up
# at its end. Of an event's version, Django's own check says no more than those of the rows
# that it is copied from; who owns an event is known by the row that changed. A moment's
# lock. On SQLite they stay until another migration makes the table anew.
OWNER = """SELECT conname FROM pg_constraint WHERE contype = 'f'
    AND conrelid = 'tasks_event'::regclass AND confrelid = 'accounts_user'::regclass"""
VERSION = "tasks_event_version_check"


def forwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        dropped = "".join(
            f", DROP CONSTRAINT {schema_editor.quote_name(name)}"
            for name in _owner(schema_editor)
        )
        schema_editor.execute(
            f"ALTER TABLE tasks_event DROP CONSTRAINT IF EXISTS {VERSION}{dropped}"
        )


def backwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"ALTER TABLE tasks_event DROP CONSTRAINT IF EXISTS {VERSION}, "
            f"ADD CONSTRAINT {VERSION} CHECK (version >= 0) NOT VALID"
        )
        if not _owner(schema_editor):
            schema_editor.execute(
                "ALTER TABLE tasks_event ADD FOREIGN KEY (owner_id) "
                "REFERENCES accounts_user (id) DEFERRABLE INITIALLY DEFERRED NOT VALID"
            )


def _owner(schema_editor):
    """The names of the foreign keys of the owner."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(OWNER)
        return [name for (name,) in cursor.fetchall()]


def shortened(name, length):
    return RewordConstraintOnline(
        model_name="task",
        name=f"task_{name}_length",
        constraint=models.CheckConstraint(
            condition=models.Q(Within(name, length)), name=f"task_{name}_length"
        ),
    )


class Migration(migrations.Migration):
    # Beside the traffic; a run that failed can be repeated.
    atomic = False

    dependencies = [
        ("tasks", "0020_fewer_index_entries"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(forwards, backwards)],
            state_operations=[
                migrations.AlterField(
                    model_name="event",
                    name="version",
                    field=models.BigIntegerField(),
                ),
                migrations.AlterField(
                    model_name="event",
                    name="owner",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        shortened("title", 200),
        shortened("location", 500),
    ]
