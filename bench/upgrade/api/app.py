"""The API: what a careful program does, and no more. aiohttp's own graceful end: on SIGTERM it accepts no more connections, closes
idle ones and finishes the requests that it has; WebSockets get a close frame, as aiohttp's manual has it.
"""

import asyncio
import hashlib
import os
import secrets
import weakref
from collections.abc import AsyncIterator

import uvloop
from aiohttp import ClientSession, WSCloseCode, WSMsgType, web

NAME = f"{secrets.token_hex(4)}/{os.environ['RELEASE']}"
STORE = "http://store:8000"
PIECE_SECONDS = 0.25


async def item(request: web.Request) -> web.Response:
    """A page of a kilobyte or two that follows from its number."""
    number = int(request.match_info["number"])
    return web.Response(text=f"item {number}\n" * 100)


async def order(request: web.Request) -> web.Response:
    """An order is acknowledged when the store has it. Nothing is tried again."""
    name = await request.text()
    await keep(request, name)
    return web.Response(text=name, status=201)


async def upload(request: web.Request) -> web.Response:
    """Answers with the digest of what arrived. Counts as an order."""
    digest = hashlib.sha256()
    async for piece in request.content.iter_chunked(65536):
        digest.update(piece)
    await keep(request, request.query["order"])
    return web.Response(text=digest.hexdigest(), status=201)


async def keep(request: web.Request, name: str) -> None:
    async with request.app["store"].post(f"{STORE}/orders", data=name) as answer:
        if answer.status != 201:
            raise web.HTTPBadGateway


async def slow(request: web.Request) -> web.Response:
    await asyncio.sleep(float(request.query["seconds"]))
    return web.Response(text="at last\n")


async def stream(request: web.Request) -> web.StreamResponse:
    """A line each quarter of a second, so many; then a last one, so that a missing end shows."""
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(int(request.query["lines"])):
        await response.write(f"line {number}\n".encode())
        await asyncio.sleep(PIECE_SECONDS)
    await response.write(b"end\n")
    return response


async def socket(request: web.Request) -> web.WebSocketResponse:
    """Says each message back."""
    ours = web.WebSocketResponse()
    await ours.prepare(request)
    request.app["sockets"].add(ours)
    async for message in ours:
        if message.type == WSMsgType.TEXT:
            await ours.send_str(message.data)
    return ours


async def healthz(request: web.Request) -> web.Response:
    async with request.app["store"].get(f"{STORE}/healthz") as answer:
        return web.Response(text="ok\n", status=answer.status)


async def orders(request: web.Request) -> web.Response:
    async with request.app["store"].get(f"{STORE}/orders") as answer:
        return web.Response(body=await answer.read())


async def sign(_: web.Request, response: web.StreamResponse) -> None:
    """Visitors can tell which container they had."""
    response.headers["X-Api"] = NAME


async def client(app: web.Application) -> AsyncIterator[None]:
    async with ClientSession() as app["store"]:
        yield


async def dismiss(app: web.Application) -> None:
    for one in set(app["sockets"]):
        await one.close(code=WSCloseCode.GOING_AWAY)


def main() -> None:
    uvloop.install()
    app = web.Application(client_max_size=4 * 2**20)
    app["sockets"] = weakref.WeakSet()
    app.on_response_prepare.append(sign)
    app.on_shutdown.append(dismiss)
    app.cleanup_ctx.append(client)
    app.add_routes(
        [
            web.get("/item/{number}", item),
            web.post("/orders", order),
            web.get("/orders", orders),
            web.post("/upload", upload),
            web.get("/slow", slow),
            web.get("/stream", stream),
            web.get("/socket", socket),
            web.get("/healthz", healthz),
        ]
    )
    web.run_app(app, port=8000, backlog=1024, access_log=None, print=None)


if __name__ == "__main__":
    main()
