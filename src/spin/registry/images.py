"""Looking up images in registries: which digest does a reference name now, and what does an image say of itself?"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable
from typing import Self, TypeVar

import httpx

from spin.errors import RegistryUnavailable
from spin.model.image import ImageFacts, read_facts
from spin.ports.passwords import Signer
from spin.registry.manifests import DIGEST, Manifest, read_json, read_manifest
from spin.registry.repository import Repository
from spin.registry.tokens import grant
from spin.site import Site

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
"""Seconds for each part of a request."""
WITHIN = 20.0
"""Seconds for a whole look-up: a registry that answers a byte at a time does not hold up anybody for longer."""
REMEMBERED = 512
"""Images whose facts are kept in memory. Some 100 KiB each at most, 2 KiB as a rule."""
DOCKER_HUB = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
T = TypeVar("T")


class RegistryImages:
    """Implements `spin.ports.images.Images` for the site's own registry and for public ones. Close it in the end."""

    def __init__(self, site: Site, signer: Signer) -> None:
        self._own = site.registry_host
        self._own_url = f"http://{site.address}:{site.registry_port}"
        self._signer = signer
        self._client = httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False, limits=httpx.Limits(max_connections=16))
        self._direct = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)
        self._facts: OrderedDict[str, ImageFacts] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.aclose()
        await self._direct.aclose()

    async def digest(self, reference: str) -> str | None:
        host, repository, which = split(reference)
        found = await self._asking(host, reference, self._repository(host, repository).digest(which))
        if found is not None and not DIGEST.fullmatch(found):
            raise RegistryUnavailable(f"The registry {host} names no digest for {reference}.", registry=host)
        return found

    async def facts(self, pinned: str) -> ImageFacts | None:
        host, repository, digest = split(pinned)
        if digest in self._facts:
            self._facts.move_to_end(digest)
            return self._facts[digest]
        facts = await self._asking(host, pinned, _look(self._repository(host, repository), digest))
        if facts is not None:
            self._facts[digest] = facts
        while len(self._facts) > REMEMBERED:
            self._facts.popitem(last=False)
        return facts

    def _repository(self, host: str, name: str) -> Repository:
        if host == self._own:
            return Repository(self._direct, self._own_url, host, name, self._signer.sign("platform", [grant(name, "pull")]))
        return Repository(self._client, f"https://{DOCKER_HUB.get(host, host)}", host, name)

    async def _asking(self, host: str, reference: str, question: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(WITHIN):
                return await question
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise RegistryUnavailable(
                f"The registry {host} does not answer ({reason}); {reference} could not be looked up. Try again later.",
                registry=host,
            ) from None


async def _look(repository: Repository, digest: str) -> ImageFacts | None:
    """The facts of the image with that digest, or of one of those in the index with that digest."""
    for _ in ("an index", "an image"):
        body = await repository.manifest(digest)
        manifest = None if body is None else await asyncio.to_thread(read_manifest, body)
        if not isinstance(manifest, str):
            break
        digest = manifest
    if not isinstance(manifest, Manifest):
        return None
    config = await repository.blob(manifest.config)
    if config is None:
        return None
    return await asyncio.to_thread(_read, config, manifest)


def _read(config: bytes, manifest: Manifest) -> ImageFacts:
    return read_facts(read_json(config), size_bytes=manifest.size_bytes, layers=manifest.layers)


def split(reference: str) -> tuple[str, str, str]:
    """Host, repository, and digest or tag of a full reference (`host/path:tag`, `host/path@sha256:…`); the tag defaults to latest."""
    host, _, path = reference.partition("/")
    name, at, digest = path.partition("@")
    head, colon, tag = name.rpartition(":")
    repository, which = (head, tag) if colon else (name, "latest")
    return host, repository, digest if at else which
