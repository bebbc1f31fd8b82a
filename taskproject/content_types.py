"""Requests whatever Content-Type they have."""

from collections.abc import Mapping

from django.core.handlers.wsgi import WSGIRequest


class Request(WSGIRequest):
    """Django's request. Django raises ValueError or LookupError for parameters of Content-Type
    that it cannot decode (`a*=none''%20`); here such a request has no content type, so that its
    body is refused as that of another unknown type is."""

    def _set_content_type_params(self, meta: Mapping[str, object]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]  # not in the stubs
        except (ValueError, LookupError):
            self.content_type, self.content_params = "", {}
