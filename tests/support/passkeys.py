"""An authenticator in software: what a browser and its passkeys answer to WebAuthn."""

import secrets
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

ORIGIN = "http://localhost:3000"


class Passkey:
    """One credential. `verifies` its user, such as by a fingerprint."""

    def __init__(
        self, domain: str = "localhost", origin: str = ORIGIN, *, verifies: bool = True
    ) -> None:
        self.domain, self.origin = domain, origin
        self.id = secrets.token_bytes(16)
        self.user_handle = b""
        self._key = ec.generate_private_key(ec.SECP256R1())
        flags = AuthenticatorData.FLAG
        self._flags = flags.UP | (flags.UV if verifies else flags(0))

    def create(self, options: Any) -> dict[str, Any]:
        """`navigator.credentials.create`, as JSON."""
        options = options["publicKey"]
        self.user_handle = websafe_decode(options["user"]["id"])
        convert: Any = ES256.from_cryptography_key  # without annotations
        public = convert(self._key.public_key())
        data = AttestedCredentialData.create(Aaguid.NONE, self.id, public)
        attestation = AttestationObject.create("none", self._data(data), {})
        client = self._client("webauthn.create", options)
        return self._credential(client, attestationObject=bytes(attestation)) | {
            "clientExtensionResults": {"credProps": {"rk": True}}
        }

    def get(self, options: Any) -> dict[str, Any]:
        """`navigator.credentials.get`, as JSON."""
        client = self._client("webauthn.get", options["publicKey"])
        data = self._data()
        signed = bytes(data) + sha256(client).digest()
        return self._credential(
            client,
            authenticatorData=bytes(data),
            signature=self._key.sign(signed, ec.ECDSA(SHA256())),
            userHandle=self.user_handle,
        )

    def _data(self, credential: AttestedCredentialData | None = None) -> Any:
        flags = self._flags
        if credential is not None:
            flags |= AuthenticatorData.FLAG.AT
        domain = sha256(self.domain.encode()).digest()
        return AuthenticatorData.create(domain, flags, 1, credential or b"")

    def _client(self, kind: str, options: Any) -> bytes:
        challenge = websafe_decode(options["challenge"])
        return bytes(CollectedClientData.create(kind, challenge, self.origin))

    def _credential(self, client: bytes, **response: bytes) -> dict[str, Any]:
        members = {"clientDataJSON": client, **response}
        encoded = {name: websafe_encode(value) for name, value in members.items()}
        identifier = websafe_encode(self.id)
        return {
            "id": identifier,
            "rawId": identifier,
            "type": "public-key",
            "response": encoded,
            "clientExtensionResults": {},
        }
