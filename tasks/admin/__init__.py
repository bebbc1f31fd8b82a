"""Tasks, lists and tags in the admin: fast with a million rows, and by the rules of the
API."""

from django.contrib import admin

from tasks.admin.lists import ListAdmin
from tasks.admin.tags import TagAdmin
from tasks.admin.tasks import TaskAdmin
from tasks.admin.webhooks import WebhookAdmin

admin.site.index_template = "admin/tasks/dashboard.html"

__all__ = ["ListAdmin", "TagAdmin", "TaskAdmin", "WebhookAdmin"]
