"""Every path of the service."""

from django.contrib import admin
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView

from taskproject.api import api

# Methods other than GET and HEAD are 405, also with a session cookie.
to_docs = csrf_exempt(require_safe(RedirectView.as_view(url="/api/docs")))

# What browsers ask for beside any page.
favicon = RedirectView.as_view(url="/static/taskproject/favicon.svg", permanent=True)

urlpatterns = [
    path("", to_docs),
    path("api", to_docs),
    path("api/", api.urls),
    path("admin/", admin.site.urls),
    path("favicon.ico", csrf_exempt(require_safe(favicon))),
]

handler400 = "taskproject.problems.bad_request"
handler500 = "taskproject.problems.server_error"
