"""Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header): safe retries of writes.

The response is stored in the transaction of the write, so that after a crash both exist
or neither does. Only successful responses (2xx) are stored: a refused request changed
nothing and is handled again. A key is refused where the response contains a secret, of
which the database stores only a digest.
"""

import hashlib
import re
from collections.abc import Callable
from functools import cache, wraps
from typing import NamedTuple

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from taskproject.accounts.auth import SAFE_METHODS, ApiRequest
from taskproject.models import StoredResponse, expiry_cutoff
from taskproject.problems import (
    InProgress,
    KeyRefused,
    KeyReused,
    MalformedKey,
    Problem,
)
from taskproject.sql import (
    ON_POSTGRESQL,
    Guard,
    SingleWrite,
    adapted,
    check_found,
    fetch,
)

# The draft's quoted string, or the bare characters that most clients send.
KEY = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')
KEPT_HEADERS = ("Content-Type", "ETag", "Location", "Retry-After")
_IN_PROGRESS = "Try again in a moment, with the same key."
_TABLE = StoredResponse._meta.db_table
_STORE = (
    f'INSERT INTO "{_TABLE}" ("owner_id", "key", "fingerprint", "status", "headers", "body", '
    '"created_at") VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT ("owner_id", "key") '
    'DO UPDATE SET "fingerprint" = excluded."fingerprint", "status" = excluded."status", '
    '"headers" = excluded."headers", "body" = excluded."body", '
    f'"created_at" = excluded."created_at" WHERE "{_TABLE}"."created_at" < %s RETURNING 1'
)


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
        try:
            with SingleWrite():
                claimed, earlier = _claim(owner_id, key, request.auth.guard)
                if earlier is not None:
                    return _replay(earlier, fingerprint)
                if not claimed:
                    raise InProgress(_IN_PROGRESS)
                response = handler(request, **inputs)
                assert isinstance(response, HttpResponse)
                if response.headers.get("Cache-Control") == "no-store":
                    # It contains a secret. The exception rolls the write back.
                    raise KeyRefused(
                        "Send this request without Idempotency-Key: its response contains a "
                        "secret and is not stored. Each request creates another secret."
                    )
                _store(owner_id, key, fingerprint, response)
        except Problem:
            # It may be refused for what the same request has done since the claim began.
            _, earlier = _claim(owner_id, key, request.auth.guard)
            if earlier is None:
                raise
            return _replay(earlier, fingerprint)
        return response

    return once


def key_of(header: str) -> str:
    """The key in the header. Raises `MalformedKey`."""
    match = KEY.fullmatch(header)
    if match is None:
        raise MalformedKey(
            "Send 1-255 printable ASCII characters without spaces, such as a UUID; a "
            "retry sends the same ones."
        )
    return match[1] or match[2]


class _Earlier(NamedTuple):
    """The stored response of an earlier request with the key."""

    status: int
    headers: str
    body: bytes
    fingerprint: str


def _claim(owner_id: int, key: str, guard: Guard) -> tuple[bool, _Earlier | None]:
    """Whether no other request with this key is in progress, and the stored response, unless
    it has expired. Raises `GuardFailed`.

    On SQLite the transaction has waited for the other one, and finds its response. On
    PostgreSQL the statement does not find a response that was committed after it began,
    and before it took the lock: then `_store` refuses the request, or what the handler refuses
    is looked up again.
    """
    number = hashlib.sha256(f"{owner_id} {key}".encode()).digest()[:8]
    lock = int.from_bytes(number, "big", signed=True)
    parameters = [owner_id, key, adapted(expiry_cutoff())]
    rows = fetch(
        _claim_statement(guard.condition),
        [*([lock] if ON_POSTGRESQL else []), *guard.parameters, *parameters],
    )
    check_found(guard, rows)
    [(claimed, *stored)] = rows
    return claimed, None if stored[0] is None else _Earlier(*stored)


@cache
def _claim_statement(guard: str) -> str:
    claimed = "pg_try_advisory_xact_lock(%s)" if ON_POSTGRESQL else "TRUE"
    return (
        f'SELECT * FROM (SELECT {claimed} WHERE {guard}) "claim" LEFT JOIN '
        f'(SELECT "status", "headers", "body", "fingerprint" FROM "{_TABLE}" '
        'WHERE "owner_id" = %s AND "key" = %s AND "created_at" >= %s) "stored" ON 1 = 1'
    )


def _store(owner_id: int, key: str, fingerprint: str, response: HttpResponse) -> None:
    """Stores the response, in the place of an expired one. Raises `InProgress` if another
    request has stored one meanwhile."""
    kept = {
        name: response.headers[name]
        for name in KEPT_HEADERS
        if name in response.headers
    }
    stored = fetch(
        _STORE,
        [
            *(owner_id, key, fingerprint, response.status_code),
            *(orjson.dumps(kept).decode(), response.content),
            *(adapted(timezone.now()), adapted(expiry_cutoff())),
        ],
    )
    if not stored:
        raise InProgress(_IN_PROGRESS)


def _fingerprint(request: HttpRequest) -> str:
    query = request.META.get("QUERY_STRING", "")
    condition = request.META.get("HTTP_IF_MATCH", "")
    line = f"{request.method} {request.path_info}?{query}\n{condition}\n".encode()
    return hashlib.sha256(line + request.body).hexdigest()


def _replay(stored: _Earlier, fingerprint: str) -> HttpResponse:
    """The stored response. Raises `KeyReused` if it is to another request."""
    if stored.fingerprint != fingerprint:
        raise KeyReused("Use a new key for each new request.")
    response = HttpResponse(bytes(stored.body), status=stored.status)
    del response.headers["Content-Type"]  # Django's default; 204 has none
    for name, value in orjson.loads(stored.headers).items():
        response.headers[name] = value
    response.headers["Idempotency-Replayed"] = "true"
    return response
