from django.apps import AppConfig


class TasksConfig(AppConfig):
    """The domain: what people have to do."""

    name = "tasks"
