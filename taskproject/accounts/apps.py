from django.apps import AppConfig
from django.contrib.admin import apps


class AccountsConfig(AppConfig):
    """People and their credentials."""

    default = True
    name = "taskproject.accounts"
    verbose_name = "Accounts"


class StaffAdminConfig(apps.AdminConfig):
    """Django's admin, on a site of our own."""

    default = False
    default_site = "taskproject.accounts.site.StaffSite"
