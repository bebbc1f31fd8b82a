"""An identity provider on loopback: it publishes keys, and signs tokens with them."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "https://tasks.example.com"
KEYS_AT = "/keys"
DISCOVERY = "/.well-known/openid-configuration"


class Issuer:
    """What the provider does can be changed while it runs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[str] = []
        self.configuration: Any = {"issuer": url, "jwks_uri": url + KEYS_AT}
        self.keys: dict[str, tuple[str, Any]] = {}
        self.extra: list[Any] = []  # further members of the set
        self.down = False
        self.answers = Event()  # while it is not set, requests wait
        self.answers.set()
        self.add_key("first")

    def add_key(self, kid: str, algorithm: str = "ES256") -> None:
        key: Any
        if algorithm.startswith("ES"):
            key = ec.generate_private_key(ec.SECP256R1())
        elif algorithm == "EdDSA":
            key = ed25519.Ed25519PrivateKey.generate()
        else:
            key = rsa.generate_private_key(65_537, 2_048)
        self.keys[kid] = (algorithm, key)

    def claims(self, **given: Any) -> dict[str, Any]:
        """The claims of a valid token; those that are None are left out."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "u1"}
        claims |= {"iat": now, "exp": now + 300} | given
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, kid: str = "first", header: Any = None, **claims: Any) -> str:
        algorithm, key = self.keys[kid]
        headers = {"kid": kid} | (header or {})
        return jwt.encode(self.claims(**claims), key, algorithm, headers=headers)

    def published(self) -> dict[str, Any]:
        writers: dict[str, Any] = {"ES": ECAlgorithm, "Ed": OKPAlgorithm}
        keys = []
        for kid, (algorithm, key) in self.keys.items():
            writer = writers.get(algorithm[:2], RSAAlgorithm)
            public = writer.to_jwk(key.public_key(), as_dict=True)
            keys.append(public | {"kid": kid, "use": "sig"})
        return {"keys": keys + self.extra}

    @property
    def fetches(self) -> int:
        return self.requests.count(KEYS_AT)


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.requests.append(self.path)
            issuer.answers.wait(10)
            served = {DISCOVERY: issuer.configuration, KEYS_AT: issuer.published()}
            known = self.path in served
            self.send_response(503 if issuer.down else 200 if known else 404)
            self.end_headers()
            self.wfile.write(json.dumps(served.get(self.path)).encode())

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield issuer
    finally:
        issuer.answers.set()
        server.shutdown()
        thread.join()
        server.server_close()
