"""`/api/auth/`: sign-up and sign-in by django-allauth, as far as this service offers it.

This is a URLconf of its own, which the first request loads: allauth's views take 12 MB
and 0.1 s to import."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import wraps

import orjson
from allauth.headless import urls
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.http import require_safe
from fido2.webauthn import AuthenticationResponse, RegistrationResponse

from taskproject import problems
from taskproject.accounts.passkeys import Parser, parses
from taskproject.accounts.sessions import stored_whole

#: Views of allauth for what is not offered: telephones, codes instead of passwords, and
#: tokens of its own.
NOT_OFFERED = {
    "confirm_login_code",
    "confirm_reauthentication_code",
    "manage_phone",
    "refresh",
    "request_reauthentication_code",
    "resend_phone_verification_code",
    "resend_reauthentication_code",
    "verify_phone",
}


View = Callable[..., HttpResponse]
#: What changes all or nothing, the session included: methods, by the path after the version. A
#: code or challenge is used up only together with what it opens. (What hashes a password or sends
#: a code by mail is not in a transaction: it would hold its locks meanwhile. Notices are mailed
#: after it.)
WHOLE = {
    "account/authenticators/totp": {"POST", "DELETE"},
    "account/authenticators/webauthn": {"POST", "PUT", "DELETE"},
    "account/email": {"PATCH", "DELETE"},
    "auth/2fa/authenticate": {"POST"},
    "auth/2fa/reauthenticate": {"POST"},
    "auth/email/verify": {"POST"},
    "auth/webauthn/authenticate": {"POST"},
    "auth/webauthn/login": {"POST"},
    "auth/webauthn/reauthenticate": {"POST"},
}
#: What the views that take a passkey's answer parse it as.
PASSKEYS: dict[str, Parser] = {
    "manage_webauthn": RegistrationResponse,
    "authenticate_webauthn": AuthenticationResponse,
    "reauthenticate_webauthn": AuthenticationResponse,
    "login_webauthn": AuthenticationResponse,
}


def _parsed(view: View, parser: Parser) -> View:
    """The view; where it fails at a credential that cannot be parsed, that is refused."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: object, **options: object) -> HttpResponse:
        try:
            return view(request, *args, **options)
        except Exception:
            if request.method != "POST" or _parses(request.body, parser):
                raise
        error = {
            "message": "Send what the browser's WebAuthn interface returns, as JSON.",
            "code": "incorrect_code",
            "param": "credential",
        }
        return JsonResponse({"status": 400, "errors": [error]}, status=400)

    return wrapped


def _whole(view: View, methods: set[str]) -> View:
    """The view, in a transaction where the request has one of these methods."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: object, **options: object) -> HttpResponse:
        with stored_whole(request) if request.method in methods else nullcontext():
            return view(request, *args, **options)

    return wrapped


def _parses(body: bytes, parser: Parser) -> bool:
    try:
        credential = orjson.loads(body)["credential"]
    except (KeyError, TypeError, ValueError):
        return False
    return parses(credential, parser)


def _offered(
    patterns: list[URLPattern | URLResolver], prefix: str = ""
) -> Iterator[URLPattern]:
    for pattern in patterns:
        route = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from _offered(pattern.url_patterns, route)
        elif pattern.name not in NOT_OFFERED:
            view, name = pattern.callback, str(pattern.name)
            if name in PASSKEYS:
                view = _parsed(view, PASSKEYS[name])
            if methods := WHOLE.get(route.partition("/v1/")[2]):
                view = _whole(view, methods)
            yield path(f"api/auth/{route}", view)


_operations = [*_offered(urls.urlpatterns)]


@require_safe
def document(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document of these operations."""
    # Imported where it is used: it imports PyYAML, and reads 120 KB.
    from taskproject.accounts.headless_document import document

    paths = frozenset(f"/{operation.pattern}" for operation in _operations)
    return HttpResponse(document(paths), content_type="application/json")


urlpatterns = [*_operations, path("api/auth/openapi.json", document)]


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Without it Django would render the admin's page, whose links this URLconf lacks."""
    return problems.respond(
        request,
        problems.NotFound("Nothing is here. GET /api/auth/openapi.json lists what is."),
    )


handler400 = "taskproject.problems.bad_request"
handler404 = not_found
handler500 = "taskproject.problems.server_error"
