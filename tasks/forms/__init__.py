"""The admin's forms of tasks, lists and tags, which do not overwrite concurrent changes."""

from tasks.forms.names import ListForm, TagForm
from tasks.forms.tasks import TaskForm

__all__ = ["ListForm", "TagForm", "TaskForm"]
