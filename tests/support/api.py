"""The API in process: real store, real sign-in, real passes of the controller; the engine is simulated, the registry a dictionary."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import func, select

from spin.api import build
from spin.api.passwords import Argon2Passwords
from spin.edge.simulated import SimulatedEdge
from spin.engines.simulated import SimulatedEngine
from spin.errors import RegistryUnavailable
from spin.model.event import Event, EventQuery
from spin.model.image import ImageFacts
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.principal import Role
from spin.ports.store import ApiKey, User
from spin.reconcile.passes import Pass
from spin.reconcile.passes import World as Surroundings
from spin.site import Site
from spin.store import SqlStore, open_store, sqlite_url
from spin.store.schema import metadata
from spin.usecases.platform import Platform
from spin.usecases.sign_in import key_hash, new_key
from spin.usecases.views import stack_view

SITE = Site(id="t-api", rules={"no-limits": {"severity": "off"}})
"""Hardly a service in these tests says what it needs, and hardly a test is about that."""
NOW = datetime(2030, 5, 1, 12, 0, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
OTHER_DIGEST = "sha256:" + "b" * 64
LAB = f"{SITE.registry_host}/lab"
PEOPLE: Mapping[str, Mapping[str, Role]] = {
    "root": {},
    "otto": {"lab": Role.OWNER},
    "dora": {"lab": Role.DEVELOPER},
    "vera": {"lab": Role.VIEWER},
    "sam": {"other": Role.OWNER},
}
"""Who there is, and their roles: `root` is an operator, `sam` a stranger to the project `lab`."""


@dataclass
class Moment:
    """A clock that stands until it is moved."""

    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment

    def forward(self, by: timedelta) -> None:
        self.moment += by


@dataclass
class DictImages:
    """Registries as a dictionary from reference to digest. A digest that any reference has is found by digest, too."""

    known: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    gone: bool = False
    says: dict[str, ImageFacts] = field(default_factory=dict)
    """Facts by digest."""

    async def digest(self, reference: str) -> str | None:
        self.asked.append(reference)
        await asyncio.sleep(0)
        if self.gone:
            raise RegistryUnavailable("The registry does not answer.")
        repository, at, digest = reference.partition("@")
        if at:
            names = {name.rpartition(":")[0] for name, found in self.known.items() if found == digest}
            return digest if repository.rpartition(":")[0] in names or repository in names else None
        return self.known.get(reference)

    async def facts(self, pinned: str) -> ImageFacts | None:
        if self.gone:
            raise RegistryUnavailable("The registry does not answer.")
        return self.says.get(pinned.partition("@")[2])


@dataclass
class World:
    """One site with its people, of which tests ask things over HTTP."""

    platform: Platform
    app: FastAPI
    store: SqlStore
    images: DictImages
    engine: SimulatedEngine
    passes: Pass
    clock: Moment
    keys: dict[str, str]
    woken: list[DeploymentKey]
    _clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    def open(self, headers: Mapping[str, str]) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://spin.test/api/v1", headers=dict(headers))

    def as_(self, person: str) -> httpx.AsyncClient:
        """A client that is signed in as `person`; as nobody for ""."""
        if person not in self._clients:
            self._clients[person] = self.open({"Authorization": f"Bearer {self.keys[person]}"} if person else {})
        return self._clients[person]

    async def exchange(self, **parts: Any) -> None:
        """Go on with other parts in the platform's place."""
        await self.close()
        self.platform = replace(self.platform, **parts)
        self.app = build(self.platform)

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    async def rows(self) -> dict[str, int]:
        """How many rows each table has, the journal apart: what was refused stands there and nowhere else."""
        async with self.store.engine.connect() as connection:
            return {
                table.name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
                for table in metadata.sorted_tables
                if table.name != "events"
            }

    async def journal(self) -> tuple[Event, ...]:
        """Every event there is."""
        async with self.store.begin() as work:
            return await work.events(EventQuery(last=10_000))

    async def up(
        self, stack: str = "shop", person: str = "dora", environment: str = "development", **body: Any
    ) -> httpx.Response:
        """Deploy; `body` are the arguments of `submission`."""
        extra: dict[str, Any] = {
            name: body.pop(name) for name in ("expect_generation", "note", "force", "on_failure") if name in body
        }
        project = next(iter(PEOPLE[person]), "lab")
        sent = {"submission": submission(**body), **extra}
        return await self.as_(person).put(path(stack, project=project, environment=environment), json=sent)

    async def plan(self, stack: str = "shop", person: str = "dora", *, force: bool = False, **body: Any) -> httpx.Response:
        """Ask what deploying would change."""
        return await self.as_(person).post(path(stack) + "/plan", json={"submission": submission(**body), "force": force})

    async def settle(self, stack: str = "shop", environment: str = "development") -> None:
        """Let the controller work on the stack until nothing is under way; it may be gone then."""
        key = key_of(stack, environment=environment)
        for _ in range(100):
            wait = await self.passes.run(key)
            async with self.store.begin() as work:
                deployment, status = await work.deployment(key), await work.status(key)
                revision = None if deployment is None else await work.revision(key, deployment.revision)
            if deployment is None or revision is None:
                return
            if wait != timedelta(0):
                if stack_view(self.platform.site, deployment, revision, status).settled:
                    return
                self.clock.forward(timedelta(seconds=1))
        raise AssertionError(f"{key} does not settle: {status}")


def path(stack: str = "", *, project: str = "lab", environment: str = "development") -> str:
    return f"/projects/{project}/environments/{environment}/stacks" + (f"/{stack}" if stack else "")


def key_of(stack: str, *, project: str = "lab", environment: str = "development") -> DeploymentKey:
    return DeploymentKey(ProjectName(project), EnvironmentName(environment), StackName(stack))


def web(**keys: Any) -> dict[str, Any]:
    """A service that is fine; `keys` are added. `x-spin` is written `x_spin`."""
    return {"image": f"{LAB}/web:1"} | {name.replace("x_spin", "x-spin"): value for name, value in keys.items()}


def submission(
    services: Mapping[str, Any] | None = None,
    *,
    configs: Mapping[str, bytes] | None = None,
    secrets: Mapping[str, bytes] | None = None,
    positions: Mapping[str, str] | None = None,
    notices: list[dict[str, Any]] | None = None,
    **top: Any,
) -> dict[str, Any]:
    """The JSON of a submission; `top` are further top-level keys of the document, `top_secrets` that of `secrets`."""
    document = {"services": dict(services or {"web": web()})} | {name.removeprefix("top_"): v for name, v in top.items()}
    return {
        "document": document,
        "configs": {name: base64.b64encode(value).decode() for name, value in (configs or {}).items()},
        "secrets": {name: base64.b64encode(value).decode() for name, value in (secrets or {}).items()},
        "positions": dict(positions or {}),
        "notices": list(notices or []),
    }


@asynccontextmanager
async def new_world(folder: Path, *, site: Site = SITE) -> AsyncIterator[World]:
    """A site with the people of PEOPLE and the image `lab/web:1`, closed at the end."""
    async with AsyncExitStack() as stack:
        keys = await _database(folder / "spin.db")
        store = await stack.enter_async_context(await open_store(sqlite_url(folder / "spin.db"), bytes(32)))
        images = DictImages({f"{LAB}/web:1": DIGEST, "docker.io/library/mariadb:11": OTHER_DIGEST})
        clock = Moment()
        engine, edge = SimulatedEngine(clock), SimulatedEdge()
        woken: list[DeploymentKey] = []
        platform = Platform(
            site=site,
            store=store,
            engines={"docker": engine},
            images=images,
            passwords=Argon2Passwords(),
            clock=clock,
            wake=woken.append,
        )
        passes = Pass(Surroundings(site, store, platform.engines, edge, clock, platform.notifier.poke))
        world = World(platform, build(platform), store, images, engine, passes, clock, keys, woken)
        stack.push_async_callback(world.close)
        yield world


_made: list[tuple[bytes, dict[str, str]]] = []


async def _database(path: Path) -> dict[str, str]:
    """A store with the people of PEOPLE at `path`; made once in each process and copied from then on. Returns their keys."""
    if not _made:
        async with await open_store(sqlite_url(path), bytes(32)) as store:
            keys = await _populate(store)
        _made.append((await asyncio.to_thread(path.read_bytes), keys))
    content, keys = _made[0]
    await asyncio.to_thread(path.write_bytes, content)
    return keys


async def _populate(store: SqlStore) -> dict[str, str]:
    keys: dict[str, str] = {}
    async with store.begin(write=True) as work:
        for project in ("lab", "other"):
            await work.add_project(project, NOW)
        for person, roles in PEOPLE.items():
            await work.add_user(User(person, person == "root", NOW), None)
            identifier, text = new_key()
            await work.add_key(ApiKey(identifier, person, "test", NOW, last_used=NOW), key_hash(text))
            keys[person] = text
            for project, role in roles.items():
                await work.set_member(project, person, role)
    return keys


def smaller_site(**limits: Any) -> Site:
    """The site with other limits."""
    return replace(SITE, limits=replace(SITE.limits, **limits))


async def eventually(what: str, check: Callable[[], bool], seconds: float = 5) -> None:
    """Until `check` is true. Raises AssertionError at the deadline."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.005)
