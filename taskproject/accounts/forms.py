"""The form of an API token in the admin."""

import json
import secrets
from base64 import urlsafe_b64encode
from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from django.utils.crypto import salted_hmac

from taskproject.accounts.models import TOKEN_PREFIX, ApiToken, User
from taskproject.accounts.privileges import may_issue_token
from taskproject.accounts.tokens import LIFETIME
from taskproject.forms import OneLineField


class TokenForm(forms.ModelForm):
    # Identifies the opened form, so that sending it again creates no second token.
    opened = forms.CharField(
        required=False,
        max_length=64,
        widget=forms.HiddenInput,
        initial=secrets.token_urlsafe,
    )

    #: The user who fills in the form.
    editor: ClassVar[User]

    class Meta:
        model = ApiToken
        fields = ("user", "name", "scopes", "expires_at")
        field_classes: ClassVar = {"name": OneLineField}

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # those of ModelForm
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            del self.fields["opened"]
        elif "expires_at" in self.fields:
            end = timezone.now() + LIFETIME
            self.initial.setdefault("expires_at", end.replace(microsecond=0))

    def secret(self, token: ApiToken) -> str:
        """The secret of the new token. It is derived from all of the form and SECRET_KEY, so that the
        same form gives the same secret; empty if the form has no `opened`."""
        key = self.cleaned_data.get("opened")
        if not key:
            return ""
        parts = [self.editor.pk, key, token.user_id, token.name, token.scopes]
        text = json.dumps([*parts, str(token.expires_at)])
        mac = salted_hmac("taskproject.accounts.token", text, algorithm="sha256")
        return TOKEN_PREFIX + urlsafe_b64encode(mac.digest()).decode().rstrip("=")

    def clean(self) -> dict[str, object]:
        cleaned = super().clean() or self.cleaned_data
        user, scopes = cleaned.get("user"), cleaned.get("scopes")
        if user and scopes and not may_issue_token(self.editor, user, scopes):
            self.add_error(
                "user",
                f"A token of {user} would allow more than you may do yourself. Create "
                "one of your own, or ask a superuser.",
            )
        return cleaned
