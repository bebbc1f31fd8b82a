import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# Triggers keep the tallies in the transaction of the change. What leaves a tally is an
# UPDATE, which meets no row while a user is being deleted with all that is theirs; what
# enters makes the row.
ENTER = """INSERT INTO tasks_tally (owner_id, kind, key, open, completed)
    {values}
    ON CONFLICT (owner_id, kind, key) DO UPDATE SET
    open = tasks_tally.open + excluded.open,
    completed = tasks_tally.completed + excluded.completed;"""
COUNTED = "CASE WHEN {row}.completed THEN 0 ELSE 1 END, CASE WHEN {row}.completed THEN 1 ELSE 0 END"
LEAVE = """UPDATE tasks_tally SET
    open = open - CASE WHEN {row}.completed THEN 0 ELSE 1 END,
    completed = completed - CASE WHEN {row}.completed THEN 1 ELSE 0 END
    WHERE {which};"""
ENTER_TASK = (
    ENTER.format(
        values="VALUES (new.owner_id, 'all', 0, " + COUNTED.format(row="new") + ")"
    )
    + ENTER.format(
        values="VALUES (new.owner_id, 'list', COALESCE(new.list_id, 0), "
        + COUNTED.format(row="new")
        + ")"
    )
)
LEAVE_TASK = LEAVE.format(
    row="old", which="owner_id = old.owner_id AND kind = 'all' AND key = 0"
) + LEAVE.format(
    row="old",
    which="owner_id = old.owner_id AND kind = 'list' AND key = COALESCE(old.list_id, 0)",
)
TAGS = "kind = 'tag' AND (owner_id, key) IN (SELECT tag.owner_id, tag.id FROM tasks_label label JOIN tasks_tag tag ON tag.id = label.tag_id WHERE label.task_id = {row}.id)"
ENTER_TAGS = ENTER.format(
    values="SELECT tag.owner_id, 'tag', tag.id, "
    + COUNTED.format(row="new")
    + " FROM tasks_label label JOIN tasks_tag tag ON tag.id = label.tag_id"
    " WHERE label.task_id = new.id"
)
LEAVE_TAGS = LEAVE.format(row="old", which=TAGS.format(row="old"))
LABEL = " FROM tasks_tag tag, tasks_task task WHERE tag.id = {row}.tag_id AND task.id = {row}.task_id AND task.deleted_at IS NULL"
ENTER_LABEL = ENTER.format(
    values="SELECT tag.owner_id, 'tag', tag.id, "
    + COUNTED.format(row="task")
    + LABEL.format(row="new")
)
# The task of a label that goes is still there: labels are deleted first.
LEAVE_LABEL = """UPDATE tasks_tally SET
    open = open - (SELECT CASE WHEN task.completed THEN 0 ELSE 1 END FROM tasks_task task WHERE task.id = old.task_id),
    completed = completed - (SELECT CASE WHEN task.completed THEN 1 ELSE 0 END FROM tasks_task task WHERE task.id = old.task_id)
    WHERE kind = 'tag' AND (owner_id, key) = (SELECT tag.owner_id, tag.id FROM tasks_tag tag WHERE tag.id = old.tag_id)
    AND EXISTS (SELECT 1 FROM tasks_task task WHERE task.id = old.task_id AND task.deleted_at IS NULL);"""
COLUMNS = "completed, deleted_at, list_id, owner_id"
CHANGED = "(old.completed <> new.completed OR old.owner_id <> new.owner_id OR COALESCE(old.list_id, 0) <> COALESCE(new.list_id, 0) OR (old.deleted_at IS NULL) <> (new.deleted_at IS NULL))"
FILL = [
    """INSERT INTO tasks_tally (owner_id, kind, key, open, completed)
        SELECT owner_id, 'all', 0, sum(CASE WHEN completed THEN 0 ELSE 1 END),
        sum(CASE WHEN completed THEN 1 ELSE 0 END) FROM tasks_task
        WHERE deleted_at IS NULL GROUP BY owner_id""",
    """INSERT INTO tasks_tally (owner_id, kind, key, open, completed)
        SELECT owner_id, 'list', COALESCE(list_id, 0),
        sum(CASE WHEN completed THEN 0 ELSE 1 END),
        sum(CASE WHEN completed THEN 1 ELSE 0 END) FROM tasks_task
        WHERE deleted_at IS NULL GROUP BY owner_id, COALESCE(list_id, 0)""",
    """INSERT INTO tasks_tally (owner_id, kind, key, open, completed)
        SELECT tag.owner_id, 'tag', tag.id,
        sum(CASE WHEN task.completed THEN 0 ELSE 1 END),
        sum(CASE WHEN task.completed THEN 1 ELSE 0 END)
        FROM tasks_label label JOIN tasks_tag tag ON tag.id = label.tag_id
        JOIN tasks_task task ON task.id = label.task_id
        WHERE task.deleted_at IS NULL GROUP BY tag.owner_id, tag.id""",
]


def sqlite():
    def trigger(name, event, table, when, body):
        when = f"WHEN {when}" if when else ""
        return f"CREATE TRIGGER {name} AFTER {event} ON {table} {when} BEGIN {body} END"

    live = "{row}.deleted_at IS NULL"
    old, new = live.format(row="old"), live.format(row="new")
    update = f"UPDATE OF {COLUMNS}"
    return [
        trigger("tasks_tally_insert", "INSERT", "tasks_task", new, ENTER_TASK),
        trigger("tasks_tally_delete", "DELETE", "tasks_task", old, LEAVE_TASK),
        trigger(
            "tasks_tally_leave",
            update,
            "tasks_task",
            f"{old} AND {CHANGED}",
            LEAVE_TASK + LEAVE_TAGS,
        ),
        trigger(
            "tasks_tally_enter",
            update,
            "tasks_task",
            f"{new} AND {CHANGED}",
            # SQLite takes ON CONFLICT for a join's without a WHERE.
            ENTER_TASK + ENTER_TAGS,
        ),
        trigger("tasks_tally_label", "INSERT", "tasks_label", "", ENTER_LABEL),
        trigger("tasks_tally_unlabel", "DELETE", "tasks_label", "", LEAVE_LABEL),
    ]


# On PostgreSQL once a statement, however many rows it writes: a tally's row that is
# updated for each of n rows in one transaction leaves n versions, and n times n work.
SIGNED = """SELECT row.owner_id, row.list_id, row.id,
    {sign} * CASE WHEN row.completed THEN 0 ELSE 1 END AS open,
    {sign} * CASE WHEN row.completed THEN 1 ELSE 0 END AS completed
    FROM {table} row WHERE row.deleted_at IS NULL"""
SUMS = """SELECT owner_id, kind, key, sum(open)::bigint AS open,
    sum(completed)::bigint AS completed FROM ({parts}) part GROUP BY owner_id, kind, key
    HAVING sum(open) <> 0 OR sum(completed) <> 0"""
PARTS = """SELECT owner_id, 'all' AS kind, 0::bigint AS key, open, completed FROM change
    UNION ALL SELECT owner_id, 'list', COALESCE(list_id, 0), open, completed FROM change"""
TAGGED = """ UNION ALL SELECT tag.owner_id, 'tag', tag.id, change.open, change.completed
    FROM change JOIN tasks_label label ON label.task_id = change.id
    JOIN tasks_tag tag ON tag.id = label.tag_id"""
LABELLED = """SELECT tag.owner_id, 'tag' AS kind, tag.id AS key,
    {sign} * CASE WHEN task.completed THEN 0 ELSE 1 END AS open,
    {sign} * CASE WHEN task.completed THEN 1 ELSE 0 END AS completed
    FROM {table} label JOIN tasks_tag tag ON tag.id = label.tag_id
    JOIN tasks_task task ON task.id = label.task_id WHERE task.deleted_at IS NULL"""
# What is less than nothing finds no row while a user is being deleted, and makes none.
APPLY = """WITH {with_change} sums AS MATERIALIZED ({sums}), known AS (
        UPDATE tasks_tally tally SET open = tally.open + sums.open,
        completed = tally.completed + sums.completed FROM sums
        WHERE tally.owner_id = sums.owner_id AND tally.kind = sums.kind
        AND tally.key = sums.key RETURNING tally.owner_id, tally.kind, tally.key)
    INSERT INTO tasks_tally (owner_id, kind, key, open, completed)
    SELECT * FROM sums WHERE sums.open >= 0 AND sums.completed >= 0 AND NOT EXISTS (
        SELECT 1 FROM known WHERE known.owner_id = sums.owner_id
        AND known.kind = sums.kind AND known.key = sums.key);"""


def postgresql():
    def apply_tasks(*rows, tags):
        change = " UNION ALL ".join(
            SIGNED.format(sign=sign, table=table) for sign, table in rows
        )
        parts = PARTS + (TAGGED if tags else "")
        return APPLY.format(
            with_change=f"change AS MATERIALIZED ({change}),",
            sums=SUMS.format(parts=parts),
        )

    def apply_labels(sign, table):
        parts = LABELLED.format(sign=sign, table=table)
        return APPLY.format(with_change="", sums=SUMS.format(parts=parts))

    bodies = [
        ("task", "INSERT", "NEW TABLE AS after", apply_tasks((1, "after"), tags=False)),
        (
            "task",
            "UPDATE",
            "OLD TABLE AS before NEW TABLE AS after",
            apply_tasks((-1, "before"), (1, "after"), tags=True),
        ),
        ("task", "DELETE", "OLD TABLE AS before", apply_tasks((-1, "before"), tags=False)),
        ("label", "INSERT", "NEW TABLE AS after", apply_labels(1, "after")),
        ("label", "DELETE", "OLD TABLE AS before", apply_labels(-1, "before")),
    ]
    statements = []
    for table, event, rows, body in bodies:
        name = f"tasks_tally_{table}_{event.lower()}"
        statements += [
            f"""CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN {body} RETURN NULL; END $$""",
            f"""CREATE TRIGGER {name} AFTER {event} ON tasks_{table} REFERENCING {rows}
            FOR EACH STATEMENT EXECUTE FUNCTION {name}()""",
        ]
    return statements


def forwards(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    triggers = postgresql() if vendor == "postgresql" else sqlite()
    # The triggers first: on PostgreSQL making one holds off writers until all is counted.
    with schema_editor.connection.cursor() as cursor:
        for statement in [*triggers, *FILL]:
            cursor.execute(statement)


def backwards(apps, schema_editor):
    names = ["insert", "delete", "leave", "enter", "label", "unlabel"]
    statements = [f"DROP TRIGGER tasks_tally_{name}" for name in names]
    if schema_editor.connection.vendor == "postgresql":
        names = ["task_insert", "task_update", "task_delete", "label_insert", "label_delete"]
        statements = [f"DROP FUNCTION tasks_tally_{name} CASCADE" for name in names]
    for statement in statements:
        schema_editor.execute(statement)


class Migration(migrations.Migration):

    dependencies = [
        ("tasks", "0005_search"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Tally",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=4)),
                ("key", models.BigIntegerField()),
                ("open", models.BigIntegerField()),
                ("completed", models.BigIntegerField()),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("owner", "kind", "key"), name="tally_once"
                    )
                ],
            },
        ),
        migrations.RunPython(forwards, backwards),
    ]
