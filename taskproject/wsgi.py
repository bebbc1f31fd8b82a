"""The WSGI application that `manage.py serve` and other servers load."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskproject.settings")
application = get_wsgi_application()
