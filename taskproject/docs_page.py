"""The interactive documentation of the API: Swagger UI, as django-ninja ships it."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI, Swagger

#: Swagger UI sets styles by scripts, which a policy allows, and has its icons in its
#: stylesheet.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
#: The documents that the page can show: the query that chooses each, its address and name.
DOCUMENTS = (
    ("", "/api/openapi.json", "Tasks"),
    ("?document=auth", "/api/auth/openapi.json", "Sign-up and sign-in"),
)
SETTINGS = {
    "layout": "BaseLayout",
    "deepLinking": True,
    # Without a click first, and without the schemas below the operations that name them.
    "tryItOutEnabled": True,
    "defaultModelsExpandDepth": -1,
    "displayRequestDuration": True,
    "filter": True,
    # The token of "Authorize" is kept when the page is reloaded, until "Logout".
    "persistAuthorization": True,
}


class DocsPage(Swagger):
    """Its template is templates/ninja/swagger.html of this package."""

    def __init__(self) -> None:
        super().__init__(SETTINGS)

    def render_page(
        self, request: HttpRequest, api: NinjaAPI, **kwargs: Any
    ) -> HttpResponse:
        shown = DOCUMENTS[request.GET.get("document") == "auth"]
        _, address, name = shown
        context = {
            "api": api,
            "documents": DOCUMENTS,
            "shown": shown,
            "address": address,
            "name": name,
            "swagger_settings": json.dumps({**self.settings, "url": address}),
        }
        response = render(request, self.template, context)
        response.headers["Content-Security-Policy"] = POLICY
        return response
