"""The operations of a batch, and the tasks that they refer to by client_ids."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from taskproject.problems import Invalid, NotFound, Problem
from tasks.fields import Values
from tasks.models.tasks import Task

#: The fields of operations that refer to other tasks.
OTHERS = ("parent_id", "before", "after")
_NO_CLIENT_ID = (
    "You have no task with this client_id, and no earlier operation creates it."
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One change: a verb, the id or client_id of the task (0 with `create`), the versions that
    it may have, and the fields. Or the problem of its input."""

    verb: str
    key: int = 0
    client_id: UUID | None = None
    versions: set[int] | None = None
    fields: Values = field(default_factory=dict)
    refusal: Problem | None = None


def with_ids(
    owner_id: int, operations: Sequence[Operation], keys: Iterator[int], first: int
) -> list[Operation]:
    """The operations with the ids of the tasks that they refer to by client_ids, and with an id
    of `keys` for each new task. A client_id of no task that exists or is created before is the
    problem of its operation. `first` is the number of the first one."""
    wanted = {
        value
        for one in operations
        for value in (
            *(one.client_id, one.fields.get("client_id")),
            *(one.fields.get(name) for name in OTHERS),
        )
        if isinstance(value, UUID)
    }
    ids: dict[object, int] = {}
    if wanted:
        found = Task.objects.owned_by(owner_id).filter(client_id__in=wanted)
        ids |= found.values_list("client_id", "pk")
    return [
        one if one.refusal else _with_id(one, number, ids, keys)
        for number, one in enumerate(operations, first)
    ]


def _with_id(
    one: Operation, number: int, ids: dict[object, int], keys: Iterator[int]
) -> Operation:
    key, fields, refusal = one.key, one.fields, one.refusal
    for name in OTHERS:
        other = fields.get(name)
        if isinstance(other, UUID):
            fields = {**fields, name: ids.get(other)}
            if other not in ids:
                member = name.removesuffix("_id")
                told = Invalid.of(member, _NO_CLIENT_ID, "not_found")
                refusal = told.within(f"/operations/{number}/body")
    if one.verb == "create":
        key, client_id = next(keys), fields.get("client_id")
        key = ids.setdefault(client_id, key) if client_id else key
    elif one.client_id is not None:
        key = ids.get(one.client_id, 0)
        refusal = refusal if key else NotFound(_NO_CLIENT_ID)
    return replace(one, key=key, fields=fields, refusal=refusal)
