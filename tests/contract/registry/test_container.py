"""Where no registry is installed it runs as a container of the official image, and serves the same."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from spin.errors import Failed
from spin.kit.clock import SystemClock
from spin.registry import ContainerRegistry, RegistryImages, RegistryTokens, SigningKey, registry_program
from spin.registry.container import IMAGE
from spin.site import Site
from support.backends import Backend
from support.docker import engine_site, inspect, things_of
from support.platform import docker, free_ports
from support.shipping import present, put_image, writer

# The official image as far as it matters here: a program `registry` on the search path, and a volume for its storage.
_DOCKERFILE = """
FROM debian:bookworm-slim
COPY docker-registry /bin/registry
VOLUME ["/var/lib/registry"]
EXPOSE 5000
ENTRYPOINT ["/entrypoint.sh"]
CMD ["/etc/docker/registry/config.yml"]
"""


@pytest.fixture
def official_image(tmp_path: Path) -> Iterator[str]:
    """The image, made of the installed program where it is not on the engine, and removed again in that case; one test at a time."""
    with (Path(tempfile.gettempdir()) / "spin-test-registry-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if present(IMAGE):
            yield IMAGE
            return
        program = registry_program()
        assert program is not None, "these tests need Debian's package docker-registry"
        shutil.copy(program, tmp_path / "docker-registry")
        (tmp_path / "Dockerfile").write_text(_DOCKERFILE)
        subprocess.run(["docker", "build", "--quiet", "--tag", IMAGE, str(tmp_path)], check=True, capture_output=True)
        try:
            yield IMAGE
        finally:
            docker("rmi", "--force", IMAGE)


@pytest.fixture
def site() -> Iterator[Site]:
    """A site of one's own; asked for after the image, it goes before it."""
    with engine_site() as identifier:
        yield Site(id=identifier, registry_port=free_ports(1)[0])


async def test_the_container_serves_keeps_its_images_and_goes_with_the_platform(official_image, site, workplace: Path):
    key = SigningKey.load(workplace)
    tokens = RegistryTokens(key, SystemClock())
    registry = ContainerRegistry(site, workplace, key)
    url, reference = f"http://127.0.0.1:{site.registry_port}", f"{site.registry_host}/lab/web:1"

    await registry.start()
    container = inspect(registry.name)
    assert container["Config"]["Labels"] == {"spin.site": site.id, "spin.kind": "registry"}
    assert container["HostConfig"]["PortBindings"] == {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(site.registry_port)}]}
    digest = put_image(url, "lab/web", "1", writer(tokens, "lab/web"))
    async with RegistryImages(site, tokens) as images:
        assert await images.digest(reference) == digest

    await registry.stop()
    assert things_of(site.id) == [registry.name], "its volume stays, and nothing else"

    await registry.start()
    async with RegistryImages(site, tokens) as images:
        assert await images.digest(reference) == digest
    await registry.start()
    async with RegistryImages(site, tokens) as images:
        assert await images.digest(reference) == digest
    await registry.stop()
    await registry.stop()


async def test_a_port_that_is_taken_is_the_engines_reason(official_image, site, workplace: Path):
    async with Backend() as squatter:
        taken = Site(id=site.id, registry_port=squatter.port)
        with pytest.raises(Failed, match=str(squatter.port)):
            await ContainerRegistry(taken, workplace, SigningKey.load(workplace)).start()
    await ContainerRegistry(taken, workplace, SigningKey.load(workplace)).stop()


async def test_a_foreign_container_of_that_name_is_left_alone(official_image, site, workplace: Path):
    registry = ContainerRegistry(site, workplace, SigningKey.load(workplace))
    docker("create", "--name", registry.name, IMAGE)
    try:
        with pytest.raises(Failed, match="is not this site's"):
            await registry.start()
        assert present(registry.name)
    finally:
        docker("rm", "--volumes", registry.name)


async def test_without_an_engine_it_says_what_to_install(site, workplace: Path):
    registry = ContainerRegistry(site, workplace, SigningKey.load(workplace), url=f"unix://{workplace}/no.sock")
    with pytest.raises(Failed, match="docker-registry"):
        await registry.start()
