"""The whole control plane on a port: real API, store, sign-in and controller. Only what is far away is simulated: the engine (which
starts its containers at once), the edge, and the registries (a dictionary).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
import uvicorn

from spin.api import SERVER, build
from spin.api.passwords import Argon2Passwords
from spin.edge.simulated import SimulatedEdge
from spin.engines.simulated import Behaviour, SimulatedEngine
from spin.kit.clock import SystemClock
from spin.model.names import DeploymentKey
from spin.reconcile import Controller
from spin.reconcile.passes import World as Surroundings
from spin.store import open_store, sqlite_url
from spin.usecases.platform import Platform
from support.api import DIGEST, LAB, OTHER_DIGEST, SITE, DictImages, _populate

STARTUP_SECONDS = 30.0


@dataclass(frozen=True)
class Served:
    """A platform that answers at `url`; `keys` are API keys by person (`support.api.PEOPLE`)."""

    url: str
    keys: dict[str, str]
    engine: SimulatedEngine
    images: DictImages


@contextlib.contextmanager
def served_api(folder: Path) -> Iterator[Served]:
    """Runs in a thread with a loop of its own until the block ends."""
    ready: Future[tuple[Served, Callable[[], None]]] = Future()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))  # tests read this process' output
    thread = threading.Thread(target=lambda: asyncio.run(_serve(folder, ready)))
    thread.start()
    try:
        served, stop = ready.result(STARTUP_SECONDS)
        try:
            yield served
        finally:
            stop()
    finally:
        thread.join(STARTUP_SECONDS)
        structlog.reset_defaults()


async def _serve(folder: Path, ready: Future[tuple[Served, Callable[[], None]]]) -> None:
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    try:
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(await open_store(sqlite_url(folder / "spin.db"), bytes(32)))
            clock, edge = SystemClock(), SimulatedEdge()
            engine = SimulatedEngine(clock, behaviour=Behaviour(ready_after=timedelta(milliseconds=50)))
            images = DictImages({f"{LAB}/web:{n}": d for n, d in ((1, DIGEST), (2, OTHER_DIGEST))})
            woken: list[Controller] = []

            def wake(key: DeploymentKey) -> None:
                woken[0].wake(key)

            platform = Platform(
                site=SITE,
                store=store,
                engines={"docker": engine},
                images=images,
                passwords=Argon2Passwords(),
                clock=clock,
                wake=wake,
            )
            woken.append(Controller(Surroundings(SITE, store, platform.engines, edge, clock, platform.notifier.poke)))
            keys = await _populate(store)
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            server = uvicorn.Server(uvicorn.Config(build(platform), log_level="critical", lifespan="off", **SERVER))
            running = [asyncio.create_task(woken[0].run()), asyncio.create_task(server.serve(sockets=[listener]))]
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            ready.set_result((Served(url, keys, engine, images), lambda: loop.call_soon_threadsafe(stopping.set)))
            await stopping.wait()
            server.should_exit = True
            await running[1]
            running[0].cancel()
            await asyncio.wait(running)
    except BaseException as error:
        if not ready.done():
            ready.set_exception(error)
        raise
