"""Small HTTP servers that stand where containers stand: they tell who they are and what they were asked."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Self


class Backend:
    """Listens on 127.0.0.1. `/` echoes the request as JSON; `/slow` answers when `release` is set; `/stream` sends a line a second
    asked for through `lines`; an upgrade is answered by an echo of bytes; `/server` has headers of its own."""

    def __init__(self, name: str = "backend") -> None:
        self.name = name
        self.requests = 0
        self.busy = 0
        """Requests that are not answered yet."""
        self.started = asyncio.Event()
        self.release = asyncio.Event()
        self.gone = asyncio.Event()
        self.lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def connections(self) -> int:
        return len(self._tasks)

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")
        self.busy += 1
        try:
            return await self._answer(first, [tuple(line.split(": ", 1)) for line in lines if line], reader, writer)
        finally:
            self.busy -= 1

    async def _answer(
        self, first: str, headers: list[tuple[str, ...]], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Whether the connection is kept."""
        values = {name.lower(): value for name, value in headers}
        await reader.readexactly(int(values.get("content-length", 0)))
        self.requests += 1
        path = first.split()[1]
        if "upgrade" in values:
            return await self._echo(reader, writer)
        if path == "/stream":
            return await self._stream(reader, writer)
        if path == "/slow":
            self.started.set()
            await self.release.wait()
        body = json.dumps({"name": self.name, "request": first, "headers": headers}).encode()
        extra = "Server: Backend/1.0\r\nVia: 1.1 inner\r\n" if path == "/server" else ""
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nX-Name: {self.name}\r\n{extra}\r\n".encode() + body)
        await writer.drain()
        return True

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        while data := await reader.read(1000):
            writer.write(data)
            await writer.drain()
        return False

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await writer.drain()
        self.started.set()
        hung_up = asyncio.create_task(reader.read())
        while True:
            line = asyncio.create_task(self.lines.get())
            await asyncio.wait({line, hung_up}, return_when=asyncio.FIRST_COMPLETED)
            if hung_up.done():
                line.cancel()
                self.gone.set()
                return False
            data = line.result() or b""
            writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            await writer.drain()
            if not data:
                hung_up.cancel()
                return False
