"""Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header): POST, twice safely.

The answer is stored in the transaction of its effect: after a crash there is either
both or neither. Only answers of an effect (2xx) are stored; a request that was refused
changed nothing, and is judged anew.
"""

import hashlib
import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse

from taskproject.models import StoredAnswer
from taskproject.problems import InProgress, KeyReused, MalformedKey

# The draft's quoted string, or the bare characters that most clients send.
KEY = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')
KEPT_HEADERS = ("Content-Type", "ETag", "Location")


def idempotent(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a POST handler answer a repeated Idempotency-Key as it did the first time."""

    @wraps(handler)
    def once(request: HttpRequest, **inputs: Any) -> Any:
        header = request.META.get("HTTP_IDEMPOTENCY_KEY")
        if header is None or request.method != "POST":
            return handler(request, **inputs)
        key = _key(header)
        owner_id: int = request.auth.user_id  # type: ignore[attr-defined]  # by ninja
        fingerprint = _fingerprint(request)
        with transaction.atomic():
            claimed = _claim(owner_id, key)
            stored = StoredAnswer.objects.filter(owner_id=owner_id, key=key)
            if claimed:
                stored.expired().delete()
            for answer in stored:
                if answer.fingerprint != fingerprint:
                    raise KeyReused("Use a new key for each new request.")
                return _replay(answer)
            if not claimed:
                raise InProgress("Try again in a moment, with the same key.")
            response: HttpResponse = handler(request, **inputs)
            if response.headers.get("Cache-Control") == "no-store":
                return response  # it tells a secret, of which we keep a digest only
            StoredAnswer.objects.create(
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


def _key(header: str) -> str:
    match = KEY.fullmatch(header)
    if match is None:
        raise MalformedKey(
            "Send 1-255 printable ASCII characters, such as a UUID; a retry sends the "
            "same ones."
        )
    return match[1] or match[2]


def _claim(owner_id: int, key: str) -> bool:
    """False while another request with this key, or a replay of it, is under way.

    On SQLite the transaction has waited for the other's by now, and finds its answer.
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


def _replay(answer: StoredAnswer) -> HttpResponse:
    return HttpResponse(
        bytes(answer.body),
        status=answer.status,
        headers={**answer.headers, "Idempotency-Replayed": "true"},
    )
