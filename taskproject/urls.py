"""Every path of the service."""

import orjson
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView

from taskproject.accounts import password_reset
from taskproject.api import api, todo_backend
from taskproject.front import front
from tasks.unsubscribe import unsubscribe

# Methods other than GET and HEAD are 405, also with a session cookie.
to_docs = csrf_exempt(require_safe(RedirectView.as_view(url="/api/docs")))

# What browsers ask for beside any page.
favicon = RedirectView.as_view(url="/static/taskproject/favicon.svg", permanent=True)


@csrf_exempt
@require_safe
def document(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document. ninja's own view adds white space, a twentieth of its size."""
    content = orjson.dumps(api.get_openapi_schema())
    return HttpResponse(content, content_type="application/json")


urlpatterns = [
    path("", front),
    path("api", to_docs),
    path("api/openapi.json", document),
    path("api/", api.urls),
    path("admin/", admin.site.urls),
    path("unsubscribe/<str:signed>", unsubscribe),
    path("favicon.ico", csrf_exempt(require_safe(favicon))),
]

if settings.EMAIL_BACKEND:
    # Before the admin, which answers every other path below its own.
    urlpatterns[:0] = password_reset.urlpatterns
if settings.TODO_BACKEND:
    urlpatterns.append(path("", todo_backend.urls))

handler400 = "taskproject.problems.bad_request"
handler500 = "taskproject.problems.server_error"
