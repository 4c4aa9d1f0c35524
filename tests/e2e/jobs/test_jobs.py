"""Jobs on the whole platform: real containers, a real clock for what people ask for, and a platform that is killed in between."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from support.platform import SPIN, RunningPlatform, docker, eventually
from support.tiny import Stack

COMPOSE = """\
services:
  web:
    image: {image}
    entrypoint: ["/bin/busybox", "sleep", "infinity"]
    init: true
  backup:
    image: {image}
    entrypoint: ["/bin/busybox", "sh", "-c"]
    command: ["echo copying with $$(cat /run/secrets/token); echo run >> /data/runs; busybox sleep ${{NAP:-0}}; exit ${{STATUS:-0}}"]
    init: true
    volumes: ["data:/data"]
    secrets: [token]
    depends_on: [web]
    x-spin: {{schedule: "0 0 1 1 *", timeout: "${{TIMEOUT:-10m}}", keep: 2}}
volumes:
  data: {{}}
secrets:
  token: {{file: ./token}}
"""


@pytest.fixture
def shop(stack: Stack, shipped: str) -> Stack:
    stack.write(COMPOSE.format(image=shipped))
    (stack.folder / "token").write_text("opensesame")
    stack.spin("up", "--timeout", "60")
    return stack


def history(shop: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shop.platform.json("job", "history", f"{shop.name}/backup")
    return found


def containers(shop: Stack) -> list[str]:
    label = f"label=spin.site={shop.platform.site_id}"
    kind = ("--filter", "label=spin.kind=container", "--filter", "label=spin.service=backup")
    return docker("ps", "-aq", "--filter", label, "--filter", f"label=spin.stack={shop.name}", *kind).split()


def written(shop: Stack) -> int:
    """How often the job has really run: each run adds a line to its volume."""
    text = shop.spin("run", f"{shop.name}/backup", "--", "cat /data/runs").stdout
    return len(text.splitlines())


def test_a_job_has_no_container_until_it_runs_and_its_run_gets_all_that_the_service_has(shop: Stack) -> None:
    assert containers(shop) == []
    (job,) = shop.platform.json("job", "ls", shop.name)
    assert (job["service"], job["last"], job["next"][5:16]) == ("backup", None, "01-01T00:00")
    done = shop.spin("job", "run", f"{shop.name}/backup")
    assert done.stdout == "copying with opensesame\n"
    (run,) = history(shop)
    assert (run["state"], run["exit_code"], run["reason"]) == ("succeeded", 0, "manual")
    services = {s["name"]: s["state"] for s in shop.platform.json("inspect", shop.name)["services"]}
    assert services == {"web": "healthy", "backup": "scheduled"}
    assert shop.spin("job", "logs", f"{shop.name}/backup").stdout == "copying with opensesame\n"
    for _ in range(3):
        shop.spin("job", "run", f"{shop.name}/backup")
    eventually(lambda: len(containers(shop)) == 2, what="the containers of the newest runs stay, and no others")
    assert len(history(shop)) == 4
    assert written(shop) == 4


def test_a_run_that_fails_or_takes_too_long_says_so(shop: Stack) -> None:
    shop.spin("up", "--timeout", "60", env={"STATUS": "7"})
    done = shop.spin("job", "run", f"{shop.name}/backup", check=False)
    assert done.returncode == 7
    assert "failed" in done.stderr
    shop.spin("up", "--timeout", "60", env={"NAP": "600", "TIMEOUT": "1s"})
    done = shop.spin("job", "run", f"{shop.name}/backup", check=False)
    assert done.returncode != 0
    late, failed = history(shop)
    assert (late["state"], failed["state"], failed["detail"]) == ("timed-out", "failed", "exited with 7")
    assert shop.platform.json("inspect", shop.name)["state"] == "healthy"
    told = [json.loads(line)["text"] for line in shop.spin("events", shop.name, "--json").stdout.splitlines()]
    assert {"backup: run 1 failed", "backup: run 2 timed out"} <= set(told)


def test_a_platform_that_is_killed_in_the_midst_of_a_run_tells_how_it_ended(shop: Stack, platform: RunningPlatform) -> None:
    shop.spin("up", "--timeout", "60", env={"NAP": "3"})
    shop.spin("job", "run", f"{shop.name}/backup", "--detach")
    eventually(lambda: containers(shop), what="the run has a container")
    platform.kill()
    platform.start()
    eventually(lambda: history(shop)[0]["state"] == "succeeded", what="the run has ended well")
    assert len(history(shop)) == 1
    assert written(shop) == 1


def test_all_lines_of_a_run_come_also_where_no_container_is_kept_and_the_platform_is_killed(
    shop: Stack, platform: RunningPlatform
) -> None:
    text = (shop.folder / "compose.yaml").read_text().replace("keep: 2", "keep: 0")
    loop = "i=0; while [ $$i -lt 300 ]; do i=$$((i+1)); echo line $$i; busybox usleep 10000; done; echo last words >&2"
    shop.write(text.replace("busybox sleep ${NAP:-0}", loop))
    shop.spin("up", "--timeout", "60")
    for kill in (False, True):
        command = [SPIN, "job", "run", f"{shop.name}/backup"]
        variables = {"SPIN_URL": platform.url, "SPIN_TOKEN": platform.key, "SPIN_PROJECT": "demo"}
        child = subprocess.Popen(
            command, env=os.environ | variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=shop.folder
        )
        if kill:
            eventually(lambda: containers(shop), what="the run has a container")
            platform.kill()
            platform.start()
        out, err = child.communicate(timeout=90)
        assert child.returncode == 0, err
        assert out.splitlines()[1:] == [f"line {n}" for n in range(1, 301)]
        assert err.count("last words") == 1
        eventually(lambda: not containers(shop), what="its container goes")
        assert shop.spin("job", "logs", f"{shop.name}/backup").stdout.splitlines() == out.splitlines()


def test_stop_ends_a_run_and_removing_the_stack_leaves_nothing(shop: Stack) -> None:
    shop.spin("up", "--timeout", "60", env={"NAP": "600"})
    shop.spin("job", "run", f"{shop.name}/backup", "--detach")
    eventually(lambda: history(shop)[0]["state"] == "running", what="the run goes on")
    refused = shop.spin("job", "run", f"{shop.name}/backup", check=False)
    assert (refused.returncode, "still goes on" in refused.stderr) == (1, True)
    shop.spin("stop", f"{shop.name}/backup")
    eventually(lambda: history(shop)[0]["state"] == "stopped", what="the run was stopped")
    shop.spin("rm", shop.name, "--volumes", "--yes")
    assert containers(shop) == []
