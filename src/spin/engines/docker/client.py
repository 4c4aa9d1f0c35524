"""The connection to a Docker Engine: where it is, which version of its API to speak, and what its failures mean.

aiodocker finds the engine as the `docker` command does (DOCKER_HOST, contexts, TLS, ssh, the usual sockets) and holds the
connections. The requests are plain HTTP: the engine's own reference is their documentation.

    no answer, a broken answer, a timeout   → EngineUnavailable
    an answer that says no                  → DockerError (status, reason): the callers decide what it means
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from aiodocker import Docker
from aiodocker.exceptions import DockerContextError, DockerError

from spin.errors import EngineUnavailable

NEWEST_API: Final = (1, 47)
"""The newest version of the API that Spin was written for; newer engines still speak it."""

BRIEF: Final = aiohttp.ClientTimeout(total=60, sock_connect=5)
"""For requests that an engine in good order answers in milliseconds."""
GREETING: Final = aiohttp.ClientTimeout(total=5, sock_connect=5)
ROOM: Final = 60.0
"""Seconds to wait until the pool of connections has one."""
ENDLESS: Final = aiohttp.ClientTimeout(total=None, connect=ROOM, sock_connect=5)

Body = Mapping[str, Any]


def lasting(seconds: float) -> aiohttp.ClientTimeout:
    """For a request that may stay silent for at most `seconds`."""
    return aiohttp.ClientTimeout(total=None, connect=ROOM, sock_connect=5, sock_read=seconds)


class Client:
    """Opened with the first request, so that an engine may appear later; safe to use from many tasks of one event loop."""

    def __init__(self, url: str | None = None) -> None:
        self._url = url
        # Two pools: streams, pulls and stops last long, and must not keep a short question waiting for a free connection.
        self._brief: Docker | None = None
        self._lasting: Docker | None = None
        self._api: tuple[int, int] | None = None

    @property
    def local(self) -> bool:
        """The engine runs on this machine, as far as its address tells."""
        host = self._pool(brief=True).docker_host
        return host.startswith("unix://") or urlsplit(host).hostname in ("localhost", "127.0.0.1", "::1")

    def endpoint(self) -> str | tuple[str, int]:
        """Where the engine listens: the path of a socket, or host and port. Raises EngineUnavailable where that needs TLS."""
        docker = self._pool(brief=True)
        if isinstance(docker.connector, aiohttp.UnixConnector):
            return docker.connector.path
        parts = urlsplit(docker.docker_host)
        if parts.scheme not in ("http", "tcp") or parts.hostname is None:
            raise EngineUnavailable(
                f"Terminals, one-off containers and copies need a Docker Engine that answers on a socket, through ssh, or on plain "
                f"TCP; this one is at {docker.docker_host}.",
                engine="docker",
            )
        return parts.hostname, parts.port or 2375

    async def close(self) -> None:
        for docker in (self._brief, self._lasting):
            if docker is not None:
                await docker.close()
        self._brief = self._lasting = None

    async def version(self) -> dict[str, Any]:
        """The engine's account of itself."""
        async with self._send("GET", "version", GREETING) as response:
            answer = json.loads(await response.read())
        if not isinstance(answer, dict) or "ApiVersion" not in answer:
            raise EngineUnavailable("What answers there is not a Docker Engine.", engine="docker")
        return answer

    async def api(self) -> tuple[int, int]:
        """Version of the API in use: the engine's newest, or NEWEST_API if that is older."""
        if self._api is None:
            major, _, minor = str((await self.version())["ApiVersion"]).partition(".")
            self._api = min((int(major), int(minor)), NEWEST_API)
        return self._api

    async def get(self, path: str, **params: str) -> Any:
        return await self.ask("GET", path, params=params)

    async def post(self, path: str, body: Body | None = None, **params: str) -> Any:
        return await self.ask("POST", path, params=params, body=body)

    async def delete(self, path: str, **params: str) -> Any:
        return await self.ask("DELETE", path, params=params)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Body | None = None,
        data: bytes | AsyncIterable[bytes] | None = None,
        timeout: aiohttp.ClientTimeout = BRIEF,  # noqa: ASYNC109 - aiohttp's kind of limit, which tells connecting from reading
    ) -> Any:
        """The decoded answer; None if it has no body."""
        async with self.stream(method, path, params=params, body=body, data=data, timeout=timeout) as response:
            text = await response.read()
            return json.loads(text) if text else None

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Body | None = None,
        data: bytes | AsyncIterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: aiohttp.ClientTimeout = ENDLESS,  # noqa: ASYNC109 - as in `ask`
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, to be read bit by bit within the block; a connection that breaks meanwhile is an engine that is gone."""
        major, minor = await self.api()
        async with self._send(
            method, f"v{major}.{minor}/{path}", timeout, params=params, body=body, data=data, headers=headers
        ) as response:
            yield response

    @asynccontextmanager
    async def _send(
        self,
        method: str,
        path: str,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as in `ask`
        *,
        params: Mapping[str, str] | None = None,
        body: Body | None = None,
        data: bytes | AsyncIterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        docker = self._pool(brief=timeout.total is not None)
        types = {"Content-Type": "application/x-tar"} if data is not None else {}
        try:
            async with docker.session.request(
                method,
                f"{docker.docker_host}/{path}",
                params=params,
                json=body,
                data=data,
                headers={**types, **(headers or {})},
                timeout=timeout,
            ) as response:
                if response.status >= 400:
                    raise DockerError(response.status, reason(await response.read()))
                yield response
        except (aiohttp.ClientError, TimeoutError, OSError, json.JSONDecodeError) as error:
            self._api = None  # another engine may answer next time
            why = "it did not answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            raise EngineUnavailable(f"The Docker Engine does not answer: {why}.", engine="docker") from error

    def _pool(self, *, brief: bool) -> Docker:
        try:
            if self._brief is None or self._lasting is None:
                self._brief, self._lasting = Docker(self._url), Docker(self._url)
        except (AssertionError, ValueError, OSError, DockerContextError) as error:
            raise EngineUnavailable(
                "No Docker Engine was found on this machine: start one, or set DOCKER_HOST to where it is.", engine="docker"
            ) from error
        return self._brief if brief else self._lasting


async def json_lines(response: aiohttp.ClientResponse) -> AsyncGenerator[Any, None]:
    """The decoded lines of an answer that is a stream of JSON objects, however long one is."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield json.loads(line)
    if rest.strip():
        yield json.loads(rest)


def reason(body: bytes) -> str:
    """The sentence of an answer that says no."""
    text = body.decode(errors="replace")
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text
