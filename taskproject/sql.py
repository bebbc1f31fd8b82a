"""Running statements that are written by hand, and making objects of their rows."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from functools import cached_property
from threading import local
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import orjson
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.base import ModelState

M = TypeVar("M", bound=models.Model)
#: The values of one row, as the database's driver makes them: of any type.
Row = tuple[Any, ...]


def analyze(*kinds: type[models.Model]) -> None:
    """Has PostgreSQL gather statistics of these models' tables, after many rows were added.
    A role that may not do so gets a warning of the server's, and no error."""
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


class _Thread(local):
    """What belongs to the thread that runs."""

    @cached_property
    def connection(self) -> "Connection":
        """What `django.db.connection` stands for in this thread, and finds out each time:
        1 us in a tight loop, four times a request."""
        return cast("Connection", connections[DEFAULT_DB_ALIAS])  # by the settings


this_thread = _Thread()


class Guard:
    """A condition that a statement includes, and its parameters: that its caller still
    is who they were when last seen (see `taskproject.accounts.auth`). Where it does not
    hold, the statement finds and changes nothing."""

    __slots__ = ("condition", "held", "parameters")

    def __init__(
        self, condition: str, parameters: tuple[object, ...], held: bool = False
    ) -> None:
        self.condition = condition
        self.parameters = parameters
        #: Whether a statement has found it to hold.
        self.held = held


#: Of a caller who was looked up in the database.
NO_GUARD = Guard("1 = 1", (), held=True)


class GuardFailed(Exception):
    """A statement whose guard did not hold: it told nothing and changed nothing."""


def fetch(
    statement: str, parameters: Sequence[object], *, prepare: bool = True
) -> list[Row]:
    """The rows of a statement with a %s for each parameter.

    With `prepare`, PostgreSQL keeps the statement and its plan for as long as the
    connection lasts: only for statements of which there are few, and whose plan suits all
    parameters. JSON is returned as text; times on SQLite are naive, in UTC.
    """
    return this_thread.connection.fetch(statement, parameters, prepare)


def check_found(guard: Guard, rows: Sequence[object]) -> None:
    """Raises `GuardFailed` where a statement that includes the guard, and has a row
    whenever it holds, found none."""
    if not rows:
        raise GuardFailed
    guard.held = True


def check_guard(guard: Guard) -> None:
    """Raises `GuardFailed` unless the guard holds, where no statement has included it."""
    if not guard.held:
        check_found(guard, fetch(f"SELECT 1 WHERE {guard.condition}", guard.parameters))


#: Which of the two kinds of database this process has: the setting, which takes 1 us.
ON_POSTGRESQL: bool = settings.ON_POSTGRESQL


def adapted(value: object) -> Any:
    """A value as the database takes it: SQLite's dates and moments are text."""
    if ON_POSTGRESQL:
        return value
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, date):
        return connection.ops.adapt_datefield_value(value)
    return value


def instance(
    model: type[M], values: Mapping[str, object] | Iterable[tuple[str, object]]
) -> M:
    """A new row with these values, pairs or a mapping, by the names of the attributes:
    what `model(**values)` makes, but that what is left out is read when it is asked for.
    It takes no call for each field (0.01 ms), and sends no signals."""
    row = model.__new__(model)
    row._state = ModelState()
    row.__dict__.update(values)
    return row


def mark_saved(row: models.Model) -> None:
    """Notes that the database has this row."""
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


class Columns(Generic[M]):
    """The fields of a model that a statement selects, in the model's order.

    What the database gives for them becomes what the ORM would make of it, on every
    database, without composing a query (0.25 to 0.5 ms).
    """

    def __init__(self, model: type[M], without: Collection[str] = ()) -> None:
        self.model = model
        self.fields = [
            field for field in model._meta.concrete_fields if field.name not in without
        ]
        self._names = [field.attname for field in self.fields]
        table = model._meta.db_table
        #: For SELECT and RETURNING.
        self.sql = ", ".join(f'"{table}"."{field.column}"' for field in self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def instance(self, values: Sequence[object]) -> M:
        """The row with these values, one for each of the columns."""
        columns = list(values)
        for number, convert in self._conversions:
            columns[number] = convert(columns[number])
        row = instance(self.model, zip(self._names, columns, strict=True))
        mark_saved(row)
        return row

    @cached_property
    def _conversions(self) -> list[tuple[int, Callable[..., object]]]:
        """Those columns of which the ORM makes something else. (A process has one kind of
        database.)"""
        conversions: list[tuple[int, Callable[..., object]]] = []
        for number, field in enumerate(self.fields):
            column = field.get_col(self.model._meta.db_table)
            if isinstance(field, models.JSONField) and not field.null:
                conversions.append((number, orjson.loads))  # 5 calls less
                continue
            steps = [
                *connection.ops.get_db_converters(column),
                *column.get_db_converters(connection),
            ]
            if steps:
                conversions.append((number, _converter(steps, column)))
        return conversions


def _converter(
    steps: list[Callable[..., object]], column: object
) -> Callable[[object], object]:
    def convert(value: object) -> object:
        for step in steps:
            value = step(value, column, connection)
        return value

    return convert
