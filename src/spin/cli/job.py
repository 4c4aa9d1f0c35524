"""`spin job`: services with a schedule, and their runs."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from spin.cli.options import FOLLOW_SECONDS, EnvironmentOption, FormatOption, JsonOption, ProjectOption, TimeoutOption
from spin.cli.output import data, for_programs, json_data, message, now, print_table
from spin.cli.refs import Ref, parse_ref
from spin.cli.session import Session
from spin.cli.tables import Cell
from spin.cli.times import elapsed, parse_time, relative
from spin.client.patience import Patience
from spin.client.shapes import LogLineView, RunView
from spin.client.stack import Stack
from spin.errors import Failed, InvalidInput, NotFound, Unavailable

ACTIVE = frozenset({"waiting", "running"})
_COLOURS = {
    "succeeded": "green",
    "failed": "red",
    "timed-out": "red",
    "missed": "red",
    "running": "cyan",
    "waiting": "cyan",
    "skipped": "yellow",
    "stopped": "yellow",
}
_POLL = 0.5
"""Seconds between two looks at a run that goes on."""

JobArgument = Annotated[str, typer.Argument(metavar="STACK/SERVICE")]


def ls(
    *,
    stack: Annotated[str | None, typer.Argument(metavar="[STACK]", help="Default: all stacks of the project.")] = None,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
    template: FormatOption = None,
) -> None:
    """List jobs: their schedule (UTC), what is due next, and how the last run ended."""
    name = None if stack is None else parse_ref(stack, depth=1).stack
    with Session(environment=environment, project=project) as session:
        found = session.client.jobs(session.project, session.environment, name)
        where = session.environment
    if for_programs(found, json=json, template=template):
        return
    moment = now()
    rows: list[list[str | Cell]] = [
        [
            f"{job['stack']}/{job['service']}",
            job["schedule"],
            Cell("stopped", "yellow") if job["stopped"] else relative(job["next"], moment),
            str(job["running"]) if job["running"] else "",
            *(_outcome(job["last"]) if job["last"] else (Cell(""), "", "")),
        ]
        for job in found
    ]
    empty = f"No service {'of ' + name + ' ' if name else ''}in {where} has a schedule."
    print_table(("JOB", "SCHEDULE", "NEXT", "RUNNING", "LAST RUN", "TOOK", "DETAIL"), rows, empty=empty, flexible=("DETAIL",))


def history(
    *,
    job: JobArgument,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    json: JsonOption = False,
    template: FormatOption = None,
) -> None:
    """List the runs of a job that are remembered, the newest first: when, why, how they ended, and how long they took."""
    ref = _job_ref(job)
    with Session(environment=environment, project=project) as session:
        found = session.client.stack(session.project, session.environment, ref.stack).runs(ref.service or "")
    if for_programs(found, json=json, template=template):
        return
    moment = now()
    rows: list[list[str | Cell]] = [
        [
            str(run["number"]),
            Cell(run["state"], _COLOURS.get(run["state"], "")),
            _why(run),
            relative(run["started"] or run["wanted"], moment),
            _took(run),
            "" if run["exit_code"] is None else str(run["exit_code"]),
            str(run["revision"]),
            "kept" if run["logs"] else "",
            run["detail"] + (f" ({run['times']} times)" if run["times"] > 1 else ""),
        ]
        for run in found
    ]
    headings = ("RUN", "STATE", "FOR", "BEGAN", "TOOK", "EXIT", "REVISION", "LOG", "DETAIL")
    print_table(headings, rows, empty=f"{ref} has not run yet.", flexible=("DETAIL",))


def run(
    *,
    job: JobArgument,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    wait: Annotated[
        bool, typer.Option("--wait/--detach", help="Wait for its end, print what it writes, and exit with its status.")
    ] = True,
    timeout: TimeoutOption = FOLLOW_SECONDS,
    json: JsonOption = False,
) -> None:
    """Run a job now, beside its schedule.

    Prints what the run writes, stderr to stderr, and exits with its status; 1 where it has none, as it was stopped or never began. After
    --timeout, or Ctrl-C, the run goes on.
    """
    ref = _job_ref(job)
    with Session(environment=environment, project=project) as session:
        stack = session.client.stack(session.project, session.environment, ref.stack)
        begun = stack.run_job(ref.service or "")
        number = begun["number"]
        if not wait:
            message(f"Run {number} of {ref} is wanted; `spin job logs {ref} {number} -f` follows it.")
            if json:
                json_data(begun)
            return
        message(f"Run {number} of {ref}.")
        ended = _follow(stack, ref, number, until=time.monotonic() + timeout, show=not json)
    if json:
        json_data(ended)
    if ended["state"] in ACTIVE:
        raise Failed(f"Run {number} of {ref} still goes on after {timeout} s; `spin job history {ref}` tells how it ends.")
    message(_ending(ref, ended))
    if ended["state"] != "succeeded":
        raise typer.Exit(ended["exit_code"] or 1)


def logs(
    *,
    job: JobArgument,
    number: Annotated[int | None, typer.Argument(metavar="[RUN]", min=1, help="Default: the newest run with a log.")] = None,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the run has ended.")] = False,
    tail: Annotated[int | None, typer.Option("-n", "--tail", metavar="N", min=0, help="Only the last N lines.")] = None,
) -> None:
    """Print what a run of a job has written."""
    ref = _job_ref(job)
    with Session(environment=environment, project=project) as session:
        stack = session.client.stack(session.project, session.environment, ref.stack)
        if number is None:
            runs = stack.runs(ref.service or "")
            chosen = next((r for r in runs if r["logs"] or r["state"] in ACTIVE), None)
            if chosen is None:
                raise InvalidInput(f"No run of {ref} has a log now: see `spin job history {ref}`, or `spin job run {ref}`.")
            number = chosen["number"]
            message(f"Run {number} of {ref}, {chosen['state']}.")
        if follow:
            message(_ending(ref, _follow(stack, ref, number, until=None, show=True)))
            return
        for line in stack.run_logs(ref.service or "", number, tail=tail):
            _say(line)


def _job_ref(text: str) -> Ref:
    ref = parse_ref(text, depth=2)
    if ref.service is None:
        raise InvalidInput(f"Which job of {ref.stack}? Write {ref.stack}/SERVICE; `spin job ls {ref.stack}` lists them.")
    return ref


def _follow(stack: Stack, ref: Ref, number: int, *, until: float | None, show: bool) -> RunView:
    """What the run is in the end, or at the monotonic time `until`; its lines are printed as they come."""
    printer = _RunPrinter(stack, ref, number)
    patience = Patience(heard=True)
    while True:
        try:
            found = next((r for r in stack.runs(ref.service or "") if r["number"] == number), None)
            if found is None:
                raise InvalidInput(f"{ref} has no run {number}: see `spin job history {ref}`.")
            ended = found["state"] not in ACTIVE
            if show and (found["logs"] or (ended and found["started"])):
                printer.print(ended=ended)
        except Unavailable as error:  # the run goes on while the platform is started again
            time.sleep(patience.after(error))
            continue
        patience.answered()
        if ended or (until is not None and time.monotonic() >= until):
            return found
        time.sleep(_POLL)


def _say(line: LogLineView) -> None:
    if line["stream"] == "stderr":
        sys.stdout.flush()
        message(line["text"])
    else:
        data(line["text"])


class _RunPrinter:
    """Prints what is new in a run's log, each line once."""

    def __init__(self, stack: Stack, ref: Ref, number: int) -> None:
        self._stack, self._service, self._number = stack, ref.service or "", number
        self._since: str | None = None
        self._last = 0  # lines of one and the same moment may come in two answers

    def print(self, *, ended: bool) -> None:
        known, begin = self._last, self._since
        try:
            for line in self._stack.run_logs(self._service, self._number, since=begin):
                if begin is not None and line["time"] < begin:  # the API knows microseconds, lines have nanoseconds
                    continue
                if line["time"] == begin and known > 0:
                    known -= 1
                    continue
                self._last = self._last + 1 if line["time"] == self._since else 1
                self._since = line["time"]
                _say(line)
        except NotFound:
            if not ended:
                raise  # else it has written nothing, or nothing is kept of it
        sys.stdout.flush()


def _outcome(run: RunView) -> tuple[Cell, str, str]:
    state = run["state"] + (f" ({run['exit_code']})" if run["exit_code"] else "")
    return Cell(state, _COLOURS.get(run["state"], "")), _took(run), run["detail"]


def _why(run: RunView) -> str:
    return f"{run['scheduled'][:16].replace('T', ' ')} UTC" if run["scheduled"] else run["by"]


def _took(run: RunView) -> str:
    if not run["started"] or not run["ended"]:
        return ""
    return elapsed((parse_time(run["ended"]) - parse_time(run["started"])).total_seconds())


def _ending(ref: Ref, run: RunView) -> str:
    took = f" after {_took(run)}" if _took(run) else ""
    return f"Run {run['number']} of {ref}: {run['state']}{took}" + (f": {run['detail']}" if run["detail"] else "") + "."
