"""What a failure looks like: one or two lines that say what is wrong and what to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spin.cli.tables import clean
from spin.errors import NotSignedIn, Refused, SpinError

_SEVERITY = {"refuse": "refused", "warn": "warning", "advise": "advice"}


def describe(error: SpinError) -> list[str]:
    """The lines for stderr. A refusal names every finding."""
    text = clean(error.message)
    lines = [text if text.startswith("spin: ") else f"spin: {text}"]
    if isinstance(error, Refused):
        findings = error.fields.get("findings") or []
        lines += [finding_line(f) for f in in_order(findings) if isinstance(f, Mapping)]
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
