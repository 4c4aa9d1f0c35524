"""A connection of its own to the engine, which after one request carries raw bytes both ways ("hijacked", in Docker's words).

aiohttp keeps such connections in buffers of its own and cannot end one direction, so the request is written by hand. Reading is
pulling: without a reader nothing is taken off the socket, and the engine's writer waits.
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from typing import Final

from aiodocker.exceptions import DockerError

from spin.engines.docker.client import Body, Client, reason
from spin.errors import EngineUnavailable

PIECE: Final = 256 * 1024
"""Bytes that are read at once."""
_HEAD_BYTES: Final = 64 * 1024
_CONNECT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 60.0


class Wire:
    """Raw bytes both ways. `rest`: what has arrived with the engine's answer."""

    def __init__(self, sock: socket.socket, rest: bytes = b"") -> None:
        self._socket = sock
        self._rest = rest

    async def receive(self) -> bytes:
        """Empty at the end. Raises EngineUnavailable."""
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        try:
            return await asyncio.get_running_loop().sock_recv(self._socket, PIECE)
        except OSError as error:
            raise EngineUnavailable(f"The connection to the Docker Engine broke: {error}.", engine="docker") from error

    async def send(self, data: bytes | bytearray | memoryview) -> bool:
        """Returns when the kernel has taken it; False if the other side has closed that direction."""
        try:
            await asyncio.get_running_loop().sock_sendall(self._socket, data)
        except OSError:
            return False
        return True

    def end(self) -> None:
        """The other side reads the end of the stream; its own direction stays open."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.close()


async def hijack(client: Client, path: str, body: Body | None = None) -> Wire:
    """POST `body`, and take the connection over. Raises DockerError for an answer that says no, and EngineUnavailable."""
    api = await client.api()
    payload = b"" if body is None else json.dumps(body).encode()
    head = (
        f"POST /v{api[0]}.{api[1]}/{path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    sock = await _connect(client)
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await asyncio.get_running_loop().sock_sendall(sock, head.encode() + payload)
            rest = await _answer(sock)
    except (OSError, TimeoutError) as error:
        sock.close()
        raise EngineUnavailable(f"The Docker Engine does not answer: {error or 'not in time'}.", engine="docker") from error
    except BaseException:
        sock.close()
        raise
    return Wire(sock, rest)


async def _answer(sock: socket.socket) -> bytes:
    """What has arrived after the head of an answer that says yes."""
    answer = bytearray()
    while b"\r\n\r\n" not in answer:
        piece = await asyncio.get_running_loop().sock_recv(sock, _HEAD_BYTES)
        answer += piece
        if not piece or len(answer) > _HEAD_BYTES + PIECE:
            raise EngineUnavailable("The Docker Engine broke off its answer.", engine="docker")
    head, _, rest = bytes(answer).partition(b"\r\n\r\n")
    status = _status(head)
    if status not in (101, 200):
        raise DockerError(status, await _refusal(sock, head, rest))
    return rest


async def _connect(client: Client) -> socket.socket:
    where = client.endpoint()
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            if isinstance(where, str):
                sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                addresses: list[object] = [where]
            else:
                found = await loop.getaddrinfo(*where, type=socket.SOCK_STREAM)
                sock = socket.socket(found[0][0], socket.SOCK_STREAM)
                addresses = [found[0][4]]
            sock.setblocking(False)  # noqa: FBT003 - the standard library's own form
            try:
                await loop.sock_connect(sock, addresses[0])  # type: ignore[arg-type]  # one of the families' addresses
            except BaseException:
                sock.close()
                raise
            return sock
    except (OSError, TimeoutError) as error:
        raise EngineUnavailable(f"The Docker Engine does not answer: {error or 'not in time'}.", engine="docker") from error


def _status(head: bytes) -> int:
    words = head.split(b"\r\n", 1)[0].split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise EngineUnavailable("What answers there is not a Docker Engine.", engine="docker")
    return int(words[1])


async def _refusal(sock: socket.socket, head: bytes, rest: bytes) -> str:
    """The engine's sentence; it announces the length of its errors."""
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            length = min(int(value), _HEAD_BYTES)
    while len(rest) < length:
        piece = await asyncio.get_running_loop().sock_recv(sock, length - len(rest))
        if not piece:
            break
        rest += piece
    return reason(rest[:length])


class Demultiplexer:
    """Takes the engine's frames (`spin.engines.docker.frames`) apart as they come, without waiting for the end of one."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._stream = 1
        self._left = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """(1 stdout or 2 stderr, bytes), neighbours of one stream joined."""
        found: list[tuple[int, list[memoryview]]] = []
        view, at, end = memoryview(data), 0, len(data)
        while at < end:
            if self._left:
                size = min(self._left, end - at)
                if found and found[-1][0] == self._stream:
                    found[-1][1].append(view[at : at + size])
                else:
                    found.append((self._stream, [view[at : at + size]]))
                self._left -= size
                at += size
                continue
            if not self._head and end - at >= 8:
                head: bytes | bytearray | memoryview = view[at : at + 8]
                at += 8
            else:
                missing = 8 - len(self._head)
                self._head += view[at : at + missing]
                at += missing
                if len(self._head) < 8:
                    break
                head, self._head = self._head, bytearray()
            self._stream = 2 if head[0] == 2 else 1
            self._left = int.from_bytes(head[4:8], "big")
        return [(stream, b"".join(parts)) for stream, parts in found]
