"""Kept connections for asyncio over httpx, JSON in and out, and failures turned into the error tree."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from spin.client.answers import (
    PREFIX,
    PROBLEM_BYTES,
    broke_off,
    headers_of,
    is_loopback,
    line_of,
    normalise_url,
    not_spin,
    refusal,
    unavailable,
)
from spin.errors import SpinError


class AsyncTransport:
    """Requests to one platform. Several tasks may use it at once; each request in flight has a connection of its own."""

    def __init__(self, url: str, *, token: str | None, basic: tuple[str, str] | None, timeout: float) -> None:
        self.url = normalise_url(url)
        self._timeout = timeout
        self._client = httpx.AsyncClient(
            base_url=self.url + PREFIX,
            headers=headers_of(token, basic),
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
