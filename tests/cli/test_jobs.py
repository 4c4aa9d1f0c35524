"""`spin job`: what is due, how runs ended, and one now."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from support.fake_api import FakeApi, Problem, service, view

STACK = "/projects/demo/environments/development/stacks/shop"
RUNS = f"{STACK}/jobs/backup/runs"
LINE = {"instance": "shop-backup-5", "time": "2026-01-31T03:15:00Z", "stream": "stdout", "text": "done"}


def at(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


def ran(number: int = 4, state: str = "succeeded", **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"service": "backup", "number": number, "state": state, "reason": "schedule", "by": ""}
    base |= {"scheduled": "2026-01-31T03:15:00Z", "wanted": at(-60), "started": at(-60), "ended": at(-58), "exit_code": 0}
    return base | {"detail": "", "revision": 2, "times": 1, "logs": True} | more


def going(number: int = 5, **more: Any) -> dict[str, Any]:
    return ran(number, "running", ended=None, exit_code=None, scheduled=None, reason="manual", by="ada", **more)


def job(**more: Any) -> dict[str, Any]:
    base = {"environment": "development", "stack": "shop", "service": "backup", "schedule": "15 3 * * *", "overlap": "skip"}
    return base | {"timeout_ms": None, "keep": 3, "stopped": False, "next": at(125), "running": 0, "last": ran()} | more


def test_jobs_with_what_is_due_and_how_the_last_run_ended(api: FakeApi, spin) -> None:
    failed = job(service="report", stopped=True, next=None, last=ran(state="failed", exit_code=3, detail="exited with 3"))
    api.answers["GET", "/projects/demo/environments/development/jobs"] = [job(running=1), failed, job(service="new", last=None)]
    done = spin("job", "ls")
    assert done.status == 0
    heading, first, second, third = (" ".join(line.split()) for line in done.out.splitlines())
    assert heading == "JOB SCHEDULE NEXT RUNNING LAST RUN TOOK DETAIL"
    assert first == "shop/backup 15 3 * * * in 2 hours 1 succeeded 2m00s"
    assert second == "shop/report 15 3 * * * stopped failed (3) 2m00s exited with 3"
    assert third == "shop/new 15 3 * * * in 2 hours"


def test_the_jobs_of_one_stack_for_programs(api: FakeApi, spin) -> None:
    api.answers["GET", f"{STACK}/jobs"] = [job()]
    assert json.loads(spin("job", "ls", "shop", "--json").out)[0]["schedule"] == "15 3 * * *"
    assert spin("job", "ls", "shop", "--format", "{{.service}} {{.overlap}}").out == "backup skip\n"
    api.answers["GET", f"{STACK}/jobs"] = []
    assert spin("job", "ls", "shop").err == "No service of shop in development has a schedule.\n"


def test_the_history_of_a_job(api: FakeApi, spin) -> None:
    skipped = ran(5, "skipped", started=None, detail="run 4 still went on", times=12, logs=False, exit_code=None)
    api.answers["GET", RUNS] = [going(6), skipped, ran()]
    lines = [" ".join(line.split()) for line in spin("job", "history", "shop/backup").out.splitlines()]
    assert lines[0] == "RUN STATE FOR BEGAN TOOK EXIT REVISION LOG DETAIL"
    assert lines[1] == "6 running ada 1 hour ago 2 kept"
    assert lines[2] == "5 skipped 2026-01-31 03:15 UTC 1 hour ago 2 run 4 still went on (12 times)"
    assert lines[3] == "4 succeeded 2026-01-31 03:15 UTC 1 hour ago 2m00s 0 2 kept"


def test_a_run_now_prints_what_it_writes_and_exits_with_its_status(api: FakeApi, spin) -> None:
    api.answers["POST", RUNS] = going()
    api.answers["GET", RUNS] = [ran(5, "failed", exit_code=7, detail="exited with 7")]
    api.answers["GET", f"{RUNS}/5/logs"] = lambda _: iter([LINE | {"text": "no room"}])
    done = spin("job", "run", "shop/backup")
    assert (done.status, done.out) == (7, "no room\n")
    assert done.err.endswith("Run 5 of shop/backup: failed after 2m00s: exited with 7.\n")


def test_a_run_that_has_no_status_is_a_failure(api: FakeApi, spin) -> None:
    api.answers["POST", RUNS] = going()
    api.answers["GET", RUNS] = [ran(5, "timed-out", exit_code=None, detail="it took longer than 1h", logs=False)]
    api.answers["GET", f"{RUNS}/5/logs"] = Problem("not-found", "Run 5 of shop/backup has no log.")
    assert spin("job", "run", "shop/backup").status == 1


def test_a_run_is_only_begun_with_detach(api: FakeApi, spin) -> None:
    api.answers["POST", RUNS] = going()
    done = spin("job", "run", "shop/backup", "--detach", "--json")
    assert (done.status, json.loads(done.out)["number"]) == (0, 5)
    assert "spin job logs shop/backup 5 -f" in done.err


def test_logs_of_the_newest_run_that_has_any(api: FakeApi, spin) -> None:
    api.answers["GET", RUNS] = [ran(6, "skipped", logs=False), ran(5), ran(4)]
    api.answers["GET", f"{RUNS}/5/logs"] = lambda _: iter([LINE])
    done = spin("job", "logs", "shop/backup")
    assert (done.out, done.err) == ("done\n", "Run 5 of shop/backup, succeeded.\n")
    assert spin("job", "logs", "shop/backup", "5", "-n", "1").out == "done\n"
    assert api.seen[-1].query == {"tail": "1"}
    api.answers["GET", RUNS] = [ran(logs=False)]
    assert "No run of shop/backup has a log now" in spin("job", "logs", "shop/backup").err


def test_a_log_is_followed_to_the_end_and_no_line_comes_twice(api: FakeApi, spin) -> None:
    lines = [
        {"instance": "shop-backup-5", "time": f"2026-01-31T03:15:0{n}Z", "stream": "stdout", "text": f"{n}"} for n in range(3)
    ]
    looks = iter([[going()], [ran(5)]])
    logs = iter([iter(lines[:2]), iter(lines[1:])])
    api.answers["GET", RUNS] = lambda _: next(looks)
    api.answers["GET", f"{RUNS}/5/logs"] = lambda _: next(logs)
    done = spin("job", "logs", "shop/backup", "5", "-f")
    assert done.out == "0\n1\n2\n"
    assert api.seen[-1].query == {"since": "2026-01-31T03:15:01Z"}
    assert done.err.endswith("Run 5 of shop/backup: succeeded after 2m00s.\n")


def test_ps_shows_a_job_with_what_is_due_and_how_the_last_run_ended(api: FakeApi, spin) -> None:
    detail = "run 4 succeeded; next 2026-02-01 03:15 UTC"
    api.script["shop"] = [view(services=(service("web"), service("backup", "scheduled", 0, 0, detail=detail)))]
    line = " ".join(spin("ps", "shop").out.splitlines()[2].split())
    assert line == f"shop/backup scheduled backup:1 abababababab {detail}"


def test_a_job_is_named_whole(api: FakeApi, spin) -> None:
    for command in ("run", "logs", "history"):
        done = spin("job", command, "shop")
        assert (done.status, "Which job of shop?" in done.err) == (2, True)
