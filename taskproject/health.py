"""Whether the process lives (`/livez`) and whether it can serve (`/readyz`)."""

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
    """200 while the process answers; asks no database."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database answered within 2 seconds and has every migration."""
    trouble = probe.trouble()
    if trouble:
        return respond(request, Unavailable(trouble))
    return JsonResponse({"status": "ok"})


#: They are answered before anything looks at the Host: an orchestrator sends them to an
#: address, which ALLOWED_HOSTS need not list.
PROBES: dict[str, Callable[[HttpRequest], HttpResponseBase]] = {
    "/livez": livez,
    "/readyz": readyz,
}


class Probe:
    """Asks the database from a thread of its own, so that the wait has an end.

    One question is under way at a time: while the database is silent, further callers
    wait on the same one instead of adding theirs.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="readyz")
        self._lock = Lock()
        self._question: Future[str] | None = None
        self._migrated = False

    def trouble(self) -> str:
        """What is wrong, or an empty string."""
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
            # A probe must not keep a connection that no request ever uses.
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
