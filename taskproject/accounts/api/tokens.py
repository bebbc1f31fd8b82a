"""`/api/tokens`: the caller's API tokens."""

from datetime import datetime
from typing import Annotated

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from taskproject.accounts import tokens
from taskproject.accounts.api.schemas import TokenOut, TokenScope
from taskproject.accounts.auth import ApiRequest
from taskproject.accounts.models import ApiToken
from taskproject.accounts.tokens import LIFETIME
from taskproject.inputs import Closed
from tasks.api.field_types import Instant, ListName, NextCursor
from tasks.api.responses import json_response, no_content, page_response
from tasks.api.schemas import Page

router = Router(tags=["accounts"])

TOKEN: JsonDict = {
    "id": 2,
    "name": "Phone",
    "prefix": "tk_x4Yb2c1Q",
    "scopes": ["read", "write"],
    "created_at": "2026-11-23T08:30:00.123456Z",
    "expires_at": "2027-02-21T08:30:00.123456Z",
    "last_used_at": None,
    "secret": None,
}


def _once(scopes: list[str]) -> list[str]:
    if len(set(scopes)) < len(scopes):
        raise PydanticCustomError("repeated", "Send each scope once.")
    return scopes


Scopes = Annotated[
    list[TokenScope],
    Field(min_length=1, max_length=2, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_once),
]


class OwnTokenOut(TokenOut):
    model_config = ConfigDict(json_schema_extra={"examples": [TOKEN]})

    id: int
    created_at: datetime
    last_used_at: datetime | None
    secret: str | None = Field(description="Only when it is created.")


class TokenPage(BaseModel):
    items: list[OwnTokenOut]
    next_cursor: NextCursor


class TokenIn(Closed):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Phone", "scopes": ["read"]}]}
    )

    # With the bounds of the names of lists.
    name: ListName = Field(description="What uses it.")
    scopes: Scopes = Field(["read", "write"])
    expires_at: Instant | None = Field(
        default_factory=lambda: None,
        description=f"null: never. Default: in {LIFETIME.days} days, or with the token used.",
    )


def _represent(token: ApiToken, secret: str | None = None) -> dict[str, object]:
    return {
        "id": token.pk,
        "name": token.name,
        "prefix": token.prefix,
        "scopes": token.scopes.split(),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "secret": secret,
    }


@router.get("/tokens", response=TokenPage)
def list_tokens(request: ApiRequest, page: Query[Page]) -> HttpResponse:
    """Your tokens, newest first."""
    mine = tokens.of(request.auth).order_by("-pk")
    return page_response(request, mine, page, "tokens", _represent)


@router.post("/tokens", response={201: OwnTokenOut}, summary="Create a token")
def create_token(request: ApiRequest, body: TokenIn) -> HttpResponse:
    """Creates a token. Only this response has its `secret`."""
    expires_at = body.expires_at
    if "expires_at" not in body.model_fields_set:
        expires_at = tokens.default_expiry(request.auth)
    token, secret = tokens.issue(request.auth, body.name, body.scopes, expires_at)
    shown = _represent(token, secret)
    headers = {"Location": "/api/tokens", "Cache-Control": "no-store"}
    return json_response(shown, 201, **headers)


@router.delete("/tokens/{int:token_id}", response={204: None}, summary="Revoke a token")
def revoke_token(request: ApiRequest, token_id: int) -> HttpResponse:
    """Revokes a token."""
    tokens.revoke(request.auth, token_id)
    return no_content()
