"""Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header): writes, twice safely.

The answer is stored in the transaction of its effect: after a crash there is either
both or neither. Only answers of an effect (2xx) are stored; a request that was refused
changed nothing, and is judged anew. A write that tells a secret, of which the database
keeps a digest only, is refused with a key.
"""

import hashlib
import re
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse

from taskproject.accounts.auth import ApiRequest
from taskproject.models import StoredAnswer
from taskproject.problems import InProgress, KeyRefused, KeyReused, MalformedKey

# The draft's quoted string, or the bare characters that most clients send.
KEY = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')
KEPT_HEADERS = ("Content-Type", "ETag", "Location", "Retry-After")
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def idempotent(handler: Callable[..., object]) -> Callable[..., object]:
    """Makes a handler answer a write with a repeated Idempotency-Key as it did the first
    time. Reading is safe to repeat, and needs no key."""

    @wraps(handler)
    def once(request: ApiRequest, **inputs: object) -> object:
        header = request.META.get("HTTP_IDEMPOTENCY_KEY")
        if header is None or request.method in SAFE_METHODS:
            return handler(request, **inputs)
        key = _key(header)
        owner_id = request.auth.user_id
        fingerprint = _fingerprint(request)
        with transaction.atomic():
            claimed = _claim(owner_id, key)
            stored = StoredAnswer.objects.filter(owner_id=owner_id, key=key)
            for answer in stored:
                if claimed and answer.is_expired():
                    answer.delete()
                elif answer.fingerprint != fingerprint:
                    raise KeyReused("Use a new key for each new request.")
                else:
                    return _replay(answer)
            if not claimed:
                raise InProgress("Try again in a moment, with the same key.")
            response = handler(request, **inputs)
            assert isinstance(response, HttpResponse)
            if response.headers.get("Cache-Control") == "no-store":
                # It tells a secret. What was done is rolled back.
                raise KeyRefused(
                    "Send this request without Idempotency-Key: its answer holds a "
                    "secret and is not kept. Sent again, it makes another secret."
                )
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
    response = HttpResponse(bytes(answer.body), status=answer.status)
    del response.headers["Content-Type"]  # Django's own: an answer may have none (204)
    for name, value in answer.headers.items():
        response.headers[name] = value
    response.headers["Idempotency-Replayed"] = "true"
    return response
