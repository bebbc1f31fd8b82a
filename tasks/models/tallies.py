"""How many tasks there are, kept beside them so that counting takes no time.

Triggers on tasks and labels keep the tallies (migrations 0006, 0012, 0015 and 0019), in
the transaction of each change, whatever makes it. On PostgreSQL those of `tasks_task`
leave out a statement that says that it is counted: the writes of one task in one
statement, which add to the tallies themselves or change none. That takes half the time.
"""

from datetime import date

from django.conf import settings
from django.db import models

from tasks.models.due_dates import NEVER_SQL

#: The SQL with which a statement says so, for the rest of its transaction. It fails on a
#: database that lacks migration 0019, whose triggers would count the statement as well.
COUNTED = "tasks_counted()"
_DAY = 'floor(extract(epoch FROM "written"."due_moment") / 86400)::bigint'
_PLACES = "VALUES ('all', 0::bigint), ('list', COALESCE(\"written\".\"list_id\", 0))"
_DUE = f' UNION ALL SELECT \'due\', {_DAY} WHERE "written"."due_moment" < {NEVER_SQL}'
_WITH_TAGS = (
    ' UNION ALL SELECT \'tag\', "tag_id" FROM "tasks_label" '
    'WHERE "task_id" = "written"."id"'
)


def counting(opened: str, completed: str, *, due: bool, labelled: bool) -> str:
    """The SQL of a CTE that adds these numbers to the tallies of the live task that
    "written" returns: of its day where it may be `due`, of its tags where it may be
    `labelled`."""
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


def day_key(day: date) -> int:
    """The `key` of the tally of a day in UTC."""
    return (day - date(1970, 1, 1)).days


class Tally(models.Model):
    """The number of one owner's live tasks: all of them, those of a list (`key` 0: in
    none), those with a tag, or those due on a day (`key`: days since 1970, in UTC)."""

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=4)
    key = models.BigIntegerField()
    open = models.BigIntegerField()
    completed = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["owner", "kind", "key"], name="tally_once"),
        )

    def __str__(self) -> str:
        return f"{self.open} open of {self.kind} {self.key}"
