"""`/api/webhooks`: the addresses to which the caller's events are sent."""

from datetime import datetime
from typing import Annotated, Literal, Self

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from taskproject.accounts.auth import ApiRequest
from taskproject.inputs import NO_NUL, Closed, absent
from taskproject.outbound import fault_of
from taskproject.problems import Invalid
from tasks import cursors
from tasks.api.changes import EventVerb
from tasks.api.field_types import Id, Instant, NextCursor
from tasks.api.responses import find_row, json_response, no_content, page_response
from tasks.api.schemas import Page
from tasks.models import Event, Webhook, WebhookDelivery
from tasks.models.webhooks import DESCRIPTION_LENGTH, URL_LENGTH

router = Router(tags=["webhooks"])

NEW: JsonDict = {
    "url": "https://example.com/hook",
    "description": "Chat",
    "verbs": ["created", "completed"],
    "active": True,
}
WEBHOOK: JsonDict = {
    "id": 3,
    **NEW,
    "stopped": None,
    "cursor": "WyJhZnRlciIsMTIwMV0",
    "failing_since": None,
    "attempts": 0,
    "next_attempt_at": None,
    "created_at": "2026-11-23T08:30:00.123456Z",
    "secret": None,
}
DELIVERY: JsonDict = {
    "id": 9,
    "event": 1201,
    "outcome": "delivered",
    "attempt": 1,
    "status": 204,
    "error": None,
    "duration_ms": 85,
    "at": "2026-11-23T08:30:00.123456Z",
}


def _url(value: str) -> str:
    fault = fault_of(value)
    if fault is not None:
        raise PydanticCustomError("url", fault)
    return value


def _once(verbs: list[str]) -> list[str]:
    if len(set(verbs)) < len(verbs):
        raise PydanticCustomError("repeated", "Send each verb once.")
    return verbs


Url = TypeAliasType(
    "Url",
    Annotated[
        str,
        StringConstraints(min_length=1, max_length=URL_LENGTH),
        NO_NUL,
        AfterValidator(_url),
        Field(json_schema_extra={"pattern": "^https?://[!-~]+$"}),
    ],
)
Remark = Annotated[str, StringConstraints(max_length=DESCRIPTION_LENGTH), NO_NUL]
Verbs = Annotated[
    list[EventVerb],
    Field(
        min_length=1,
        max_length=len(Event.Verb),
        json_schema_extra={"uniqueItems": True},
    ),
    AfterValidator(_once),
]
VERBS = "null: all."
WebhookStop = TypeAliasType("WebhookStop", Literal["gone", "failing", "staff"])
DeliveryOutcome = TypeAliasType(
    "DeliveryOutcome", Literal["pending", "delivered", "failed", "given_up"]
)


class WebhookIn(Closed):
    model_config = ConfigDict(json_schema_extra={"examples": [NEW]})

    url: Url
    description: Remark = ""
    verbs: Verbs | None = Field(None, description=VERBS)
    active: bool = True


class WebhookPatch(Closed):
    model_config = ConfigDict(json_schema_extra={"examples": [{"active": True}]})

    url: Url = absent()
    description: Remark = absent()
    verbs: Verbs | None = Field(default_factory=lambda: None, description=VERBS)
    active: bool = absent()

    def fields(self) -> dict[str, object]:
        """The fields of the model that are changed."""
        return _fields(self.model_dump(include=self.model_fields_set))


class Redelivery(Closed):
    """One event by its `sequence`, or all `since` a time."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"since": "2026-11-23T08:30:00Z"}]}
    )

    event: Id = absent()
    since: Instant = absent()

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError("one_change", "Send either event or since.")
        return self


class WebhookOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [WEBHOOK]})

    id: int
    url: str
    description: str
    verbs: list[EventVerb] | None
    active: bool
    stopped: WebhookStop | None = Field(description="Why it is off.")
    cursor: str = Field(description="Of the changes yet to be sent.")
    failing_since: datetime | None
    attempts: int = Field(description="For the next event.")
    next_attempt_at: datetime | None = Field(description="After a failure.")
    created_at: datetime
    secret: str | None = Field(description="Only when it is created or rotated.")


class WebhookPage(BaseModel):
    items: list[WebhookOut]
    next_cursor: NextCursor


class DeliveryOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [DELIVERY]})

    id: int
    event: int | None = Field(description="Its sequence; null for a test.")
    outcome: DeliveryOutcome
    attempt: int
    status: int | None
    error: str | None
    duration_ms: int | None
    at: datetime


class DeliveryPage(BaseModel):
    items: list[DeliveryOut]
    next_cursor: NextCursor


def _fields(members: dict[str, object]) -> dict[str, object]:
    if "verbs" in members:
        verbs = members["verbs"]
        members["verbs"] = " ".join(sorted(verbs)) if isinstance(verbs, list) else ""
    return members


def _find(request: ApiRequest, key: int) -> Webhook:
    """The caller's webhook. Raises `NotFound`."""
    return find_row(Webhook.objects.owned_by(request.auth.user_id), key)


def _represent(webhook: Webhook, secret: str | None = None) -> dict[str, object]:
    return {
        "id": webhook.pk,
        "url": webhook.url,
        "description": webhook.description,
        "verbs": webhook.verbs.split() or None,
        "active": webhook.active,
        "stopped": webhook.stopped or None,
        "cursor": cursors.encode("after", webhook.cursor),
        "failing_since": webhook.failing_since,
        "attempts": webhook.attempts,
        "next_attempt_at": webhook.next_attempt_at if webhook.attempts else None,
        "created_at": webhook.created_at,
        "secret": secret,
    }


def _represent_delivery(delivery: WebhookDelivery) -> dict[str, object]:
    return {
        "id": delivery.pk,
        "event": delivery.sequence,
        "outcome": delivery.outcome,
        "attempt": delivery.attempt,
        "status": delivery.status,
        "error": delivery.error or None,
        "duration_ms": delivery.duration_ms,
        "at": delivery.at,
    }


def _with_secret(webhook: Webhook, status: int, **headers: str) -> HttpResponse:
    shown = _represent(webhook, webhook.secret)
    return json_response(shown, status, **headers, **{"Cache-Control": "no-store"})


@router.get("/webhooks", response=WebhookPage)
def list_webhooks(request: ApiRequest, page: Query[Page]) -> HttpResponse:
    """Your webhooks, newest first."""
    mine = Webhook.objects.owned_by(request.auth.user_id).order_by("-pk")
    return page_response(request, mine, page, "webhooks", _represent)


@router.post("/webhooks", response={201: WebhookOut})
def create_webhook(request: ApiRequest, body: WebhookIn) -> HttpResponse:
    """Sends your changes from now on. Only this response has its `secret`."""
    fields = _fields(body.model_dump())
    webhook = Webhook.objects.issue(request.auth.user_id, **fields)
    return _with_secret(webhook, 201, Location=f"/api/webhooks/{webhook.pk}")


@router.get("/webhooks/{int:webhook_id}", response=WebhookOut)
def get_webhook(request: ApiRequest, webhook_id: int) -> HttpResponse:
    """A webhook of yours."""
    return json_response(_represent(_find(request, webhook_id)))


@router.patch("/webhooks/{int:webhook_id}", response=WebhookOut)
def update_webhook(
    request: ApiRequest, webhook_id: int, body: WebhookPatch
) -> HttpResponse:
    """Changes the members that are sent. Switched on, it continues where it stopped."""
    webhook = _find(request, webhook_id)
    webhook.edit(**body.fields())
    return json_response(_represent(webhook))


@router.delete("/webhooks/{int:webhook_id}", response={204: None})
def delete_webhook(request: ApiRequest, webhook_id: int) -> HttpResponse:
    """Deletes a webhook and its deliveries."""
    _find(request, webhook_id).delete()
    return no_content()


@router.post("/webhooks/{int:webhook_id}/rotate", response=WebhookOut)
def rotate_webhook(request: ApiRequest, webhook_id: int) -> HttpResponse:
    """A new `secret`; the previous one signs, too, for 24 hours."""
    webhook = _find(request, webhook_id)
    webhook.rotate()
    return _with_secret(webhook, 200)


@router.post("/webhooks/{int:webhook_id}/test", response={202: DeliveryOut})
def test_webhook(request: ApiRequest, webhook_id: int) -> HttpResponse:
    """Sends a `webhook.test`."""
    delivery = _find(request, webhook_id).request(None)
    return json_response(_represent_delivery(delivery), 202, Location=_log(webhook_id))


@router.get("/webhooks/{int:webhook_id}/deliveries", response=DeliveryPage)
def list_deliveries(
    request: ApiRequest, webhook_id: int, page: Query[Page]
) -> HttpResponse:
    """Attempts to send, newest first."""
    rows = WebhookDelivery.objects.filter(webhook=_find(request, webhook_id))
    rows = rows.order_by("-pk")
    return page_response(request, rows, page, "deliveries", _represent_delivery)


@router.post("/webhooks/{int:webhook_id}/redeliver", response={202: WebhookOut})
def redeliver_webhook(
    request: ApiRequest, webhook_id: int, body: Redelivery
) -> HttpResponse:
    """Sends an event, or all since a time, again."""
    webhook = _find(request, webhook_id)
    if "since" in body.model_fields_set:
        webhook.rewind(body.since)
    else:
        webhook.request(_event(request, body.event))
    return json_response(_represent(webhook), 202, Location=_log(webhook_id))


def _log(key: int) -> str:
    """Where the deliveries are shown."""
    return f"/api/webhooks/{key}/deliveries"


def _event(request: ApiRequest, sequence: int) -> int:
    mine = Event.objects.owned_by(request.auth.user_id).filter(sequence=sequence)
    if not mine.exists():
        raise Invalid.of("event", "You have no such event.", "not_found")
    return sequence
