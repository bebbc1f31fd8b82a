"""Health checks: whether the process runs (`/livez`), and whether it can serve (`/readyz`)."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer
from threading import Lock

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from taskproject.deadlines import deadline
from taskproject.problems import Unavailable, respond

PATIENCE = 2.0  # seconds
UNMIGRATED = "The database lacks migrations: run `manage.py migrate`."


@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """200 while the process runs; does not access the database."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 if the database responds within 2 seconds and has every migration."""
    trouble = probe.trouble()
    if trouble:
        return respond(request, Unavailable(trouble))
    return JsonResponse({"status": "ok"})


#: Handled before the Host is checked: orchestrators send them to an address, which need not
#: be in ALLOWED_HOSTS.
PROBES: dict[str, Callable[[HttpRequest], HttpResponseBase]] = {
    "/livez": livez,
    "/readyz": readyz,
}


class Probe:
    """Queries the database in a thread of its own, so that waiting can be limited.

    There is one query at a time: if the database does not respond, further requests wait for
    the same query."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="readyz")
        self._lock = Lock()
        self._question: Future[str] | None = None
        #: Whether this process has found that the database has every migration.
        self._migrated = False

    def trouble(self) -> str:
        """The error, or an empty string."""
        with self._lock:
            if self._question is None or self._question.done():
                self._question = self._thread.submit(self._ask)
            question = self._question
        try:
            return question.result(timeout=PATIENCE)
        except NoAnswer:
            return "The database did not answer within 2 seconds."
        except DatabaseError:
            return "The database cannot be reached."

    def _ask(self) -> str:
        try:
            with deadline(PATIENCE, includes_connecting=True):
                return self._answer()
        finally:
            # No request would use the connection of this thread.
            connection.close()

    def _answer(self) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return "" if self.is_migrated() else UNMIGRATED

    def is_migrated(self) -> bool:
        """Whether the database has every migration, by the connection of this thread; asked until
        it had them once."""
        if not self._migrated:
            executor = MigrationExecutor(connection)
            pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
            self._migrated = not pending
        return self._migrated


probe = Probe()


def require_migrations() -> None:
    """Raises `Unavailable` while the database lacks a migration: what this release writes to an
    older schema might be counted twice, or not at all. Call it when the database has answered
    anyway."""
    if not probe.is_migrated():
        raise Unavailable(UNMIGRATED)
