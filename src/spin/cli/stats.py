"""`spin stats`."""

from __future__ import annotations

import json as json_module
import sys
import time
from datetime import datetime, timedelta
from typing import Annotated

import typer

from spin.cli import amounts
from spin.cli.options import EnvironmentOption, FormatOption, JsonOption, ProjectOption
from spin.cli.output import colours, data, for_programs, is_terminal, message, now, print_table
from spin.cli.refs import Ref, parse_ref
from spin.cli.session import Session
from spin.cli.tables import Cell, paint
from spin.cli.times import parse_time
from spin.cli.times import since as moment_of
from spin.client import Client
from spin.client.patience import Patience
from spin.client.shapes import AdviceView, StatsView, UsageView
from spin.errors import Unavailable

EVERY = 2.0
"""Seconds between two looks of --watch."""
_HOME_AND_CLEAR = "\x1b[H\x1b[J"
_HEADINGS = ("NAME", "CPU %", "OF LIMIT", "MEM / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS")
_COLUMNS = 48
"""Bars of a line of history, at most."""
_STEP = 300


def stats(
    *,
    target: Annotated[str | None, typer.Argument(metavar="[STACK[/SERVICE]]", help="Default: all stacks.")] = None,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    watch: Annotated[bool, typer.Option("-w", "--watch", help="Look again every 2 seconds, until Ctrl-C.")] = False,
    history: Annotated[bool, typer.Option("--history", help="What the services used in the last 24 hours.")] = False,
    advice: Annotated[bool, typer.Option("--advice", help="Limits far above or below use, and what to write instead.")] = False,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="With --history: such as 90m or 6h.")] = None,
    json: JsonOption = False,
    template: FormatOption = None,
) -> None:
    """Print what containers use: now, in the last hours, and whether limits fit.

    Processor time (100 % is one core), memory and its limit, network and disk since they were started.

    With --watch and --json: one JSON object a line. A history is remembered in steps of five minutes.
    """
    if watch + history + advice > 1:
        raise typer.BadParameter("--watch, --history and --advice exclude each other.")
    if since is not None and not history:
        raise typer.BadParameter("--since goes with --history.")
    ref = None if target is None else parse_ref(target, depth=2)
    if ref is None and (history or advice):
        raise typer.BadParameter("--history and --advice are about one stack: name it.")
    moment = now()
    begin = None if since is None else moment_of(since, moment)
    with Session(environment=environment, project=project) as session:
        where = (session.client, session.project, session.environment)
        if ref is None or watch or not (history or advice):
            _now(where, ref, watch=watch, json=json, template=template)
            return
        stack = session.client.stack(session.project, session.environment, ref.stack)
        if advice:
            given = stack.advice(service=ref.service)
            if not for_programs(given, json=json, template=template):
                _show_advice(given, ref)
            return
        start = parse_time(begin) if begin else moment - timedelta(hours=24)
        programs = json or template is not None
        step = _STEP if programs else _step(moment - start)
        found = stack.usage(service=ref.service, since=begin, step=step)
        if not for_programs(found, json=json, template=template):
            _show_history(found, ref, start, moment, step)


# Now.


def _now(where: tuple[Client, str, str], ref: Ref | None, *, watch: bool, json: bool, template: str | None) -> None:
    patience = Patience()
    while True:
        try:
            found = _ask(*where, ref)
        except Unavailable as error:  # it may be about to be started again
            if not watch:
                raise
            pause = patience.after(error)
            message(f"{error.message} Trying again.")
            time.sleep(max(EVERY, pause))
            continue
        patience.answered()
        if watch and (json or template == "json"):
            for each in found:
                data(json_module.dumps(each, ensure_ascii=False))
        elif not for_programs(found, json=json, template=template):
            if watch and is_terminal(sys.stdout):
                print(_HOME_AND_CLEAR, end="")
            print_table(_HEADINGS, [_row(each) for each in found], empty=f"Nothing runs in {where[2]}.")
        if not watch:
            return
        sys.stdout.flush()
        time.sleep(EVERY)


def _ask(client: Client, project: str, environment: str, ref: Ref | None) -> list[StatsView]:
    if ref is None:
        return client.stats(project, environment)
    return client.stack(project, environment, ref.stack).stats(service=ref.service)


def _row(each: StatsView) -> list[str | Cell]:
    limit = amounts.memory(each["memory_limit"]) if each["memory_limit"] else "none"
    return [
        each["name"],
        amounts.percent(each["cpu"]),
        _part(each["cpu"], each["cpu_limit"]),
        f"{amounts.memory(each['memory'])} / {limit}",
        _part(each["memory"], each["memory_limit"]),
        f"{amounts.traffic(each['received'])} / {amounts.traffic(each['sent'])}",
        f"{amounts.traffic(each['read'])} / {amounts.traffic(each['written'])}",
        str(each["pids"]),
    ]


def _part(used: float | None, limit: float) -> Cell:
    """Yellow is near the limit, red at it."""
    share = 0.0 if used is None or not limit else used / limit
    return Cell(amounts.percent(used, limit), "red" if share > 0.9 else "yellow" if share > 0.75 else None)


# The last hours.


def _step(length: timedelta) -> int:
    """Seconds of a bar, so that `length` fits in."""
    return max(1, -(-round(length.total_seconds()) // (_COLUMNS * _STEP))) * _STEP


def _show_history(found: list[UsageView], ref: Ref, start: datetime, end: datetime, step: int) -> None:
    if not found:
        message(f"No use of {ref} is remembered yet; it is noted once a minute.")
        return
    count = int(end.timestamp() // step) - int(start.timestamp() // step) + 1
    first = int(start.timestamp() // step)
    rows: list[list[str | Cell]] = []
    for service in sorted({u["service"] for u in found}):
        steps = {int(parse_time(u["start"]).timestamp() // step) - first: u for u in found if u["service"] == service}
        line = [steps.get(n) for n in range(count)]
        some = [u for u in line if u is not None]
        if some:
            rows.append(_history_row(service, line, some))
    headings = ("SERVICE", "CPU", "AVG / PEAK / LIMIT", "MEMORY", "PEAK / LIMIT", "5xx", "COUNT")
    print_table(headings, rows, empty="")
    minutes = step // 60
    message(f"A bar is {minutes} minutes; the last one is now." if minutes < 60 else f"A bar is {minutes / 60:g} hours.")


def _history_row(service: str, line: list[UsageView | None], some: list[UsageView]) -> list[str | Cell]:
    cpu, memory = max(u["cpu_max"] for u in some), max(u["memory_max"] for u in some)
    average = sum(u["cpu_avg"] for u in some) / len(some)
    limit = some[-1]["memory_limit"]
    failed = sum(u["failed"] for u in some)
    most = max(u["failed"] for u in some)
    return [
        service,
        amounts.sparkline([None if u is None else u["cpu_max"] for u in line], cpu),
        f"{amounts.percent(average)} / {amounts.percent(cpu)} / {amounts.percent(some[-1]['cpu_limit'])}",
        amounts.sparkline([None if u is None else float(u["memory_max"]) for u in line], limit or memory),
        f"{amounts.memory(memory)} / {amounts.memory(limit) if limit else 'none'}",
        amounts.sparkline([None if u is None else float(u["failed"]) for u in line], most) if failed else "",
        str(failed) if failed else "",
    ]


# Advice.


def _show_advice(given: list[AdviceView], ref: Ref) -> None:
    if not given:
        message(f"No use of {ref} is remembered yet; it is noted once a minute.")
    coloured = colours(sys.stdout)
    for each in given:
        if not each["enough"]:
            data(f"{each['service']}: too early to say: {each['hours']:.1f} hours are remembered, and advice needs 3.")
        elif not each["misfits"]:
            data(f"{each['service']}: its limits fit what it used in the last {each['hours']:.0f} hours.")
        for misfit in each["misfits"]:
            colour = "red" if misfit["verdict"] == "below" else "yellow"
            data(f"{paint(misfit['verdict'], colour, colours=coloured)}  {misfit['message']}")
