"""The public keys of an identity provider (OIDC_ISSUER), as this process has fetched them.

A thread fetches them, one at a time and at most once a minute, whatever tokens come. Keys
that were fetched are used until newer ones are there, so that a provider that is
unavailable does no harm."""

import logging
import time
from collections.abc import Iterable, Mapping
from threading import Condition, Thread
from typing import TYPE_CHECKING, NamedTuple
from urllib.request import HTTPRedirectHandler, Request, build_opener

import jwt
import orjson
from django.conf import settings

from taskproject import environment

if TYPE_CHECKING:
    from jwt.algorithms import AllowedPublicKeys

logger = logging.getLogger("taskproject.accounts")

#: The algorithms of signatures by the type and the curve of the key. All are asymmetric.
ALGORITHMS: Mapping[tuple[str, str | None], tuple[str, ...]] = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
PAUSE = 60.0  # seconds between two fetches, successful or not
FRESH = 600.0  # seconds after which keys are fetched again beside the requests
# Seconds without a fetch after which a request waits for one: a key may have been withdrawn.
IDLE = 3_600.0
WAIT = 2.0  # seconds that a request waits for a fetch
TIMEOUT = 5.0  # seconds of each step of a fetch
LARGEST = 2**18  # bytes of a response of the provider
MOST_KEYS = 100
SMALLEST_RSA = 2_048  # bits


class FetchFailed(Exception):
    """The provider did not send usable keys; the message says why."""


class NoKeysYet(Exception):
    """No keys are there to decide by; `seconds` until it is worth to try again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Key(NamedTuple):
    kid: str | None
    algorithms: tuple[str, ...]
    public: "AllowedPublicKeys"


class IssuerKeys:
    """The keys of one provider."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._keys: list[Key] | None = None
        self._fetching = False
        self._began: float | None = None  # the last fetch, by time.monotonic
        self._waiting = 0

    def find(self, kid: str | None, algorithm: str) -> "AllowedPublicKeys | None":
        """The public key for this signature; None if the provider publishes none. Raises
        `NoKeysYet`."""
        key = self._known(kid, algorithm)
        age = self._age()
        if key is not None and age < FRESH:
            return key
        fetching = self._refresh(wait=key is None or age > IDLE)
        key = self._known(kid, algorithm)
        if key is None and (fetching or self._keys is None):
            raise NoKeysYet(1 if fetching else max(1, round(PAUSE - self._age())))
        return key

    def _known(self, kid: str | None, algorithm: str) -> "AllowedPublicKeys | None":
        found = [
            key.public
            for key in self._keys or ()
            if (kid is None or key.kid == kid) and algorithm in key.algorithms
        ]
        return found[0] if len(found) == 1 else None

    def _age(self) -> float:
        """Seconds since the last fetch began."""
        began = self._began
        return PAUSE + IDLE if began is None else time.monotonic() - began

    def _refresh(self, *, wait: bool) -> bool:
        """Begins a fetch unless one was begun within a minute; whether one goes on. At most
        half of the threads wait for it, so that the others stay available."""
        with self._changed:
            if not self._fetching and self._age() >= PAUSE:
                self._fetching, self._began = True, time.monotonic()
                Thread(target=self._fetch, name="issuer-keys", daemon=True).start()
            if wait and self._waiting < max(1, settings.THREADS // 2):
                self._waiting += 1
                try:
                    self._changed.wait_for(lambda: not self._fetching, WAIT)
                finally:
                    self._waiting -= 1
            return self._fetching

    def _fetch(self) -> None:
        keys = None
        try:
            keys = fetch_keys()
        except FetchFailed as failure:
            logger.warning("the keys of OIDC_ISSUER cannot be fetched: %s", failure)
        except Exception:
            logger.exception("the keys of OIDC_ISSUER cannot be fetched")
        finally:
            with self._changed:
                self._keys = keys or self._keys
                self._fetching = False
                self._changed.notify_all()


keys = IssuerKeys()


def fetch_keys() -> list[Key]:
    """The keys that the provider publishes now. Raises `FetchFailed`."""
    address = settings.OIDC_JWKS_URL or _discovered(settings.OIDC_ISSUER)
    published = _json(address).get("keys")
    usable = _usable(published if isinstance(published, list) else ())
    if not usable:
        raise FetchFailed(f"{address} has no key for signatures that are accepted here")
    return usable


def _discovered(issuer: str) -> str:
    """The address of the keys, by OpenID Connect Discovery 1.0."""
    address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    configuration = _json(address)
    if configuration.get("issuer") != issuer:
        named = str(configuration.get("issuer"))[:200]
        raise FetchFailed(f"{address} is of the issuer {named!r}")
    keys_at = configuration.get("jwks_uri")
    if not isinstance(keys_at, str) or not environment.is_issuer(
        keys_at, settings.HTTPS
    ):
        raise FetchFailed(f"{address} has no jwks_uri with https")
    return keys_at


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        return None


_opener = build_opener(_NoRedirects)


def _json(address: str) -> dict[str, object]:
    """The JSON object at this address."""
    give_up = time.monotonic() + TIMEOUT
    request = Request(address, headers={"Accept": "application/json"})
    content = b""
    try:
        with _opener.open(request, timeout=TIMEOUT) as response:
            # A piece at a time: the timeout is one of each piece.
            while piece := response.read1(2**16):
                content += piece
                if len(content) > LARGEST or time.monotonic() > give_up:
                    raise FetchFailed(f"{address} sends too much, or too slowly")
        members = orjson.loads(content)
    except (OSError, ValueError) as error:  # HTTP's errors are OSErrors
        raise FetchFailed(f"{address}: {error}") from error
    if not isinstance(members, dict):
        raise FetchFailed(f"{address} is no JSON object")
    return members


def _usable(published: Iterable[object]) -> list[Key]:
    """The keys for signatures; others, and those of unknown types, are left out."""
    found = []
    for jwk in [*published][:MOST_KEYS]:
        if isinstance(jwk, dict) and (key := _key(jwk)) is not None:
            found.append(key)
    return found


def _key(jwk: dict[str, object]) -> Key | None:
    kid, curve, given = jwk.get("kid"), jwk.get("crv"), jwk.get("alg")
    known = [
        *ALGORITHMS.get(
            (str(jwk.get("kty")), None if curve is None else str(curve)), ()
        )
    ]
    algorithms = tuple(one for one in known if given in (None, one))
    of_signatures = jwk.get("use") in (None, "sig") and "d" not in jwk
    if not (algorithms and of_signatures and isinstance(kid, str | None)):
        return None
    try:
        public = jwt.PyJWK(jwk, algorithms[0]).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if jwk["kty"] == "RSA" and public.key_size < SMALLEST_RSA:
        return None
    return Key(kid, algorithms, public)
