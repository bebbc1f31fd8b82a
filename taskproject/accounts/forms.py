"""The form of an API token in the admin."""

from typing import Any, ClassVar

from django import forms

from taskproject.accounts.models import ApiToken, User
from taskproject.accounts.privileges import may_issue_token
from taskproject.forms import OneLineField


class TokenForm(forms.ModelForm):
    #: Who fills it in.
    editor: ClassVar[User]

    class Meta:
        model = ApiToken
        fields = ("user", "name", "scopes", "expires_at")
        field_classes: ClassVar = {"name": OneLineField}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        user, scopes = cleaned.get("user"), cleaned.get("scopes")
        if user and scopes and not may_issue_token(self.editor, user, scopes):
            self.add_error(
                "user",
                f"A token of {user} would let its holder do more than you may do "
                "yourself. Make one of your own, or ask a superuser.",
            )
        return cleaned
