"""`spin stats`: what containers use, the last hours as bars, advice with what to write."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from support.fake_api import FakeApi

NOW_PATH = "/projects/demo/environments/development/stats"
SHOP = "/projects/demo/environments/development/stacks/shop/stats"


def used(**more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"stack": "shop", "service": "web", "slot": 1, "name": "shop-web-1", "id": "c1", "time": "2026-01-01"}
    base |= {"cpu": 0.25, "cpu_limit": 0.5, "seconds": 2, "throttled": 0, "memory": 48 * 2**20, "memory_limit": 64 * 2**20}
    return base | {"received": 1200, "sent": 7, "read": 0, "written": 3_400_000, "pids": 4} | more


def step(hours: float, **more: Any) -> dict[str, Any]:
    start = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    base: dict[str, Any] = {"service": "web", "start": start, "seconds": 1800, "containers": 1, "cpu_avg": 0.1, "cpu_min": 0}
    base |= {"cpu_max": 0.2, "cpu_limit": 1, "throttled": 0, "memory_avg": 1, "memory_min": 1, "memory_max": 32 * 2**20}
    base |= {"memory_limit": 64 * 2**20, "received": 0, "sent": 0, "read": 0, "written": 0, "failed": 0}
    return base | more


def test_a_line_a_container_like_docker_stats(api: FakeApi, spin) -> None:
    api.answers["GET", NOW_PATH] = [used(), used(name="shop-db-1", cpu=None, memory_limit=0, cpu_limit=0)]
    done = spin("stats")
    assert done.status == 0
    heading, web, db = done.out.splitlines()
    assert heading.split("  ")[0] == "NAME"
    assert " ".join(web.split()) == "shop-web-1 25.0% 50.0% 48MiB / 64MiB 75.0% 1.2kB / 7B 0B / 3.4MB 4"
    assert " ".join(db.split()) == "shop-db-1 48MiB / none 1.2kB / 7B 0B / 3.4MB 4"


def test_one_service_as_json_or_by_a_template(api: FakeApi, spin) -> None:
    api.answers["GET", SHOP] = [used()]
    assert json.loads(spin("stats", "shop/web", "--json").out) == [used()]
    assert api.seen[-1].query == {"service": "web"}
    assert spin("stats", "shop", "--format", "{{.name}} {{.memory}}").out == f"shop-web-1 {48 * 2**20}\n"


def test_nothing_that_runs_is_said_on_stderr(api: FakeApi, spin) -> None:
    done = spin("stats")
    assert done.out == ""
    assert done.err == "Nothing runs in development.\n"


def test_the_last_hours_are_bars_with_gaps(api: FakeApi, spin) -> None:
    api.answers["GET", SHOP + "/history"] = [step(3), step(0, cpu_max=0.8, failed=41)]
    done = spin("stats", "shop", "--history")
    line = done.out.splitlines()[1]
    assert "10.0% / 80.0% / 100.0%" in line
    assert "32MiB / 64MiB" in line
    assert line.endswith("41")
    assert "▃     █" in line
    assert api.seen[-1].query == {"step": "1800"}
    assert "30 minutes" in done.err


def test_a_history_since_a_while_ago_has_finer_bars_and_programs_get_all_steps(api: FakeApi, spin) -> None:
    api.answers["GET", SHOP + "/history"] = [step(0)]
    spin("stats", "shop", "--history", "--since", "2h")
    assert api.seen[-1].query["step"] == "300"
    assert json.loads(spin("stats", "shop", "--history", "--json").out)[0]["cpu_max"] == 0.2
    assert api.seen[-1].query == {"step": "300"}
    api.answers["GET", SHOP + "/history"] = []
    assert "noted once a minute" in spin("stats", "shop", "--history").err


def test_advice_says_what_to_write_or_why_not(api: FakeApi, spin) -> None:
    misfit = {"resource": "memory", "verdict": "below", "limit": "64M", "peak": "63M", "write": "memory: 128M"}
    misfit["message"] = "web needs nearly all of its memory limit. Write `memory: 128M` at deploy.resources.limits."
    api.answers["GET", SHOP + "/advice"] = [
        {"service": "db", "hours": 0.5, "enough": False, "misfits": []},
        {"service": "queue", "hours": 24.0, "enough": True, "misfits": []},
        {"service": "web", "hours": 24.0, "enough": True, "misfits": [misfit]},
    ]
    assert spin("stats", "shop", "--advice").out.splitlines() == [
        "db: too early to say: 0.5 hours are remembered, and advice needs 3.",
        "queue: its limits fit what it used in the last 24 hours.",
        "below  " + misfit["message"],
    ]


def test_what_does_not_go_together_is_said(api: FakeApi, spin) -> None:
    assert spin("stats", "shop", "--history", "--advice").status == 2
    assert spin("stats", "--advice").status == 2
    assert spin("stats", "shop", "--since", "1h").status == 2
