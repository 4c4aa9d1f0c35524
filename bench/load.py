"""An open-loop load: visits begin at moments that are fixed ahead, whether or not earlier ones have been answered.

A process of its own, started by bench/upgrade.py: `load.py ADDRESS PORT HOST RATE SOCKETS RECORDS`. It ends on SIGTERM, when what is
in flight is done. Each visit and each WebSocket becomes a line of RECORDS as it ends (`Visit` and `Session` of bench/tally.py).
Times are of the machine's monotonic clock, which all its processes share.

Latency counts from the moment at which a visit was due, so a load that falls behind makes it worse, not better. A kept-alive
connection that the server has closed while it was idle is replaced, as every client does; a request that was sent is never
sent again.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from tally import Session, Visit
from visitors import Answer, Connection, Failed, Socket, socket_request, told

SHARES = {
    "GET kept-alive": 45,
    "GET new": 25,
    "POST kept-alive": 16,
    "POST new": 8,
    "slow": 3,
    "upload": 3,
}
"""Of a hundred visits. Slow ones take 1 to 3 seconds, half of them line by line; uploads have 256 KiB to 1 MiB. Half of both come
on connections of their own."""

TIMEOUT_SECONDS = 30
TOO_SLOW = f"no whole answer in {TIMEOUT_SECONDS} s"
KEPT_ALIVE = 100
"""Connections that visitors keep open without using them at the moment; a visit takes any of these."""
ECHO_SECONDS = 5
"""An open WebSocket that does not say a message back for so long has failed."""
RETURN_SECONDS = 1
"""How long one stays away at most who has lost a WebSocket."""
PAGES = 100


@dataclass(frozen=True, slots=True)
class Request:
    """What to send, and what is the whole right answer."""

    data: bytes
    status: int
    body: bytes
    order: str = ""
    """The id by which the store knows it, of what must be stored exactly once."""


class Load:
    """Everything that the visitors share."""

    def __init__(self, address: str, port: int, host: str, records: Path) -> None:
        self.address, self.port, self.host = address, port, f"{host}:{port}"
        self.chance = random.Random(port)
        self.run = os.urandom(4).hex()
        self.orders = 0
        self.idle: list[Connection] = []
        self.out = records.open("w", buffering=1)
        self.files = [(blob := os.urandom(kib * 1024), hashlib.sha256(blob).hexdigest()) for kib in (256, 512, 768, 1024)]
        self.stopping = asyncio.Event()
        self.kinds = list(SHARES)
        self.weights = list(SHARES.values())

    # ---- visits --------------------------------------------------------------------------------------------------------------

    async def arrivals(self, rate: float) -> None:
        """One visit each 1/rate seconds, until told to stop; then wait for those that are in flight."""
        begin = time.monotonic() + 0.5
        number = 0
        async with asyncio.TaskGroup() as visits:
            while not self.stopping.is_set():
                due = begin + number / rate
                if (early := due - time.monotonic()) > 0:
                    await asyncio.sleep(early)
                    continue
                number += 1
                [kind] = self.chance.choices(self.kinds, self.weights)
                visits.create_task(self.visit(kind, due))

    async def visit(self, kind: str, due: float) -> None:
        request = self.request(kind)
        fresh = kind.endswith("new") or (kind in ("slow", "upload") and self.chance.random() < 0.5)
        sent = time.monotonic()
        answer, reason = None, ""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                answer = await self.ask(request, fresh=fresh)
            reason = complaint(request, answer)
        except Failed as failure:
            reason = str(failure)
        except TimeoutError:
            reason = TOO_SLOW
        done = time.monotonic()
        api, web = (answer.header("x-api"), answer.header("x-web")) if answer is not None else ("", "")
        self.out.write(Visit(kind, due, sent, done, api, web, request.order, reason).line())

    async def ask(self, request: Request, *, fresh: bool) -> Answer:
        connection = None if fresh else self.kept()
        if connection is None:
            connection = await self.connect()
        try:
            answer = await connection.ask(request.data)
        except BaseException:
            connection.close()
            raise
        if fresh or not connection.reusable:
            connection.close()
        else:
            self.idle.append(connection)
        return answer

    async def connect(self) -> Connection:
        with told():
            _, connection = await asyncio.get_running_loop().create_connection(Connection, self.address, self.port)
        return connection

    def kept(self) -> Connection | None:
        """Any idle connection on which the server has not said that it is over; None where a new one must be opened."""
        while len(self.idle) >= KEPT_ALIVE:
            place = self.chance.randrange(len(self.idle))
            self.idle[place], self.idle[-1] = self.idle[-1], self.idle[place]
            connection = self.idle.pop()
            if connection.quiet():
                return connection
            connection.close()
        return None

    def request(self, kind: str) -> Request:
        if kind == "slow":
            if self.chance.random() < 0.5:
                lines = self.chance.randint(4, 12)
                body = "".join(f"line {n}\n" for n in range(lines)) + "end\n"
                return Request(self.get(f"/stream?lines={lines}"), 200, body.encode())
            return Request(self.get(f"/slow?seconds={self.chance.uniform(1, 3):.2f}"), 200, b"at last\n")
        if kind.startswith("GET"):
            number = self.chance.randrange(PAGES)
            return Request(self.get(f"/item/{number}"), 200, f"item {number}\n".encode() * 100)
        self.orders += 1
        order = f"{self.run}-{self.orders}"
        if kind == "upload":
            blob, digest = self.chance.choice(self.files)
            return Request(self.post(f"/upload?order={order}", blob), 201, digest.encode(), order)
        return Request(self.post("/orders", order.encode()), 201, order.encode(), order)

    def get(self, path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n".encode()

    def post(self, path: str, body: bytes) -> bytes:
        head = f"POST {path} HTTP/1.1\r\nHost: {self.host}\r\nUser-Agent: load\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    # ---- WebSockets ----------------------------------------------------------------------------------------------------------

    async def listener(self, number: int) -> None:
        """Keeps a WebSocket open. Those of even numbers stay for good, the others leave after a while and come again."""
        await asyncio.sleep(self.chance.random() * RETURN_SECONDS)
        while not self.stopping.is_set():
            due = time.monotonic()
            reason = ""
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    connection = await self.connect()
                    answer = await connection.ask(socket_request(self.host, "/socket"))
                if answer.status != 101:
                    reason = str(answer.status)
            except Failed as failure:
                answer, reason = Answer(0, {}), str(failure)
            except TimeoutError:
                answer, reason = Answer(0, {}), TOO_SLOW
            opened = time.monotonic()
            api, web = answer.header("x-api"), answer.header("x-web")
            self.out.write(Visit("WebSocket", due, due, opened, api, web, "", reason).line())
            if reason:
                await asyncio.sleep(RETURN_SECONDS)
                continue
            patience = float("inf") if number % 2 == 0 else self.chance.uniform(2, 40)
            how = await self.chat(Socket(connection), patience)
            self.out.write(Session(opened, time.monotonic(), how, api, web).line())
            await asyncio.sleep(self.chance.random() * RETURN_SECONDS)

    async def chat(self, socket: Socket, patience: float) -> str:
        """A message a second, each of which must come back. How it ended; `left` where the visitor had enough."""
        leave = time.monotonic() + patience
        number = 0
        while True:
            number += 1
            text = f"message {number}"
            socket.say(text)
            said = await socket.hear(ECHO_SECONDS)
            if said is None and not socket.ended:
                socket.close()
                return "no echo"
            if not socket.ended:
                nothing = await socket.hear(1)
                if said != text or (nothing is not None and not socket.ended):
                    socket.close()
                    return "wrong echo"
            if socket.ended:
                return socket.ended
            if self.stopping.is_set() or time.monotonic() > leave:
                socket.close()
                return "left"

    async def all(self, rate: float, sockets: int) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stopping.set)
        loop.set_exception_handler(give_up)
        gc.freeze()
        listeners = [asyncio.create_task(self.listener(number)) for number in range(sockets)]
        await self.arrivals(rate)
        await asyncio.gather(*listeners)
        self.out.close()


def complaint(request: Request, answer: Answer) -> str:
    """What is wrong with the answer; empty where it is the right one, whole."""
    if answer.status != request.status:
        return str(answer.status)
    return "" if answer.body == request.body else "wrong body"


def give_up(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A mistake in this program is no failure of a request: end, with a status that says so."""
    loop.default_exception_handler(context)
    os._exit(1)


async def main(address: str, port: str, host: str, rate: str, sockets: str, records: str) -> None:
    await Load(address, int(port), host, Path(records)).all(float(rate), int(sockets))


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
