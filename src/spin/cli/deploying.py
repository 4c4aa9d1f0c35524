"""What `up`, `scale` and `promote` have in common: say what will change, stop at a refusal, follow to the end."""

from __future__ import annotations

import sys
import time
from typing import Any

from spin.cli import progress
from spin.cli.changes import change_lines, summary
from spin.cli.failures import finding_line, in_order
from spin.cli.output import colours, data, message
from spin.client import Stack
from spin.client.shapes import Accepted, Preview
from spin.errors import Refused


def headline(preview: Preview, target: Stack) -> str:
    where = f"{target.name} in {target.environment} (project {target.project})"
    return f"{where}: nothing to change." if preview["empty"] else f"{where}: {summary(preview['changes'])}."


def show_preview(preview: Preview, target: Stack) -> None:
    """On stderr, before anything is done."""
    message(headline(preview, target))
    for line in change_lines(preview["changes"], colours=colours(sys.stderr)):
        message(line)
    show_findings(preview["findings"])


def show_findings(findings: Any) -> None:
    """Warnings and advice, on stderr. Refusals are left to `stop_if_refused`."""
    for finding in in_order(findings):
        if finding.get("severity") != "refuse":
            message(finding_line(finding, severity=True))


def stop_if_refused(preview: Preview, target: Stack) -> None:
    """Raises Refused where a finding stops the change."""
    refused = [f for f in preview["findings"] if f["severity"] == "refuse"]
    if refused:
        raise Refused(f"The site's rules refuse {target.name}.", findings=refused)


def finish(target: Stack, accepted: Accepted, *, detach: bool, timeout: float) -> None:
    """Follow an accepted change to its end, and print the stack's URLs."""
    if detach:
        message(
            f"Accepted as revision {accepted['revision']}. `spin ps {target.name} -e {target.environment}` shows how it goes."
        )
        return
    begun = time.monotonic()
    view = progress.follow(target, accepted["generation"], timeout)
    progress.conclude(target, view, time.monotonic() - begun, accepted)
    for url in view["urls"] if view else ():
        data(url)
