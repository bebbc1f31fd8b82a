"""Passwords of staff: the load of hashing, and the forms that ask for one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from types import MappingProxyType
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.reauthentication import (
    did_recently_reauthenticate,
    reauthenticate_by_password,
)
from allauth.core import context
from django import forms
from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm, AdminPasswordChangeForm
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.views.generic import FormView

from taskproject.accounts import attempts
from taskproject.deadlines import paused
from taskproject.problems import Problem, Unavailable

BUSY_RETRY = 3  # seconds


class Hasher(PBKDF2PasswordHasher):
    """Django's hasher, with one hash at a time in each process: it takes half a second of a
    processor, which is no time of waiting for the database. At most half of the threads hash
    or wait; further attempts are refused."""

    _turn = Lock()
    _places = BoundedSemaphore(max(1, settings.THREADS // 2))

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Raises `Unavailable` if too many threads wait."""
        if not self._places.acquire(blocking=False):
            raise Unavailable(
                "Many people are signing in. Try again in a few seconds.",
                headers={"Retry-After": str(BUSY_RETRY)},
            )
        try:
            with paused(), self._turn:
                return super().encode(password, salt, iterations)
        finally:
            self._places.release()


class RefusableForm(forms.Form):
    """A form whose refusal has a status, and headers, of its own."""

    status = 200
    headers: Mapping[str, str] = MappingProxyType({})

    def refuse(self, problem: Problem) -> ValidationError:
        """The error of the form: too many attempts, or a busy server."""
        self.status, self.headers = problem.status, problem.extra_headers
        return ValidationError(problem.detail, code=problem.code)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Makes problems of what it contains errors of the form."""
        try:
            yield
        except Problem as problem:
            raise self.refuse(problem) from None

    def with_headers(self, response: HttpResponse) -> HttpResponse:
        """The response, with the headers of the refusal or of what is left."""
        for name, value in self.headers.items():
            response.headers[name] = value
        return response


class RefusingView(FormView):
    """A view of a form that may refuse, by its status and headers."""

    def render_to_response(
        self, context: dict[str, Any], **options: Any
    ) -> HttpResponse:
        form = context["form"]
        page = super().render_to_response(context, status=form.status, **options)
        response: HttpResponse = form.with_headers(page)
        return response


class ChangeForm(RefusableForm, AdminPasswordChangeForm):
    """The admin's form for one's own password."""

    def clean_old_password(self) -> str:
        with self.refusing():
            attempt = attempts.password(context.request.session.session_key)
        old: str = super().clean_old_password()
        attempt.forget()
        return old


class SignInForm(RefusableForm, AdminAuthenticationForm):
    """The admin's form, which refuses after too many attempts."""

    def clean(self) -> dict[str, object]:
        username = self.cleaned_data.get("username")
        if not username or not self.cleaned_data.get("password"):
            return super().clean()
        with self.refusing():
            attempt = attempts.sign_in(self.request, username)
        self.headers = attempt.headers
        try:
            cleaned = super().clean()
        except Unavailable as busy:
            attempt.forget()
            raise self.refuse(busy) from None
        attempt.succeeds()
        return cleaned


class ConfirmedForm(RefusableForm):
    """A form that asks for the password as well, unless it was given minutes ago."""

    password = forms.CharField(
        label="Your password",
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request
        if did_recently_reauthenticate(request):
            del self.fields["password"]

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        with self.refusing():
            right = get_adapter().reauthenticate(self._request.user, password)
        if not right:
            raise ValidationError("The password is wrong.")
        reauthenticate_by_password(self._request)
        return password
