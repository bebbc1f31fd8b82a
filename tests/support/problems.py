"""Error responses, as clients see them."""

from typing import Any

#: The status and the title of each code.
TITLES = {
    "bad_request": (400, "The request cannot be understood"),
    "bad_host": (400, "This host is not served here"),
    "malformed_body": (400, "The body is not valid JSON"),
    "malformed_condition": (400, "If-Match cannot be understood"),
    "malformed_key": (400, "The Idempotency-Key cannot be understood"),
    "key_refused": (400, "No Idempotency-Key is taken here"),
    "unauthenticated": (401, "A credential is needed"),
    "invalid_token": (401, "The token is not valid"),
    "forbidden": (403, "This is not allowed"),
    "csrf_failed": (403, "The CSRF token is missing or wrong"),
    "https_required": (403, "Credentials must come over https"),
    "insufficient_scope": (403, "The token's scopes do not allow this"),
    "origin_refused": (403, "This origin may not write here"),
    "sign_up_closed": (403, "Sign-up is closed"),
    "no_mail": (403, "This installation sends no mail"),
    "not_found": (404, "Not found"),
    "method_not_allowed": (405, "The method is not allowed here"),
    "request_timeout": (408, "The body did not come in time"),
    "conflict": (409, "This conflicts with what is stored"),
    "in_progress": (409, "The first request with this key is still running"),
    "name_taken": (409, "The name is taken"),
    "no_room": (409, "There is no room between the two"),
    "too_many_tokens": (409, "You have too many tokens"),
    "gone": (410, "This is in the trash"),
    "cursor_expired": (410, "The feed cannot go on from this cursor"),
    "length_required": (411, "Content-Length is needed"),
    "stale_version": (412, "Somebody changed this meanwhile"),
    "altered_tag": (412, "If-Match holds an ETag that was altered on its way"),
    "content_too_large": (413, "The body is too large"),
    "unsupported_media_type": (415, "The body must be JSON"),
    "invalid": (422, "The input is not valid"),
    "key_reused": (422, "The Idempotency-Key belongs to another request"),
    "version_required": (428, "If-Match is needed"),
    "too_many_requests": (429, "Too many requests"),
    "server_error": (500, "The service failed"),
    "unavailable": (503, "The service is unavailable for now"),
}


def problem(code: str, path: str, detail: str, **members: object) -> dict[str, object]:
    """The content of the response to a request for this path."""
    status, title = TITLES[code]
    return {
        "type": f"/api/problems#{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": path,
        "code": code,
        **members,
    }


def assert_problem(
    answer: Any, code: str, path: str, detail: str, **members: object
) -> None:
    """The response is this problem, with these members besides those that all have, and with
    the seconds of Retry-After."""
    if "Retry-After" in answer.headers:
        members["retry_after"] = int(answer.headers["Retry-After"])
    assert answer.status_code == TITLES[code][0], answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json() == problem(code, path, detail, **members)
