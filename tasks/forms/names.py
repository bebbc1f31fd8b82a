"""The forms of lists and tags."""

from typing import ClassVar

from taskproject.forms import OneLineField
from tasks.forms.optimistic_lock import OptimisticLockForm
from tasks.models import Tag, TaskList


class ListForm(OptimisticLockForm[TaskList]):
    refused: ClassVar[str | None] = "name"

    class Meta:
        model = TaskList
        fields = ("owner", "name", "archived")
        field_classes: ClassVar = {"name": OneLineField}


class TagForm(OptimisticLockForm[Tag]):
    refused: ClassVar[str | None] = "name"

    class Meta:
        model = Tag
        fields = ("name",)
        field_classes: ClassVar = {"name": OneLineField}
