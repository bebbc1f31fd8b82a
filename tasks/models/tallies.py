"""Tallies: stored numbers of tasks, so that they need not be counted.

Triggers on tasks and labels update them (migrations 0006, 0012, 0015, 0019 and 0047), in the
transaction of each change. On PostgreSQL the triggers of `tasks_task` skip a statement that
calls COUNTED: those of `single_statement.py`, which update the tallies themselves, in half
the time, or do not change them.
"""

from datetime import date

from django.conf import settings
from django.db import connection, models, transaction

from taskproject.sql import ON_POSTGRESQL
from tasks.models.due_dates import NEVER_SQL

#: SQL that makes the triggers skip this statement. It fails if migration 0019 is missing,
#: without which the triggers would count the statement as well.
COUNTED = "tasks_counted()"
#: The columns of a task that its tallies depend on, besides its labels.
TASK_COLUMNS = {"completed", "deleted_at", "due_moment", "list_id", "owner_id"}
_NUMBERS = {None: '"open" + "completed"', False: '"open"', True: '"completed"'}
_DAY = 'floor(extract(epoch FROM "written"."due_moment") / 86400)::bigint'
_PLACES = "VALUES ('all', 0::bigint), ('list', COALESCE(\"written\".\"list_id\", 0))"
_DUE = f' UNION ALL SELECT \'due\', {_DAY} WHERE "written"."due_moment" < {NEVER_SQL}'
_WITH_TAGS = (
    ' UNION ALL SELECT \'tag\', "tag_id" FROM "tasks_label" '
    'WHERE "task_id" = "written"."id"'
)


def counting(opened: str, completed: str, *, due: bool, labelled: bool) -> str:
    """The SQL of a CTE that adds these numbers to the tallies of the live task in "written":
    those of its day only if `due`, those of its tags only if `labelled`."""
    return (
        '"counted" AS (INSERT INTO "tasks_tally" '
        '("owner_id", "kind", "key", "open", "completed") '
        f'SELECT "written"."owner_id", "place"."kind", "place"."key", {opened}, '
        f'{completed} FROM "written" CROSS JOIN LATERAL ({_PLACES}'
        f"{_DUE if due else ''}{_WITH_TAGS if labelled else ''}) "
        'AS "place" ("kind", "key") ON CONFLICT ("owner_id", "kind", "key") DO UPDATE SET '
        '"open" = "tasks_tally"."open" + excluded."open", '
        '"completed" = "tasks_tally"."completed" + excluded."completed")'
    )


def stored(kind: str, key: str, completed: bool | None = None) -> str:
    """The SQL of a stored number of tasks: those in this state, or all (None). NULL stands for 0.
    Its first parameter is the owner; `key` is SQL too."""
    return (
        f'(SELECT {_NUMBERS[completed]} FROM "tasks_tally" WHERE "owner_id" = %s '
        f'AND "kind" = \'{kind}\' AND "key" = {key})'
    )


def day_key(day: date) -> int:
    """The `key` of the tally of a day: the number of days since 1970, in UTC."""
    return (day - date(1970, 1, 1)).days


class Tally(models.Model):
    """The numbers of open and completed live tasks of one owner: all tasks, those of a list
    (`key` 0: in no list), those with a tag, or those due on a day (`key`: see `day_key`)."""

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=4)
    key = models.BigIntegerField()
    open = models.BigIntegerField()
    completed = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "tallies"
        constraints = (
            models.UniqueConstraint(fields=["owner", "kind", "key"], name="tally_once"),
        )
        # For sums over all owners: most tallies are of days and tags. Without the numbers,
        # so that PostgreSQL updates rows in place (HOT).
        indexes = (
            models.Index(
                fields=["kind", "key"],
                condition=models.Q(kind__in=["all", "list"]),
                name="tally_of_all_and_lists",
            ),
        )

    def __str__(self) -> str:
        return f"{self.open} open of {self.kind} {self.key}"


#: All tallies, counted: owner, kind, key, open, completed.
_COUNTED_ANEW = """SELECT owner_id, kind, key,
    sum(CASE WHEN completed THEN 0 ELSE 1 END) AS open,
    sum(CASE WHEN completed THEN 1 ELSE 0 END) AS completed
    FROM (
        SELECT owner_id, 'all' AS kind, 0 AS key, completed FROM tasks_task
            WHERE deleted_at IS NULL
        UNION ALL SELECT owner_id, 'list', COALESCE(list_id, 0), completed
            FROM tasks_task WHERE deleted_at IS NULL
        UNION ALL SELECT owner_id, 'due', {day}, completed FROM tasks_task
            WHERE deleted_at IS NULL AND due_moment < {never}
        UNION ALL SELECT task.owner_id, 'tag', label.tag_id, task.completed
            FROM tasks_label label JOIN tasks_task task ON task.id = label.task_id
            WHERE task.deleted_at IS NULL
    ) place GROUP BY owner_id, kind, key"""
_DIFFERENT = """SELECT count(*) FROM (
    SELECT 1 FROM (
        {counted} UNION ALL
        SELECT owner_id, kind, key, -open, -completed FROM tasks_tally
    ) both_counts GROUP BY owner_id, kind, key
    HAVING sum(open) <> 0 OR sum(completed) <> 0
) differing"""


def _counted() -> str:
    never = NEVER_SQL
    if ON_POSTGRESQL:
        day = "floor(extract(epoch FROM due_moment) / 86400)::bigint"
    else:
        never = NEVER_SQL.replace("+00:00", "")
        day = "CAST(strftime('%s', substr(due_moment, 1, 10)) AS integer) / 86400"
    return _COUNTED_ANEW.format(day=day, never=never)


def wrong() -> int:
    """The number of tallies that differ from a recount. Reads every task."""
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENT.format(counted=_counted()))
        count: int = cursor.fetchone()[0]
        return count


def recount() -> None:
    """Counts all tasks again. Writers wait for it, about 2 s for 1,000,000 tasks."""
    with transaction.atomic(), connection.cursor() as cursor:
        if ON_POSTGRESQL:
            cursor.execute("LOCK TABLE tasks_task IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute("DELETE FROM tasks_tally")
        cursor.execute(
            "INSERT INTO tasks_tally (owner_id, kind, key, open, completed) "
            f"{_counted()}"
        )
