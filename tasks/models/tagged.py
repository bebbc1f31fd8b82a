"""Pages of tasks with tags, on PostgreSQL: read by the labels of a tag, or in the order
asked for until a page of tasks has the tag.

The first reads as many tasks as have the tag, the second as many as it passes over.
PostgreSQL would choose by statistics, and without them read 40,000 pages to find 5 tasks
of 10,000. So the statement itself chooses, by the tallies, which are exact: it has both
parts, each with a condition without columns, which PostgreSQL looks at before it reads
anything for that part.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from taskproject.names import casefold_key
from tasks.models.criteria import ID_BY_TAG, Criteria

#: Tasks that are read by the labels of their tag whatever else could be read: in 3 ms.
FEW = 1_000
#: Tags of a page whose labels are joined. PostgreSQL takes 0.2 s to plan for eight.
JOINED = 3
_TASK = '"tasks_task"."id"'
_TAG_ID = "tasks_tag_id(%s, %s)"
_TALLY = {
    None: '("tally"."open" + "tally"."completed")',
    False: '"tally"."open"',
    True: '"tally"."completed"',
}
_ALL = """(SELECT {} FROM "tasks_tally" "tally" WHERE "tally"."owner_id" = %s
    AND "tally"."kind" = 'all' AND "tally"."key" = 0)"""
_TAG = """WITH "wanted" AS MATERIALIZED (SELECT "tag"."id", {} AS "few"
    FROM "tasks_tag" "tag" JOIN "tasks_tally" "tally" ON "tally"."kind" = 'tag'
    AND "tally"."owner_id" = "tag"."owner_id" AND "tally"."key" = "tag"."id"
    WHERE "tag"."owner_id" = %s AND "tag"."key" = %s)"""
_ID, _IS_FEW = '(SELECT "id" FROM "wanted")', '(SELECT "few" FROM "wanted")'
# LATERAL and OFFSET leave PostgreSQL no other order to read in: all labels of a task come
# before the task.
_BY_LABEL = f"""{{}} CROSS JOIN LATERAL (SELECT * FROM "tasks_task"
    WHERE "id" = {ID_BY_TAG} AND {{}} OFFSET 0) "tasks_task" """
_HAS_TAG = f"""EXISTS (SELECT FROM "tasks_label" "also" WHERE "also"."tag_id" = {{}}
    AND "also"."task_id" = {_TASK} OFFSET 0)"""

_PLANNED = f""""tasks_label" "label" CROSS JOIN "tasks_task"
    WHERE {_TASK} = {ID_BY_TAG} AND "label"."tag_id" = {_TAG_ID}"""


class Part(NamedTuple):
    """A part of a statement, and its parameters."""

    sql: str
    parameters: Sequence[object]


class Wanted(NamedTuple):
    """What a page is to have: the columns, the conditions that are not on tags, and the
    order. `alone`: no condition but those on the state and on tags."""

    columns: str
    others: Part
    order: str
    limit: int
    alone: bool


def page(owner_id: int, criteria: Criteria, wanted: Wanted) -> Part:
    """The statement that reads a page of the owner's tasks with the tags of the criteria."""
    keys = [casefold_key(name) for name in criteria.tags]
    if len(keys) > 1:
        return _with_tags(owner_id, keys, wanted)
    columns, others, end = wanted.columns, wanted.others, _end(wanted)
    tag = [owner_id, keys[0]]
    few, numbers = _few(owner_id, criteria.completed, wanted)
    tables = _BY_LABEL.format('"tasks_label" "label"', "true")
    by_label = f'{tables} WHERE {_IS_FEW} AND "label"."tag_id" = {_ID}'
    if wanted.alone:
        otherwise, values = f'"tasks_task" WHERE {_HAS_TAG.format(_ID)}', list[Any]()
    else:
        otherwise, values = _PLANNED, tag
    return Part(
        f"{_TAG.format(few)} (SELECT {columns} FROM "
        f"{f'{by_label} AND {others.sql} {end}'.replace(_TASK, ID_BY_TAG)}) UNION ALL "
        f"(SELECT {columns} FROM {otherwise} AND NOT {_IS_FEW} AND {others.sql} {end})",
        [*numbers, *tag, *others.parameters, *values, *others.parameters],
    )


def _few(owner_id: int, completed: bool | None, wanted: Wanted) -> Part:
    """Whether the tag has so few tasks that these are read."""
    with_tag = _TALLY[None]
    if not wanted.alone:
        # How many tasks meet other conditions nobody counts: PostgreSQL may know.
        return Part(f"{with_tag} <= {FEW}", [])
    if wanted.order.startswith(_TASK):  # Labels come in this order, too.
        return Part(f"{with_tag} <= {_ALL.format(_TALLY[completed])}", [owner_id])
    every = f"{wanted.limit:d} * {_ALL.format(with_tag)}"
    return Part(f"{with_tag} * {_TALLY[completed]} <= {every}", [owner_id])


def _with_tags(owner_id: int, keys: Sequence[str], wanted: Wanted) -> Part:
    """The same for several tags: by labels alone it is found which tasks have them all."""
    names = [f'"label{number or ""}"' for number in range(len(keys[:JOINED]))]
    tables = " CROSS JOIN ".join(f'"tasks_label" {name}' for name in names)
    same = " AND ".join(f'{name}."task_id" = {ID_BY_TAG}' for name in names)
    tags = [f'{name}."tag_id" = {_TAG_ID}' for name in names]
    tags += [_HAS_TAG.format(_TAG_ID)] * len(keys[JOINED:])
    sql = (
        f"SELECT {wanted.columns} FROM {_BY_LABEL.format(tables, same)} WHERE {same} "
        f"AND {' AND '.join(tags)} AND {wanted.others.sql} {_end(wanted)}"
    )
    ids = [part for key in keys for part in (owner_id, key)]
    return Part(sql.replace(_TASK, ID_BY_TAG), [*ids, *wanted.others.parameters])


def _end(wanted: Wanted) -> str:
    return f"ORDER BY {wanted.order} LIMIT {wanted.limit:d}"
