"""Reads from a read replica of PostgreSQL (DATABASE_REPLICA_URL), none of which is older than
what the primary has committed.

First the primary is asked for the number of the owner's newest change, by a statement that
checks the token as well and reads one entry of an index. The statements of the operation
then run on the replica, where they include the condition that it has this change, in the
place of the caller's guard. If it has not, or responds with an error or too late, they run
on the primary. So a replica may lag by any time, and no process has to know what others
have written.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar, cast

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connections

from taskproject.accounts.auth import ApiRequest
from taskproject.deadlines import CircuitBreaker, shorter_deadline
from taskproject.sql import Guard, GuardFailed, check_found, fetch, this_thread

if TYPE_CHECKING:
    from taskproject.sql import Connection

H = TypeVar("H", bound=Callable[..., object])
T = TypeVar("T")
#: In DATABASES.
NAME = "replica"
#: Seconds that a request waits for the replica, connecting included.
PATIENCE = 0.5

_breaker = CircuitBreaker()


def reads_replica(newest: str) -> Callable[[H], H]:
    """Mark a handler that reads by statements with `request.auth.guard`, as one whose statements
    can run on the replica. `newest` is the SQL of the number of the owner's newest change,
    which increases with each; both of its parameters are the owner."""

    def mark(handler: H) -> H:
        if NAME in settings.DATABASES:
            vars(handler)["newest_change"] = newest
        return handler

    return mark


def read(request: ApiRequest, newest: str, handler: Callable[[], T]) -> T | None:
    """What the handler returns with the replica as its database; None if the primary is to be
    read. Raises `GuardFailed` if the caller's token is no longer valid. What came of it is
    in the log line."""
    caller = request.auth
    owner = (caller.user_id, caller.user_id)
    found = fetch(
        f"SELECT {newest} WHERE {caller.guard.condition}",
        [*owner, *caller.guard.parameters],
    )
    check_found(caller.guard, found)
    usage = this_thread.usage
    if _breaker.broken and _breaker.refuses():
        usage.replica = "left out"
        return None
    usage.replica = "read"
    request.auth = caller.with_guard(Guard(f"{newest} >= %s", (*owner, *found[0])))
    try:
        with _connection(), shorter_deadline(PATIENCE, _breaker):
            return handler()
    except (OperationalError, InterfaceError):
        usage.replica = "failed"
        _breaker.record_timeout()
        return None
    except (GuardFailed, DatabaseError):
        usage.replica = "behind"
        return None
    finally:
        request.auth = caller
        if _breaker.broken and usage.replica != "failed":
            _breaker.record_success()


@contextmanager
def _connection() -> Iterator[None]:
    """Makes the replica the connection of this thread."""
    primary = this_thread.connection
    replica = cast("Connection", connections[NAME])
    this_thread.connection = replica
    try:
        replica.close_if_unusable_or_obsolete()
        yield
    finally:
        this_thread.connection = primary
