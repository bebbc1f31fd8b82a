"""`{% dashboard as board %}`: what the admin's first page shows, as `get_admin_log` gives
what was done."""

from typing import Any

from django import template

from tasks.admin.dashboard import Dashboard

register = template.Library()


@register.simple_tag(takes_context=True)
def dashboard(context: dict[str, Any]) -> Dashboard | None:
    """None if the user may not view tasks."""
    return Dashboard.of(context["request"])
