"""A whole platform of one's own for a test: `spin serve` on free ports, with its own site id and data directory.

Whatever a test does to it, the end leaves nothing behind: processes by pid, containers, networks and volumes by the site's label.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SPIN = str(Path(sys.executable).with_name("spin"))


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now; held together while choosing, so that they differ."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def eventually(check: Callable[[], Any], *, within: float = 60, what: str = "") -> Any:
    """The first true answer of `check`; fails after `within` seconds with the last answer or error."""
    deadline = time.monotonic() + within
    last: Any = None
    while time.monotonic() < deadline:
        try:
            last = check()
            if last:
                return last
        except (OSError, AssertionError, http.client.HTTPException) as error:
            last = error
        time.sleep(0.05)
    raise AssertionError(f"not within {within} s: {what or check}: {last!r}")


def docker(*arguments: str, check: bool = True, stdin: bytes | None = None) -> str:
    """What the docker command prints."""
    done = subprocess.run(["docker", *arguments], capture_output=True, check=False, input=stdin)
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(arguments)}: {done.stderr.decode()}")
    return done.stdout.decode()


@dataclass
class RunningPlatform:
    data: Path
    site_id: str
    api_port: int
    edge_port: int
    registry_port: int
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    config: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def registry(self) -> str:
        return f"localhost:{self.registry_port}"

    @property
    def log(self) -> str:
        return (self.data.parent / "serve.log").read_text(errors="replace")

    @property
    def key(self) -> str:
        return (self.data / "operator.key").read_text().strip()

    def arguments(self) -> list[str]:
        ports = {"--api-port": self.api_port, "--edge-port": self.edge_port, "--registry-port": self.registry_port}
        config = self.data.parent / "spin.toml"
        config.write_text(f'id = "{self.site_id}"\n{self.config}')
        flags = [word for flag, port in ports.items() for word in (flag, str(port))]
        return self.command(SPIN, "serve", "--data", str(self.data), "--config", str(config), *flags)

    def command(self, *words: str, folder: Path | None = None) -> list[str]:  # noqa: ARG002 - it is the process's own here
        """What runs this command where the platform is, in that folder."""
        return list(words)

    def connection(self) -> http.client.HTTPConnection:
        """To the edge."""
        return http.client.HTTPConnection("127.0.0.1", self.edge_port, timeout=10)

    def start(self, *, within: float = 60) -> None:
        """Start `spin serve` and wait for its ready line."""
        with (self.data.parent / "serve.log").open("ab") as log:
            before = log.tell()
            self.process = subprocess.Popen(
                self.arguments(), stdout=log, stderr=log, env=os.environ | self.environment, start_new_session=True
            )
        process = self.process

        def ready() -> bool:
            text = (self.data.parent / "serve.log").read_bytes()[before:].decode(errors="replace")
            if process.poll() is not None:
                raise RuntimeError(f"spin serve ended with {process.returncode}:\n{text}")
            return "Spin is ready" in text

        eventually(ready, within=within, what="ready line")

    def stop(self, *, within: float = 30) -> int:
        """Stop it as Ctrl-C does; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(within)

    def kill(self) -> None:
        """kill -9 of the platform's own process."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def spin(
        self,
        *arguments: str,
        check: bool = True,
        stdin: str | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run the `spin` command against this platform."""
        variables = {
            **os.environ,
            **self.environment,
            "SPIN_URL": self.url,
            "SPIN_TOKEN": self.key,
            "SPIN_PROJECT": "demo",
            "XDG_CONFIG_HOME": str(self.data.parent / "config"),
            **(env or {}),
        }
        done = subprocess.run(
            self.command(SPIN, *arguments, folder=cwd),
            capture_output=True,
            text=True,
            check=False,
            input=stdin,
            cwd=cwd,
            env=variables,
            timeout=300,
        )
        if check and done.returncode:
            raise AssertionError(
                f"spin {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.log[-3000:]}"
            )
        return done

    def json(self, *arguments: str, **options: Any) -> Any:
        return json.loads(self.spin(*arguments, "--json", **options).stdout)

    def get(self, host: str, path: str = "/") -> tuple[int, str]:
        """GET through the edge by host name, as a browser on this machine would: asking again where the connection was closed."""
        try:
            return self._get(host, path)
        except (http.client.RemoteDisconnected, ConnectionResetError):
            return self._get(host, path)

    def _get(self, host: str, path: str) -> tuple[int, str]:
        connection = self.connection()
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def objects(self) -> dict[str, list[str]]:
        """Names of all that this site has on the engine."""
        label = f"label=spin.site={self.site_id}"
        return {
            "containers": docker("ps", "-a", "--filter", label, "--format", "{{.Names}}").split(),
            "networks": docker("network", "ls", "--filter", label, "--format", "{{.Name}}").split(),
            "volumes": docker("volume", "ls", "--filter", label, "--format", "{{.Name}}").split(),
        }

    def clean(self) -> None:
        """Leave nothing behind, however the test ended."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        for folder in Path("/proc").glob("[0-9]*"):  # adopted children of a platform that was killed
            with contextlib.suppress(OSError):
                if str(self.data).encode() in (folder / "cmdline").read_bytes():
                    os.kill(int(folder.name), signal.SIGKILL)
        found = self.objects()
        if found["containers"]:
            docker("rm", "-fv", *found["containers"], check=False)
        if found["networks"]:
            docker("network", "rm", *found["networks"], check=False)
        if found["volumes"]:
            docker("volume", "rm", "-f", *found["volumes"], check=False)
        with contextlib.suppress(
            FileNotFoundError
        ):  # without nft there is no table of service addresses, which stays as stacks do
            for table in (("ip", f"spin-{self.site_id}"), ("inet", f"spin-{self.site_id}-guard")):
                subprocess.run(["nft", "delete", "table", *table], capture_output=True, check=False)
        images = docker("images", "--filter", f"reference={self.registry}/*/*", "--format", "{{.Repository}}:{{.Tag}}").split()
        if images:
            docker("rmi", "-f", *[i.removesuffix(":<none>") for i in images], check=False)


@contextlib.contextmanager
def running_platform(
    folder: Path, *, config: str = "", environment: Mapping[str, str] | None = None
) -> Iterator[RunningPlatform]:
    """A started platform with the project `demo`."""
    api, edge, registry = free_ports(3)
    platform = RunningPlatform(
        folder / "data", f"t{secrets.token_hex(4)}", api, edge, registry, environment=dict(environment or {}), config=config
    )
    try:
        platform.start()
        platform.spin("project", "create", "demo", check=False)
        yield platform
    finally:
        platform.clean()
