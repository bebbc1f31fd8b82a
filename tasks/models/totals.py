"""The number of tasks that meet the filters of a list.

It is exact if it is stored: of all tasks, of a list or a tag, whole or by state. Otherwise
at most `MOST` tasks that meet one of the conditions are read, by its index, and those of
them are counted that meet the other ones too. If more tasks meet that condition, the
number is a lower bound."""

from collections.abc import Iterator
from typing import NamedTuple

from taskproject.names import casefold_key
from taskproject.sql import ON_POSTGRESQL, adapted, fetch
from tasks.models.access_paths import rarest
from tasks.models.criteria import (
    TAG_ID,
    AccessPath,
    Condition,
    Criteria,
    by_index,
    conditions_of,
)
from tasks.models.due_dates import Clock
from tasks.models.listing import SORTS
from tasks.models.tallies import stored

#: Most tasks that are read to be counted.
MOST = 10_000
_OF_OWNER = '"tasks_task"."owner_id" = %s AND "tasks_task"."deleted_at" IS NULL'
# LATERAL and OFFSET fix the order of the join: see tagged.py.
_BY_LABEL = """"tasks_label" "label" CROSS JOIN LATERAL (SELECT * FROM "tasks_task"
    WHERE "id" = "label"."task_id" OFFSET 0) "tasks_task" """
_HAS_TAG = f"""EXISTS (SELECT FROM "tasks_label" "also" WHERE "also"."tag_id" = {TAG_ID}
    AND "also"."task_id" = "tasks_task"."id")"""


class Total(NamedTuple):
    """A number of tasks; unless it is exact, a lower bound."""

    number: int
    exact: bool


def total(owner_id: int, criteria: Criteria, clock: Clock) -> Total:
    """The number of the owner's live tasks that meet the criteria. One or two statements."""
    known = _stored(owner_id, criteria)
    if known is not None:
        return Total(known, exact=True)
    # In the order of positions, lists are read by an index that has the owner.
    conditions = [
        *conditions_of(owner_id, criteria, "position", clock),
        *(_tags_on_postgresql(owner_id, criteria) if ON_POSTGRESQL else ()),
    ]
    paths = [one.path for one in conditions if one.path is not None]
    everything = AccessPath(by_index("task_owner_newest"), "1 = 1", [], "created")
    path = rarest(owner_id, paths) if paths else everything
    others = [one for one in conditions if one.path is not path]
    order = ""
    if ON_POSTGRESQL and path.sort:
        # It names the index, so that this one is taken without statistics too.
        order = f'ORDER BY "tasks_task"."{SORTS[path.sort].column}", "tasks_task"."id"'
    [(read, count)] = fetch(
        "SELECT count(*), count(CASE WHEN "
        f"{' AND '.join(one.condition for one in others) or '1 = 1'} THEN 1 END) FROM "
        f'(SELECT "tasks_task".* FROM {path.tables} WHERE {_OF_OWNER} '
        f'AND {path.condition} {order} LIMIT {MOST + 1}) "tasks_task"',
        [
            *(adapted(value) for one in others for value in one.parameters),
            *(owner_id, *map(adapted, path.parameters)),
        ],
        prepare=False,
    )
    return Total(min(count, MOST), exact=read <= MOST)


def _stored(owner_id: int, criteria: Criteria) -> int | None:
    """The number of tasks that meet the criteria, if it is stored."""
    match sorted(criteria.narrowing), criteria.tags:
        case [], _:
            kind, key, values = "all", "0", list[object]()
        case ["list_id"], _:
            kind, key, values = "list", "%s", [criteria.list_id]
        case ["tags"], [tag]:
            kind, key, values = "tag", TAG_ID, [owner_id, casefold_key(tag)]
        case _:
            return None
    number = stored(kind, key, criteria.completed)
    [(count,)] = fetch(f"SELECT COALESCE({number}, 0)", [owner_id, *values])
    return int(count)


def _tags_on_postgresql(owner_id: int, criteria: Criteria) -> Iterator[Condition]:
    """The conditions on tags, which pages of tasks have in tagged.py."""
    for name in criteria.tags:
        values = [owner_id, casefold_key(name)]
        yield Condition(
            _HAS_TAG,
            values,
            AccessPath(
                _BY_LABEL,
                f'"label"."tag_id" = {TAG_ID}',
                values,
                stored_count=stored("tag", TAG_ID),
                count_parameters=[owner_id, *values],
            ),
        )
