"""Findings in the formats of people and programs: what each holds, and that no text in a Compose file gets out of its place."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spin.cli.reports import Format, render
from spin.cli.reports.place import Place, place_of
from spin.rules import catalogue

FINDINGS: list[dict[str, Any]] = [
    {
        "rule": "latest",
        "severity": "advise",
        "message": "The tag moves.",
        "instead": "",
        "service": "web",
        "key": "services.web.image",
        "position": "compose.yaml:3:5",
    },
    {
        "rule": "privileged",
        "severity": "refuse",
        "message": "All rights.",
        "instead": "Leave it out.",
        "service": "web",
        "key": "services.web.privileged",
        "position": "dir/my file.yaml:4",
    },
    {"rule": "too-many-services", "severity": "refuse", "message": "Too many.", "instead": "", "key": "services"},
    {"rule": "newer-than-this", "severity": "warn", "message": "Hm.", "instead": ""},
]

MESSAGE = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "pattern": "^https://"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name", "rules"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "additionalProperties": False,
                                            "properties": {
                                                "id": {"type": "string"},
                                                "shortDescription": MESSAGE,
                                                "fullDescription": MESSAGE,
                                                "help": MESSAGE,
                                                "helpUri": {"type": "string", "pattern": "^https?://"},
                                                "defaultConfiguration": {
                                                    "type": "object",
                                                    "properties": {"level": {"enum": ["none", "note", "warning", "error"]}},
                                                },
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": MESSAGE,
                                "locations": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "additionalProperties": False,
                                        "properties": {
                                            "physicalLocation": {
                                                "type": "object",
                                                "required": ["artifactLocation"],
                                                "additionalProperties": False,
                                                "properties": {
                                                    "artifactLocation": {
                                                        "type": "object",
                                                        "properties": {
                                                            "uri": {
                                                                "type": "string",
                                                                "pattern": r"^(file:///)?[A-Za-z0-9._~/%-]*$",
                                                            }
                                                        },
                                                    },
                                                    "region": {
                                                        "type": "object",
                                                        "required": ["startLine"],
                                                        "additionalProperties": False,
                                                        "properties": {
                                                            "startLine": {"type": "integer", "minimum": 1},
                                                            "startColumn": {"type": "integer", "minimum": 1},
                                                        },
                                                    },
                                                },
                                            },
                                            "logicalLocations": {
                                                "type": "array",
                                                "items": {
                                                    "type": "object",
                                                    "properties": {"fullyQualifiedName": {"type": "string"}},
                                                },
                                            },
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}
"""What the schema of SARIF 2.1.0 asks of the parts that Spin writes."""

hostile = st.text(st.sampled_from("a:%,\n\r\t\x1b\u2028\x00=]\"\\'é\U0001f600 "), max_size=30) | st.just("\n::error::x")
hostile_findings = st.lists(
    st.fixed_dictionaries(
        {
            "rule": hostile,
            "severity": st.sampled_from(["refuse", "warn", "advise"]) | hostile,
            "message": hostile.map("m{}".format),
            "instead": hostile,
            "service": st.none() | hostile,
            "key": st.none() | hostile,
            "position": st.none() | hostile | hostile.map("a{}:3:4".format),
        }
    ),
    max_size=4,
)


def sarif(findings: list[dict[str, Any]], file: str | None = None) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(render(findings, Format.SARIF, file=file))
    jsonschema.validate(report, SARIF)
    (run,) = report["runs"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    return dict(run)


def test_text_is_grouped_by_what_it_means_for_the_change_with_place_rule_advice_and_page() -> None:
    assert render(FINDINGS, Format.TEXT).splitlines() == [
        "Refused:",
        "  dir/my file.yaml:4  services.web.privileged  privileged",
        "    All rights.",
        "    → Leave it out.",
        "    docs/rules/privileged.md",
        "  services  too-many-services",
        "    Too many.",
        "    docs/rules/too-many-services.md",
        "",
        "Warnings:",
        "  newer-than-this",
        "    Hm.",
        "",
        "Advice:",
        "  compose.yaml:3:5  services.web.image  latest",
        "    The tag moves.",
        "    docs/rules/latest.md",
    ]


def test_github_gets_a_command_a_finding() -> None:
    assert render(FINDINGS, Format.GITHUB, file="compose.yaml").splitlines() == [
        "::notice file=compose.yaml,line=3,col=5,title=latest::The tag moves.",
        "::error file=dir/my file.yaml,line=4,title=privileged::All rights.%0ALeave it out.",
        "::error file=compose.yaml,title=too-many-services::Too many.",
        "::warning file=compose.yaml,title=newer-than-this::Hm.",
    ]


def test_github_texts_are_escaped_as_the_toolkit_does() -> None:
    finding = {"rule": "a:b,c", "severity": "warn", "message": "50 %\r\n::error::x", "position": "a,b:c.yaml:1"}
    assert render([finding], Format.GITHUB) == ("::warning file=a%2Cb%3Ac.yaml,line=1,title=a%3Ab%2Cc::50 %25%0D%0A::error::x")


def test_sarif_describes_every_rule_with_its_page_and_its_level() -> None:
    driver = sarif([])["tool"]["driver"]
    assert [rule["id"] for rule in driver["rules"]] == list(catalogue())
    rule = next(rule for rule in driver["rules"] if rule["id"] == "privileged")
    assert rule["shortDescription"]["text"] == "A container is never privileged."
    assert "root on the host" in rule["fullDescription"]["text"]
    assert rule["help"]["markdown"].startswith("# `privileged`: ")
    assert rule["defaultConfiguration"] == {"level": "error"}


def test_sarif_links_to_the_platforms_pages() -> None:
    report = json.loads(render([], Format.SARIF, pages="http://spin.example.org:7070/rules"))
    jsonschema.validate(report, SARIF)
    links = {rule["id"]: rule["helpUri"] for rule in report["runs"][0]["tool"]["driver"]["rules"]}
    assert links["privileged"] == "http://spin.example.org:7070/rules/privileged"


def test_sarif_says_of_each_finding_the_rule_the_level_and_the_place() -> None:
    first, second, third, fourth = sarif(FINDINGS, "compose.yaml")["results"]
    assert (first["ruleId"], first["level"], first["message"]) == ("latest", "note", {"text": "The tag moves."})
    assert first["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "compose.yaml"},
                "region": {"startLine": 3, "startColumn": 5},
            },
            "logicalLocations": [{"fullyQualifiedName": "services.web.image"}],
        }
    ]
    place = second["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "dir/my%20file.yaml"}, "region": {"startLine": 4}}
    assert second["message"] == {"text": "All rights. Leave it out."}
    assert third["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": "compose.yaml"}}
    assert (fourth["ruleId"], fourth["level"]) == ("newer-than-this", "warning")


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("a:b.yaml", "a%3Ab.yaml"),
        ("/srv/a b.yaml", "file:///srv/a%20b.yaml"),
        ("../x.yaml", "../x.yaml"),
        ("ü#?.yaml", "%C3%BC%23%3F.yaml"),
    ],
)
def test_a_files_name_becomes_a_reference_that_means_that_file(file: str, uri: str) -> None:
    (result,) = sarif([{"rule": "latest", "severity": "warn", "message": "m", "position": f"{file}:1"}])["results"]
    found = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert found == uri
    assert unquote(found).removeprefix("file://") == file


@pytest.mark.parametrize(
    ("position", "place"),
    [
        ("a.yaml:3", Place("a.yaml", 3)),
        ("a.yaml:3:5", Place("a.yaml", 3, 5)),
        ("a:1:2:3", Place("a:1", 2, 3)),
        ("a.yaml", None),
        ("a.yaml:0", None),
        ("a.yaml:3:0", Place("a.yaml", 3)),
        (":3", None),
        (None, None),
        (7, None),
    ],
)
def test_a_position_is_a_file_a_line_and_where_known_a_column(position: object, place: Place | None) -> None:
    assert place_of(position) == place


@settings(max_examples=150, deadline=None)
@given(hostile_findings)
def test_no_text_ends_its_line_or_begins_a_command(findings: list[dict[str, Any]]) -> None:
    for form in (Format.TEXT, Format.GITHUB):
        text = render(findings, form)
        assert re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text) is None
    lines = render(findings, Format.GITHUB).split("\n") if findings else []
    assert len(lines) == len(findings)
    for line, finding in zip(lines, findings, strict=True):
        command = re.fullmatch(r"::(error|warning|notice) ((?:[a-z]+=[^:,]*,?)+)::(.*)", line)
        assert command is not None
        unescaped = command[3].replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
        assert unescaped.startswith("m")
        assert {p.split("=")[0] for p in command[2].split(",")} <= {"file", "line", "col", "title"}
        assert finding["message"][0] == "m"


@settings(max_examples=100, deadline=None)
@given(hostile_findings)
def test_every_sarif_report_is_one_whatever_the_texts_are(findings: list[dict[str, Any]]) -> None:
    assert len(sarif(findings)["results"]) == len(findings)


@settings(max_examples=30, deadline=None)
@given(hostile_findings)
def test_json_is_what_came(findings: list[dict[str, Any]]) -> None:
    assert json.loads(render(findings, Format.JSON))["findings"] == findings
