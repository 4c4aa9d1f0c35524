"""The composition root: the only module that names concrete adapters, and the order in which they come and go."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack

import structlog
import uvicorn

from spin.addresses import HostGuard, NftAddresses, held, unusable
from spin.api import SERVER, build
from spin.api.passwords import Argon2Passwords
from spin.archive import FileArchive
from spin.edge import CaddyEdge, caddy_child
from spin.engines.docker import DockerEngine, elsewhere
from spin.errors import AddressesUnavailable, Conflict, Failed, NotFound, SpinError
from spin.kit.clock import SystemClock
from spin.kit.ports import PortUnavailable, check_port, listen
from spin.kit.processes import Child, ProcessFailed, Supervisor
from spin.main.data import DataDirectory, write_private
from spin.model.names import DeploymentKey
from spin.ports.store import Store
from spin.reconcile import Controller
from spin.reconcile.passes import World
from spin.registry import (
    ContainerRegistry,
    PullTokens,
    RegistryImages,
    RegistryTokens,
    SigningKey,
    registry_child,
    registry_program,
    router,
)
from spin.site import Site
from spin.store import open_store, sqlite_url
from spin.usecases.bootstrap import ensure_operator
from spin.usecases.events import forget_old
from spin.usecases.logs import forget_logs
from spin.usecases.notify import Notifier
from spin.usecases.platform import Platform
from spin.usecases.stats import sample

log = structlog.get_logger("spin.main")

FORGET_EVERY = 600.0
"""Seconds between two looks for events that are old."""
SAMPLE_EVERY = 60.0
"""Seconds between two looks at what each container uses. With 1,000 containers that is some 17 looks a second."""
GOODBYE = 3
"""Seconds that requests have to end when the platform stops."""


class StoredContents:
    """Implements `spin.ports.engine.FileContents` on the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def secret(self, key: DeploymentKey, stored: str, version: int) -> bytes:
        async with self._store.begin() as work:
            value = await work.secret_value(key.project, key.environment, stored, version)
        if value is None:
            raise NotFound(f"Secret {stored!r} has no version {version} in {key.environment}.", secret=stored)
        return value


class RunningPlatform:
    """All parts of the platform in one process, and its two children."""

    def __init__(self, site: Site, data: DataDirectory, operator: str) -> None:
        self._site = site
        self._data = data
        self._operator = operator
        self._parts = AsyncExitStack()
        self._controller: Controller | None = None
        self._platform: Platform | None = None
        self._server: _Server | None = None

    async def start(self) -> None:
        """Bring up everything, or raise with what is wrong; call `stop` in either case.

        Raises Conflict for ports that are taken, Failed for a part that does not come up.
        """
        site, clock = self._site, SystemClock()
        api_socket = self._take_ports()
        store = await open_store(sqlite_url(self._data.database), self._data.store_key())
        self._parts.push_async_callback(store.close)
        key = SigningKey.load(self._data.folder("registry"))
        tokens = RegistryTokens(key, clock)
        images = await self._parts.enter_async_context(RegistryImages(site, tokens))
        docker = os.environ.get("DOCKER_HOST")
        addresses = await self._addresses(docker)
        contents, access = StoredContents(store), PullTokens(site, tokens)
        engine = DockerEngine(site, contents, access, docker, service_addresses=addresses is not None, held=held)
        self._parts.push_async_callback(engine.close)
        await self._guard(docker, engine)
        edge_child = caddy_child(site, self._data.folder("edge"))
        edge = CaddyEdge(edge_child.directory)
        self._parts.push_async_callback(edge.close)
        notifier = Notifier()
        engines = {"docker": engine}
        archive = FileArchive(self._data.folder("logs"), site.retention)
        controller = Controller(World(site, store, engines, edge, clock, notifier.poke, addresses, archive))
        platform = Platform(
            site, store, engines, images, Argon2Passwords(), clock, controller.wake, notifier, archive=archive, edge=edge
        )
        self._controller = controller
        self._platform = platform
        await self._make_operator(platform)
        await asyncio.gather(self._start_registry(key), self._supervise(edge_child, controller))
        app = build(platform, extra_routers=[router(platform, tokens)])
        self._server = _Server(app, api_socket, notifier)
        # What is here by now stays. A collection that looked through all of it would keep everybody waiting for 60 ms each time.
        gc.collect()
        gc.freeze()
        log.info("ready", api=site.api_url, edge=site.edge_port, registry=site.registry_host, data=str(self._data.path))

    async def run(self) -> None:
        """Serve until cancelled. Raises whatever ends the API or the controller otherwise."""
        if self._controller is None or self._server is None or self._platform is None:
            raise RuntimeError("the platform has not been started")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._controller.run())
            tasks.create_task(self._server.serve())
            tasks.create_task(_forget(self._platform))
            tasks.create_task(_sample(self._platform))

    async def stop(self) -> None:
        """Stop the children and close everything, last come, first gone. Stacks go on."""
        await self._parts.aclose()

    def ready_line(self) -> str:
        site = self._site
        edge = f"http://{site.domain}:{site.edge_port}"
        return f"Spin is ready: api {site.api_url} · edge {edge} · registry {site.registry_host} · data {self._data.path}"

    def _take_ports(self) -> socket.socket:
        """The API's socket; all ports that are taken are told at once."""
        site = self._site
        problems: list[str] = []
        opened: socket.socket | None = None
        try:
            opened = listen("API", site.address, site.api_port)
            self._parts.callback(opened.close)
        except PortUnavailable as error:
            problems.append(f"{error} Choose another with --api-port.")
        for child, port in (("edge", site.edge_port), ("registry", site.registry_port)):
            if self._left_behind(child):
                continue  # our own, from before a crash: it is adopted
            try:
                check_port(child, site.address, port)
            except PortUnavailable as error:
                problems.append(f"{error} Choose another with --{child}-port.")
        if opened is None or problems:
            raise Conflict(" ".join(problems))
        return opened

    def _left_behind(self, child: str) -> bool:
        return any(self._data.folder(child).glob("*.pid"))

    async def _addresses(self, docker: str | None) -> NftAddresses | None:
        """The services' stable addresses, where they can be had; where not, the log says why."""
        site = self._site
        reason = "" if site.service_addresses else "They are switched off in the site file."
        reason = reason or await elsewhere(docker) or await unusable(site)
        if reason:
            log.warning("no service addresses: calls within a stack may fail while its containers change", reason=reason)
            return None
        return await self._parts.enter_async_context(NftAddresses(site))

    async def _guard(self, docker: str | None, engine: DockerEngine) -> None:
        """Keep containers off what listens on their host, where Spin may; where not, the log says why."""
        reason = await elsewhere(docker)
        if not reason:
            try:
                await self._parts.enter_async_context(HostGuard(self._site, engine.bridges, self._data.keep_guard))
            except AddressesUnavailable as error:
                reason = error.message
        if reason:
            log.warning("the host is not protected: containers reach what listens on all of its addresses", reason=reason)

    async def _make_operator(self, platform: Platform) -> None:
        file = self._data.operator_key
        if await ensure_operator(platform, self._operator, lambda text: write_private(file, f"{text}\n".encode())):
            log.info("first start: the operator's API key was written", operator=self._operator, file=str(file))

    async def _start_registry(self, key: SigningKey) -> None:
        directory = self._data.folder("registry")
        program = registry_program()
        if program is not None:
            await self._supervise(registry_child(program, self._site, directory, key))
            return
        container = ContainerRegistry(self._site, directory, key, os.environ.get("DOCKER_HOST"))
        await container.start()
        self._parts.push_async_callback(container.stop)

    async def _supervise(self, child: Child, controller: Controller | None = None) -> None:
        supervisor = Supervisor(child, restarted=None if controller is None else controller.wake_all)
        try:
            await supervisor.start()
        except ProcessFailed as error:
            raise Failed(str(error)) from None
        except PortUnavailable as error:
            raise Conflict(f"{error} Choose another with --{child.name}-port.") from None
        self._parts.push_async_callback(supervisor.stop)


async def _forget(platform: Platform) -> None:
    """Now and then, let go of what the site need not remember any longer."""
    while True:
        await asyncio.sleep(FORGET_EVERY)
        try:
            await forget_old(platform, platform.clock.now())
        except SpinError as error:
            log.warning("old events could not be forgotten", reason=error.message)
        try:
            await forget_logs(platform)
        except SpinError as error:
            log.warning("old logs could not be forgotten", reason=error.message)


async def _sample(platform: Platform) -> None:
    """Once a minute, note what all containers use. The looks are spread over most of the minute."""
    loop = asyncio.get_running_loop()
    while True:
        begun = loop.time()
        try:
            await sample(platform, over=SAMPLE_EVERY * 0.8)
        except SpinError as error:
            log.warning("what containers use could not be noted", reason=error.message)
        except Exception:  # whatever it is: a mistake in measuring must not take the platform with it
            log.exception("what containers use could not be noted")
        await asyncio.sleep(max(1.0, begun + SAMPLE_EVERY - loop.time()))


class _Server(uvicorn.Server):
    """The API on a socket that is open already; signals are `spin serve`'s business."""

    def __init__(self, app: object, opened: socket.socket, notifier: Notifier) -> None:
        super().__init__(
            uvicorn.Config(
                app,  # type: ignore[arg-type]  # uvicorn's type for ASGI applications is narrower than Starlette's
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=GOODBYE,
                timeout_keep_alive=30,
                **SERVER,
            )
        )
        self._opened = opened
        self._notifier = notifier

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - the one it was made with
        try:
            await super().serve([self._opened])
        except asyncio.CancelledError:
            self._notifier.close()  # who waits for news gets an answer now
            self.should_exit = True
            await self.shutdown([self._opened])
            raise
