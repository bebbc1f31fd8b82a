from django.apps import AppConfig


class TasksConfig(AppConfig):
    """The domain: tasks, lists and tags."""

    name = "tasks"
    verbose_name = "Tasks, lists and tags"

    def ready(self) -> None:
        from tasks import (  # noqa: F401 - registers what jobs and workers do
            jobs,
            reminder_emails,
            reminders,
            webhooks,
        )
