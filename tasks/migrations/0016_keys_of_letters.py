from django.db import migrations

from tasks.models.keys import bring_up_to_date

# New keys for what is not ASCII: letters with strokes, marks, scripts without spaces. By
# the code that serves, whichever version it is of by then: a later migration of this kind
# finds nothing left to do. Reads and writes go on meanwhile, and the release before knows
# these keys; what it still writes has old ones, which `manage.py purge` brings up to date.


def forwards(apps, schema_editor):
    bring_up_to_date(schema_editor.connection)


class Migration(migrations.Migration):
    # A few tasks a transaction. It can be stopped, and goes on where it was.
    atomic = False

    dependencies = [
        ('tasks', '0015_tallies_go_with_their_subjects'),
    ]

    operations = [
        migrations.RunPython(forwards, migrations.RunPython.noop, elidable=True),
    ]
