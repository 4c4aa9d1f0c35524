"""Kept connections for asyncio over httpx, JSON in and out, and failures turned into the error tree."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from spin.client.answers import (
    PREFIX,
    PROBLEM_BYTES,
    broke_off,
    headers_of,
    is_loopback,
    line_of,
    no_websocket,
    normalise_url,
    not_spin,
    refusal,
    too_old,
    unavailable,
)
from spin.errors import SpinError
from spin.model.streams import CHUNK, CONTROL_BYTES

_PONG = 90.0
"""Seconds that a platform may take to answer a ping (docs/reference/streams.md): as long as it waits itself."""


class AsyncTransport:
    """Requests to one platform. Several tasks may use it at once; each request in flight has a connection of its own."""

    def __init__(self, url: str, *, token: str | None, basic: tuple[str, str] | None, timeout: float) -> None:
        self.url = normalise_url(url)
        self._timeout = timeout
        self._headers = headers_of(token, basic)
        self._client = httpx.AsyncClient(
            base_url=self.url + PREFIX,
            headers=self._headers,
            timeout=timeout,
            verify=ssl.create_default_context() if self.url.startswith("https:") else False,
            trust_env=not is_loopback(urlsplit(self.url).hostname or ""),  # a proxy leads elsewhere
            limits=httpx.Limits(max_connections=None, keepalive_expiry=60),
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def pause(self, seconds: float) -> None:
        """Until something is tried again."""
        await asyncio.sleep(seconds)

    async def request(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None, patience: float = 0.0
    ) -> Any:
        """The parsed JSON answer (None where there is none). `patience`: seconds that the server may take on purpose (long poll).

        Raises the error the answer stands for, or Unavailable.
        """
        request = self._request(method, path, query, body, patience)
        try:
            try:
                response = await self._client.send(request)
            except httpx.RemoteProtocolError:  # the server has closed a kept connection at the same moment
                if method != "GET":
                    raise
                response = await self._client.send(self._request(method, path, query, body, patience))
        except httpx.HTTPError as error:
            raise self._unavailable(error) from None
        if response.status_code >= 300:
            raise self._problem(response, response.content[:PROBLEM_BYTES])
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError:
            raise not_spin(self.url, response.status_code) from None

    async def pieces(self, path: str, *, query: Mapping[str, str] | None = None, accept: str) -> AsyncGenerator[bytes, None]:
        """The body of an answer of that media type, as it comes. Raises Unavailable where it breaks off. Close it as `lines`."""
        request = self._request("GET", path, query, None, 0.0)
        request.headers["Accept"] = accept
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise self._unavailable(error) from None
        try:
            if response.status_code >= 300:
                raise self._problem(response, (await response.aread())[:PROBLEM_BYTES])
            if response.headers.get("Content-Type", "").partition(";")[0] != accept:
                raise too_old(self.url, accept)
            async for piece in response.aiter_bytes():
                yield piece
        except httpx.HTTPError as error:
            raise broke_off(self.url, error) from None
        finally:
            await response.aclose()

    async def upgrade(self, path: str, protocol: str, *, query: Mapping[str, str]) -> ClientConnection:
        """A connection of its own that speaks WebSocket. Raises the error that a refusal stands for."""
        try:
            connection = await connect(
                f"ws{self.url.removeprefix('http')}{PREFIX}{path}?{urlencode(query)}",
                subprotocols=[Subprotocol(protocol)],
                additional_headers={n: v for n, v in self._headers.items() if n == "Authorization"},
                user_agent_header=self._headers["User-Agent"],
                proxy=None if is_loopback(urlsplit(self.url).hostname or "") else True,
                compression=None,
                max_size=CHUNK + CONTROL_BYTES,
                open_timeout=self._timeout,
                ping_timeout=_PONG,
            )
        except InvalidStatus as error:
            answer = error.response
            if answer.status_code < 300:
                raise no_websocket(self.url) from None
            raise refusal(
                self.url, answer.status_code, bytes(answer.body or b"")[:PROBLEM_BYTES], answer.headers.get("Location")
            ) from None
        except InvalidHandshake as error:
            root = _root(error)
            raise unavailable(self.url, root, timeout=self._timeout) if root is not error else no_websocket(self.url) from None
        except OSError as error:
            raise unavailable(self.url, error, timeout=self._timeout) from None
        if connection.subprotocol != protocol:
            await connection.close()
            raise no_websocket(self.url)
        return connection

    async def lines(self, path: str, *, query: Mapping[str, str] | None = None) -> AsyncGenerator[Any, None]:
        """An NDJSON answer, line by line. Close the iterator where it is left before its end: `contextlib.aclosing`."""
        try:
            response = await self._client.send(self._request("GET", path, query, None, 0.0), stream=True)
        except httpx.HTTPError as error:
            raise self._unavailable(error) from None
        try:
            if response.status_code >= 300:
                raise self._problem(response, (await response.aread())[:PROBLEM_BYTES])
            async for line in response.aiter_lines():
                if line.strip():
                    yield line_of(line)
        except (httpx.HTTPError, ValueError) as error:
            raise broke_off(self.url, error) from None
        finally:
            await response.aclose()

    def _request(self, method: str, path: str, query: Mapping[str, str] | None, body: Any, patience: float) -> httpx.Request:
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {} if content is None else {"Content-Type": "application/json"}
        timeout = self._timeout + patience
        return self._client.build_request(method, path, params=query, content=content, headers=headers, timeout=timeout)

    # Below: failures.

    def _problem(self, response: httpx.Response, data: bytes) -> SpinError:
        return refusal(self.url, response.status_code, data, response.headers.get("Location"))

    def _unavailable(self, error: httpx.HTTPError) -> SpinError:
        if isinstance(error, httpx.TimeoutException):
            return unavailable(self.url, TimeoutError(), timeout=self._timeout)
        garbled = isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in str(error)
        return unavailable(self.url, _root(error), timeout=self._timeout, speaks_http=not garbled)


def _root(error: BaseException) -> BaseException:
    """The standard library's error below httpx's, which says more."""
    found: BaseException = error
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, OSError):
            found = below
        below = below.__cause__ or below.__context__
    return found
