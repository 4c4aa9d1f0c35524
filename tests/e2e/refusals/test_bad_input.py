"""Bad input gets one clear sentence and the right exit status, and nothing is created."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

TINY = "${SPIN_REGISTRY}/${SPIN_PROJECT}/tiny:1.0"


@dataclass(frozen=True)
class Case:
    name: str
    compose: str
    status: int
    words: tuple[str, ...]


def service(lines: str) -> str:
    return f"services:\n  web:\n    image: {TINY}\n{lines}"


CASES = (
    Case("broken YAML names file, line and column", "services:\n  web: [\n", 2, ("compose.yaml:3:1",)),
    Case("a key twice", "services:\n  web: {image: a}\n  web: {image: b}\n", 2, ("compose.yaml:3", "web")),
    Case("an unknown key", service("    imagee: x\n"), 3, ("imagee", "compose.yaml:4")),
    Case("an unknown key deep inside", service("    healthcheck: {test: [CMD, 'true'], retry: 3}\n"), 3, ("retry",)),
    Case(
        "a required variable",
        service("    command: ['${NAME_OF_IT:?say a name}']\n"),
        2,
        ("NAME_OF_IT", "say a name", "compose.yaml:4"),
    ),
    Case("an image that is not there", "services:\n  a:\n    image: ${SPIN_REGISTRY}/${SPIN_PROJECT}/nope:9\n", 5, ("nope:9",)),
    Case(
        "every missing image is named",
        "services:\n  a: {image: '${SPIN_REGISTRY}/${SPIN_PROJECT}/one:9'}\n  b: {image: '${SPIN_REGISTRY}/${SPIN_PROJECT}/two:9'}\n",
        5,
        ("one:9", "two:9"),
    ),
    Case("another project's image", "services:\n  a: {image: '${SPIN_REGISTRY}/elsewhere/secret:1'}\n", 5, ("secret:1",)),
    Case("an image source that is not configured", "services:\n  a: {image: 'quay.example/x/y:1'}\n", 3, ("quay.example",)),
    Case("privileged", service("    privileged: true\n"), 3, ("privileged", "compose.yaml:4")),
    Case("host network", service("    network_mode: host\n"), 3, ("network_mode",)),
    Case("host pid", service("    pid: host\n"), 3, ("pid",)),
    Case("host ipc", service("    ipc: host\n"), 3, ("ipc",)),
    Case("host uts", service("    uts: host\n"), 3, ("uts",)),
    Case("host user namespace", service("    userns_mode: host\n"), 3, ("userns_mode",)),
    Case("a device", service("    devices: ['/dev/sda:/dev/sda']\n"), 3, ("devices",)),
    Case("a host path", service("    volumes: ['/etc:/mnt']\n"), 3, ("/etc",)),
    Case(
        "the Docker socket, long form",
        service("    volumes: [{type: bind, source: /var/run/docker.sock, target: /s}]\n"),
        3,
        ("docker.sock",),
    ),
    Case(
        "a volume that is a host path in disguise",
        service("    volumes: ['v:/mnt']\n") + "volumes:\n  v: {driver_opts: {type: none, o: bind, device: /}}\n",
        3,
        ("driver_opts",),
    ),
    Case("a capability outside the table", service("    cap_add: [SYS_ADMIN]\n"), 3, ("SYS_ADMIN",)),
    Case("security_opt", service("    security_opt: ['seccomp:unconfined']\n"), 3, ("security_opt",)),
    Case("cgroup_parent", service("    cgroup_parent: /x\n"), 3, ("cgroup_parent",)),
    Case("sysctls", service("    sysctls: {kernel.shmmax: 1}\n"), 3, ("kernel.shmmax",)),
    Case("a port outside the classes", service("    ports: ['22:22']\n"), 3, ("22",)),
    Case(
        "everything at once",
        service("    privileged: true\n    pid: host\n    ports: ['22:22']\n"),
        3,
        ("privileged", "pid", "22"),
    ),
    Case(
        "a secret that does not exist",
        service("    secrets: [p]\n") + "secrets:\n  p: {external: true}\n",
        5,
        ("spin secret create",),
    ),
    Case("a dependency that is not there", service("    depends_on: [db]\n"), 2, ("db",)),
    Case(
        "a circle of dependencies",
        f"services:\n  a: {{image: '{TINY}', depends_on: [b]}}\n  b: {{image: '{TINY}', depends_on: [a]}}\n",
        2,
        ("a", "b"),
    ),
    Case("a number where a text is needed", service("    user: {a: b}\n"), 2, ("user",)),
    Case("no services", "services: {}\n", 2, ("services",)),
)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_bad_input_is_refused_in_a_sentence_and_creates_nothing(stack, case: Case) -> None:
    stack.write(case.compose)
    done = stack.spin("up", check=False)
    assert done.returncode == case.status, done.stderr
    for word in case.words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert stack.name not in {s["stack"] for s in stack.platform.json("stack", "ls")}
    assert not any(stack.name in name for names in stack.platform.objects().values() for name in names)


def test_a_port_in_use_is_named(stack) -> None:
    with taken_port(range(60000, 60051)) as port:
        stack.write(service(f"    command: ['sleep', '1000']\n    ports: ['{port}:80']\n"))
        done = stack.spin("up", check=False)
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert stack.name not in {s["stack"] for s in stack.platform.json("stack", "ls")}


@contextlib.contextmanager
def taken_port(among: range) -> Iterator[int]:
    """A port that this process listens on."""
    for port in among:
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            listener.listen()
            yield port
            return
    raise AssertionError("no free port")


def test_a_name_that_another_project_has_is_taken(stack) -> None:
    stack.spin("up")
    stack.platform.spin("project", "create", "others", check=False)
    done = stack.spin("up", check=False, env={"SPIN_PROJECT": "others", "GREETING": "mine"})
    assert done.returncode in (1, 5)
    assert stack.name in done.stderr or "tiny" in done.stderr


def test_scale_without_a_number_is_a_usage_error_and_changes_nothing(stack) -> None:
    stack.spin("up")
    done = stack.spin("scale", f"{stack.name}/web", check=False)
    assert done.returncode == 2
    assert stack.platform.json("inspect", stack.name)["services"][0]["wanted"] == 1


def test_render_and_check_change_nothing(stack) -> None:
    assert "tiny" in stack.spin("render").stdout
    stack.spin("check")
    assert stack.name not in {s["stack"] for s in stack.platform.json("stack", "ls")}


def test_no_key_and_a_wrong_key_and_no_such_stack_have_their_own_exit_statuses(stack) -> None:
    assert stack.spin("ps", check=False, env={"SPIN_TOKEN": ""}).returncode == 4
    assert stack.spin("ps", check=False, env={"SPIN_TOKEN": "spin_abc_wrong"}).returncode == 4
    assert stack.spin("inspect", "nothing-here", check=False).returncode == 5
    assert stack.spin("ps", check=False, env={"SPIN_URL": "http://127.0.0.1:9"}).returncode == 1
    assert stack.spin("fly", check=False).returncode == 2
