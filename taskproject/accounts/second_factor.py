"""The second factor of staff: its page in the admin, and the page that asks for it.

Built on django-allauth's MFA, so that it is the factor of `/api/auth/` too. The session
records how its user has authenticated; nothing is read from the database for that."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms as code_forms
from allauth.mfa.base.internal import flows
from allauth.mfa.base.internal.flows import delete_and_cleanup, post_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.flows import generate_recovery_codes
from allauth.mfa.totp import forms as totp_forms
from allauth.mfa.totp.internal.flows import activate_totp, deactivate_totp
from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.models import UserSession
from django import forms
from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import login
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.request import split_domain_port
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe

from taskproject.accounts import attempts
from taskproject.accounts.models import User
from taskproject.accounts.sessions import stored_whole
from taskproject.accounts.signin import ConfirmedForm, RefusableForm

if TYPE_CHECKING:
    from taskproject.accounts import passkeys


def count_code(user: User, error_key: str | None = None) -> Callable[[], None]:
    """Counts a code of this user; returns what to call if it is right. Raises
    `TooManyRequests` after too many wrong ones."""
    return attempts.code(context.request, user).succeeds


# Instead of allauth's own limit, here and at `/api/auth/`. It has no setting for that.
for _module in (flows, code_forms, totp_forms):
    _module.check_rate_limit = count_code

#: Factors other than recovery codes, which come with one of these.
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
#: The key in the session of somebody who has given the password, and the seconds that
#: they have for the code.
PENDING = "admin_sign_in"
PENDING_TIMEOUT = 600


# Rules


def has_factor(user: User) -> bool:
    return bool(is_mfa_enabled(user, FACTORS))


def was_given(request: HttpRequest) -> bool:
    """Whether the user of the session has given a second factor in it."""
    records = get_authentication_records(request, request.user)
    return any(record["method"] == "mfa" for record in records)


# Signing in


def start_session(
    request: HttpRequest, user: User, factor: Authenticator | None
) -> None:
    """Signs staff in to the admin, in a session with a new key."""
    if request.user != user:
        login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
        record_authentication(request, user, "password", reauthenticated=True)
    else:
        request.session.cycle_key()
    UserSession.objects.create_from_request(request)
    if factor is not None:
        post_authentication(request, factor)


def ask(request: HttpRequest, user: User, to: str) -> HttpResponse:
    """Asks a user who has given the password for the code, and leads to the address `to`
    then. Nobody is signed in yet."""
    request.session.cycle_key()
    request.session[PENDING] = {
        "user": user.pk,
        "password": user.get_session_auth_hash(),
        "at": time.time(),
        "to": to,
    }
    return redirect("admin:login_code")


def safe_next(request: HttpRequest) -> str:
    """The address in `next` if it is of this site, else the admin."""
    to = str(request.POST.get("next", request.GET.get("next", "")))
    mine = url_has_allowed_host_and_scheme(
        to, {request.get_host()}, require_https=request.is_secure()
    )
    return to if mine else reverse("admin:index")


def redirect_to_factor(request: HttpRequest, user: User) -> HttpResponse:
    """Redirects staff whose session lacks a second factor to the page that asks for it, or,
    if they have none, to the page that sets one up."""
    if has_factor(user):
        return ask(request, user, safe_next(request))
    page = reverse("admin:second_factor", query={"next": safe_next(request)})
    return HttpResponseRedirect(page)


def _pending(request: HttpRequest) -> User | None:
    """The user who has given the password, if that is not long ago and is still theirs."""
    pending = request.session.get(PENDING)
    # Also not where the clock was set back meanwhile.
    if not pending or abs(time.time() - pending["at"]) > PENDING_TIMEOUT:
        return None
    user = User.objects.filter(
        pk=pending["user"], is_active=True, is_staff=True
    ).first()
    same = user is not None and user.get_session_auth_hash() == pending["password"]
    return user if same else None


class CodeForm(code_forms.AuthenticateForm, RefusableForm):
    """Asks for a code of the authenticator app, or a recovery code."""

    def __init__(self, data: QueryDict | None, user: User) -> None:
        code_forms.AuthenticateForm.__init__(self, data, user=user)

    def clean_code(self) -> str:
        with self.refusing():
            return str(super().clean_code())


def offers_passkeys(request: HttpRequest) -> bool:
    """Whether the host of the page belongs to the domain of passkeys: browsers use them
    nowhere else."""
    host, domain = split_domain_port(request.get_host())[0], settings.PASSKEY_DOMAIN
    return bool(domain) and f".{host}".endswith(f".{domain}")


def _answer(request: HttpRequest, user: User) -> "CodeForm | passkeys.UsedForm":
    """The form that was sent: with a code, or with the answer of a passkey."""
    if "credential" in request.POST and offers_passkeys(request):
        from taskproject.accounts import passkeys

        return passkeys.UsedForm(request.POST, user=user)
    return CodeForm(request.POST or None, user=user)


def _passkey_options(request: HttpRequest, user: User) -> str:
    """The options with which the browser asks for a passkey; empty if there are none."""
    found = Authenticator.objects.filter(user=user, type=Authenticator.Type.WEBAUTHN)
    if not offers_passkeys(request) or not found.exists():
        return ""
    from taskproject.accounts import passkeys

    return passkeys.to_use(user)


def code_view(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """The page after the password, for users who have a second factor."""
    user = _pending(request)
    if user is None:
        request.session.pop(PENDING, None)
        return redirect("admin:login")
    form = _answer(request, user)
    if request.method == "POST":
        # A code is used up only together with the sign-in.
        with stored_whole(request):
            if form.is_valid():
                to = request.session.pop(PENDING)["to"]
                start_session(request, user, form.authenticator)
                entered = HttpResponseRedirect(to)
                attempts.remember(entered, user, reverse("admin:index"))
                return entered
    shown = {
        **site.each_context(request),
        "title": "Second factor",
        "form": form,
        "passkey": _passkey_options(request, user),
        "has_permission": False,
        "available_apps": [],
    }
    page = "admin/accounts/code.html"
    response = TemplateResponse(request, page, shown, status=form.status)
    refused: HttpResponse = form.with_headers(response)
    return refused


# The page of the factor


class SetUpForm(ConfirmedForm, totp_forms.ActivateTOTPForm):
    """Shows a new secret, and takes a code that the app has made of it."""

    code = forms.CharField(
        label="Code that the app shows",
        widget=forms.TextInput(
            {"autocomplete": "one-time-code", "inputmode": "numeric"}
        ),
    )

    def clean_code(self) -> str:
        with self.refusing():
            return str(super().clean_code())


def _forms(
    request: HttpRequest, user: User, sent: Mapping[str, object]
) -> dict[str, ConfirmedForm]:
    """The forms of the page, and what was `sent` to one of them."""
    shown: dict[str, ConfirmedForm] = {
        "set_up": SetUpForm(sent.get("set_up"), user=user, request=request),
        "codes": ConfirmedForm(sent.get("codes"), request=request, prefix="codes"),
        "remove": ConfirmedForm(sent.get("remove"), request=request, prefix="remove"),
    }
    if offers_passkeys(request):
        from taskproject.accounts import passkeys

        given = sent.get("passkey")
        shown["passkey"] = passkeys.NewForm(
            given, user=user, request=request, prefix="passkey"
        )
    return shown


def factor_view(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """The page on which staff set up, replace and remove their second factor, and make
    new recovery codes. In required mode it is the only page without one."""
    user = request.user
    assert isinstance(user, User)
    if has_factor(user) and not was_given(request):
        return ask(request, user, reverse("admin:second_factor"))
    act = request.POST.get("act", "")
    sent: dict[str, Any] = {act: request.POST} if act in ACTS else {}
    forms_shown = _forms(request, user, sent)
    codes: Sequence[str] | None = None
    form = forms_shown.get(act)
    if form is not None and form.is_valid():
        codes = ACTS[act](request, user, form)
        if codes is None:
            return redirect("admin:second_factor")
        # Their fields depend on what was done.
        forms_shown = _forms(request, user, {})
    adapter = get_adapter()
    set_up = forms_shown["set_up"]
    assert isinstance(set_up, SetUpForm)
    url = adapter.build_totp_url(user, set_up.secret)
    factors = list(Authenticator.objects.filter(user=user).order_by("pk"))
    shown = {
        **site.each_context(request),
        "title": "Second factor",
        "factors": factors,
        "is_on": has_factor(user),
        "has_app": any(it.type == Authenticator.Type.TOTP for it in factors),
        "passkey": _new_passkey(request, user),
        "required": settings.STAFF_MFA == "required",
        "forms": forms_shown,
        "secret": set_up.secret,
        "image": _image(adapter.build_totp_svg(url)),
        "codes": codes,
        "next": safe_next(request),
    }
    if not shown["has_permission"]:
        shown["available_apps"] = []
    page = "admin/accounts/second_factor.html"
    status = form.status if form is not None else 200
    response = TemplateResponse(request, page, shown, status=status)
    return form.with_headers(response) if form is not None else response


def _image(svg: str) -> str:
    """The QR code as a part of the page: black on white, in dark mode too."""
    _, start, drawing = svg.partition("<svg ")
    head, end, paths = drawing.partition(">")
    white = '<rect width="100%" height="100%" fill="white"/>'
    return mark_safe(f"{start}{head}{end}{white}{paths}")


def _set_up(request: HttpRequest, user: User, form: SetUpForm) -> list[str]:
    """Replaces the secret. Returns the recovery codes, if they are new."""
    with stored_whole(request):
        Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).delete()
        totp, codes = activate_totp(request, form)
        # The code opens nothing any more.
        totp.wrap().validate_code(form.cleaned_data["code"])
        _continue_with(request, user, totp)
        _log(user, "Set up a second factor.")
    return list(codes.wrap().get_unused_codes()) if codes else []


def _add_passkey(
    request: HttpRequest, user: User, form: "passkeys.NewForm"
) -> list[str] | None:
    """Returns the recovery codes, if they are new."""
    from taskproject.accounts import passkeys

    with stored_whole(request):
        passkey, codes = passkeys.add(request, form)
        _continue_with(request, user, passkey)
        _log(user, "Added a passkey.")
    return list(codes.wrap().get_unused_codes()) if codes else None


def _continue_with(request: HttpRequest, user: User, factor: Authenticator) -> None:
    """Goes on in a session with a new key, in which this factor was given; ends others."""
    request.session.cycle_key()
    UserSession.objects.create_from_request(request)
    post_authentication(request, factor)
    end_sessions(user, but=request.session.session_key)


def _new_passkey(request: HttpRequest, user: User) -> str:
    """The options with which the browser makes a passkey; empty where there are none."""
    if not offers_passkeys(request):
        return ""
    from taskproject.accounts import passkeys

    return passkeys.to_add(user)


def _make_codes(request: HttpRequest, user: User, form: ConfirmedForm) -> list[str]:
    codes = generate_recovery_codes(request)
    _log(user, "Made new recovery codes.")
    return list(codes.wrap().get_unused_codes())


def _remove(request: HttpRequest, user: User, form: ConfirmedForm) -> None:
    """Removes the secret of the app, and all passkeys."""
    found = Authenticator.objects.filter(user=user, type__in=FACTORS)
    with transaction.atomic():
        for factor in found:
            if not get_adapter().can_delete_authenticator(factor):
                return
            if factor.type == Authenticator.Type.TOTP:
                deactivate_totp(request, factor)
            else:
                delete_and_cleanup(request, factor)
        _log(user, "Removed the second factor.")


#: What the page does. The result is the recovery codes to show, or None.
ACTS: dict[str, Callable[..., Sequence[str] | None]] = {
    "set_up": _set_up,
    "passkey": _add_passkey,
    "codes": _make_codes,
    "remove": _remove,
}


def reset(user: User) -> int:
    """Removes the factors of a user who has lost them, and ends the sessions if there were any.
    Returns how many there were."""
    with transaction.atomic():
        found = Authenticator.objects.filter(user=user).delete()
        if found[0]:
            end_sessions(user)
    return int(found[0])


def end_sessions(user: User, but: str | None = None) -> None:
    for session in UserSession.objects.filter(user=user).exclude(session_key=but):
        session.end()


def _log(user: User, message: str) -> None:
    LogEntry.objects.log_actions(user.pk, [user], CHANGE, message, single_object=True)
