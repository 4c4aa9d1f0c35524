"""Small stacks for tests, made of one tiny image: Debian's static busybox and nothing else."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.docker import build_image
from support.platform import RunningPlatform, docker

BASE = "spin-test/busybox:1"
"""On the engine only; built once, and left for the next run."""

BASE_DOCKERFILE = """\
FROM debian:bookworm-slim AS full
RUN apt-get update -q && apt-get install -qy --no-install-recommends busybox-static
FROM scratch
COPY --from=full /bin/busybox /bin/busybox
COPY --from=full /bin/busybox /bin/sh
"""

DOCKERFILE = f"""\
FROM {BASE}
COPY compose.yaml /
ENTRYPOINT ["/bin/busybox"]
"""

COMPOSE = """\
services:
  web:
    build: .
    image: tiny:1.0
    user: "1000:1000"
    entrypoint: ["/bin/busybox", "sh", "-c"]
    command: ["busybox hostname > /www/index.html; exec busybox httpd -f -p 8080 -h /www"]
    environment:
      GREETING: ${GREETING:-hello}
    tmpfs: ["/www:mode=1777"]
    init: true
    x-spin: {http: 8080}
"""


def base_image() -> str:
    """Name of the base image on the engine, built if it is not there."""
    if not docker("images", "--quiet", BASE):
        build_image(BASE, BASE_DOCKERFILE)
    return BASE


def prepare(folder: Path) -> None:
    """Make `folder` one with the small stack's Compose file and Dockerfile."""
    base_image()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "compose.yaml").write_text(COMPOSE)


@dataclass
class Stack:
    """A directory with a Compose file, on a platform. Its name is one of its own, so that tests share a platform."""

    platform: RunningPlatform
    folder: Path
    name: str

    def write(self, compose: str) -> None:
        (self.folder / "compose.yaml").write_text(compose)

    def ship(self) -> None:
        self.platform.spin("build", cwd=self.folder)
        self.platform.spin("push", cwd=self.folder)

    def spin(self, *arguments: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        return self.platform.spin(*arguments, cwd=self.folder, check=check, **options)

    def host(self, service: str = "web", environment: str = "development") -> str:
        return f"{service}.{self.name}.{environment}.spin.localhost"

    def get(self, path: str = "/", service: str = "web", environment: str = "development") -> tuple[int, str]:
        return self.platform.get(self.host(service, environment), path)
