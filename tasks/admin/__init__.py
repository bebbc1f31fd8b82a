"""Tasks, lists and tags in the admin: fast with a million rows, and by the rules of the
API."""

from tasks.admin.lists import ListAdmin
from tasks.admin.tags import TagAdmin
from tasks.admin.tasks import TaskAdmin

__all__ = ["ListAdmin", "TagAdmin", "TaskAdmin"]
