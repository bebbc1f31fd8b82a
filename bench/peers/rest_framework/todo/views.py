"""A ModelViewSet with an extra action, a filter by query parameter and a pagination
style of its own: each as its page of the API guide teaches it. Of the styles it is the
cheapest: it counts nothing."""

# mypy: ignore-errors
# Its libraries are in .venv-peers, where the service's types are not.

from django.conf import settings
from django.utils import timezone
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response

from todo.models import Task
from todo.serializers import TaskSerializer


class NewestFirst(CursorPagination):
    page_size = 50
    ordering = "-id"

    def get_paginated_response(self, data):
        return Response({"items": data, "next": self.get_next_link()})


class TaskViewSet(viewsets.ModelViewSet):
    queryset = Task.objects.all()
    serializer_class = TaskSerializer
    pagination_class = NewestFirst

    def get_queryset(self):
        queryset = super().get_queryset()
        if self.action == "list":
            queryset = queryset.filter(owner=settings.OWNER)
            completed = self.request.query_params.get("completed")
            if completed is not None:
                queryset = queryset.filter(completed=completed == "true")
        return queryset

    def perform_create(self, serializer):
        serializer.save(owner=settings.OWNER)

    def perform_update(self, serializer):
        version = serializer.instance.version + 1
        serializer.save(updated_at=timezone.now(), version=version)

    @action(detail=True, methods=["post"])
    def toggle(self, request, pk=None):
        task = self.get_object()
        task.completed = not task.completed
        task.updated_at = timezone.now()
        task.version += 1
        task.save()
        return Response(self.get_serializer(task).data)
