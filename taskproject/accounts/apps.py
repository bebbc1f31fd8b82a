from django.apps import AppConfig
from django.apps import apps as registry
from django.contrib.admin import apps


class AccountsConfig(AppConfig):
    """People and their credentials."""

    default = True
    name = "taskproject.accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        # What staff see of Django's app; its own name is in title case, as no other here.
        registry.get_app_config("auth").verbose_name = "Groups and permissions"


class StaffAdminConfig(apps.AdminConfig):
    """Django's admin, on a site of our own."""

    default = False
    default_site = "taskproject.accounts.site.StaffSite"
