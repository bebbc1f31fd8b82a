"""People and their tokens in the admin."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from taskproject.accounts.models import ApiToken, ApiTokenQuerySet, User

admin.site.site_header = admin.site.site_title = "Tasks"
admin.site.index_title = "Administration"
admin.site.register(User, UserAdmin)


# What the service knows of a token that exists.
MADE = ("prefix", "state", "created_at", "last_used_at", "revoked_at")


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    """Tokens are made, shown once, and revoked; never edited or shown again."""

    list_display = (
        "name",
        "user",
        "prefix",
        "scopes",
        "state",
        "expires_at",
        "last_used_at",
    )
    list_filter = ("scopes", "revoked_at", "expires_at")
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__username")
    date_hierarchy = "created_at"
    ordering = ("-id",)
    show_full_result_count = False
    autocomplete_fields = ("user",)
    actions = ("revoke",)

    def get_readonly_fields(
        self, request: HttpRequest, obj: ApiToken | None = None
    ) -> tuple[str, ...]:
        return () if obj is None else ("user", "scopes", *MADE)

    def get_fields(
        self, request: HttpRequest, obj: ApiToken | None = None
    ) -> tuple[str, ...]:
        return ("user", "name", "scopes", "expires_at", *(MADE if obj else ()))

    def save_model(
        self,
        request: HttpRequest,
        obj: ApiToken,
        form: ModelForm,
        change: bool,
    ) -> None:
        if change:
            obj.save(update_fields=form.changed_data or None)
        else:
            # On the row, not on self: one admin object serves every thread.
            obj.secret = obj.issue()  # type: ignore[attr-defined]  # for response_add

    def response_add(
        self, request: HttpRequest, obj: ApiToken, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The only page that ever shows the secret, and no cache may keep it."""
        return TemplateResponse(
            request,
            "admin/accounts/apitoken/issued.html",
            {
                **self.admin_site.each_context(request),
                "title": "Token made",
                "token": obj,
                "secret": obj.secret,  # type: ignore[attr-defined]  # by save_model
                "opts": self.opts,
            },
            headers={"Cache-Control": "no-store"},
        )

    @admin.action(description="Revoke the selected tokens", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: ApiTokenQuerySet) -> None:
        self.message_user(request, f"Revoked {queryset.revoke()} tokens.")
