from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """What every app shares; an app only so that its commands and checks are found."""

    name = "taskproject"

    def ready(self) -> None:
        from taskproject import checks  # noqa: F401 - registers them
