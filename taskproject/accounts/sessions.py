"""Sessions in the database (SESSION_ENGINE)."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.db import InterfaceError, OperationalError, transaction
from django.http import HttpRequest

from taskproject import problems


class SessionStore(db.SessionStore):
    """Django's, with two differences if something fails.

    A database that is away is an error of its own, and not `UpdateError`, with which Django
    says that the session was deleted meanwhile. A request that the database failed stores no
    session, as with Django's middleware: allauth saves the session of an app then, too, in which
    a code has been used up. (Other exceptions end requests of allauth that succeed.)"""

    def save(self, must_create: bool = False) -> None:
        failure = sys.exception()
        if failure is not None and problems.from_exception(failure).status == 503:
            return
        try:
            super().save(must_create)
        except UpdateError as error:
            cause = error.__context__
            if isinstance(cause, OperationalError | InterfaceError):
                raise cause from cause.__cause__
            raise


def session_of(key: str | None) -> SessionStore:
    """The session of a key that a client sent; an empty one if that cannot be a key."""
    return SessionStore(key if key and key.isascii() else None)


@contextmanager
def stored_whole(request: HttpRequest) -> Iterator[None]:
    """A transaction that stores the session too, which the middleware would store later. If it
    fails, the session is as before."""
    key = request.session.session_key
    try:
        with transaction.atomic():
            yield
            if request.session.modified and not request.session.is_empty():
                request.session.save()
    except BaseException:
        request.session = SessionStore(key)
        raise
