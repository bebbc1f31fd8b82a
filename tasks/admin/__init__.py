"""Tasks, lists and tags in the admin: quick on a million rows, and by the same rules as
the API."""

from tasks.admin.lists import ListAdmin
from tasks.admin.tags import TagAdmin
from tasks.admin.tasks import TaskAdmin

__all__ = ["ListAdmin", "TagAdmin", "TaskAdmin"]
