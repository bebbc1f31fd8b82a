"""Execution of hand-written SQL, and model instances of the rows."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from functools import cache, cached_property
from itertools import chain, islice
from threading import local
from time import perf_counter
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

import orjson
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.base import ModelState

M = TypeVar("M", bound=models.Model)
T = TypeVar("T")
#: The values of one row. Their types depend on the statement.
Row = tuple[Any, ...]
#: Rows of a batch, with some twelve parameters each: SQLite takes 32,766.
BATCH_ROWS = 2_000
#: Rows of one INSERT: those of a whole batch of the API.
INSERTED = 500


def analyze(*kinds: type[models.Model]) -> None:
    """Has PostgreSQL gather statistics of the models' tables, after many rows were added. If the
    role may not do so, the server warns and the call succeeds."""
    if ON_POSTGRESQL:
        tables = ", ".join(f'"{kind._meta.db_table}"' for kind in kinds)
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {tables}")


if TYPE_CHECKING:

    class Connection(BaseDatabaseWrapper):
        """What both of this service's database backends add to Django's."""

        skip_locked: str

        def fetch(
            self, statement: str, parameters: Sequence[object], prepare: bool
        ) -> list[Row]: ...

        def snapshot(self) -> AbstractContextManager[None]: ...

        def no_lock_wait(self) -> AbstractContextManager[None]: ...


class Usage:
    """How one request uses the database: the seconds that it waits, and its round trips."""

    __slots__ = ("replica", "round_trips", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.round_trips = 0
        #: What came of reading from the replica (see `replica.py`); empty: it was not tried.
        self.replica = ""

    def add_since(self, started: float) -> None:
        """Adds a round trip that started then, by `time.perf_counter`."""
        self.seconds += perf_counter() - started
        self.round_trips += 1


class Trace(Protocol):
    """What records the statements of a request: see `taskproject/tracing.py`."""

    def fetch(
        self, statement: str, parameters: Sequence[object], prepare: bool
    ) -> list[Row]: ...


class _Thread(local):
    """Values of the current thread."""

    #: Of the request in progress, if it is traced.
    trace: Trace | None = None

    def __init__(self) -> None:
        #: Of the request in progress; the pipeline starts a new one.
        self.usage = Usage()

    @cached_property
    def connection(self) -> "Connection":
        """The thread's connection. `django.db.connection` looks it up at each access, which takes
        1 us, four times a request."""
        return cast("Connection", connections[DEFAULT_DB_ALIAS])  # by the settings


this_thread = _Thread()


class SingleWrite(transaction.Atomic):
    """A transaction of one write and of what is stored beside it. Unlike in other
    transactions the write may be one statement, which locks what it needs itself."""

    def __init__(self) -> None:
        super().__init__(using=None, savepoint=True, durable=False)


def in_larger_transaction() -> bool:
    """Whether a write would be in a transaction with others."""
    blocks = this_thread.connection.atomic_blocks
    return bool(blocks) and not isinstance(blocks[-1], SingleWrite)


class Guard:
    """A condition that a statement includes, with its parameters: the cached caller is still
    valid (see `taskproject.accounts.auth`). If it does not hold, the statement finds and
    changes no rows."""

    __slots__ = ("condition", "held", "parameters")

    def __init__(
        self, condition: str, parameters: tuple[object, ...], held: bool = False
    ) -> None:
        self.condition = condition
        self.parameters = parameters
        #: Whether a statement has shown that it holds.
        self.held = held


#: The guard of a caller who was just looked up in the database.
NO_GUARD = Guard("1 = 1", (), held=True)


class GuardFailed(Exception):
    """A statement whose guard did not hold: it read and changed nothing."""


def fetch(
    statement: str, parameters: Sequence[object], *, prepare: bool = True
) -> list[Row]:
    """The rows of a statement with a %s for each parameter; none, if it returns none.

    With `prepare`, PostgreSQL keeps the statement and its plan for as long as the
    connection lasts: only for statements of which there are few, and whose plan suits all
    parameters. JSON is returned as text; times on SQLite are naive, in UTC.
    """
    sender = this_thread.trace or this_thread.connection
    return sender.fetch(statement, parameters, prepare)


def fetch_by_cursor(
    connection: BaseDatabaseWrapper, statement: str, parameters: Sequence[Any]
) -> list[Row]:
    """The same by Django's cursor, the only one that query logging and wrappers work with."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[Row] = cursor.fetchall() if cursor.description else []
        return rows


def check_found(guard: Guard, rows: Sequence[object]) -> None:
    """Raises `GuardFailed` if a statement that includes the guard, and returns a row whenever it
    holds, returned none."""
    if not rows:
        raise GuardFailed
    guard.held = True


def check_guard(guard: Guard) -> None:
    """Checks the guard by a statement of its own, unless it was checked. Raises `GuardFailed`."""
    if not guard.held:
        check_found(guard, fetch(f"SELECT 1 WHERE {guard.condition}", guard.parameters))


#: Whether the database is PostgreSQL; else it is SQLite. (Reading the setting takes 1 us.)
ON_POSTGRESQL: bool = settings.ON_POSTGRESQL


def adapted(value: object) -> Any:
    """A value in the type that the database driver expects; text for dates and times on
    SQLite. (Any, because django-stubs lists the types of parameters.)"""
    if ON_POSTGRESQL:
        return value
    if isinstance(value, datetime):
        if value.tzinfo is UTC:
            return value.isoformat(" ")[:-6]  # a fifth of the time
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, date):
        return connection.ops.adapt_datefield_value(value)
    return value


def batched(rows: Iterable[T], size: int | None = None) -> Iterator[list[T]]:
    """The rows in lists of `size`, or of `BATCH_ROWS`, as many as one statement takes."""
    left = iter(rows)
    while portion := list(islice(left, size or BATCH_ROWS)):
        yield portion


def insert_rows(
    model: type[models.Model],
    columns: tuple[str, ...],
    rows: Iterable[Sequence[Any]],
) -> None:
    """Stores many rows of `adapted` values, by statements of up to INSERTED rows each.

    On PostgreSQL the rows are one parameter, as JSON. COPY takes 0.006 ms a row less, but while
    a process is suspended within it no time-out of PostgreSQL ends its transaction, and the
    locks of feeds that it holds.

    A statement for each row takes SQLite four times as long: before each, its full-text
    indexes write what they have of the transaction. One of thousands takes 20 MB."""
    names = ", ".join(f'"{column}"' for column in columns)
    begin = f'INSERT INTO "{model._meta.db_table}" ({names})'
    with connection.cursor() as cursor:
        if ON_POSTGRESQL:
            read = f"{begin} SELECT {_from_json(model, columns)}"
            for portion in batched(rows, INSERTED):
                cursor.execute(read, [orjson.dumps(portion).decode()])
            return
        place = f"({', '.join(['%s'] * len(columns))})"
        most = connection.features.max_query_params or 999
        for portion in batched(rows, min(INSERTED, most // len(columns))):
            places = ", ".join([place] * len(portion))
            cursor.execute(
                f"{begin} VALUES {places}", list(chain.from_iterable(portion))
            )


@cache
def _from_json(model: type[models.Model], columns: tuple[str, ...]) -> str:
    """The values of the rows of a JSON array of arrays, in their order, and FROM."""
    kinds = {
        field.column: field.db_type(connection) or ""
        for field in model._meta.concrete_fields
    }
    values = ", ".join(
        # Not as `varchar(20)`: a cast to that shortens the text.
        f"(each->>{place})::{kinds[column].partition('(')[0]}"
        for place, column in enumerate(columns)
    )
    return f"{values} FROM jsonb_array_elements(%s) AS each"


def instance(
    model: type[M], values: Mapping[str, object] | Iterable[tuple[str, object]]
) -> M:
    """A new instance with these values, by the names of the attributes. Unlike with
    `model(**values)`, other fields are deferred, and no signals are sent; it saves a call
    for each field (0.01 ms)."""
    row = model.__new__(model)
    row._state = ModelState()
    row.__dict__.update(values)
    return row


def mark_saved(row: models.Model) -> None:
    """Marks the instance as stored in the database."""
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


class Columns(Generic[M]):
    """The fields of a model that a statement selects, in the model's order.

    Values from the database are converted as the ORM does, on every database, without the
    0.25 to 0.5 ms that it takes to compose a query."""

    def __init__(self, model: type[M], without: Collection[str] = ()) -> None:
        self.model = model
        self.fields = [
            field for field in model._meta.concrete_fields if field.name not in without
        ]
        self._names = [field.attname for field in self.fields]
        table = model._meta.db_table
        #: The columns, for SELECT and RETURNING.
        self.sql = ", ".join(f'"{table}"."{field.column}"' for field in self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def instance(self, values: Sequence[object]) -> M:
        """The stored instance with these values, one for each column."""
        columns = list(values)
        for number, convert in self._conversions:
            columns[number] = convert(columns[number])
        row = instance(self.model, zip(self._names, columns, strict=True))
        mark_saved(row)
        return row

    @cached_property
    def _conversions(self) -> list[tuple[int, Callable[..., object]]]:
        """The columns that the ORM converts, and how. (A process has one kind of database.)"""
        conversions: list[tuple[int, Callable[..., object]]] = []
        for number, field in enumerate(self.fields):
            column = field.get_col(self.model._meta.db_table)
            if isinstance(field, models.JSONField):  # 5 calls less
                convert = _json_or_none if field.null else orjson.loads
                conversions.append((number, convert))
                continue
            steps = [
                *connection.ops.get_db_converters(column),
                *column.get_db_converters(connection),
            ]
            if steps:
                conversions.append((number, _converter(steps, column)))
        return conversions


def _json_or_none(value: str | None) -> object:
    return None if value is None else orjson.loads(value)


def _converter(
    steps: list[Callable[..., object]], column: object
) -> Callable[[object], object]:
    def convert(value: object) -> object:
        for step in steps:
            value = step(value, column, connection)
        return value

    return convert
