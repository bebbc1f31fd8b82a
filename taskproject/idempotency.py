"""Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header): safe retries of writes.

The response is stored in the transaction of the write, so that after a crash both exist
or neither does. Only successful responses (2xx) are stored: a refused request changed
nothing and is handled again. A key is refused where the response contains a secret, of
which the database stores only a digest.
"""

import hashlib
import re
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse

from taskproject.accounts.auth import ApiRequest
from taskproject.models import StoredResponse
from taskproject.problems import InProgress, KeyRefused, KeyReused, MalformedKey

# The draft's quoted string, or the bare characters that most clients send.
KEY = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')
KEPT_HEADERS = ("Content-Type", "ETag", "Location", "Retry-After")
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def idempotent(handler: Callable[..., object]) -> Callable[..., object]:
    """Decorate a handler to return the stored response to a write whose Idempotency-Key
    is repeated. The header of other requests is ignored."""

    @wraps(handler)
    def once(request: ApiRequest, **inputs: object) -> object:
        header = request.META.get("HTTP_IDEMPOTENCY_KEY")
        if header is None or request.method in SAFE_METHODS:
            return handler(request, **inputs)
        key = key_of(header)
        owner_id = request.auth.user_id
        fingerprint = _fingerprint(request)
        with transaction.atomic():
            claimed = _claim(owner_id, key)
            stored = StoredResponse.objects.filter(owner_id=owner_id, key=key)
            for earlier in stored:
                if claimed and earlier.is_expired():
                    earlier.delete()
                elif earlier.fingerprint != fingerprint:
                    raise KeyReused("Use a new key for each new request.")
                else:
                    return _replay(earlier)
            if not claimed:
                raise InProgress("Try again in a moment, with the same key.")
            response = handler(request, **inputs)
            assert isinstance(response, HttpResponse)
            if response.headers.get("Cache-Control") == "no-store":
                # It contains a secret. The exception rolls the write back.
                raise KeyRefused(
                    "Send this request without Idempotency-Key: its response contains a "
                    "secret and is not stored. Each request creates another secret."
                )
            StoredResponse.objects.create(
                owner_id=owner_id,
                key=key,
                fingerprint=fingerprint,
                status=response.status_code,
                headers={
                    name: response.headers[name]
                    for name in KEPT_HEADERS
                    if name in response.headers
                },
                body=response.content,
            )
        return response

    return once


def key_of(header: str) -> str:
    """The key in the header. Raises `MalformedKey`."""
    match = KEY.fullmatch(header)
    if match is None:
        raise MalformedKey(
            "Send 1-255 printable ASCII characters, such as a UUID; a retry sends the "
            "same ones."
        )
    return match[1] or match[2]


def _claim(owner_id: int, key: str) -> bool:
    """Whether no other request with this key is in progress.

    On SQLite the transaction has waited for the other one, and finds its response.
    """
    if not settings.ON_POSTGRESQL:
        return True
    number = hashlib.sha256(f"{owner_id} {key}".encode()).digest()[:8]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(%s)",
            [int.from_bytes(number, "big", signed=True)],
        )
        row = cursor.fetchone()
    return bool(row == (True,))


def _fingerprint(request: HttpRequest) -> str:
    query = request.META.get("QUERY_STRING", "")
    condition = request.META.get("HTTP_IF_MATCH", "")
    line = f"{request.method} {request.path_info}?{query}\n{condition}\n".encode()
    return hashlib.sha256(line + request.body).hexdigest()


def _replay(stored: StoredResponse) -> HttpResponse:
    response = HttpResponse(bytes(stored.body), status=stored.status)
    del response.headers["Content-Type"]  # Django's default; 204 has none
    for name, value in stored.headers.items():
        response.headers[name] = value
    response.headers["Idempotency-Replayed"] = "true"
    return response
