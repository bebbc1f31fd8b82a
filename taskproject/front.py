"""`/`: what this service is, and where to go from here."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from taskproject import __version__

#: Stricter than that of the other pages: no scripts, no forms, no styles in the page.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
ADDRESSES = {
    "documentation": "/api/docs",
    "openapi": "/api/openapi.json",
    "tasks": "/api/tasks",
    "calendar": "/api/calendar",
    "errors": "/api/problems",
    "sign_in": "/api/auth/app/v1/config",
    "admin": "/admin/",
    "live": "/livez",
    "ready": "/readyz",
}


@csrf_exempt
@require_safe
def front(request: HttpRequest) -> HttpResponse:
    """A page, or JSON for those who ask for it. Does not access the database."""
    facts = {
        "name": "Tasks",
        "version": __version__,
        "guest": bool(settings.API_GUEST),
        "sign_up": settings.SIGNUP,
        **ADDRESSES,
    }
    wanted = request.get_preferred_type(["text/html", "application/json"])
    if wanted == "application/json":
        response: HttpResponse = JsonResponse(facts)
    else:
        # The host is one of ALLOWED_HOSTS.
        origin = f"{request.scheme}://{request.get_host()}"
        response = render(request, "front.html", {**facts, "origin": origin})
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ["Accept"])
    return response
