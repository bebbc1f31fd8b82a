import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# Triggers keep the tallies in the transaction of the change. What leaves a tally is an
# UPDATE, which meets no row while a user is being deleted with all that is theirs; what
# enters makes the row. On SQLite a later migration that makes the table of tasks anew
# drops these triggers with it and must make them again.
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


def postgresql():
    return [
        f"""CREATE FUNCTION tasks_tally_task() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'UPDATE' AND NOT {CHANGED} THEN RETURN NULL; END IF;
            IF TG_OP <> 'INSERT' AND old.deleted_at IS NULL THEN
                {LEAVE_TASK}
                IF TG_OP = 'UPDATE' THEN {LEAVE_TAGS} END IF;
            END IF;
            IF TG_OP <> 'DELETE' AND new.deleted_at IS NULL THEN
                {ENTER_TASK}
                IF TG_OP = 'UPDATE' THEN {ENTER_TAGS} END IF;
            END IF;
            RETURN NULL;
        END $$""",
        f"""CREATE FUNCTION tasks_tally_labels() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'INSERT' THEN {ENTER_LABEL} ELSE {LEAVE_LABEL} END IF;
            RETURN NULL;
        END $$""",
        f"""CREATE TRIGGER tasks_tally_task AFTER INSERT OR DELETE OR UPDATE OF {COLUMNS}
        ON tasks_task FOR EACH ROW EXECUTE FUNCTION tasks_tally_task()""",
        """CREATE TRIGGER tasks_tally_labels AFTER INSERT OR DELETE
        ON tasks_label FOR EACH ROW EXECUTE FUNCTION tasks_tally_labels()""",
    ]


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
        statements = [
            "DROP FUNCTION tasks_tally_task CASCADE",
            "DROP FUNCTION tasks_tally_labels CASCADE",
        ]
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
