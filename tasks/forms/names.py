"""The forms of what has a name: lists and tags."""

from typing import ClassVar

from tasks.forms.opened import OpenedForm
from tasks.models import Tag, TaskList


class ListForm(OpenedForm):
    refused: ClassVar[str | None] = "name"

    class Meta:
        model = TaskList
        fields = ("owner", "name", "archived")


class TagForm(OpenedForm):
    refused: ClassVar[str | None] = "name"

    class Meta:
        model = Tag
        fields = ("name",)
