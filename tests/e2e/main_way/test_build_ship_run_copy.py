"""Build, ship, run, scale, copy, remove: the main job, by the commands people type."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from support.platform import RunningPlatform, docker, eventually


def test_a_stack_is_built_shipped_run_scaled_copied_and_removed(stack) -> None:
    stack.ship()
    up = stack.spin("up")
    assert f"http://{stack.host()}:{stack.platform.edge_port}/" in up.stdout
    status, body = stack.get()
    assert (status, body.strip()) == (200, f"{stack.name}-web-1")

    stack.spin("scale", f"{stack.name}/web=3")
    answers = {stack.get()[1].strip() for _ in range(30)}
    assert answers == {f"{stack.name}-web-{n}" for n in (1, 2, 3)}

    stack.spin("promote", stack.name, "--to", "production")
    assert stack.get(environment="production")[0] == 200
    both = [json.loads(stack.spin("inspect", stack.name, "-e", e).stdout) for e in ("development", "production")]
    assert both[0]["services"][0]["digest"] == both[1]["services"][0]["digest"]
    assert both[0]["services"][0]["digest"].startswith("sha256:")

    stack.spin("rm", stack.name, "--yes")
    assert stack.get()[0] == 404
    assert stack.get(environment="production")[0] == 200
    assert stack.spin("inspect", stack.name, check=False).returncode == 5


def test_an_upgrade_replaces_what_changed_and_only_that(stack) -> None:
    stack.write(
        (stack.folder / "compose.yaml").read_text()
        + '  db:\n    image: ${SPIN_REGISTRY}/${SPIN_PROJECT}/tiny:1.0\n    command: ["sleep", "1000000"]\n'
    )
    stack.spin("up")
    before = ids(stack)
    plan = stack.spin("plan", env={"GREETING": "goodbye"})
    assert "environment.GREETING" in plan.stdout + plan.stderr
    assert ids(stack) == before
    stack.spin("up", env={"GREETING": "goodbye"})
    after = ids(stack)
    assert after["db"] == before["db"]
    assert after["web"] != before["web"]


def test_up_without_a_change_changes_nothing(stack) -> None:
    stack.spin("up")
    before = ids(stack)
    stack.spin("up")
    assert ids(stack) == before
    assert json.loads(stack.spin("inspect", stack.name).stdout)["revision"] == 1


def test_stop_keeps_the_containers_and_start_brings_the_same_ones_back(stack) -> None:
    stack.spin("up")
    before = ids(stack)
    stack.spin("stop", stack.name)
    assert stack.get()[0] == 503
    assert ids(stack) == before
    stack.spin("start", stack.name)
    eventually(lambda: stack.get()[0] == 200)
    assert ids(stack) == before
    stack.spin("restart", f"{stack.name}/web")
    assert stack.get()[0] == 200


def test_a_secret_reaches_the_container_and_nothing_else(stack) -> None:
    value = "correct-horse-battery-staple"
    (stack.folder / "password.txt").write_text(value)
    stack.write(
        (stack.folder / "compose.yaml")
        .read_text()
        .replace('"busybox hostname >', '"cp /run/secrets/password')
        .replace("/www/index.html;", "/www/index.html;", 1)
        + "    secrets: [{source: password, uid: '1000', mode: 0400}]\nsecrets:\n  password: {file: password.txt}\n"
    )
    up = stack.spin("up")
    assert stack.get()[1] == value
    shown = "".join(
        [
            up.stdout,
            up.stderr,
            stack.spin("inspect", stack.name).stdout,
            stack.spin("secret", "ls", "--json").stdout,
            stack.spin("render").stdout,
            stack.spin("export", stack.name, "-o", str(stack.folder / "out")).stdout,
            *(p.read_text() for p in (stack.folder / "out").rglob("*") if p.is_file()),
            stack.platform.log,
        ]
    )
    assert value not in shown
    assert value.encode() not in b"".join(p.read_bytes() for p in stack.platform.data.rglob("spin.db*"))
    container = docker("inspect", *ids(stack)["web"])
    assert value not in container


def test_a_volume_outlives_its_stack_unless_its_removal_is_asked_for(stack) -> None:
    stack.write(
        (stack.folder / "compose.yaml")
        .read_text()
        .replace("busybox hostname > /www/index.html", "echo x >> /data/f; cp /data/f /www/index.html")
        .replace('user: "1000:1000"', 'user: "0:0"')
        + "    volumes: ['data:/data']\nvolumes: {data: {}}\n"
    )
    stack.spin("up")
    assert stack.get()[1] == "x\n"
    stack.spin("rm", stack.name, "--yes")
    assert any(v["stack"] == stack.name for v in stack.platform.json("volume", "ls"))
    stack.spin("up")
    assert stack.get()[1] == "x\nx\n"
    stack.spin("rm", stack.name, "--volumes", "--yes")
    assert not any(v["stack"] == stack.name for v in stack.platform.json("volume", "ls"))


def test_logs_show_every_container_with_its_name(stack) -> None:
    stack.write(
        "services:\n  app:\n    image: ${SPIN_REGISTRY}/${SPIN_PROJECT}/tiny:1.0\n    scale: 2\n"
        '    command: ["sh", "-c", "busybox seq 1 150; exec busybox sleep 100000"]\n'
    )
    stack.spin("up")
    logs = stack.spin("logs", stack.name).stdout.splitlines()
    assert len(logs) == 300
    assert sum(line.startswith(f"{stack.name}-app-1") for line in logs) == 150
    assert len(stack.spin("logs", f"{stack.name}/app/2", "--tail", "10").stdout.splitlines()) == 10


def test_an_exported_stack_comes_up_again_as_it_was(stack, tmp_path: Path) -> None:
    stack.spin("up")
    out = tmp_path / "out"
    stack.spin("export", stack.name, "-o", str(out))
    folder = next(p.parent for p in out.rglob("compose.yaml"))
    plan = stack.platform.spin("plan", "-s", stack.name, cwd=folder)
    assert "environment" not in plan.stdout
    again = stack.platform.json("plan", "-s", stack.name, cwd=folder)
    assert again["empty"] is True


def test_plain_docker_login_push_and_pull_work_and_are_refused_where_they_should(
    platform: RunningPlatform, shipped: str, tmp_path: Path
) -> None:
    config = ["--config", str(tmp_path)]
    platform.spin("user", "create", "maria", check=False)
    docker(*config, "login", "-u", "any", "--password-stdin", platform.registry, stdin=platform.key.encode(), check=False)
    whoami = platform.json("whoami")["user"]
    docker(*config, "login", "-u", whoami, "--password-stdin", platform.registry, stdin=platform.key.encode())
    mine = f"{platform.registry}/demo/plain:1.0"
    docker("tag", shipped, mine)
    docker(*config, "push", "-q", mine)
    docker("rmi", mine)
    docker(*config, "pull", "-q", mine)

    key = json.loads(platform.spin("key", "create", "laptop", "--user", "maria", "--json").stdout)["key"]
    theirs = ["--config", str(tmp_path / "maria")]
    docker(*theirs, "login", "-u", "maria", "--password-stdin", platform.registry, stdin=key.encode())
    for action in ("push", "pull"):
        refused = run_docker(*theirs, action, mine)
        assert refused.returncode != 0
        assert "denied" in refused.stderr or "unauthorized" in refused.stderr
        assert "500" not in refused.stderr
    nobody = run_docker("--config", str(tmp_path / "nobody"), "pull", mine)
    assert nobody.returncode != 0
    assert "unauthorized" in nobody.stderr or "no basic auth" in nobody.stderr or "denied" in nobody.stderr


def run_docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)


def ids(stack) -> dict[str, list[str]]:
    """Engine ids of the stack's containers by service."""
    found: dict[str, list[str]] = {}
    for container in json.loads(stack.spin("inspect", stack.name).stdout)["containers"]:
        found.setdefault(container["service"], []).append(container["id"])
    return {service: sorted(each) for service, each in found.items()}
