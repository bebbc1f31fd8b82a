from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People and their credentials."""

    name = "taskproject.accounts"
    verbose_name = "Accounts"
