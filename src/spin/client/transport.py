"""One keep-alive connection, JSON in and out, and failures turned into the error tree."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import select
import socket
import ssl
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

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

_PIECE = 256 * 1024
"""Bytes of an answer that are read at once."""
_WEBSOCKET_ID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What a server adds to a key to prove that it speaks WebSocket (RFC 6455, 1.3)."""


class Transport:
    """Requests to one platform, one after the other, on one connection that is kept open. Not for several threads."""

    def __init__(self, url: str, *, token: str | None, basic: tuple[str, str] | None, timeout: float) -> None:
        self.url = normalise_url(url)
        parts = urlsplit(self.url)
        self._scheme = parts.scheme
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._base = parts.path.rstrip("/")
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None
        self._absolute = ""
        """What a plain HTTP proxy wants in front of the path."""
        self._headers = headers_of(token, basic)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def pause(self, seconds: float) -> None:
        """Until something is tried again."""
        time.sleep(seconds)

    def request(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None, patience: float = 0.0
    ) -> Any:
        """The parsed JSON answer (None where there is none). `patience`: seconds that the server may take on purpose (long poll).

        Raises the error the answer stands for, or Unavailable.
        """
        response = self._open(method, path, query=query, body=body, patience=patience)
        with response:
            try:
                data = response.read()
            except (OSError, http.client.HTTPException) as error:
                raise self._unavailable(error) from None
        if not data:
            return None
        try:
            return json.loads(data)
        except ValueError:
            raise not_spin(self.url, response.status) from None

    def lines(self, path: str, *, query: Mapping[str, str] | None = None) -> Iterator[Any]:
        """An NDJSON answer, line by line. The connection is not used for anything else meanwhile."""
        response = self._open("GET", path, query=query, body=None, patience=0.0)
        with self._read_to_its_end(response):
            for line in response:
                if line.strip():
                    yield line_of(line)
            response.read()  # an answer without a line is over only for who has read it

    def upgrade(self, path: str, protocol: str, *, query: Mapping[str, str]) -> socket.socket:
        """A connection of its own that speaks WebSocket from here on (RFC 6455, 4.1). Raises the error that a refusal stands for."""
        connection = self._connect(tunnel=True)
        nonce = base64.b64encode(os.urandom(16)).decode()
        headers = {
            **self._headers,
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": nonce,
            "Sec-WebSocket-Protocol": protocol,
        }
        opened: socket.socket | None = None
        try:
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.request("GET", f"{self._base}{PREFIX}{path}?{urlencode(query)}", headers=headers)
            response = connection.getresponse()
            if response.status != 101:
                raise self._problem(response) if response.status >= 300 else no_websocket(self.url)
            proof = base64.b64encode(hashlib.sha1((nonce + _WEBSOCKET_ID).encode(), usedforsecurity=False).digest()).decode()
            said = response.getheader("Sec-WebSocket-Accept", "").strip(), response.getheader("Sec-WebSocket-Protocol")
            if said != (proof, protocol):
                raise no_websocket(self.url)
            opened, connection.sock = connection.sock, None
        except (OSError, http.client.HTTPException) as error:
            raise self._unavailable(error) from None
        finally:
            connection.close()
        opened.settimeout(None)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return opened

    def pieces(self, path: str, *, query: Mapping[str, str] | None = None, accept: str) -> Generator[bytes, None, None]:
        """The body of an answer of that media type, as it comes. Raises Unavailable where it breaks off."""
        response = self._open("GET", path, query=query, body=None, patience=0.0, accept=accept)
        with self._read_to_its_end(response):
            if response.getheader("Content-Type", "").partition(";")[0] != accept:
                raise too_old(self.url, accept)
            while piece := response.read1(_PIECE):
                yield piece

    @contextmanager
    def _read_to_its_end(self, response: http.client.HTTPResponse) -> Iterator[None]:
        """An answer that is read within the block; where that is left early, the connection is of no further use."""
        finished = False
        try:
            with response:
                yield
            finished = True
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise broke_off(self.url, error) from None
        finally:
            if not finished:
                self.close()

    # Below: one exchange.

    def _open(
        self, method: str, path: str, *, query: Mapping[str, str] | None, body: Any, patience: float, accept: str | None = None
    ) -> http.client.HTTPResponse:
        """The answer, not read yet. Who has read it closes it: Python does so where one is dropped, and a Ctrl-C that comes in that moment
        would be lost with what goes wrong there (`io.IOBase.__del__`)."""
        target = f"{self._base}{PREFIX}{path}" + (f"?{urlencode(query)}" if query else "")
        payload = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        reused = self._connection is not None
        try:
            try:
                response = self._exchange(method, target, payload, patience, accept)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self.close()
                if not (reused and method == "GET"):
                    raise
                response = self._exchange(method, target, payload, patience, accept)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unavailable(error) from None
        except BaseException:
            self.close()  # Ctrl-C in the middle of an answer: what is left of it must not be read as the next one
            raise
        if response.status >= 300:
            with response:
                raise self._problem(response)
        return response

    def _exchange(
        self, method: str, target: str, payload: bytes | None, patience: float, accept: str | None
    ) -> http.client.HTTPResponse:
        connection = self._connected()
        if connection.sock is not None:
            connection.sock.settimeout(self._timeout + patience)
        headers = dict(self._headers)
        if accept is not None:
            headers["Accept"] = accept
        if payload is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, self._absolute + target, body=payload, headers=headers)
        return connection.getresponse()

    def _connected(self) -> http.client.HTTPConnection:
        """The open connection, or a new one where the server has closed it meanwhile (it became readable without being asked)."""
        if self._connection is not None:
            sock = self._connection.sock
            if sock is not None and not select.select([sock], [], [], 0)[0]:
                return self._connection
            self.close()
        self._connection = self._connect()
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._connection

    def _connect(self, *, tunnel: bool = False) -> http.client.HTTPConnection:
        """`tunnel`: a proxy is to pass bytes on, also where it could read them."""
        proxy = self._proxy()
        host, port = proxy or (self._host, self._port)
        if self._scheme == "https":
            secure = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=ssl.create_default_context())
            if proxy:
                secure.set_tunnel(self._host, self._port)
            return secure
        if proxy and tunnel:
            tunnelled = http.client.HTTPConnection(host, port, timeout=self._timeout)
            tunnelled.set_tunnel(self._host, self._port)
            return tunnelled
        self._absolute = f"http://{self._authority()}" if proxy else ""
        return http.client.HTTPConnection(host, port, timeout=self._timeout)

    def _authority(self) -> str:
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    def _proxy(self) -> tuple[str, int] | None:
        """Host and port of the proxy that the user's environment names for this address; never one for this machine itself."""
        names = (f"{self._scheme}_proxy", f"{self._scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
        found = next((os.environ[n] for n in names if os.environ.get(n)), None)
        if found is None or is_loopback(self._host):
            return None
        from urllib.request import proxy_bypass  # noqa: PLC0415 - costs 20 ms, and few have a proxy

        if proxy_bypass(self._authority()):
            return None
        parts = urlsplit(found if "://" in found else f"http://{found}")
        return (parts.hostname, parts.port or 8080) if parts.hostname else None

    # Below: failures.

    def _problem(self, response: http.client.HTTPResponse) -> SpinError:
        data = response.read(PROBLEM_BYTES)
        if not response.isclosed():
            self.close()
        return refusal(self.url, response.status, data, response.getheader("Location"))

    def _unavailable(self, error: Exception) -> SpinError:
        garbled = isinstance(error, http.client.HTTPException) and not isinstance(error, http.client.RemoteDisconnected)
        return unavailable(self.url, error, timeout=self._timeout, speaks_http=not garbled)
