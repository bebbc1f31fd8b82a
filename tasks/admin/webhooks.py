"""Webhooks in the admin: to be seen, and switched off."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from taskproject.accounts.admin import PlainLookups
from taskproject.accounts.privileges import viewer
from tasks.models import Webhook, WebhookDelivery
from tasks.models.webhooks import WebhookQuerySet

SHOWN = 20  # deliveries on the page of a webhook


@admin.register(Webhook)
class WebhookAdmin(PlainLookups):
    """Of URLs only the host is shown: the rest may be a secret of their owner."""

    list_display = ("host", "owner", "state", "failing_since", "attempts", "created_at")
    list_filter = ("active", "stopped")
    list_select_related = ("owner",)
    search_fields = ("owner__username",)
    search_help_text = "Part of a user name."
    fields = (
        *("owner", "host", "verbs", "state", "failing_since", "attempts"),
        *("next_attempt_at", "created_at", "deliveries"),
    )
    readonly_fields = fields
    sortable_by = ()
    ordering = ("-id",)
    show_full_result_count = False
    actions = ("switch_off",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Webhook | None = None
    ) -> bool:
        return False

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """With their owner, by those who may delete the owner."""
        return True

    @admin.display(description="State")
    def state(self, row: Webhook) -> str:
        if row.active:
            return "on"
        return f"off: {row.get_stopped_display()}" if row.stopped else "off"

    @admin.display(description="Last deliveries", empty_value="-")
    def deliveries(self, row: Webhook) -> str:
        rows = WebhookDelivery.objects.filter(webhook=row).order_by("-pk")[:SHOWN]
        return "\n".join(
            f"{one.at:%F %T} UTC: {one}, {one.error or one.status or ''}"
            for one in rows
        )

    @admin.action(
        description="Switch the selected webhooks off", permissions=["change"]
    )
    def switch_off(self, request: HttpRequest, queryset: WebhookQuerySet) -> None:
        """Their owners cannot switch them on again."""
        with transaction.atomic():
            chosen = list(queryset.select_for_update(of=("self",)))
            keys = [row.pk for row in chosen]
            count = Webhook.objects.filter(pk__in=keys).switch_off()
            LogEntry.objects.log_actions(
                viewer(request).pk, chosen, CHANGE, "Switched off."
            )
        plural = "" if count == 1 else "s"
        self.message_user(request, f"Switched off {count} webhook{plural}.")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """Without buttons to save, as of those who may only view it."""
        context = {
            "title": "View webhook",
            "show_save": False,
            "show_save_and_continue": False,
            **(extra_context or {}),
        }
        return super().changeform_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, *args: Any, **options: Any) -> None:
        """Nothing on the page can be changed."""
