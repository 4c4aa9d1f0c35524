"""Registry tokens (Distribution's token authentication specification): JWTs that say what their bearer may do for a few minutes."""

from __future__ import annotations

import base64
import secrets
from datetime import timedelta

import jwt
from cryptography.hazmat.primitives.serialization import Encoding

from spin.kit.clock import Clock
from spin.ports.passwords import Signer
from spin.registry.keys import SigningKey
from spin.site import Site

ISSUER = "spin"
SERVICE = "spin-registry"
"""Audience of the tokens: the `service` that the registry names in its challenge."""
LIFETIME = timedelta(minutes=5)
"""How long a token is good. A push of a large layer needs it at the beginning of each request only."""
LEEWAY = timedelta(seconds=60)
"""By how much the registry's clock may be behind."""


class RegistryTokens:
    """Implements `spin.ports.passwords.Signer`."""

    def __init__(self, key: SigningKey, clock: Clock) -> None:
        self._key = key.key
        self._clock = clock
        self._chain = [base64.b64encode(key.certificate.public_bytes(Encoding.DER)).decode()]

    def sign(self, subject: str, access: list[dict[str, object]]) -> str:
        now = self._clock.now()
        claims = {
            "iss": ISSUER,
            "sub": subject,
            "aud": SERVICE,
            "iat": now,
            "nbf": now - LEEWAY,
            "exp": now + LIFETIME,
            "jti": secrets.token_hex(16),
            "access": access,
        }
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"x5c": self._chain})


def grant(repository: str, *actions: str) -> dict[str, object]:
    """One entry of a token's `access`."""
    return {"type": "repository", "name": repository, "actions": list(actions)}


class PullTokens:
    """Implements `spin.ports.engine.PullAccess`: the engine may pull exactly what the platform asks it to run."""

    def __init__(self, site: Site, signer: Signer) -> None:
        self._prefix = site.registry_host + "/"
        self._signer = signer

    def bearer(self, repository: str) -> str | None:
        if not repository.startswith(self._prefix):
            return None
        return self._signer.sign("engine", [grant(repository.removeprefix(self._prefix), "pull")])
