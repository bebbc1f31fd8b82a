"""Signing in with a password: the load of hashing, and the form of the admin."""

from collections.abc import Mapping
from threading import BoundedSemaphore, Lock
from types import MappingProxyType

from allauth.core import context
from django import forms
from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm, AdminPasswordChangeForm
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.exceptions import ValidationError
from django.http import HttpResponse

from taskproject.accounts import attempts
from taskproject.deadlines import paused
from taskproject.problems import Problem, TooManyRequests, Unavailable

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

    def with_headers(self, response: HttpResponse) -> HttpResponse:
        """The response, with the headers of the refusal or of what is left."""
        for name, value in self.headers.items():
            response.headers[name] = value
        return response


class ChangeForm(RefusableForm, AdminPasswordChangeForm):
    """The admin's form for one's own password."""

    def clean_old_password(self) -> str:
        try:
            attempt = attempts.password(context.request.session.session_key)
        except TooManyRequests as problem:
            raise self.refuse(problem) from None
        old: str = super().clean_old_password()
        attempt.forget()
        return old


class SignInForm(RefusableForm, AdminAuthenticationForm):
    """The admin's form, which refuses after too many attempts."""

    def clean(self) -> dict[str, object]:
        username = self.cleaned_data.get("username")
        if not username or not self.cleaned_data.get("password"):
            return super().clean()
        try:
            attempt = attempts.sign_in(self.request, username)
        except TooManyRequests as problem:
            raise self.refuse(problem) from None
        self.headers = attempt.headers
        try:
            cleaned = super().clean()
        except Unavailable as busy:
            attempt.forget()
            raise self.refuse(busy) from None
        attempt.succeeds()
        return cleaned
