"""Errors at Sentry, or a service that takes its events: what the log tells at level ERROR, of
all requests and jobs. Without SENTRY_DSN nothing of it is imported.

An event has the message and the fields of the log line, and the traceback without values
(see `tracebacks.py`): no headers, bodies, statements, variables or breadcrumbs, in which
there are tokens and what users wrote."""

import logging
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings

from taskproject import __version__
from taskproject.tracebacks import without_values

if TYPE_CHECKING:
    from sentry_sdk.transport import Transport
    from sentry_sdk.types import Event, Hint

#: The members of an event that are sent.
KEPT = (
    *("event_id", "timestamp", "level", "logger", "platform", "sdk"),
    *("release", "environment", "server_name", "exception", "logentry", "extra"),
)
#: The members of the exceptions of an event, and of their frames.
KEPT_OF_EXCEPTION = ("type", "module", "mechanism", "stacktrace")
KEPT_OF_FRAME = (
    *("filename", "abs_path", "function", "module", "lineno", "in_app"),
    *("pre_context", "context_line", "post_context"),
)


def start(transport: "type[Transport] | None" = None) -> None:
    """Begins to send errors, in each process that serves, if SENTRY_DSN is set."""
    if not settings.SENTRY_DSN:
        return
    import sentry_sdk  # optional
    from sentry_sdk.integrations.atexit import AtexitIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration

    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        transport=transport,
        release=__version__,
        default_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR),
            AtexitIntegration(callback=lambda pending, timeout: None),
        ],
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        before_send=_without_values,
    )


def _without_values(event: "Event", hint: "Hint") -> "Event":
    """Only what is known to have no values of users."""
    given = cast("dict[str, Any]", event)
    sent = {name: given[name] for name in KEPT if name in given}
    exceptions = sent.get("exception", {}).get("values", [])
    if exceptions:
        sent["exception"] = {"values": [_exception(one) for one in exceptions]}
    entry = sent.pop("logentry", {})
    sent["logentry"] = {"message": entry.get("formatted") or entry.get("message", "")}
    sent["extra"] = sent.get("extra", {}).get("fields", {})
    return cast("Event", sent)


def _exception(given: dict[str, Any]) -> dict[str, Any]:
    kept = {name: given[name] for name in KEPT_OF_EXCEPTION if name in given}
    frames = (given.get("stacktrace") or {}).get("frames", [])
    kept["stacktrace"] = {
        "frames": [
            {name: frame[name] for name in KEPT_OF_FRAME if name in frame}
            for frame in frames
        ]
    }
    return kept | {"value": without_values(str(given.get("value") or ""))}
