# mypy: ignore-errors
# Its libraries are in .venv-peers, where the service's types are not.

from rest_framework import serializers

from todo.models import Task


class TaskSerializer(serializers.ModelSerializer):
    class Meta:
        model = Task
        fields = (
            "id",
            "title",
            "description",
            "completed",
            "completed_at",
            "created_at",
            "updated_at",
            "version",
        )
        read_only_fields = ("completed_at", "created_at", "updated_at", "version")
