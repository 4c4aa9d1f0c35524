"""The corpus's own summary: how many cases, and which cost most. It comes together under xdist, too."""

from __future__ import annotations

import pytest

SHOWN = 8


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    runs: list[tuple[str, str, float, float]] = []
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                runs += [value for key, value in report.user_properties if key == "hostile"]
    if not runs:
        return
    write = terminalreporter.write_line
    terminalreporter.section("hostile corpus")
    write(f"{len({name for name, *_ in runs})} cases, {len(runs)} runs at their doors")
    for title, key in (("most processor time", 2), ("most memory", 3)):
        write(f"{title}:")
        for name, door, seconds, mebibytes in sorted(runs, key=lambda run: -run[key])[:SHOWN]:
            write(f"  {seconds * 1000:7.0f} ms {mebibytes:7.1f} MiB  {door:4}  {name}")
