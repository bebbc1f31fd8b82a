# mypy: ignore-errors
# Its libraries are in .venv-peers, where the service's types are not.

from django.urls import include, path
from rest_framework.routers import DefaultRouter

from todo.views import TaskViewSet

router = DefaultRouter(trailing_slash=False)
router.register("tasks", TaskViewSet)

urlpatterns = [path("api/", include(router.urls))]
