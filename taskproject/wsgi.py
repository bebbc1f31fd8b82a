"""The WSGI application that `manage.py serve` and other servers load."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskproject.settings")
django.setup(set_prefix=False)

from taskproject.express import Application  # it needs the models

application = Application()
