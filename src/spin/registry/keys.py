"""The key pair that signs registry tokens, and the certificate by which the registry knows it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from spin.errors import Failed

VALID_FOR = timedelta(days=3650)
"""The certificate only carries the key to a process on the same machine; it is made anew when it runs out."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """ECDSA P-256, as files `token.key` and `token.crt` of one directory, readable by their owner alone."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    certificate_file: Path

    @classmethod
    def load(cls, directory: Path) -> Self:
        """The pair in `directory`; made on the first start, and again when the certificate has run out or the two do not match.

        Tokens live for minutes, so a new pair costs nothing but a restart of the registry. Raises Failed for an unreadable file.
        """
        key_file, certificate_file = directory / "token.key", directory / "token.crt"
        if key_file.exists() and certificate_file.exists():
            try:
                key = serialization.load_pem_private_key(key_file.read_bytes(), None)
                certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
            except ValueError as error:
                raise Failed(
                    f"{key_file} and {certificate_file} are not a key and its certificate ({error}). Remove both."
                ) from None
            valid = certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=1)
            if isinstance(key, ec.EllipticCurvePrivateKey) and key.public_key() == certificate.public_key() and valid:
                return cls(key, certificate, certificate_file)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(key)
        encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
        _write(key_file, key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password))
        _write(certificate_file, certificate.public_bytes(encoding))
        return cls(key, certificate, certificate_file)


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "spin registry tokens")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )


def _write(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
