"""What a page is read by: tasks in the order asked for until there are enough that meet
the conditions, or all that meet one of them, to be put in order.

The first passes over many tasks where few meet the conditions, the second where many do.
PostgreSQL knows from statistics how many they are. SQLite keeps none, and would pick an
index by the number of conditions.
"""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import connection

from taskproject.sql import adapted
from tasks.models.criteria import LABELLED, AccessPath, Condition

#: Tasks that are counted of a lead at most. To find and sort so many takes 5 to 10 ms; of
#: a million, 10,000 are read in order to meet a page of so many.
FEW = 5_000
#: Tasks in order among which a page is looked for, in 0.5 ms.
NEAR = 1_000
#: Tasks of a page.
PAGE = 51
_TOTAL = """(SELECT "open" + "completed" FROM "tasks_tally"
    WHERE "owner_id" = %s AND "kind" = 'all' AND "key" = 0)"""


def access_path_of(
    owner_id: int, conditions: Sequence[Condition], sort: str, everything: AccessPath
) -> AccessPath:
    """The lead of one of the conditions; or `everything`: all of the owner's tasks in
    order. One statement at most."""
    leads = [one.lead for one in conditions if one.lead is not None]
    if settings.ON_POSTGRESQL:
        # It chooses by itself, among tables that are joined.
        return next((one for one in leads if one.id == LABELLED), everything)
    if not leads:
        return everything
    if len(leads) == 1 and (leads[0].sort == sort or sorts_alone(conditions, sort)):
        return leads[0]
    return _cheapest(owner_id, leads, sort, everything)


def sorts_alone(conditions: Sequence[Condition], sort: str) -> bool:
    """Whether the index of a lead has all that tasks are chosen and sorted by: ten of its
    entries are put in order in the time in which one task is read."""
    if sort != "created" or len(conditions) != 1 or settings.ON_POSTGRESQL:
        return False
    lead = conditions[0].lead
    return lead is not None and bool(lead.counted) and lead.sort != sort


def is_near(
    everything: AccessPath,
    condition: Condition,
    others: str,
    values: Sequence[Any],
    order: str,
) -> bool:
    """Whether the next tasks in order have a page of those that meet the condition,
    which often hangs together with the order, either way. One statement."""
    following = f"SELECT * FROM {everything.tables} WHERE {others} ORDER BY {order}"
    sql = (
        f'SELECT count(*) FROM (SELECT 1 FROM ({following} LIMIT {NEAR}) "tasks_task" '
        f"WHERE {condition.condition} LIMIT {PAGE})"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values, *map(adapted, condition.parameters)])
        met: int = cursor.fetchone()[0]
    return met == PAGE


def _cheapest(
    owner_id: int, leads: Sequence[AccessPath], sort: str, everything: AccessPath
) -> AccessPath:
    """The lead by which fewest tasks are read, if the conditions have nothing to do with
    each other nor with the order."""
    bounds = _bounds(owner_id, leads)
    total = bounds[-1][1]
    candidates = [*leads, everything]

    def read(place: int) -> float:
        _, most = bounds[place]
        if candidates[place].sort != sort:
            return most
        # It is read until a page of what the other conditions leave has been met.
        others = bounds[:place] + bounds[place + 1 :]
        rarest = min((least for least, _ in others), default=total)
        return min(most, PAGE * total / max(1, rarest))

    return candidates[min(range(len(candidates)), key=read)]


def _bounds(owner_id: int, leads: Sequence[AccessPath]) -> list[tuple[int, int]]:
    """How many tasks each lead has at least and at most, and at last how many the owner
    has. One statement."""
    sql, parameters = [], list[Any]()
    for lead in leads:
        counted = f"count(*) FROM (SELECT 1 FROM {lead.counted} LIMIT {FEW})"
        sql.append(f"(SELECT {lead.tally or (counted if lead.counted else 'NULL')})")
        parameters += map(adapted, lead.numbered)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join([*sql, _TOTAL])}", [*parameters, owner_id])
        *numbers, total = (number or 0 for number in cursor.fetchone())
    bounds = []
    for lead, number in zip(leads, numbers, strict=True):
        if lead.tally or (lead.counted and number < FEW):
            bounds.append((number, number))
        else:
            bounds.append((number, total))
    return [*bounds, (total, total)]
