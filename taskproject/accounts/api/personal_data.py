"""`/api/me/export`: all that is the caller's, as lines of JSON.

The lines of lists, tags and tasks are those of `GET /api/tasks/export`."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db import models
from django.db.models import Q
from django.http import StreamingHttpResponse
from ninja import Router

from taskproject.accounts.auth import ApiRequest
from taskproject.accounts.models import ApiToken, Identity, Invitation, User
from taskproject.deadlines import extend
from taskproject.downloads import CHUNK_TIMEOUT, download
from taskproject.sql import NO_GUARD, this_thread
from tasks.api.responses import json_line, represent_event
from tasks.exports import records_of
from tasks.formats import WRITERS, jsonl
from tasks.models import CalendarFeed, Webhook, feed

router = Router(tags=["accounts"])

HEADER = {"kind": "header", "format": "account", "version": 1}
#: Events that one statement reads.
CHUNK = 1_000
USER = (
    *("id", "username", "first_name", "last_name", "email", "timezone"),
    "reminder_emails",
    *("is_staff", "date_joined", "last_login"),
)
TOKEN = (
    *("name", "prefix", "scopes", "created_at", "expires_at", "revoked_at"),
    "last_used_at",
)
WEBHOOK = ("url", "description", "verbs", "active", "created_at")


EXAMPLE = """\
{"kind":"header","format":"account","version":1}
{"kind":"end","records":0}
"""
MEDIA_TYPE = WRITERS["jsonl"].media_type
FILE = {MEDIA_TYPE: {"schema": {"type": "string"}, "example": EXAMPLE}}


@router.get(
    "/me/export",
    response={200: None},
    summary="Export the current user",
    openapi_extra={"responses": {200: {"description": "OK", "content": FILE}}},
)
def export_me(request: ApiRequest) -> StreamingHttpResponse:
    """All that is yours, without secrets: lines of JSON, each with a `kind`. Without the line
    `end` it is incomplete."""
    user_id = request.auth.user_id
    lines = _lines(user_id, partial(extend, CHUNK_TIMEOUT))
    within = this_thread.connection.snapshot()
    return download(request, user_id, lines, within, MEDIA_TYPE, "account.jsonl")


def _lines(user_id: int, before_read: Callable[[], None]) -> Iterator[bytes]:
    """The lines, in constant memory; the last one says that they are complete, and their
    number. Takes several statements, and calls `before_read` before each. Call it within
    one `snapshot()` of the connection, so that all of them read the same state."""
    yield json_line(HEADER)
    number = 0
    for line in _records(user_id, before_read):
        number += 1
        yield line
    yield json_line({"kind": "end", "records": number})


def _records(user_id: int, before_read: Callable[[], None]) -> Iterator[bytes]:
    for kind, rows, columns in _account(user_id):
        before_read()
        for row in rows.order_by("pk").values(*columns):
            yield json_line({"kind": kind, **row})
    for record in records_of(user_id, None, before_read):
        yield jsonl.line(record)
    after, has_more = 0, True
    while has_more:
        before_read()
        page = feed.page(user_id, after, CHUNK, NO_GUARD)
        for event, username in page.events:
            yield json_line({"kind": "event", **represent_event(event, username)})
        after, has_more = page.cursor, page.has_more


Rows = models.QuerySet[models.Model]


def _account(user_id: int) -> Iterator[tuple[str, Rows, Sequence[str]]]:
    """The rows of the account: their kind, and the columns that are no secrets."""
    users = User.objects.filter(pk=user_id)

    def of(model: type[models.Model]) -> Rows:
        return model._default_manager.filter(user_id=user_id)

    yield "user", users, USER
    yield "email_address", of(EmailAddress), ("email", "verified", "primary")
    yield "identity", of(Identity), ("issuer", "subject", "created_at")
    yield "authenticator", of(Authenticator), ("type", "created_at", "last_used_at")
    seen = ("ip", "user_agent", "created_at", "last_seen_at")
    yield "session", of(UserSession), seen
    yield "token", of(ApiToken), TOKEN
    feeds = CalendarFeed.objects.filter(owner_id=user_id)
    yield "calendar", feeds, ("prefix", "created_at")
    webhooks = Webhook.objects.owned_by(user_id)
    yield "webhook", webhooks, WEBHOOK
    theirs = Q(invited_by_id=user_id) | Q(
        email__in=users.exclude(email="").values("email")
    )
    invitations = Invitation.objects.filter(theirs)
    yield "invitation", invitations, ("email", "created_at", "accepted_at")
