"""The WSGI application that `manage.py serve` and other servers load."""

import logging
import os
from collections.abc import Callable, Iterable
from http.client import responses
from wsgiref.types import StartResponse, WSGIEnvironment

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskproject.settings")
django.setup(set_prefix=False)

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase
from django.urls import get_resolver, set_script_prefix

from taskproject import error_reports, jobs, timezones  # after the models are loaded
from taskproject.content_types import Request
from taskproject.problems import is_api_path
from taskproject.sql import this_thread


class Application(WSGIHandler):
    """Django's application. With REQUEST_SIGNALS off, API requests do not send the signals
    `request_started` and `request_finished` (0.05 ms): the receiver that closes unusable
    connections is called instead. With DEBUG on, Django keeps at most 9,000 queries."""

    request_class = Request
    # Of BaseHandler, and not in the stubs.
    _middleware_chain: Callable[[HttpRequest], HttpResponseBase]

    def __init__(self) -> None:
        super().__init__()
        self._signals = settings.REQUEST_SIGNALS

    def __call__(  # type: ignore[override]  # the stubs want Django's own response
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if self._signals or not is_api_path(environ.get("PATH_INFO", "")):
            return super().__call__(environ, start_response)
        this_thread.connection.close_if_unusable_or_obsolete()
        if environ.get("SCRIPT_NAME"):
            set_script_prefix(environ["SCRIPT_NAME"])
        response = self._middleware_chain(Request(environ))
        status = f"{response.status_code} {responses.get(response.status_code, '')}"
        cookies = [("Set-Cookie", c.OutputString()) for c in response.cookies.values()]
        # (`response.items()` looks up each of 15 headers by its name.)
        start_response(status, [*response.headers._store.values(), *cookies])
        if isinstance(response, HttpResponse):
            return [response.content]
        # As WSGIHandler does, for `close`.
        vars(response)["_handler_class"] = type(self)
        return response


error_reports.start()
application = Application()
# Loads the operations (0.45 s), so that the first request does not: its deadline runs.
get_resolver().url_patterns  # noqa: B018
# For hosts that disagree on which day is today.
logging.getLogger(__name__).info(
    "ready", extra={"fields": {"tzdata": timezones.VERSION}}
)
# Resume the jobs that an earlier process left unfinished.
jobs.start()
