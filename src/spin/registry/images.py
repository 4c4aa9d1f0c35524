"""Looking up images in registries by the Distribution protocol: which digest does a reference name now?"""

from __future__ import annotations

import re
from typing import Self

import httpx

from spin.errors import RegistryUnavailable
from spin.ports.passwords import Signer
from spin.registry.tokens import grant
from spin.site import Site

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
"""Seconds for each request."""
MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
"""A list of platforms comes first: its digest is right on every engine."""
ABSENT = frozenset({401, 403, 404})
"""Answers that mean "no such image, or not for you": registries do not tell the two apart."""
DOCKER_HUB = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_TOKEN_BYTES = 64 * 1024


class RegistryImages:
    """Implements `spin.ports.images.Images` for the site's own registry and for public ones. Close it in the end."""

    def __init__(self, site: Site, signer: Signer) -> None:
        self._own = site.registry_host
        self._own_url = f"http://{site.address}:{site.registry_port}"
        self._signer = signer
        self._client = httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False, limits=httpx.Limits(max_connections=16))
        self._direct = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.aclose()
        await self._direct.aclose()

    async def digest(self, reference: str) -> str | None:
        host, repository, which = split(reference)
        try:
            if host == self._own:
                return await self._ask_own(repository, which)
            return await self._ask(host, repository, which)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise RegistryUnavailable(
                f"The registry {host} does not answer ({reason}); {reference} could not be looked up. Try again later.",
                registry=host,
            ) from None

    async def _ask_own(self, repository: str, which: str) -> str | None:
        token = self._signer.sign("platform", [grant(repository, "pull")])
        answer = await self._head(self._direct, f"{self._own_url}/v2/{repository}/manifests/{which}", token)
        return self._read(answer, self._own)

    async def _ask(self, host: str, repository: str, which: str) -> str | None:
        url = f"https://{DOCKER_HUB.get(host, host)}/v2/{repository}/manifests/{which}"
        answer = await self._head(self._client, url, None)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            token = await self._anonymous(answer.headers.get("www-authenticate", ""), repository)
            if token is not None:
                answer = await self._head(self._client, url, token)
        return self._read(answer, host)

    async def _head(self, client: httpx.AsyncClient, url: str, token: str | None) -> httpx.Response:
        headers = {"Accept": MANIFESTS} | ({"Authorization": f"Bearer {token}"} if token else {})
        return await client.head(url, headers=headers)

    def _read(self, answer: httpx.Response, host: str) -> str | None:
        if answer.status_code in ABSENT:
            return None
        digest = answer.headers.get("docker-content-digest", "")
        if answer.status_code != httpx.codes.OK or not _DIGEST.fullmatch(digest):
            raise RegistryUnavailable(f"The registry {host} answered {answer.status_code} without a digest.", registry=host)
        return str(digest)

    async def _anonymous(self, challenge: str, repository: str) -> str | None:
        """A token for the public to pull with, as the registry's challenge says where to get one."""
        scheme, _, rest = challenge.partition(" ")
        told = dict(_PARAMETER.findall(rest))
        realm = told.get("realm", "")
        if scheme.lower() != "bearer" or not realm.startswith("https://"):
            return None
        scope = {"service": told.get("service", ""), "scope": f"repository:{repository}:pull"}
        async with self._client.stream("GET", realm, params=scope) as answer:
            if answer.status_code != httpx.codes.OK or int(answer.headers.get("content-length", 0)) > _TOKEN_BYTES:
                return None
            body = b""
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > _TOKEN_BYTES:
                    return None
        try:
            found = httpx.Response(200, content=body).json()
        except ValueError:
            return None
        token = (found.get("token") or found.get("access_token")) if isinstance(found, dict) else None
        return token if isinstance(token, str) else None


def split(reference: str) -> tuple[str, str, str]:
    """Host, repository, and digest or tag of a full reference (`host/path:tag`, `host/path@sha256:…`); the tag defaults to latest."""
    host, _, path = reference.partition("/")
    name, at, digest = path.partition("@")
    head, colon, tag = name.rpartition(":")
    repository, which = (head, tag) if colon else (name, "latest")
    return host, repository, digest if at else which
