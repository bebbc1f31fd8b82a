"""The time zone of the user in the admin, and the frame of allauth's views."""

from collections.abc import Callable

import orjson
from allauth.account.internal.flows.email_verification_by_code import (
    EMAIL_VERIFICATION_CODE_SESSION_KEY,
)
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.urls import get_script_prefix, set_urlconf
from django.utils import timezone

from taskproject import problems, timezones
from taskproject.accounts import attempts
from taskproject.accounts.auth import require_https
from taskproject.accounts.models import User
from taskproject.accounts.sessions import session_of
from taskproject.inputs import StrictParser, check_body_headers


class TimezoneMiddleware:
    """Activates the time zone of the signed-in user for pages of the admin. A middleware, because
    templates are rendered after their view has returned."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith("/admin/"):
            return self.get_response(request)
        name = getattr(request.user, "timezone", "UTC")
        with timezone.override(timezones.zone(name)):
            return self.get_response(request)


class HeadlessMiddleware:
    """Requests below /api/auth/: their own URLconf, bodies as strict as those of the API, and
    errors. Those of allauth that say more than their status keep its shape; the others,
    and ours, are problems. `X-CSRFToken` in the responses to browsers is for their next
    write, because pages of another origin cannot read the cookie."""

    PREFIX = "/api/auth/"
    BROWSER = "/api/auth/browser/"
    #: What anybody may ask for, after the version in the path; see `attempts.account`.
    COUNTED = (
        "/auth/signup",
        "/auth/email/verify",
        "/auth/password/request",
        "/auth/password/reset",
        "/auth/webauthn/login",
    )
    #: What mails another code to the address that waits to be verified.
    RESENDS = (("POST", "/auth/email/verify/resend"), ("PUT", "/account/email"))
    #: What asks for the old password.
    PASSWORD = "/account/password/change"
    #: What signs in.
    ENTRANCES = (
        "/auth/login",
        "/auth/2fa/authenticate",
        "/auth/webauthn/login",
        "/auth/webauthn/authenticate",
    )
    _parser = StrictParser()

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(self.PREFIX):
            return self.get_response(request)
        changing: attempts.Attempt | None = None
        try:
            require_https(request)
            body = self._read_body(request)
            posts = request.method == "POST"
            if posts and request.path_info.endswith(self.PASSWORD):
                changing = attempts.password(self._session_key(request))
            resends = self._resends(request)
            if resends or (posts and request.path_info.endswith(self.COUNTED)):
                email = self._waiting(request) if resends else body.get("email")
                attempt = attempts.account(
                    request, email if isinstance(email, str) else ""
                )
                vars(request)["rate_limit"] = attempt.headers
                vars(request)["mailbox_counted"] = isinstance(email, str)
        except problems.Problem as problem:
            return problems.respond(request, problem)
        vars(request)["urlconf"] = "taskproject.accounts.headless"
        response = self.get_response(request)
        # Django made it that of the thread, and resets it by a signal that API requests
        # do not send (REQUEST_SIGNALS).
        set_urlconf(None)
        if changing is not None and response.status_code != 400:
            changing.forget()
        if response.status_code >= 400:
            response = self._error(request, response)
        if request.path_info.startswith(self.BROWSER):
            response.headers["X-CSRFToken"] = get_token(request)
            self._remember(request, response)
        else:
            # Apps have no cookies; allauth sees to it unless a request fails.
            request.META["CSRF_COOKIE_NEEDS_UPDATE"] = False
        return response

    def _session_key(self, request: HttpRequest) -> str:
        """The key of the session that allauth will look for; other credentials of the request
        open nothing here."""
        if request.path_info.startswith(self.BROWSER):
            return request.session.session_key or ""
        return str(request.META.get("HTTP_X_SESSION_TOKEN", ""))

    def _resends(self, request: HttpRequest) -> bool:
        return any(
            request.method == method and request.path_info.endswith(path)
            for method, path in self.RESENDS
        )

    def _waiting(self, request: HttpRequest) -> str | None:
        """The address that waits to be verified in this session. A mail to it counts whether
        somebody has it already or not: only the latter is sent, and the limit must not tell."""
        session = session_of(self._session_key(request))
        step: dict[str, str] = session.get(EMAIL_VERIFICATION_CODE_SESSION_KEY, {})
        return step.get("email")

    def _remember(self, request: HttpRequest, response: HttpResponseBase) -> None:
        """Makes a browser known in which somebody has just signed in or set a password."""
        entrance = request.method == "POST" and request.path_info.endswith(
            self.ENTRANCES
        )
        user = getattr(request, "known_user", None)
        if entrance and response.status_code == 200:
            user = request.user
        if isinstance(user, User):
            attempts.remember(response, user, get_script_prefix() + "api/auth/")

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        known = (
            request.path_info.startswith(self.PREFIX)
            and problems.from_exception(exception) is not problems.FAILED
        )
        return problems.respond(request, exception) if known else None

    def _read_body(self, request: HttpRequest) -> dict[str, object]:
        check_body_headers(request)
        body = self._parser.parse_body(request) if request.body else {}
        if not isinstance(body, dict):
            raise problems.MalformedBody("Send a JSON object as the body.")
        return body

    def _error(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if response.headers.get("Content-Type") != "application/json":
            return response  # Django's, or a problem
        assert isinstance(response, HttpResponse)
        if orjson.loads(response.content).keys() > {"status"}:
            vars(response)["keeps_shape"] = True
            return response
        return problems.respond(request, self._problem(request, response.status_code))

    def _problem(self, request: HttpRequest, status: int) -> problems.Problem:
        if status == 403 and request.path_info.endswith("/signup"):
            if settings.SIGNUP == "closed":
                return problems.SignUpClosed("Ask the staff of this service.")
            return problems.NoMail("Sign-up needs mail: set EMAIL_URL.")
        if status == 500 and request.path_info.endswith("/email/verify"):
            # By the code of another sign-in.
            return problems.Conflict("The address is verified already: sign in again.")
        if status == 409 and request.path_info.endswith("/email/verify/resend"):
            return problems.Conflict(
                "No address waits for a code, or two more were mailed already: sign in, "
                "which mails another one if the address is not verified."
            )
        if status == 409:
            return problems.Conflict(
                "This step is not pending, or you are signed in already: GET the "
                "session, and look at its flows."
            )
        if status == 429:
            return problems.TooManyRequests("Try again in a minute.")
        return problems.BY_STATUS.get(status, problems.FAILED)
