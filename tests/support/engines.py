"""A bench for engines: one under test, with what the tests of the port need around it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from spin.addresses import held
from spin.engines.docker import DockerEngine
from spin.engines.simulated import Behaviour, SimulatedEngine
from spin.errors import NotFound
from spin.kit.clock import SystemClock
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.observed import Instance, Phase, Snapshot
from spin.model.stack import Image, Network, ServiceSpec
from spin.model.steps import Create, EnsureNetwork, Start
from spin.ports.engine import Engine
from spin.site import PortClass, Site
from support.platform import docker

SECONDS = 60.0
"""How long a test waits for what should come at once, on a machine that is busy."""


class Secrets:
    """Contents of secrets, for DeliverFiles."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, int], bytes] = {}

    async def secret(self, key: DeploymentKey, stored: str, version: int) -> bytes:
        assert key.project
        try:
            return self.values[stored, version]
        except KeyError:
            raise NotFound(f"no secret {stored}") from None


class Access:
    """Pull tokens, by repository."""

    def __init__(self) -> None:
        self.tokens: dict[str, str] = {}

    def bearer(self, repository: str) -> str | None:
        return self.tokens.get(repository)


@dataclass
class Bench:
    """An engine under test, and what a test needs around it."""

    engine: Engine
    site: Site
    image: Image
    """An image that the engine can pull, with a shell."""
    secrets: Secrets
    access: Access
    kill: Callable[[Instance], Awaitable[None]]
    """Make the container's main process end, behind Spin's back."""
    key: DeploymentKey = field(init=False)

    def __post_init__(self) -> None:
        self.key = self.another("shop")

    def another(self, stack: str, environment: str = "development", project: str = "research") -> DeploymentKey:
        return DeploymentKey(ProjectName(project), EnvironmentName(environment), StackName(stack))

    def service(self, name: str = "web", **more: Any) -> ServiceSpec:
        """A service that sleeps; `more` are fields of ServiceSpec."""
        chosen = {"command": ("sleep", "infinity"), "init": True, "stop_grace_ms": 1000, **more}
        return ServiceSpec(name=name, image=self.image, **chosen)

    async def create(
        self,
        spec: ServiceSpec,
        *,
        slot: int = 1,
        attempt: int = 1,
        key: DeploymentKey | None = None,
        digest: str | None = None,
        internal: bool = False,
    ) -> Instance:
        """The networks and the container; returns it as observed. The digest follows from the service's name unless given."""
        key = key or self.key
        for attachment in spec.networks:
            await self.engine.execute(key, EnsureNetwork(Network(attachment.network, internal=internal), "test"))
        made = digest or digest_of(spec.name)
        await self.engine.execute(key, Create(spec, made, slot, attempt, "test"))
        return next(
            i
            for i in (await self.engine.observe(key)).instances
            if (i.service, i.digest, i.slot, i.attempt) == (spec.name, made, slot, attempt)
        )

    async def run(self, spec: ServiceSpec, **more: Any) -> Instance:
        """`create`, started; returns it as created."""
        made = await self.create(spec, **more)
        await self.engine.execute(more.get("key") or self.key, Start(made.id, made.name, "test"))
        return made

    async def until(
        self, check: Callable[[Snapshot], bool], *, key: DeploymentKey | None = None, within: float = SECONDS
    ) -> Snapshot:
        """Observe whenever the engine hints, as the controller does, until `check` holds."""
        key = key or self.key
        seen = Snapshot()
        hinted = asyncio.Event()
        listener = asyncio.create_task(self._listen(hinted))
        try:
            async with asyncio.timeout(within):
                while not check(seen := await self.engine.observe(key)):
                    await hinted.wait()
                    hinted.clear()
        except TimeoutError:
            raise AssertionError(f"not within {within} s; observed last: {seen}") from None
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
        return seen

    async def _listen(self, hinted: asyncio.Event) -> None:
        async for _ in self.engine.hints():
            hinted.set()

    async def until_seen(self, check: Callable[[Snapshot], bool], *, within: float = SECONDS) -> Snapshot:
        """Like `until`, for what comes without a hint: look again and again."""
        deadline = asyncio.get_running_loop().time() + within
        while True:
            seen = await self.engine.observe(self.key)
            if check(seen):
                return seen
            assert asyncio.get_running_loop().time() < deadline, f"not within {within} s; observed last: {seen}"
            await asyncio.sleep(0.05)

    async def until_phase(self, instance: Instance, *phases: Phase, key: DeploymentKey | None = None) -> Instance:
        seen = await self.until(lambda s: any(i.id == instance.id and i.phase in phases for i in s.instances), key=key)
        return next(i for i in seen.instances if i.id == instance.id)

    def second(self, site: Site | None = None) -> Any:
        """A further DockerEngine on the same Docker Engine, for a block; of the same site unless given another."""
        return docker_engine(site or self.site, self.secrets, self.access)


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@asynccontextmanager
async def docker_engine(
    site: Site, secrets: Secrets, access: Access, url: str | None = None, *, service_addresses: bool = False
) -> AsyncIterator[DockerEngine]:
    engine = DockerEngine(site, secrets, access, url, service_addresses=service_addresses, held=held)
    try:
        yield engine
    finally:
        await engine.close()


def site_for_tests(name: str) -> Site:
    # Ports for tests: the whole ephemeral range may be published, on the loopback.
    return replace(Site(), id=name, port_classes=(PortClass("public", "everyone", ("1024-65535",)),))


async def kill_inside(instance: Instance) -> None:
    """Needs `init` in the service: what runs as process 1 cannot be killed from within, and killing from without forbids restarts."""
    await asyncio.to_thread(docker, "exec", instance.id, "sh", "-c", "kill -9 -1", check=False)


def simulated_bench() -> Bench:
    """A Bench on a simulated engine, on which containers are ready after a tenth of a second."""
    site, secrets = site_for_tests("simulated"), Secrets()
    engine = SimulatedEngine(SystemClock(), contents=secrets, behaviour=Behaviour(ready_after=timedelta(seconds=0.1)))
    image = Image("localhost:5000/test/tiny:1", digest=f"sha256:{digest_of('tiny')}")
    engine.images.add(image.pinned)

    async def kill(instance: Instance) -> None:
        engine.crash(instance.id, 137)

    return Bench(engine, site, image, secrets, Access(), kill)
