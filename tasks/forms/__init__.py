"""The admin's forms of tasks, lists and tags, which do not overwrite concurrent changes."""

from tasks.forms.names import ListForm, TagForm
from tasks.forms.tasks import RowForm, TaskForm

__all__ = ["ListForm", "RowForm", "TagForm", "TaskForm"]
