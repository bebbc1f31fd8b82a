"""Pages of tasks with tags, on PostgreSQL: read by the labels of a tag, or in sort order until
there is a page of tasks with the tag.

The first reads all tasks with the tag, the second all tasks up to the end of the page.
PostgreSQL would choose by statistics, and without them read 40,000 buffers to find 5 tasks
of 10,000. Therefore the statement itself chooses, by the tallies, which are exact: it has
both parts, each with a condition without columns, which PostgreSQL evaluates before it
reads any row of that part.
"""

from collections.abc import Sequence
from typing import NamedTuple

from taskproject.names import casefold_key
from tasks.models.criteria import ID_BY_TAG, Criteria
from tasks.models.tallies import stored

#: If there are other conditions, a tag with at most this number of tasks is read by its
#: labels, which takes 3 ms.
FEW = 1_000
#: Most tags whose labels are joined: planning a join of eight takes 0.2 s.
JOINED = 3
_TASK = '"tasks_task"."id"'
_TAG_ID = "tasks_tag_id(%s, %s)"
_TALLY = {
    None: '("tally"."open" + "tally"."completed")',
    False: '"tally"."open"',
    True: '"tally"."completed"',
}
_TAG = """WITH "wanted" AS MATERIALIZED (SELECT "tag"."id", {} AS "few"
    FROM "tasks_tag" "tag" JOIN "tasks_tally" "tally" ON "tally"."kind" = 'tag'
    AND "tally"."owner_id" = "tag"."owner_id" AND "tally"."key" = "tag"."id"
    WHERE "tag"."owner_id" = %s AND "tag"."key" = %s)"""
_ID, _IS_FEW = '(SELECT "id" FROM "wanted")', '(SELECT "few" FROM "wanted")'
# LATERAL and OFFSET fix the order of the joins: the labels of a task are read before it.
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
    """The columns of a page, its conditions except those on tags, and its order. `alone`: it
    has no conditions other than those on `completed` and on one tag."""

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
        otherwise, values = f'"tasks_task" WHERE {_HAS_TAG.format(_ID)}', list[object]()
    else:
        otherwise, values = _PLANNED, tag
    return Part(
        f"{_TAG.format(few)} (SELECT {columns} FROM "
        f"{f'{by_label} AND {others.sql} {end}'.replace(_TASK, ID_BY_TAG)}) UNION ALL "
        f"(SELECT {columns} FROM {otherwise} AND NOT {_IS_FEW} AND {others.sql} {end})",
        [*numbers, *tag, *others.parameters, *values, *others.parameters],
    )


def _few(owner_id: int, completed: bool | None, wanted: Wanted) -> Part:
    """The condition that the tag has so few tasks that they are read by their labels."""
    with_tag = _TALLY[None]
    if not wanted.alone:
        # There are no tallies for other conditions; PostgreSQL may have statistics.
        return Part(f"{with_tag} <= {FEW}", [])
    if wanted.order.startswith(_TASK):  # This is also the order of labels.
        return Part(f"{with_tag} <= {stored('all', '0', completed)}", [owner_id])
    every = f"{wanted.limit:d} * {stored('all', '0')}"
    return Part(f"{with_tag} * {_TALLY[completed]} <= {every}", [owner_id])


def _with_tags(owner_id: int, keys: Sequence[str], wanted: Wanted) -> Part:
    """The same for several tags: the labels show which tasks have all of them."""
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
