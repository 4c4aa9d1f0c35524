"""Every code that a finding can have is described, and its description is true: the example breaks the rule, the mended one keeps it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from spin import compose, policy
from spin.compose.notices import RANCHER_KEY
from spin.errors import InvalidInput
from spin.model.finding import Description, Finding, Severity
from spin.policy import audit, audit_engine
from spin.policy.case import NOTHING, Known
from spin.rules import catalogue, page, page_name, read_site
from spin.site import Site
from support.compose import loaded, lowered

ROOT = Path(__file__).resolve().parents[3]
SOURCES = sorted((ROOT / "src" / "spin").rglob("*.py"))
CATALOGUE = catalogue()
IN_DOCUMENT = [
    d for d in (*policy.RULES, *policy.WITHOUT_ADDRESSES, *compose.NOTICES) if d not in (compose.INVALID_FILE, RANCHER_KEY)
]
described = pytest.mark.parametrize("what", CATALOGUE.values(), ids=CATALOGUE)
judged = pytest.mark.parametrize("what", IN_DOCUMENT, ids=[d.code for d in IN_DOCUMENT])


def found(text: str, site_text: str = "", known: Known = NOTHING) -> tuple[Finding, ...]:
    """All that is said of a file, on the way that it takes: loaded, lowered, audited."""
    site = read_site(site_text) if site_text else Site()
    files = {"./password.txt": b"secret", "./site.conf": b"server {}"}
    submission = loaded(text, files=files, directories=["./pages"])
    spec = lowered(submission)
    engine = audit_engine(spec, site, submission.positions, service_addresses=False)
    return (*submission.notices, *audit(submission, spec, site, known), *engine)


def known_of(what: Description) -> Known:
    """What a rule about images knows of those in its examples."""
    return what.known if isinstance(what, policy.Rule) else NOTHING


@judged
def test_the_example_has_a_finding_of_the_code(what: Description) -> None:
    findings = [f for f in found(what.example, what.site, known_of(what)) if f.rule == what.code]
    assert findings
    assert {f.severity for f in findings} == {what.severity}
    assert all(f.key and f.position for f in findings)


@judged
def test_the_mended_example_has_none_and_could_be_brought_up(what: Description) -> None:
    findings = found(what.fixed, what.site, known_of(what))
    assert [f for f in findings if f.rule == what.code or f.severity is Severity.REFUSE] == []


@pytest.mark.parametrize("what", policy.beyond.BEYOND, ids=[d.code for d in policy.beyond.BEYOND])
def test_where_more_than_the_file_is_needed_both_files_are_right_in_themselves(what: Description) -> None:
    assert [f for text in (what.example, what.fixed) for f in found(text, what.site) if f.severity is Severity.REFUSE] == []


def test_a_file_that_cannot_be_read_has_a_code_too() -> None:
    with pytest.raises(InvalidInput):
        loaded(compose.INVALID_FILE.example)
    assert {f.rule for f in found(compose.INVALID_FILE.fixed)} <= {"no-limits"}


@described
def test_the_texts_are_there(what: Description) -> None:
    assert what.title
    assert not what.title.endswith(".")
    assert len(what.why) > 80
    assert what.example
    assert what.fixed


@described
def test_its_page_is_there(what: Description) -> None:
    text = (ROOT / page_name(what.code)).read_text()
    heading, body = page(what).split("\n", 1)
    assert text.startswith(heading)
    assert body in text
    assert f"]({what.code}.md)" in (ROOT / "docs" / "rules" / "README.md").read_text()


def test_codes_are_unique() -> None:
    codes = [d.code for d in (*policy.DESCRIPTIONS, *compose.NOTICES)]
    assert sorted(codes) == sorted(set(codes))


def calls(name: str) -> Iterator[tuple[Path, ast.Call]]:
    """Calls of `name` in the whole program."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield source, node


def test_every_description_in_the_program_is_in_the_catalogue() -> None:
    codes = {
        ast.literal_eval(keyword.value)
        for name in ("Rule", "Description")
        for _, call in calls(name)
        for keyword in call.keywords
        if keyword.arg == "code"
    }
    assert codes == set(CATALOGUE)


def test_findings_are_made_from_descriptions_only() -> None:
    # The API reads what a client noticed, and the command line and `check` read findings that the platform has made.
    readers = {"api/schemas.py", "usecases/check.py"}
    makers = {str(source.relative_to(ROOT / "src" / "spin")) for source, _ in calls("Finding")}
    assert makers - readers == {"model/finding.py"}
