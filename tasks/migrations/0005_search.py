from django.db import migrations

# On SQLite: an index that holds no text of its own and is kept by triggers.
INSERT = "INSERT INTO tasks_search(rowid, search) VALUES (new.id, new.search);"
DELETE = (
    "INSERT INTO tasks_search(tasks_search, rowid, search) "
    "VALUES ('delete', old.id, old.search);"
)
SQLITE = [
    """CREATE VIRTUAL TABLE IF NOT EXISTS tasks_search USING fts5(
        search, content='tasks_task', content_rowid='id', tokenize='ascii',
        prefix='2 3', detail='none', columnsize=0
    )""",
    f"""CREATE TRIGGER IF NOT EXISTS tasks_search_insert AFTER INSERT ON tasks_task
        BEGIN {INSERT} END""",
    f"""CREATE TRIGGER IF NOT EXISTS tasks_search_delete AFTER DELETE ON tasks_task
        BEGIN {DELETE} END""",
    f"""CREATE TRIGGER IF NOT EXISTS tasks_search_update
        AFTER UPDATE OF search ON tasks_task WHEN old.search <> new.search
        BEGIN {DELETE} {INSERT} END""",
    "INSERT INTO tasks_search(tasks_search) VALUES ('rebuild')",
]
SQLITE_BACK = [
    *(
        f"DROP TRIGGER IF EXISTS tasks_search_{event}"
        for event in ("insert", "delete", "update")
    ),
    "DROP TABLE IF EXISTS tasks_search",
]
POSTGRESQL = [
    "DROP INDEX CONCURRENTLY IF EXISTS task_search",
    """CREATE INDEX CONCURRENTLY task_search ON tasks_task
        USING gin (array_to_tsvector(string_to_array(search, ' ')))""",
]


def forwards(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for statement in POSTGRESQL if vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement)


def backwards(apps, schema_editor):
    # PostgreSQL drops the index with the column, when migration 0002 is taken back.
    if schema_editor.connection.vendor == "sqlite":
        for statement in SQLITE_BACK:
            schema_editor.execute(statement)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("tasks", "0004_bounds_and_indexes"),
    ]

    operations = [
        migrations.RunPython(forwards, backwards),
    ]
