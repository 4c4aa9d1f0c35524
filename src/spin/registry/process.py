"""The registry as a process: Distribution's `registry` (Debian: `docker-registry`), its configuration, and when it is ready."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from spin.kit.processes import Child
from spin.registry.keys import SigningKey
from spin.registry.router import PATH
from spin.registry.tokens import ISSUER, SERVICE
from spin.site import Site

PROGRAMS = ("docker-registry", "registry")


def registry_program() -> str | None:
    """Path of an installed registry; None where there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def configuration(site: Site, *, address: str, storage: str, certificate: str, secret: str) -> dict[str, Any]:
    """Distribution's configuration. `storage` and `certificate` are paths as the registry sees them."""
    return {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": storage},
            "cache": {"blobdescriptor": "inmemory"},
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": True, "age": "168h", "interval": "24h", "dryrun": False}},
        },
        "http": {"addr": address, "secret": secret, "headers": {"X-Content-Type-Options": ["nosniff"]}},
        "auth": {
            "token": {
                "realm": f"http://localhost:{site.api_port}{PATH}",
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": certificate,
            }
        },
    }


def registry_child(program: str, site: Site, directory: Path, key: SigningKey) -> Child:
    """What the supervisor runs. All of it lives in `directory`."""
    storage = directory / "storage"
    storage.mkdir(exist_ok=True, mode=0o700)
    config = configuration(
        site,
        address=f"{site.address}:{site.registry_port}",
        storage=str(storage),
        certificate=str(key.certificate_file),
        secret=http_secret(directory),
    )
    file = directory / "config.yml"
    text = json.dumps(config, indent=2)  # JSON is YAML
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
    return Child(
        name="registry",
        argv=(program, "serve", str(file)),
        directory=directory,
        ready=answers(site),
        environment={"HOME": str(directory), "OTEL_TRACES_EXPORTER": "none"},
        identity=text + key.certificate_file.read_text(),
        ports=((site.address, site.registry_port),),
    )


def http_secret(directory: Path) -> str:
    """What the registry signs the state of uploads with: kept, so that an upload survives its restart."""
    file = directory / "http.secret"
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(secrets.token_hex(32))
    return file.read_text()


def answers(site: Site) -> Callable[[], Awaitable[bool]]:
    """A check whether the registry answers at all: without a token it says 401."""

    async def check() -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=2.0) as client:
            try:
                answer = await client.get(f"http://{site.address}:{site.registry_port}/v2/")
            except httpx.HTTPError:
                return False
        return answer.status_code == httpx.codes.UNAUTHORIZED

    return check
