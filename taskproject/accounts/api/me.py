"""`/api/me`: the user that the request acts as."""

from typing import Annotated, Literal

import orjson
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypeAliasType

from taskproject import timezones
from taskproject.accounts.api.schemas import TokenOut
from taskproject.accounts.auth import ApiRequest, Caller, SessionTokenAuth
from taskproject.accounts.deletion import delete_caller, job_of, receipt
from taskproject.inputs import NO_NUL, Closed, Zone, absent
from tasks.api.jobs import JobOut
from tasks.api.responses import json_response, no_content
from tasks.reminders import change_preferences

router = Router(tags=["accounts"])
#: The user who is deleted has no credential any more.
public = Router(tags=["accounts"])

CallerVia = TypeAliasType("CallerVia", Literal["token", "oidc", "session", "guest"])


class MeOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 1,
                    "username": "guest",
                    "timezone": "UTC",
                    "reminder_emails": False,
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
    timezone: str = Field(description="Decides which day is today.")
    reminder_emails: bool
    is_staff: bool
    via: CallerVia
    token: TokenOut | None
    csrf_token: str | None = Field(description="For X-CSRFToken.")


class MePatch(Closed):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"timezone": "Europe/Lisbon"}]}
    )

    timezone: Zone = absent()
    reminder_emails: bool = absent()


class Deletion(Closed):
    confirm: Annotated[str, StringConstraints(min_length=1, max_length=150), NO_NUL] = (
        Field(description="Your username.")
    )


@router.get("/me", response=MeOut, summary="Get the current user")
def get_me(request: ApiRequest) -> MeOut:
    """You, and your credential."""
    return _me(request.auth, _csrf_token(request))


@router.patch("/me", response=MeOut, summary="Update the current user")
def update_me(request: ApiRequest, body: MePatch) -> HttpResponse:
    """Changes the members that are sent. `reminder_emails` is 409 without a verified address,
    403 where no mail is sent."""
    caller = request.auth
    change_preferences(caller.user, **body.model_dump(exclude_unset=True))
    me = _me(caller, _csrf_token(request))
    # A response can be stored for an Idempotency-Key.
    return HttpResponse(
        orjson.dumps(me.model_dump(), option=orjson.OPT_UTC_Z),
        content_type="application/json; charset=utf-8",
    )


@router.delete(
    "/me", response={204: None, 202: JobOut}, summary="Delete the current user"
)
def delete_me(request: ApiRequest, deletion: Query[Deletion]) -> HttpResponse:
    """Deletes you and all that is yours for good; 202 with a job for thousands of tasks."""
    job = delete_caller(request, deletion.confirm)
    if job is None:
        return no_content()
    headers = {"Location": f"/api/deletions/{receipt(job)}", "Retry-After": "1"}
    return json_response(job.as_dict(), 202, **headers)


@public.get("/deletions/{receipt}", response=JobOut)
def get_deletion(request: HttpRequest, receipt: str) -> HttpResponse:
    """The progress of a deletion."""
    return json_response(job_of(receipt).as_dict())


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
            "reminder_emails": user.reminder_emails,
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
