from django.apps import AppConfig


class TasksConfig(AppConfig):
    """The domain: what people have to do."""

    name = "tasks"

    def ready(self) -> None:
        from tasks import jobs  # noqa: F401 - registers what jobs do
