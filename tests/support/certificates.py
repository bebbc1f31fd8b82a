"""Certificates of an authority of our own, for servers with TLS on loopback."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)
#: What RFC 5280 requires of an authority: Python 3.13 verifies it.
USAGE = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass
class Authority:
    """Writes its certificate, and those that it issues, with their keys, to files."""

    directory: Path

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Tests")
        public = self._key.public_key()
        self._identifier = x509.SubjectKeyIdentifier.from_public_key(public)
        builder = self._builder(self._name, public, datetime.now(UTC))
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        signed = (
            builder.add_extension(constraints, critical=True)
            .add_extension(USAGE, critical=True)
            .add_extension(self._identifier, critical=False)
            .sign(self._key, SHA256())
        )
        self.file = self.directory / "authority.pem"
        self.file.write_bytes(signed.public_bytes(Encoding.PEM))

    def server(
        self, address: str = "127.0.0.1", issued: datetime | None = None
    ) -> ssl.SSLContext:
        """The context of a server at this address; its certificate is valid for a month."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
            self._identifier
        )
        name = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        signed = (
            self._builder(
                _name("Receiver"), key.public_key(), issued or datetime.now(UTC)
            )
            .add_extension(name, critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, SHA256())
        )
        file = self.directory / f"{signed.serial_number}.pem"
        form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(key.private_bytes(*form) + signed.public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, issued: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(issued - DAY)
            .not_valid_after(issued + 30 * DAY)
        )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
