"""The store: writes down each order that it is sent, one line each, in the order of arrival. It refuses none, so doubles show."""

from pathlib import Path

import uvloop
from aiohttp import web

ORDERS = Path("/data/orders")


async def write(request: web.Request) -> web.Response:
    name = await request.text()
    request.app["file"].write(f"{name}\n")
    request.app["file"].flush()
    return web.Response(text=name, status=201)


async def read(_: web.Request) -> web.FileResponse:
    return web.FileResponse(ORDERS)


async def healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def main() -> None:
    uvloop.install()
    app = web.Application()
    app["file"] = ORDERS.open("a")
    app.add_routes([web.post("/orders", write), web.get("/orders", read), web.get("/healthz", healthz)])
    web.run_app(app, port=8000, backlog=1024, access_log=None, print=None)


if __name__ == "__main__":
    main()
