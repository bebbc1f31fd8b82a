"""The choice of the access path of a page on SQLite.

There are two: scan the tasks in sort order until a page of them meets the conditions, or
read all tasks that meet one condition, by its index, and sort them. The first reads many
tasks if few meet the conditions, the second if many do. PostgreSQL decides by statistics.
SQLite has none, and would choose an index by the number of conditions."""

from collections.abc import Sequence

from taskproject.sql import ON_POSTGRESQL, adapted, fetch
from tasks.models.criteria import ID_BY_WORD, AccessPath, Condition
from tasks.models.tallies import stored

#: Most tasks of a path that are counted. Reading and sorting so many takes 5 to 10 ms; of a
#: million tasks, 10,000 are scanned in order to find a page of them.
FEW = 5_000
#: Tasks in sort order that are scanned for a page, in 0.5 ms.
NEAR = 1_000
#: Tasks of a page.
PAGE = 51
_TOTAL = stored("all", "0")


def access_path_of(
    owner_id: int, conditions: Sequence[Condition], sort: str, everything: AccessPath
) -> AccessPath:
    """The access path of one of the conditions, or `everything`: all of the owner's tasks in sort
    order. At most one statement."""
    paths = [one.path for one in conditions if one.path is not None]
    # PostgreSQL chooses by itself.
    if ON_POSTGRESQL or not paths:
        return everything
    if len(paths) == 1 and (paths[0].sort == sort or looks_ahead(conditions, sort)):
        return paths[0]
    return _cheapest(owner_id, paths, sort, everything)


def looks_ahead(conditions: Sequence[Condition], sort: str) -> bool:
    """Whether `is_near` decides between the path of the only condition and the sort order: where
    the index of the condition has all columns for filtering and sorting (sorting ten of its entries
    takes as long as reading one task), and for words in the order of titles, which begin with them
    or do not."""
    if len(conditions) != 1 or ON_POSTGRESQL:
        return False
    path = conditions[0].path
    if path is None or path.sort == sort:
        return False
    return (
        bool(path.count_from)
        if sort == "created"
        else sort == "title" and path.id == ID_BY_WORD
    )


def is_near(
    everything: AccessPath,
    condition: Condition,
    others: str,
    values: Sequence[object],
    order: str,
) -> bool:
    """Whether the next tasks in sort order have a page of tasks that meet the condition, which often
    correlates with the order. One statement."""
    following = f"SELECT * FROM {everything.tables} WHERE {others} ORDER BY {order}"
    sql = (
        f'SELECT count(*) FROM (SELECT 1 FROM ({following} LIMIT {NEAR}) "tasks_task" '
        f"WHERE {condition.condition} LIMIT {PAGE})"
    )
    parameters = [*values, *map(adapted, condition.parameters)]
    return fetch(sql, parameters, prepare=False) == [(PAGE,)]


def rarest(owner_id: int, paths: Sequence[AccessPath]) -> AccessPath:
    """The path with the fewest tasks, as far as is known. At most one statement."""
    if len(paths) == 1:
        return paths[0]
    bounds = _bounds(owner_id, paths)
    return min(zip(bounds, paths, strict=False), key=lambda one: one[0][1])[1]


def _cheapest(
    owner_id: int, paths: Sequence[AccessPath], sort: str, everything: AccessPath
) -> AccessPath:
    """The path that reads fewest tasks, if the conditions do not correlate with one another or with
    the order. Words do with that of titles: the few tasks that have them are read instead."""
    bounds = _bounds(owner_id, paths)
    total = bounds[-1][1]
    candidates = [*paths, everything]
    if sort == "title" and any(
        path.id == ID_BY_WORD and most < FEW
        for path, (_, most) in zip(paths, bounds, strict=False)
    ):
        candidates.pop()

    def read(place: int) -> float:
        _, most = bounds[place]
        if candidates[place].sort != sort:
            return most
        # Scanned until a page of tasks meets the other conditions.
        others = bounds[:place] + bounds[place + 1 :]
        rarest = min((least for least, _ in others), default=total)
        return min(most, PAGE * total / max(1, rarest))

    return candidates[min(range(len(candidates)), key=read)]


def _bounds(owner_id: int, paths: Sequence[AccessPath]) -> list[tuple[int, int]]:
    """The least and the most tasks of each path, and at the end the number of the owner's tasks. One
    statement."""
    sql, parameters = [], list[object]()
    for path in paths:
        counted = path.stored_count or "NULL"
        if path.count_from and not path.stored_count:
            few = f"SELECT 1 FROM {path.count_from} LIMIT {FEW}"
            counted = f'(SELECT count(*) FROM ({few}) "few")'
        sql.append(counted)
        parameters += map(adapted, path.count_parameters)
    statement = f"SELECT {', '.join([*sql, _TOTAL])}"
    [row] = fetch(statement, [*parameters, owner_id], prepare=False)
    *numbers, total = (number or 0 for number in row)
    bounds = []
    for path, number in zip(paths, numbers, strict=True):
        if path.stored_count or (path.count_from and number < FEW):
            bounds.append((number, number))
        else:
            bounds.append((number, total))
    return [*bounds, (total, total)]
