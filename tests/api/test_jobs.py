"""Jobs over the API: listed with what is due, run by the clock and by people, with a history and logs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from spin.archive import FileArchive
from spin.engines.simulated import Behaviour
from spin.model.run import KEPT
from spin.reconcile.passes import Pass
from support.api import NOW, World, key_of, path, web

JOB = path("shop/jobs/backup/runs")
HOUR = timedelta(hours=1)


def backup(**more: Any) -> dict[str, Any]:
    return web(x_spin={"schedule": "15 * * * *", **more})


async def up(world: World, *, takes: timedelta | None = timedelta(seconds=20), exit_code: int = 0, **more: Any) -> None:
    world.engine.behave("backup", Behaviour(ready_after=timedelta(seconds=1), exits_after=takes, exit_code=exit_code))
    answer = await world.up(services={"web": web(), "backup": backup(**more)})
    assert answer.status_code == 200, answer.text
    await world.settle()


async def live(world: World, *, until: datetime) -> None:
    """Passes up to that moment."""
    for _ in range(500):
        wait = await world.passes.run(key_of("shop"))
        if wait == timedelta(0):
            continue
        left = until - world.clock.now()
        if left <= timedelta(0):
            return
        busy = any(job["running"] for job in (await world.as_("vera").get(path("shop/jobs"))).json())
        world.clock.forward(min(left, timedelta(seconds=5) if busy else wait or left))
    raise AssertionError("not there yet")


async def runs(world: World) -> list[dict[str, Any]]:
    answer = await world.as_("vera").get(JOB)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


async def test_a_job_is_listed_with_what_is_due_and_how_the_last_run_ended(world: World) -> None:
    await up(world, timeout="1h")
    (job,) = (await world.as_("vera").get(path("shop/jobs"))).json()
    assert (job["stack"], job["service"], job["schedule"], job["overlap"]) == ("shop", "backup", "15 * * * *", "skip")
    assert (job["next"], job["last"], job["running"], job["timeout_ms"]) == ("2030-05-01T12:15:00Z", None, 0, 3_600_000)
    await live(world, until=NOW + HOUR)
    (job,) = (await world.as_("vera").get("/projects/lab/environments/development/jobs")).json()
    assert job["next"] == "2030-05-01T13:15:00Z"
    assert (job["last"]["number"], job["last"]["state"], job["last"]["exit_code"]) == (1, "succeeded", 0)
    stack = (await world.as_("vera").get(path("shop"))).json()
    assert (stack["state"], stack["settled"]) == ("healthy", True)
    (service,) = [s for s in stack["services"] if s["name"] == "backup"]
    assert (service["state"], service["detail"]) == ("scheduled", "run 1 succeeded; next 2030-05-01 13:15 UTC")


async def test_a_person_runs_a_job_now_and_it_is_recorded_who(world: World) -> None:
    await up(world)
    asked = await world.as_("dora").post(JOB)
    assert asked.status_code == 200
    assert (asked.json()["number"], asked.json()["state"], asked.json()["by"]) == (1, "waiting", "dora")
    assert world.woken[-1] == key_of("shop")
    await live(world, until=NOW + timedelta(minutes=5))
    (run,) = await runs(world)
    assert (run["state"], run["reason"], run["by"], run["logs"]) == ("succeeded", "manual", "dora", True)
    events = (await world.as_("vera").get("/projects/lab/events")).json()
    told = [(e["kind"], e["text"]) for e in events if e["verb"] in ("job", "job run")]
    assert told == [
        ("accepted", "run 1 of shop/backup"),
        ("state", "backup: run 1 began"),
        ("state", "backup: run 1 succeeded"),
    ]


async def test_a_run_that_fails_is_told_and_does_not_make_the_stack_unhealthy(world: World) -> None:
    await up(world, exit_code=7)
    await live(world, until=NOW + HOUR)
    (run,) = await runs(world)
    assert (run["state"], run["exit_code"], run["detail"]) == ("failed", 7, "exited with 7")
    assert (await world.as_("vera").get(path("shop"))).json()["state"] == "healthy"
    failed = [e for e in (await world.as_("vera").get("/projects/lab/events")).json() if e["kind"] == "failed"]
    assert [(e["text"], e["cause"], e["service"]) for e in failed] == [("backup: run 1 failed", "exited with 7", "backup")]


async def test_a_second_run_beside_one_that_may_not_overlap_is_refused(world: World) -> None:
    await up(world, takes=None)
    assert (await world.as_("dora").post(JOB)).status_code == 200
    await live(world, until=NOW + timedelta(minutes=1))
    answer = await world.as_("dora").post(JOB)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "run 1 of backup still goes on" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("service", "status", "says"),
    [("web", 409, "has no schedule, so it is no job"), ("nothing", 404, "has no service 'nothing'")],
)
async def test_what_is_no_job_has_no_runs(world: World, service: str, status: int, says: str) -> None:
    await up(world)
    for method in ("GET", "POST"):
        answer = await world.as_("dora").request(method, path(f"shop/jobs/{service}/runs"))
        assert answer.status_code == status
        assert says in answer.json()["detail"]


async def test_the_log_of_a_run_is_there_as_long_as_its_container(world: World) -> None:
    await up(world, keep=1)
    await live(world, until=NOW + HOUR)
    lines = [json.loads(line) for line in (await world.as_("vera").get(f"{JOB}/1/logs")).text.splitlines()]
    assert lines[0]["text"] == "started"
    assert {line["instance"] for line in lines} == {"shop-backup-1"}
    await live(world, until=NOW + 2 * HOUR)
    gone = await world.as_("vera").get(f"{JOB}/1/logs")
    assert (gone.status_code, "its container is gone" in gone.json()["detail"]) == (404, True)
    assert [(r["number"], r["logs"]) for r in await runs(world)] == [(2, True), (1, False)]
    unknown = await world.as_("vera").get(f"{JOB}/9/logs")
    assert (unknown.status_code, "has no run 9" in unknown.json()["detail"]) == (404, True)


async def test_the_history_is_bounded_and_numbers_are_not_given_out_again(world: World) -> None:
    await up(world, takes=timedelta(seconds=2))
    for _ in range(KEPT + 3):
        assert (await world.as_("dora").post(JOB)).status_code == 200
        for _ in range(40):
            if await world.passes.run(key_of("shop")) != timedelta(0):
                world.clock.forward(timedelta(seconds=1))
            if not (await world.as_("vera").get(path("shop/jobs"))).json()[0]["running"]:
                break
    found = await runs(world)
    assert len(found) <= KEPT + 1
    assert found[0]["number"] == KEPT + 3 + sum(r["reason"] == "schedule" for r in found) or found[0]["number"] > KEPT


async def test_the_log_of_a_run_whose_container_has_gone_is_read_where_the_site_keeps_it(world: World, tmp_path: Path) -> None:
    archive = FileArchive(tmp_path / "logs", world.platform.site.retention)
    await world.exchange(archive=archive)
    world.passes = Pass(replace(world.passes._world, archive=archive))
    for life in ("old", "new"):
        await up(world, keep=0)
        await world.as_("dora").post(JOB)
        await live(world, until=world.clock.now() + timedelta(minutes=2))
        (run,) = await runs(world)
        assert (run["number"], run["state"], run["logs"]) == (1, "succeeded", True)
        assert not [c for c in world.engine.containers(key_of("shop")) if c.spec.name == "backup"]
        lines = [json.loads(line) for line in (await world.as_("vera").get(f"{JOB}/1/logs")).text.splitlines()]
        assert [line["text"] for line in lines][:2] == ["started", "ready"]
        assert lines[0]["time"] >= run["started"][:19], f"of the {life} stack"
        (job,) = (await world.as_("vera").get(path("shop/jobs"))).json()
        assert job["last"]["logs"]
        await world.as_("otto").delete(path("shop"))
        await world.settle()


async def test_old_runs_are_forgotten_but_for_the_newest(world: World) -> None:
    await up(world)
    await live(world, until=NOW + 3 * HOUR)
    async with world.store.begin(write=True) as work:
        assert await work.forget_runs(world.clock.now()) == 2
        assert [r.number for r in (await work.job_book(key_of("shop"))).runs] == [3]


async def test_a_removed_stack_leaves_no_record_of_its_jobs(world: World) -> None:
    await up(world)
    await live(world, until=NOW + HOUR)
    await world.as_("dora").delete(path("shop"))
    await world.settle()
    assert {name: count for name, count in (await world.rows()).items() if name in ("jobs", "runs")} == {"jobs": 0, "runs": 0}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"ports": ["8080:80"]}, "publishes a port"),
        ({"deploy": {"replicas": 2}}, "2 replicas are asked for"),
        ({"restart": "always"}, "would never end"),
        ({"x_spin": {"schedule": "15 3 * * *", "http": 80}}, "a port for HTTP"),
        ({"x_spin": {"schedule": "15 3 * *"}}, "a schedule has five fields"),
    ],
)
async def test_what_does_not_fit_a_job_is_refused(world: World, more: dict[str, Any], says: str) -> None:
    answer = await world.up(services={"backup": {**backup(), **web(**more)}})
    assert answer.status_code in (400, 422), answer.text
    assert says in answer.text


async def test_nothing_can_depend_on_a_job_and_it_cannot_be_scaled(world: World) -> None:
    answer = await world.up(services={"backup": backup(), "web": web(depends_on=["backup"])})
    assert answer.status_code == 422
    assert "runs at its times only" in answer.text
    await up(world)
    scaled = await world.as_("dora").post(path("shop/scale"), json={"replicas": {"backup": 3}})
    assert (scaled.status_code, "one container for each run" in scaled.text) == (422, True)


async def test_two_who_write_at_once_do_not_run_it_twice(world: World) -> None:
    """The controller's record was overtaken by a person: it looks again."""
    await up(world)
    async with world.store.begin() as work:
        book = await work.job_book(key_of("shop"))
    await world.as_("dora").post(JOB)
    with pytest.raises(Exception, match="has gone on meanwhile"):
        async with world.store.begin(write=True) as work:
            await work.save_jobs(key_of("shop"), book.jobs, ())
