"""The WSGI application that `manage.py serve` and other servers load."""

import logging
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskproject.settings")
django.setup(set_prefix=False)

from taskproject import jobs, timezones  # they need the models
from taskproject.express import Application

application = Application()
# Hosts that answer "today" differently differ in this.
logging.getLogger(__name__).info(
    "ready", extra={"fields": {"tzdata": timezones.VERSION}}
)
# Those that an earlier process left unfinished.
jobs.start()
