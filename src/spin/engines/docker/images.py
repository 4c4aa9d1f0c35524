"""Images on the engine: which are there, and getting those that are not."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote

import aiohttp
from aiodocker.exceptions import DockerError

from spin.engines.docker.client import Client, json_lines, lasting
from spin.engines.docker.reasons import sentence
from spin.errors import EngineUnavailable, Failed
from spin.ports.engine import PullAccess

SILENCE = 300.0
"""Seconds that a pull may go without any progress."""


def canonical(reference: str) -> str:
    """`mariadb@…` as `docker.io/library/mariadb@…`: the engine shortens names of Docker Hub."""
    host, slash, _ = reference.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        return reference
    return f"docker.io/{reference}" if slash else f"docker.io/library/{reference}"


class Images:
    """What is present is remembered only while somebody listens to the engine's events, which say when it changes."""

    def __init__(self, client: Client, access: PullAccess) -> None:
        self._client = client
        self._access = access
        self._known: frozenset[str] | None = None
        self._watchers = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While this lasts, somebody calls `changed` at every change."""
        self._watchers += 1
        self.changed()
        try:
            yield
        finally:
            self._watchers -= 1
            self.changed()

    def changed(self) -> None:
        self._known = None

    async def present(self) -> frozenset[str]:
        """`repository@digest` of every image there, short names of Docker Hub in their long form too."""
        if self._known is not None and self._watchers:
            return self._known
        found = {d for image in await self._client.get("images/json") for d in image.get("RepoDigests") or ()}
        self._known = frozenset(found | {canonical(d) for d in found})
        return self._known

    async def pull(self, pinned: str) -> None:
        """Raises Failed with the registry's reason."""
        with suppress(_Missing):
            await self._require(pinned)
            return
        repository, _, digest = pinned.partition("@")
        headers = {}
        token = self._access.bearer(repository)
        if token is not None:
            headers["X-Registry-Auth"] = base64.urlsafe_b64encode(json.dumps({"registrytoken": token}).encode()).decode()
        params = {"fromImage": repository, "tag": digest}
        try:
            async with self._client.stream(
                "POST", "images/create", params=params, headers=headers, timeout=lasting(SILENCE)
            ) as answer:
                errors = [str(said["error"]) async for said in json_lines(answer) if "error" in said]
        except DockerError as error:
            errors = [error.message]
        except EngineUnavailable as error:
            if not isinstance(error.__cause__, aiohttp.SocketTimeoutError):
                raise
            errors = [f"nothing has arrived for {SILENCE:.0f} s"]
        finally:
            self.changed()
        if errors:
            raise Failed(f"The image {pinned} cannot be pulled: {sentence(errors[0])}", image=pinned)

    async def check_interval(self, pinned: str) -> int:
        """How often the image's own health check is to run, nanoseconds; 0 where it does not say, or the image is not there."""
        try:
            found = await self._client.get(f"images/{quote(pinned, safe='/:@')}/json")
        except DockerError as error:
            if error.status == 404:
                return 0
            raise
        return int(((found.get("Config") or {}).get("Healthcheck") or {}).get("Interval") or 0)

    async def _require(self, pinned: str) -> None:
        try:
            await self._client.get(f"images/{quote(pinned, safe='/:@')}/json")
        except DockerError as error:
            if error.status == 404:
                raise _Missing from error
            raise


class _Missing(Exception):
    """The image is not on the engine."""
