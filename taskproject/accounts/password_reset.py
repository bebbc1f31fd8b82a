"""The pages by which staff who have forgotten their password set a new one, by mail.

The response is the same, and takes as long, whether an address is known or not: the mail
is written and sent by a thread of its own."""

import logging
from collections.abc import Iterator
from threading import Thread
from typing import Any

from django.contrib import admin
from django.contrib.auth import views
from django.contrib.auth.forms import PasswordResetForm, SetPasswordForm
from django.core.mail import EmailMessage
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import (
    get_script_prefix,
    path,
    reverse,
    reverse_lazy,
    set_script_prefix,
)
from django.views.generic.base import ContextMixin

from taskproject.accounts import attempts
from taskproject.accounts.models import User
from taskproject.accounts.signin import RefusableForm, RefusingView
from taskproject.mail import send
from taskproject.problems import NoMail, TooManyRequests, Unavailable

logger = logging.getLogger("taskproject.mail")

SUBJECT = "A new password for Tasks"


class ResetForm(RefusableForm, PasswordResetForm):
    """Sends a mail to staff with this address; each request counts."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        try:
            self.headers = attempts.account(self._request, email).headers
        except TooManyRequests as problem:
            raise self.refuse(problem) from None
        return email

    def get_users(self, email: str) -> Iterator[User]:
        """Staff who have a password; nobody else has a page to sign in to here."""
        for user in super().get_users(email):
            if isinstance(user, User) and user.is_staff:
                yield user

    def send_mail(
        self,
        subject_template_name: str,
        email_template_name: str,
        context: dict[str, object],
        from_email: str | None,
        to_email: str,
        html_email_template_name: str | None = None,
    ) -> None:
        arguments = (email_template_name, context, to_email, get_script_prefix())
        Thread(target=_send, args=arguments, name="mail").start()


def _send(template: str, context: dict[str, object], to: str, prefix: str) -> None:
    set_script_prefix(prefix)
    try:
        send(EmailMessage(SUBJECT, render_to_string(template, context), to=[to]))
    except (NoMail, Unavailable) as problem:
        logger.error("no mail for a new password: %s", problem.detail)


class Page(ContextMixin):
    """The frame of the admin, for somebody who is not signed in."""

    request: HttpRequest

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, object] = super().get_context_data(**kwargs)
        frame = admin.site.each_context(self.request)
        return {**frame, **context, "has_permission": False, "available_apps": []}


class ResetView(Page, RefusingView, views.PasswordResetView):
    form_class = ResetForm

    def get_form_kwargs(self) -> dict[str, object]:
        return super().get_form_kwargs() | {"request": self.request}


class ConfirmView(Page, views.PasswordResetConfirmView):
    """Sets the password. The browser is known from then on, so that nobody who fails with
    the same name keeps its user out."""

    def form_valid(self, form: "SetPasswordForm[User]") -> HttpResponse:
        response = super().form_valid(form)
        user = self.user
        assert isinstance(user, User)
        attempts.forget_failures(user)
        attempts.remember(response, user, reverse("admin:index"))
        return response


class DoneView(Page, views.PasswordResetDoneView):
    pass


class CompleteView(Page, views.PasswordResetCompleteView):
    extra_context = {"login_url": reverse_lazy("admin:login")}  # noqa: RUF012 - Django's


urlpatterns = [
    path("admin/password_reset/", ResetView.as_view(), name="admin_password_reset"),
    path("admin/password_reset/done/", DoneView.as_view(), name="password_reset_done"),
    path(
        "admin/reset/<uidb64>/<token>/",
        ConfirmView.as_view(),
        name="password_reset_confirm",
    ),
    path("admin/reset/done/", CompleteView.as_view(), name="password_reset_complete"),
]
