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
        if not self._migrated:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                return "The database lacks migrations: run `manage.py migrate`."
            self._migrated = True
        return ""


probe = Probe()
