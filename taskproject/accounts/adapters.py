"""How django-allauth signs people up and in: with this service's limits, and its mail."""

from contextlib import suppress
from functools import partial
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.models import EmailAddress
from allauth.account.stages import EmailVerificationStage
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import InterfaceError, OperationalError, transaction
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse

from taskproject.accounts import attempts
from taskproject.accounts.invitations import no_sign_up
from taskproject.accounts.models import Invitation, User
from taskproject.mail import send
from taskproject.problems import NoMail, SignUpClosed, TooManyRequests, Unavailable
from taskproject.throttles import client_address

#: The name in the context of a mail that tells of a change to the account.
NOTICE = "is_notice"
#: The mail server, or the database.
AWAY = (Unavailable, OperationalError, InterfaceError)


class EmailBackend(AuthenticationBackend):
    """Authenticates by e-mail address and password. User names are Django's own backend's,
    so that no wrong password is hashed twice."""

    def authenticate(
        self, request: HttpRequest | None, **credentials: object
    ) -> User | None:
        if "email" not in credentials or "username" in credentials:
            return None
        user = super().authenticate(request, **credentials)
        return user if isinstance(user, User) else None


class EmailStage(EmailVerificationStage):
    """Users without an e-mail address, whom staff or a command created, have none to verify,
    and without mail nobody can."""

    def handle(self) -> tuple[HttpResponse | None, bool]:
        user = self.login.user  # None hides that an address is known
        if user is not None and not (settings.EMAIL_BACKEND and _has_address(user)):
            return None, True
        result: tuple[HttpResponse | None, bool] = super().handle()
        return result


def _has_address(user: User) -> bool:
    return bool(user.email) or EmailAddress.objects.filter(user=user).exists()


class AccountAdapter(DefaultAccountAdapter):
    """The hooks of allauth."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return not no_sign_up()

    def save_user(
        self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True
    ) -> User:
        """Raises `SignUpClosed` where that is required of new users."""
        # Before the transaction: the hash of the password takes half a second, in which
        # the row of the invitation, or SQLite's lock, would be held.
        super().save_user(request, user, form, commit=False)
        with transaction.atomic():
            email = form.cleaned_data["email"]
            if settings.SIGNUP == "invite" and not Invitation.objects.accept(email):
                raise SignUpClosed(
                    "Sign-up is for invited people: ask the staff of this service."
                )
            user.save()
        vars(request)["new_user"] = user
        return user

    def get_login_stages(self) -> list[str]:
        own = f"{__name__}.{EmailStage.__name__}"
        stages: list[str] = super().get_login_stages()
        return [
            own if stage.endswith(".EmailVerificationStage") else stage
            for stage in stages
        ]

    def pre_authenticate(self, request: HttpRequest, **credentials: object) -> None:
        """Failures are counted in `authenticate` instead."""

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """Raises `TooManyRequests` after too many failures, and `Unavailable` if too many
        passwords are being checked."""
        name = credentials.get("email") or credentials.get("username") or ""
        attempt = attempts.sign_in(request, name)
        vars(request)["rate_limit"] = attempt.headers
        try:
            user: User | None = super().authenticate(request, **credentials)
        except Unavailable:
            attempt.forget()
            raise
        if user is not None:
            attempt.succeeds()
        return user

    def set_password(self, user: User, password: str) -> None:
        """Called where the user was identified by a code or the old password: the
        browser is known from then on, and failures with their names are forgotten."""
        super().set_password(user, password)
        attempts.forget_failures(user)
        request: HttpRequest = self.request
        vars(request)["known_user"] = user

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address that the list of sessions shows."""
        return client_address(request) or "0.0.0.0"

    def send_mail(
        self, template_prefix: str, email: str, context: dict[str, object]
    ) -> None:
        notice = NOTICE in context
        if notice or not getattr(self.request, "mailbox_counted", False):
            attempts.mail(email, notice=notice)
        context = {"request": self.request, "email": email} | context
        context["current_site"] = SITE
        try:
            send(self.render_mail(template_prefix, email, context))
        except Unavailable:
            self._delete_new_user()
            raise

    def _delete_new_user(self) -> None:
        """Deletes the user who signs up with this request, whom no code was mailed: signing up
        again mails one, and not that the address is known. (Not a transaction, which would hold
        its locks while the mail server is waited for.)"""
        user: User | None = getattr(self.request, "new_user", None)
        if user is None:
            return
        with suppress(OperationalError, InterfaceError), transaction.atomic():
            if settings.SIGNUP == "invite":
                Invitation.objects.reopen(user.email)
            user.delete()

    def send_account_already_exists_mail(self, email: str) -> None:
        """Instead of the code, for somebody who signs up with a known address."""
        send(EmailMessage("You have an account already", EXISTS, to=[email]))

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, object] | None = None,
        email: str | None = None,
    ) -> None:
        """Tells of a change once it is made, outside of its transaction: it does not fail with
        the mail, or where that cannot be counted."""
        send = partial(super().send_notification_mail, template_prefix, user)

        def tell() -> None:
            with suppress(NoMail, TooManyRequests, *AWAY):
                send({**(context or {}), NOTICE: True}, email)

        transaction.on_commit(tell)


class MFAAdapter(DefaultMFAAdapter):
    """The hooks of allauth's second factors."""

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """Staff who need a factor can replace it in the admin, and not remove it."""
        return settings.STAFF_MFA != "required" or not authenticator.user.is_staff

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """The relying party of passkeys. fido2 accepts pages of this domain, and of those
        below it, over https, and of localhost."""
        return {"id": settings.PASSKEY_DOMAIN, "name": SITE["name"]}


SITE = {"name": "Tasks", "domain": "Tasks"}
EXISTS = """\
Somebody, perhaps you, tried to sign up for Tasks with this e-mail address. An account with
it already exists: sign in, or ask for a new password if you have forgotten yours.
"""
