"""A registry with the platform's sign-in beside it: what `docker login`, `push` and `pull` meet. Everything real, in one thread."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import logging
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import uvicorn

from spin.api import build
from spin.api.passwords import Argon2Passwords
from spin.kit.clock import SystemClock
from spin.kit.ports import listen
from spin.kit.processes import Supervisor
from spin.model.principal import Role
from spin.ports.store import User
from spin.registry import RegistryTokens, SigningKey, registry_child, registry_program, router
from spin.registry.tokens import grant
from spin.site import Site
from support.api import NOW, World, new_world
from support.docker import inspect
from support.platform import docker, free_ports

PASSWORD = "correct horse battery"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass
class Workstation:
    """A person at a computer of their own: a Docker client with its own configuration, and nothing stored in it."""

    registry: str
    configuration: Path

    def docker(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", *arguments],
            env={"PATH": os.environ["PATH"], "DOCKER_CONFIG": str(self.configuration), "HOME": str(self.configuration)},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def login(self, user: str, secret: str) -> subprocess.CompletedProcess[str]:
        return self.docker("login", self.registry, "--username", user, "--password-stdin", stdin=secret)

    def push(self, image: str, name: str) -> subprocess.CompletedProcess[str]:
        """Push the engine's `image` as `name` (repository:tag); the name is taken off the engine again."""
        target = f"{self.registry}/{name}"
        docker("tag", image, target)
        try:
            return self.docker("push", "--quiet", target)
        finally:
            docker("rmi", "--no-prune", target)

    def pull(self, name: str) -> subprocess.CompletedProcess[str]:
        target = f"{self.registry}/{name}"
        try:
            return self.docker("pull", "--quiet", target)
        finally:
            docker("rmi", "--no-prune", target, check=False)


@dataclass
class Shipyard:
    """The running site. People are those of `support.api`; `paul`, a developer of `lab`, has a password."""

    site: Site
    tokens: RegistryTokens
    keys: dict[str, str]
    directory: Path
    _made: list[Path] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.site.registry_port}"

    def workstation(self, user: str = "", secret: str = "") -> Workstation:
        """A new one, signed in as `user` (with their API key) unless that is empty."""
        configuration = Path(tempfile.mkdtemp(dir=self.directory))
        made = Workstation(self.site.registry_host, configuration)
        if user:
            done = made.login(user, secret or self.keys[user])
            assert done.returncode == 0, done.stderr
        return made

    def ask(self, user: str | None, *scopes: str, secret: str | None = None, **headers: str) -> httpx.Response:
        """Ask for a token."""
        auth = None if user is None else (user, secret if secret is not None else self.keys[user])
        parameters = [("service", "spin-registry"), *(("scope", scope) for scope in scopes)]
        url = f"{self.site.api_url}/registry/token"
        return httpx.get(url, params=parameters, auth=auth, headers=headers, trust_env=False)

    def granted(self, user: str, *scopes: str) -> dict[str, list[str]]:
        """What a token grants: actions by name."""
        answer = self.ask(user, *scopes)
        assert answer.status_code == 200, answer.text
        claims = jwt.decode(answer.json()["token"], options={"verify_signature": False})
        return {entry["name"]: entry["actions"] for entry in claims["access"]}

    def call(self, method: str, path: str, token: str = "", **more: Any) -> httpx.Response:
        """Ask the registry itself."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.request(method, f"{self.url}{path}", headers=headers | more.pop("headers", {}), trust_env=False, **more)


def put_image(url: str, repository: str, tag: str, token: str = "", **client: Any) -> str:
    """Push an image without layers over HTTP; returns its digest."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, **client) as http:
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}})
        digest = "sha256:" + hashlib.sha256(config.encode()).hexdigest()
        begun = http.post(f"/v2/{repository}/blobs/uploads/")
        begun.raise_for_status()
        target = httpx.URL(begun.headers["location"]).copy_merge_params({"digest": digest})
        http.put(target, content=config).raise_for_status()
        kind = "application/vnd.docker.container.image.v1+json"
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": kind, "size": len(config), "digest": digest},
            "layers": [],
        }
        answer = http.put(f"/v2/{repository}/manifests/{tag}", json=manifest, headers={"Content-Type": MANIFEST})
        answer.raise_for_status()
        return str(answer.headers["docker-content-digest"])


def writer(tokens: RegistryTokens, repository: str) -> str:
    return tokens.sign("test", [grant(repository, "pull", "push")])


def engine_pull(pinned: str, token: str) -> list[dict[str, Any]]:
    """Pull through the Engine API with a bearer token, as an engine's adapter does; the messages of the pull."""
    sent = base64.urlsafe_b64encode(json.dumps({"registrytoken": token}).encode()).decode()
    transport = httpx.HTTPTransport(uds="/var/run/docker.sock")
    with httpx.Client(transport=transport, base_url="http://docker", timeout=60) as engine:
        answer = engine.post("/images/create", params={"fromImage": pinned}, headers={"X-Registry-Auth": sent})
    return [json.loads(line) for line in answer.text.splitlines() if line]


def present(image: str) -> bool:
    with contextlib.suppress(AssertionError):
        return bool(inspect(image))
    return False


@contextlib.contextmanager
def shipyard() -> Iterator[Shipyard]:
    """A running registry and API, stopped at the end with nothing left."""
    ready = threading.Event()
    with tempfile.TemporaryDirectory(prefix="spin-ship-") as folder:
        running: list[tuple[Shipyard, uvicorn.Server]] = []
        with ThreadPoolExecutor(1) as thread:
            served = thread.submit(lambda: asyncio.run(_serve(Path(folder), running, ready)))
            while not ready.wait(0.05):
                if served.done():
                    served.result()
            try:
                yield running[0][0]
            finally:
                running[0][1].should_exit = True
                served.result()


async def _serve(folder: Path, running: list[tuple[Shipyard, uvicorn.Server]], ready: threading.Event) -> None:
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    api_port, registry_port = free_ports(2)
    site = Site(id="t-ship", api_port=api_port, registry_port=registry_port)
    directory = folder / "registry"
    directory.mkdir()
    key = SigningKey.load(directory)
    tokens = RegistryTokens(key, SystemClock())
    program = registry_program()
    assert program is not None, "these tests need Debian's package docker-registry"
    async with new_world(folder, site=site) as world, Supervisor(registry_child(program, site, directory, key)):
        await _with_password(world)
        app = build(world.platform, extra_routers=[router(world.platform, tokens)])
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2)
        server = _Server(config)
        with listen("API", site.address, site.api_port) as opened:
            running.append((Shipyard(site, tokens, world.keys, folder), server))
            ready.set()
            await server.serve([opened])


async def _with_password(world: World) -> None:
    async with world.store.begin(write=True) as work:
        await work.add_user(User("paul", operator=False, created=NOW), Argon2Passwords().hash(PASSWORD))
        await work.set_member("lab", "paul", Role.DEVELOPER)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
