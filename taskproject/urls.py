"""Every path of the service."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from taskproject import health
from taskproject.api import api

urlpatterns = [
    path("", RedirectView.as_view(url="/api/docs")),
    path("api", RedirectView.as_view(url="/api/docs")),
    path("api/", api.urls),
    path("admin/", admin.site.urls),
    path("livez", health.livez),
    path("readyz", health.readyz),
]

handler400 = "taskproject.problems.bad_request"
handler500 = "taskproject.problems.server_error"
