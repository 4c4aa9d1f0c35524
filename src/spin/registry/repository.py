"""Asking a registry about one repository by the Distribution protocol, within bounds: of bytes, of time, of places it may lead to."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from spin.errors import RegistryUnavailable
from spin.registry.manifests import ACCEPT, read_json

MOST_BYTES = 4 * 1024**2
"""Most bytes of a manifest or a configuration: what the Distribution specification asks registries to accept at least."""
MOST_TOKEN_BYTES = 64 * 1024
MOST_REDIRECTS = 3
ABSENT = frozenset({401, 403, 404})
"""Answers that mean "no such image, or not for you": registries do not tell the two apart."""
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class Repository:
    """One repository, for some requests one after the other: a token for the public is asked for once.

    `token`: for the site's own registry, which never leads elsewhere. Without one, the registry is somebody else's: it is asked as
    anybody may ask, and may lead to other places by HTTPS (registries keep blobs with content delivery networks).
    """

    def __init__(self, client: httpx.AsyncClient, url: str, host: str, name: str, token: str | None = None) -> None:
        self._client = client
        self._base = f"{url}/v2/{name}"
        self._host = host
        self._name = name
        self._token = token
        self._own = token is not None
        self._asked = False

    async def digest(self, which: str) -> str | None:
        """The digest that the registry names for a tag or a digest. None: no such image. Raises RegistryUnavailable, httpx errors."""
        async with self._answer("HEAD", f"manifests/{which}") as answer:
            if answer.status_code in ABSENT:
                return None
            if answer.status_code != httpx.codes.OK:
                raise self._odd(f"answered {answer.status_code} without a digest")
            return str(answer.headers.get("docker-content-digest", ""))

    async def manifest(self, digest: str) -> bytes | None:
        """The manifest's bytes, which have that digest. None: there is none. Raises RegistryUnavailable, httpx errors."""
        return await self._content(f"manifests/{digest}", digest)

    async def blob(self, digest: str) -> bytes | None:
        """The blob's bytes, which have that digest. None: there is none. Raises RegistryUnavailable, httpx errors."""
        return await self._content(f"blobs/{digest}", digest)

    async def _content(self, path: str, digest: str) -> bytes | None:
        async with self._answer("GET", path) as answer:
            if answer.status_code in ABSENT:
                return None
            if answer.status_code != httpx.codes.OK:
                raise self._odd(f"answered {answer.status_code}")
            body = await bounded(answer, MOST_BYTES)
        if body is None:
            raise self._odd(f"answered with more than {MOST_BYTES} bytes")
        if "sha256:" + hashlib.sha256(body).hexdigest() != digest:
            raise self._odd(f"answered with something else than {digest}")
        return body

    @asynccontextmanager
    async def _answer(self, method: str, path: str) -> AsyncIterator[httpx.Response]:
        url = httpx.URL(f"{self._base}/{path}")
        start = url
        for _ in range(MOST_REDIRECTS + 2):
            # Not compressed: what a few bytes would swell to is not known beforehand.
            headers = {"Accept": ACCEPT, "Accept-Encoding": "identity"}
            if self._token is not None and _origin(url) == _origin(start):
                headers["Authorization"] = f"Bearer {self._token}"
            async with self._client.stream(method, url, headers=headers) as answer:
                challenge = answer.headers.get("www-authenticate", "")
                if answer.status_code == httpx.codes.UNAUTHORIZED and not self._own and not self._asked and url == start:
                    self._asked = True
                    self._token = await self._anonymous(challenge)
                    if self._token is not None:
                        continue
                if not self._own and answer.has_redirect_location:
                    url = self._led(url, answer.headers["location"])
                    continue
                yield answer
                return
        raise self._odd("leads from one place to another without end")

    def _led(self, url: httpx.URL, location: str) -> httpx.URL:
        target = url.join(location)
        if not self._may_go(target):
            raise self._odd("leads to a place that is not asked")
        return target

    def _may_go(self, target: httpx.URL) -> bool:
        """HTTPS, so a certificate says who answers; no literal address of a network behind this machine, save the registry's own."""
        inside = _is_internal(target.host) and target.host != httpx.URL(self._base).host
        return target.scheme == "https" and not target.userinfo and not inside

    async def _anonymous(self, challenge: str) -> str | None:
        """A token for the public to pull with, as the registry's challenge says where to get one."""
        scheme, _, rest = challenge.partition(" ")
        told = dict(_PARAMETER.findall(rest))
        realm = httpx.URL(told.get("realm", ""))
        if scheme.lower() != "bearer" or not self._may_go(realm):
            return None
        scope = {"service": told.get("service", ""), "scope": f"repository:{self._name}:pull"}
        async with self._client.stream("GET", realm, params=scope, headers={"Accept-Encoding": "identity"}) as answer:
            body = await bounded(answer, MOST_TOKEN_BYTES) if answer.status_code == httpx.codes.OK else None
        found = None if body is None else read_json(body)
        token = (found.get("token") or found.get("access_token")) if isinstance(found, dict) else None
        return token if isinstance(token, str) and token.isascii() and token.isprintable() else None

    def _odd(self, what: str) -> RegistryUnavailable:
        return RegistryUnavailable(f"The registry {self._host} {what}.", registry=self._host)


async def bounded(answer: httpx.Response, most: int) -> bytes | None:
    """The body as it came, None if it is longer than `most` bytes."""
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _is_internal(host: str) -> bool:
    """A literal address that is not on the Internet. A name's certificate says whose it is."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False
