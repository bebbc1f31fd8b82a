"""`/api/me`: the user that the request acts as."""

from typing import Literal

import orjson
from django.http import HttpResponse
from django.middleware.csrf import get_token
from ninja import Router
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeAliasType

from taskproject import timezones
from taskproject.accounts.api.schemas import TokenOut
from taskproject.accounts.auth import ApiRequest, Caller, SessionTokenAuth
from taskproject.inputs import Closed, Zone

router = Router(tags=["accounts"])

CallerVia = TypeAliasType("CallerVia", Literal["token", "session", "guest"])


class MeOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 1,
                    "username": "guest",
                    "timezone": "UTC",
                    "is_staff": False,
                    "via": "guest",
                    "token": None,
                    "csrf_token": None,
                }
            ]
        }
    )

    id: int
    username: str
    timezone: str = Field(
        description="Your time zone, which decides which day is today; PATCH changes it."
    )
    is_staff: bool
    via: CallerVia = Field(description="How the request was authenticated.")
    token: TokenOut | None = Field(description="The token of the request, or null.")
    csrf_token: str | None = Field(
        description="For the X-CSRFToken header; only with a session cookie."
    )


class MePatch(Closed):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"timezone": "Europe/Lisbon"}]}
    )

    timezone: Zone


@router.get("/me", response=MeOut, summary="Get the current user")
def get_me(request: ApiRequest) -> MeOut:
    """The user that the request acts as, and how it was authenticated."""
    return _me(request.auth, _csrf_token(request))


@router.patch("/me", response=MeOut, summary="Update the current user")
def update_me(request: ApiRequest, body: MePatch) -> HttpResponse:
    """Changes your time zone, which decides which tasks are overdue and due today."""
    caller = request.auth
    caller.user.move_to(body.timezone)
    me = _me(caller, _csrf_token(request))
    # A response can be stored for an Idempotency-Key.
    return HttpResponse(
        orjson.dumps(me.model_dump(), option=orjson.OPT_UTC_Z),
        content_type="application/json; charset=utf-8",
    )


def _csrf_token(request: ApiRequest) -> str | None:
    """For a session in a cookie."""
    by_header = SessionTokenAuth.param_name in request.headers
    return None if by_header or request.auth.via != "session" else get_token(request)


def _me(caller: Caller, csrf_token: str | None) -> MeOut:
    user, token = caller.user, caller.token
    return MeOut.model_validate(
        {
            "id": user.pk,
            "username": user.username,
            "timezone": timezones.known(user.timezone),
            "is_staff": user.is_staff,
            "via": caller.via,
            "csrf_token": csrf_token,
            "token": token
            and {
                "name": token.name,
                "prefix": token.prefix,
                "scopes": token.scopes.split(),
                "expires_at": token.expires_at,
            },
        }
    )
