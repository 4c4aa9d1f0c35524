"""What a failure looks like: one or two lines that say what is wrong and what to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spin.cli.tables import clean
from spin.errors import NotSignedIn, Refused, SpinError

_SEVERITY = {"refuse": "refused", "warn": "warning", "advise": "advice"}


def describe(error: SpinError) -> list[str]:
    """The lines for stderr: what is wrong and what to do. Where several things stop a change, each gets a line."""
    found = [f for f in error.fields.get("findings") or () if isinstance(f, Mapping)]
    stops = [f for f in found if f.get("severity") == "refuse"]
    text = clean(error.message)
    if stops and (len(stops) > 1 or isinstance(error, Refused)):
        what = "a finding stops" if len(stops) == 1 else f"{len(stops)} findings stop"
        lines = [f"spin: {what} this; nothing was changed.", *(finding_line(f) for f in stops)]
    else:
        lines = [f"spin: {text}"]
    lines += [finding_line(f, severity=True) for f in in_order(found) if f.get("severity") != "refuse"]
    if isinstance(error, NotSignedIn) and "spin login" not in text:
        lines.append("Sign in with `spin login URL`.")
    return lines


def in_order(findings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What stops the change first, then warnings, then advice."""
    order = list(_SEVERITY)
    return sorted(findings, key=lambda f: order.index(f["severity"]) if f.get("severity") in order else len(order))


def finding_line(finding: Mapping[str, Any], *, severity: bool = False) -> str:
    """`file:line  service  key  rule: message → instead`; what is not known is left out."""
    where = [str(finding[name]) for name in ("position", "service", "key") if finding.get(name)]
    rule = finding.get("rule") or "rule"
    if severity:
        word = _SEVERITY.get(str(finding.get("severity")), str(finding.get("severity")))
        where.insert(0, word)
    instead = f" → {finding['instead']}" if finding.get("instead") else ""
    return clean("  ".join([*where, f"{rule}: {finding.get('message', '')}{instead}"]))
