"""Passkeys as the second factor of staff, on the pages of second_factor.py.

A page carries options for the browser's WebAuthn interface, whose challenge its session
keeps. passkeys.js sends what the browser returns (Web Authentication Level 3, 5.1.8).
Imported where it is used: fido2 takes 12 MB."""

import json
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import AuthenticateWebAuthnForm, SignupWebAuthnForm
from allauth.mfa.webauthn.internal import auth, flows
from django import forms
from django.http import HttpRequest, QueryDict
from fido2.webauthn import AuthenticationResponse, RegistrationResponse

from taskproject.accounts.models import User
from taskproject.accounts.signin import ConfirmedForm, RefusableForm

Parser = type[RegistrationResponse] | type[AuthenticationResponse]


def parses(credential: Any, parser: Parser) -> bool:
    """Whether it is what a browser returns, which allauth takes for granted."""
    try:
        parser.from_dict(credential)
        if "userHandle" in credential["response"]:
            return isinstance(credential["response"]["userHandle"], str)
    except Exception:  # noqa: BLE001  # fido2 raises many, at bytes that are no CBOR
        return False
    return True


def _checked(credential: object, parser: Parser) -> object:
    if not parses(credential, parser):
        raise get_adapter().validation_error("incorrect_code")
    return credential


class UsedForm(AuthenticateWebAuthnForm, RefusableForm):
    """Takes the answer of one of the user's passkeys."""

    def __init__(self, data: QueryDict, user: User) -> None:
        AuthenticateWebAuthnForm.__init__(self, data, user=user)

    def clean_credential(self) -> Authenticator:
        _checked(self.cleaned_data["credential"], AuthenticationResponse)
        with self.refusing():
            return super().clean_credential()

    @property
    def authenticator(self) -> Authenticator:
        found: Authenticator = self.cleaned_data["credential"]
        return found


class NewForm(ConfirmedForm, SignupWebAuthnForm):
    """Takes a new passkey, and its name."""

    name = forms.CharField(label="Name of the passkey", max_length=100, required=False)

    def clean_credential(self) -> object:
        return _checked(self.cleaned_data["credential"], RegistrationResponse)


def to_use(user: User) -> str:
    """The options, as JSON, with which a browser asks for one of the user's passkeys."""
    return json.dumps(auth.begin_authentication(user))


def to_add(user: User) -> str:
    """The options with which a browser makes one."""
    return json.dumps(auth.begin_registration(user, passwordless=False))


def add(
    request: HttpRequest, form: NewForm
) -> tuple[Authenticator, Authenticator | None]:
    """Stores the passkey; returns it, and the recovery codes if they are new."""
    given = form.cleaned_data
    made: tuple[Authenticator, Authenticator | None] = flows.add_authenticator(
        request, given["name"], given["credential"]
    )
    return made
