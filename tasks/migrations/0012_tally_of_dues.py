from importlib import import_module

from django.db import migrations

# Tallies of the kind `due`, one for each day (in UTC, counted from 1970) that tasks are
# due on: how many are overdue is a sum over days, however many tasks that is.
#
# Writers wait while all is counted, about 2 s for 1,000,000 tasks; those whose time is over
# by then are told 503. Take it back only after the code that reads these tallies: without
# them it would count too few.
NEVER = "9999-12-31 00:00:00"
DAY = {
    "postgresql": "floor(extract(epoch FROM {row}.due_moment) / 86400)::bigint",
    "sqlite": "CAST(strftime('%s', substr({row}.due_moment, 1, 10)) AS integer) / 86400",
}
FILL = """INSERT INTO tasks_tally (owner_id, kind, key, open, completed)
    SELECT owner_id, 'due', {day}, sum(CASE WHEN completed THEN 0 ELSE 1 END),
    sum(CASE WHEN completed THEN 1 ELSE 0 END) FROM tasks_task
    WHERE deleted_at IS NULL AND due_moment < '{never}' GROUP BY owner_id, {day}"""

# SQLite: the triggers of migration 0006, with the day beside list and tags.

ENTER_DAY = """INSERT INTO tasks_tally (owner_id, kind, key, open, completed)
    SELECT new.owner_id, 'due', {day}, CASE WHEN new.completed THEN 0 ELSE 1 END,
    CASE WHEN new.completed THEN 1 ELSE 0 END WHERE new.due_moment < '{never}'
    ON CONFLICT (owner_id, kind, key) DO UPDATE SET
    open = tasks_tally.open + excluded.open,
    completed = tasks_tally.completed + excluded.completed;"""
LEAVE_DAY = """UPDATE tasks_tally SET
    open = open - CASE WHEN old.completed THEN 0 ELSE 1 END,
    completed = completed - CASE WHEN old.completed THEN 1 ELSE 0 END
    WHERE owner_id = old.owner_id AND kind = 'due' AND key = {day};"""


def sqlite(tally, dues):
    enter, leave = tally.ENTER_TASK, tally.LEAVE_TASK
    columns, changed = tally.COLUMNS, tally.CHANGED
    if dues:
        enter += ENTER_DAY.format(day=DAY["sqlite"].format(row="new"), never=NEVER)
        leave += LEAVE_DAY.format(day=DAY["sqlite"].format(row="old"))
        columns += ", due_moment"
        changed = f"({changed} OR old.due_moment <> new.due_moment)"
    triggers = [
        ("insert", "INSERT", "new.deleted_at IS NULL", enter),
        ("delete", "DELETE", "old.deleted_at IS NULL", leave),
        (
            "leave",
            f"UPDATE OF {columns}",
            f"old.deleted_at IS NULL AND {changed}",
            leave + tally.LEAVE_TAGS,
        ),
        (
            "enter",
            f"UPDATE OF {columns}",
            f"new.deleted_at IS NULL AND {changed}",
            enter + tally.ENTER_TAGS,
        ),
    ]
    statements = []
    for name, event, when, body in triggers:
        statements += [
            f"DROP TRIGGER IF EXISTS tasks_tally_{name}",
            f"CREATE TRIGGER tasks_tally_{name} AFTER {event} ON tasks_task "
            f"WHEN {when} BEGIN {body} END",
        ]
    return statements


# PostgreSQL: what most writes do, one new task or one change of one, is tallied without
# the sums that several need, and a change that tallies do not tell of by one look (of 0.1
# ms that the trigger took, a new task saves 0.02, a toggle 0.03, a new title 0.05).
#
# A task that enters a tally makes it where it is missing. One that stays where it is, and
# has no tags, moves between open and completed in those that it is in already.

ENTERS = """
    UPDATE tasks_tally SET open = tasks_tally.open + one.open,
        completed = tasks_tally.completed + one.completed
        WHERE owner_id = one.owner_id AND kind = '{kind}' AND key = {key};
    IF NOT FOUND THEN
        INSERT INTO tasks_tally (owner_id, kind, key, open, completed)
        VALUES (one.owner_id, '{kind}', {key}, one.open, one.completed);
    END IF;"""
MOVES = """
    UPDATE tasks_tally SET open = open + one.opened, completed = completed - one.opened
        WHERE owner_id = one.owner_id AND kind = '{kind}' AND key = {key};"""
FUNCTION = """CREATE OR REPLACE FUNCTION tasks_tally_task_{event}() RETURNS trigger
LANGUAGE plpgsql AS $$ {body} $$"""
INSERT = """DECLARE one record; BEGIN
    SELECT count(*) AS tasks, min(task.owner_id) AS owner_id,
        min(COALESCE(task.list_id, 0)) AS list_key, min({day}) AS day,
        count(*) FILTER (WHERE NOT task.completed) AS open,
        count(*) FILTER (WHERE task.completed) AS completed
        INTO one FROM after task WHERE task.deleted_at IS NULL;
    IF one.tasks = 1 THEN {one} RETURN NULL; END IF;
    {several} RETURN NULL; END"""
# Several go another way before anything is joined: the plan of a join that was made for
# one row is kept for the session, and would compare each of them with each.
UPDATE = """DECLARE one record; tasks bigint; BEGIN
    SELECT count(*) INTO tasks FROM (SELECT FROM after LIMIT 2) task;
    IF tasks <> 1 THEN {several} RETURN NULL; END IF;
    SELECT min(task.id) AS id, min(task.owner_id) AS owner_id,
        min(COALESCE(task.list_id, 0)) AS list_key, min({day}) AS day,
        sum(CASE WHEN task.completed THEN -1 ELSE 1 END) AS opened,
        bool_and(was.completed = task.completed) AS unmoved,
        bool_and(was.owner_id = task.owner_id AND was.due_moment = task.due_moment
            AND COALESCE(was.list_id, 0) = COALESCE(task.list_id, 0)
            AND (was.deleted_at IS NULL) = (task.deleted_at IS NULL)) AS stays,
        bool_and(task.deleted_at IS NULL) AS live
        INTO one FROM before was JOIN after task ON task.id = was.id;
    IF one.stays AND one.unmoved THEN RETURN NULL; END IF;
    IF one.stays AND one.live THEN
        IF NOT EXISTS (SELECT FROM tasks_label label WHERE label.task_id = one.id) THEN
            {one} RETURN NULL;
        END IF;
    END IF;
    {several} RETURN NULL; END"""
DELETE = "BEGIN {several} RETURN NULL; END"


def postgresql(tally):
    due = f"{{row}}.due_moment < '{NEVER}+00'"
    day = f"CASE WHEN {due} THEN {DAY['postgresql']} END"

    def several(*rows, tags):
        signed = tally.SIGNED.replace(
            "row.id,", "row.id, " + day.format(row="row") + " AS day,"
        )
        change = " UNION ALL ".join(
            signed.format(sign=sign, table=table) for sign, table in rows
        )
        parts = (
            f"{tally.PARTS} UNION ALL SELECT owner_id, 'due', day, open, completed "
            f"FROM change WHERE day IS NOT NULL{tally.TAGGED if tags else ''}"
        )
        return tally.APPLY.format(
            with_change=f"change AS MATERIALIZED ({change}),",
            sums=tally.SUMS.format(parts=parts),
        )

    def one(statement):
        return "{} {} IF one.day IS NOT NULL THEN {} END IF;".format(
            statement.format(kind="all", key="0"),
            statement.format(kind="list", key="one.list_key"),
            statement.format(kind="due", key="one.day"),
        )

    both = [(-1, "before"), (1, "after")]
    bodies = {
        "insert": INSERT.format(
            day=day.format(row="task"),
            one=one(ENTERS),
            several=several(both[1], tags=False),
        ),
        "update": UPDATE.format(
            day=day.format(row="task"),
            one=one(MOVES),
            several=several(*both, tags=True),
        ),
        "delete": DELETE.format(several=several(both[0], tags=False)),
    }
    return [FUNCTION.format(event=event, body=body) for event, body in bodies.items()]


def as_before(tally):
    """The functions of migration 0006."""
    return [
        statement.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
        for statement in tally.postgresql()
        if "FUNCTION tasks_tally_task" in statement and "TRIGGER" not in statement
    ]


FORGET = "DELETE FROM tasks_tally WHERE kind = 'due'"
# Taken before the functions change: nobody writes between that and the counting.
LOCK = "LOCK TABLE tasks_task IN SHARE ROW EXCLUSIVE MODE"


def forwards(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    tally = import_module("tasks.migrations.0006_tally")
    never = NEVER if vendor == "sqlite" else f"{NEVER}+00"
    fill = FILL.format(day=DAY[vendor].format(row="tasks_task"), never=never)
    if vendor == "postgresql":
        statements = [LOCK, *postgresql(tally), FORGET, fill]
    else:
        statements = [*sqlite(tally, dues=True), FORGET, fill]
    _run(schema_editor, statements)


def backwards(apps, schema_editor):
    tally = import_module("tasks.migrations.0006_tally")
    if schema_editor.connection.vendor == "postgresql":
        statements = [LOCK, *as_before(tally), FORGET]
    else:
        statements = [*sqlite(tally, dues=False), FORGET]
    _run(schema_editor, statements)


def _run(schema_editor, statements):
    with schema_editor.connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


class Migration(migrations.Migration):

    dependencies = [
        ("tasks", "0011_words_of_owners_online"),
    ]

    operations = [
        migrations.RunPython(forwards, backwards),
    ]
