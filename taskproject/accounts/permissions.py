"""The permission table: which credentials open each operation, and the scope that they need.

An operation is authenticated by its row, and by nothing else (see `operations.py`); one
without a row stops the service when it starts. docs/api.md shows the table.

What a row does not say is the same everywhere: rows of others are 404, and writes with a
session cookie need the CSRF token."""

from collections.abc import Callable
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from ninja.operation import Operation

from taskproject.accounts.auth import (
    Caller,
    GuestAuth,
    SessionAuth,
    SessionTokenAuth,
    TokenAuth,
)
from taskproject.problems import Forbidden, InsufficientScope

Authenticator = Callable[[HttpRequest], Caller | None]
_GUEST = GuestAuth()
#: In the order in which they are tried.
_ALL = (TokenAuth(), SessionTokenAuth(), SessionAuth(), _GUEST)


class Access(NamedTuple):
    """Who may call an operation: callers by these credentials (`Caller.via`), which must
    have this scope; without any, everybody."""

    credentials: tuple[str, ...] = ()
    scope: str = ""
    #: The secret in its address, which is the credential then.
    secret: str = ""

    @property
    def authenticators(self) -> tuple[Authenticator, ...]:
        """What finds the caller. The guest is found in order to be refused, with 403."""
        if self.credentials == ("guest",):
            return (_GUEST,)
        return _ALL if self.credentials else ()

    def check(self, caller: Caller) -> None:
        """Raises `Forbidden` or `InsufficientScope`."""
        if caller.via not in self.credentials:
            raise Forbidden("The guest may not do this. Sign in, or send a token.")
        if self.scope in caller.scopes:
            return
        name = f"The token {caller.token.name!r}" if caller.token else "The token"
        raise InsufficientScope(
            f"{name} lacks the scope {self.scope}.",
            headers={
                "WWW-Authenticate": 'Bearer realm="api", error="insufficient_scope", '
                f'scope="{self.scope}"'
            },
        )


PEOPLE = ("token", "oidc", "session")
READ = Access((*PEOPLE, "guest"), "read")
WRITE = Access((*PEOPLE, "guest"), "write")
# What one visitor did as the guest, every other one could undo.
READ_OWN = Access(PEOPLE, "read")
WRITE_OWN = Access(PEOPLE, "write")
PUBLIC = Access()

PERMISSIONS = {
    "list_tasks": READ,
    "create_task": WRITE,
    "get_task": READ,
    "replace_task": WRITE,
    "update_task": WRITE,
    "delete_task": WRITE,
    "toggle_task": WRITE,
    "complete_task": WRITE,
    "reopen_task": WRITE,
    "skip_task": WRITE,
    "preview_recurrence": READ,
    "restore_task": WRITE,
    "move_task": WRITE,
    "batch_tasks": WRITE,
    "count_tasks": READ,
    "list_trash": READ,
    "empty_trash": WRITE,
    "export_tasks": READ,
    "list_history": READ,
    "list_lists": READ,
    "create_list": WRITE,
    "get_list": READ,
    "update_list": WRITE,
    "delete_list": WRITE,
    "move_list": WRITE,
    "list_tags": READ,
    "get_tag": READ,
    "rename_tag": WRITE,
    "delete_tag": WRITE,
    "get_job": READ,
    "get_snapshot": READ,
    "list_reminders": READ,
    "list_changes": READ,
    "stream_changes": READ,
    "undo_changes": WRITE,
    "get_calendar": READ,
    "create_calendar": WRITE,
    "delete_calendar": WRITE,
    "read_calendar": Access(secret="of the calendar"),
    "get_me": READ,
    "update_me": WRITE,
    "export_me": READ_OWN,
    "list_tokens": READ_OWN,
    "delete_me": WRITE_OWN,
    "get_deletion": Access(secret="of the deletion"),
    "create_token": WRITE_OWN,
    "revoke_token": WRITE_OWN,
    "list_webhooks": READ_OWN,
    "create_webhook": WRITE_OWN,
    "get_webhook": READ_OWN,
    "update_webhook": WRITE_OWN,
    "delete_webhook": WRITE_OWN,
    "rotate_webhook": WRITE_OWN,
    "test_webhook": WRITE_OWN,
    "list_deliveries": READ_OWN,
    "redeliver_webhook": WRITE_OWN,
    "list_problems": PUBLIC,
    # With TODO_BACKEND
    "list_todos": Access(("guest",), "read"),
    "create_todo": Access(("guest",), "write"),
    "delete_todos": Access(("guest",), "write"),
    "get_todo": Access(("guest",), "read"),
    "update_todo": Access(("guest",), "write"),
    "delete_todo": Access(("guest",), "write"),
}


def access_to(operation: Operation) -> Access:
    """The row of the operation."""
    name = operation.operation_id or operation.view_func.__name__
    try:
        return PERMISSIONS[name]
    except KeyError:
        raise ImproperlyConfigured(f"{name} has no row in {__name__}.") from None
