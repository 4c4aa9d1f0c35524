"""Findings as SARIF 2.1.0 (OASIS Standard, 2020), which code scanning and editors read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from spin import __version__
from spin.cli.reports.place import Place, place_of
from spin.model.finding import Description
from spin.rules import catalogue, page

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"refuse": "error", "warn": "warning", "advise": "note"}


def render(findings: Sequence[Mapping[str, Any]], *, file: str | None = None, pages: str | None = None) -> str:
    """One run of Spin. `file` is where those findings are that say no place; at `pages` a browser finds the rules' pages, by code.

    Every rule that was looked for is described, so that a report without findings says what was checked.
    """
    rules = list(catalogue())
    others = dict.fromkeys(_code(f) for f in findings if _code(f) not in rules)
    driver = {
        "name": "spin",
        "version": __version__,
        "rules": [*(_rule(what, pages) for what in catalogue().values()), *({"id": code} for code in others)],
    }
    index = {code: number for number, code in enumerate([*rules, *others])}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, index, file) for finding in findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(what: Description, pages: str | None) -> dict[str, Any]:
    text = page(what)
    uri = {} if pages is None else {"helpUri": f"{pages.rstrip('/')}/{what.code}"}
    return {
        "id": what.code,
        "shortDescription": {"text": f"{what.title}."},
        "fullDescription": {"text": what.why},
        "help": {"text": text, "markdown": text},
        **uri,
        "defaultConfiguration": {"level": _LEVELS[what.severity.value]},
    }


def _code(finding: Mapping[str, Any]) -> str:
    return str(finding.get("rule") or "rule")


def _result(finding: Mapping[str, Any], index: Mapping[str, int], file: str | None) -> dict[str, Any]:
    message = " ".join(str(finding[name]) for name in ("message", "instead") if finding.get(name))
    result: dict[str, Any] = {
        "ruleId": _code(finding),
        "ruleIndex": index[_code(finding)],
        "level": _LEVELS.get(str(finding.get("severity")), "note"),
        "message": {"text": message},
        "locations": [],
    }
    location: dict[str, Any] = {}
    place = place_of(finding.get("position"), file)
    if place is not None:
        location["physicalLocation"] = _physical(place)
    if finding.get("key"):
        location["logicalLocations"] = [{"fullyQualifiedName": str(finding["key"])}]
    if location:
        result["locations"] = [location]
    return result


def _physical(place: Place) -> dict[str, Any]:
    found: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.file)}}
    if place.line is not None:
        region = {"startLine": place.line}
        if place.column is not None:
            region["startColumn"] = place.column
        found["region"] = region
    return found


def _uri(file: str) -> str:
    """A relative reference, as RFC 3986 has it: a colon in its first segment would make a scheme of what stands before."""
    path = PurePosixPath(file)
    text = quote(str(path).encode("utf-8", "replace"), safe="/")
    return f"file://{text}" if path.is_absolute() else text
