from django.db import migrations

# On SQLite: an index of the words of each owner by themselves, so that a search passes
# over no posting of anybody else's. Each word begins with whose it is, in so many digits
# that the beginnings of up to eight letters have indexes of their own: a page of them is
# read off without putting all the words that begin so together. `tasks_search` stays, for
# the admin, which searches the tasks of all.
TAG = "printf('%08xx', {row}.owner_id)"
WORDS = f"{TAG} || replace({{row}}.search, ' ', ' ' || {TAG})"
INSERT = (
    f"INSERT INTO tasks_words(rowid, words) VALUES (new.id, {WORDS.format(row='new')});"
)
DELETE = (
    "INSERT INTO tasks_words(tasks_words, rowid, words) "
    f"VALUES ('delete', old.id, {WORDS.format(row='old')});"
)
SQLITE = [
    """CREATE VIRTUAL TABLE tasks_words USING fts5(
        words, content='', tokenize='ascii', prefix='10 11 12 13 14 15 16 17',
        detail='none', columnsize=0
    )""",
    f"""CREATE TRIGGER tasks_words_insert AFTER INSERT ON tasks_task
        BEGIN {INSERT} END""",
    f"""CREATE TRIGGER tasks_words_delete AFTER DELETE ON tasks_task
        BEGIN {DELETE} END""",
    f"""CREATE TRIGGER tasks_words_update AFTER UPDATE OF search, owner_id ON tasks_task
        WHEN old.search <> new.search OR old.owner_id <> new.owner_id
        BEGIN {DELETE} {INSERT} END""",
    f"""INSERT INTO tasks_words(rowid, words)
        SELECT task.id, {WORDS.format(row="task")} FROM tasks_task task""",
]
SQLITE_BACK = [
    *(f"DROP TRIGGER tasks_words_{event}" for event in ("insert", "delete", "update")),
    "DROP TABLE tasks_words",
]


def run(statements):
    def on_sqlite(apps, schema_editor):
        if schema_editor.connection.vendor == "sqlite":
            with schema_editor.connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)

    return on_sqlite


class Migration(migrations.Migration):
    # In one transaction: what is written meanwhile waits, and is in the index after it.

    dependencies = [
        ("tasks", "0008_event_subjects"),
    ]

    operations = [
        migrations.RunPython(run(SQLITE), run(SQLITE_BACK)),
    ]
