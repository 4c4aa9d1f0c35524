"""A whole platform that listens on all addresses, a stack that is attacked, and a container of another stack that attacks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.docker import tiny_image
from support.platform import RunningPlatform, docker, free_ports, running_platform
from support.tiny import Stack

HERE = Path(__file__).parent
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")
"""All that can be added."""

ATTACKER = f"""\
services:
  app:
    build: .
    image: attacker:1
    user: "0:0"
    cap_add: [{", ".join(CAPABILITIES)}]
    command: [sleep, "1000000"]
    init: true
  util-six:
    image: attacker:1
    build: .
    user: "0:0"
    sysctls: {{net.ipv6.conf.all.disable_ipv6: 0, net.ipv6.conf.default.disable_ipv6: 0}}
    command: [sleep, "1000000"]
    init: true
"""

SERVER = r"""use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 64, ReuseAddr => 1) or die; \
  while (my $c = $s->accept) { sysread $c, my $q, 4000; print $c "HTTP/1.0 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\nvictim"; close $c }"""


def victim(published: int) -> str:
    program = SERVER.replace("\\\n", "").replace("$", "$$")
    return f"""\
services:
  web:
    image: ${{SPIN_REGISTRY}}/${{SPIN_PROJECT}}/attacker:1
    command: [perl, -e, '{program}']
    x-spin: {{http: 8080}}
    ports: ["{published}:8080"]
    networks: [front]
  db:
    image: ${{SPIN_REGISTRY}}/${{SPIN_PROJECT}}/attacker:1
    command: [perl, -e, '{program}']
    expose: [8080]
    networks: [front, back]
networks:
  front: {{}}
  back: {{internal: true}}
"""


@dataclass(frozen=True)
class Scene:
    platform: RunningPlatform
    attacker: str
    """The engine's id of the container that attacks."""
    published: int
    """Port of the host on which the victim is published, on all addresses."""

    def inside(self, *command: str, stdin: str = "") -> str:
        """What a command prints that is run in the attacker, as root."""
        return docker("exec", "-i", self.attacker, *command, stdin=stdin.encode())

    def probe(self, targets: list[tuple[str, int, str, str]]) -> dict[tuple[str, int, str], str]:
        """What comes of each (host, port, protocol, text): `open: …`, or why not."""
        lines = self.inside("perl", "/probe.pl", stdin="".join(f"{h} {p} {kind} {text}\n" for h, p, kind, text in targets))
        found = {}
        for line in lines.splitlines():
            where, _, answer = line.partition(": ")
            host, port, kind = where.split()
            found[host, int(port), kind] = answer
        return found


def containers(platform: RunningPlatform, stack: str) -> dict[str, dict[str, object]]:
    """What the engine says of each container of a stack, by service."""
    ids = docker("ps", "-q", "--filter", f"label=spin.site={platform.site_id}", "--filter", f"label=spin.stack={stack}").split()
    found = json.loads(docker("inspect", *ids))
    return {one["Config"]["Labels"]["spin.service"]: one for one in found}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("platform")
    [published] = free_ports(1)
    config = f"""
address = "0.0.0.0"

[[port_classes]]
name = "public"
reach = "everyone"
ports = ["{published}"]
address = "0.0.0.0"
"""
    image = tmp_path_factory.mktemp("attacker")
    for script in HERE.glob("*.pl"):
        (image / script.name).write_text(script.read_text())
    (image / "Dockerfile").write_text(f"FROM {tiny_image()}\nCOPY probe.pl attempts.pl neighbour.pl /\n")
    (image / "compose.yaml").write_text(ATTACKER)
    other = tmp_path_factory.mktemp("victim")
    (other / "compose.yaml").write_text(victim(published))
    with running_platform(folder, config=config) as platform:
        attacker = Stack(platform, image, "attacker")
        attacker.ship()
        attacker.spin("up", "-s", "attacker")
        Stack(platform, other, "victim").spin("up", "-s", "victim")
        yield Scene(platform, str(containers(platform, "attacker")["app"]["Id"]), published)


def host_addresses() -> list[str]:
    """All IPv4 addresses of this machine, those of bridges too."""
    told = subprocess.run(["ip", "-j", "-4", "address"], capture_output=True, check=True, text=True).stdout
    return [info["local"] for link in json.loads(told) for info in link["addr_info"] if not info["local"].startswith("127.")]
