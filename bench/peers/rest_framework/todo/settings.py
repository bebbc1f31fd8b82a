"""What the tutorial of Django REST framework needs, and no more: no middleware, no
sessions, no authentication. Connections persist, as Django's deployment checklist
advises."""

# mypy: ignore-errors
# Its libraries are in .venv-peers, where the service's types are not.

import os

import dj_database_url

SECRET_KEY = "for-measuring-only"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["rest_framework", "todo"]
MIDDLEWARE = []
ROOT_URLCONF = "todo.urls"
DATABASES = {
    "default": dj_database_url.parse(os.environ["DATABASE_URL"], conn_max_age=60)
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
OWNER = int(os.environ["OWNER"])  # whose tasks are listed and made

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
}
