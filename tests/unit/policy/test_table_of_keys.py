"""The table of keys is complete, and true: every attribute of the specification has a verdict, and every verdict is what happens."""

from __future__ import annotations

from typing import Any

import pytest

from spin.compose import builds, lower
from spin.errors import InvalidInput
from spin.model.finding import Finding, Severity
from spin.model.submission import Submission
from spin.policy import RULES, audit
from spin.policy.keys import Ignored, Refused, Ruled, Supported, Translated
from spin.site import Site
from support.compose import PROJECT, REGISTRY, STACK
from support.keys import Row, rows
from support.specification import attributes

ROWS = tuple(rows())
BY_TITLE = {row.title: row for row in ROWS}
CODES = {rule.code for rule in RULES}

# What the schema does not have (yet, or any more).
BEYOND = (
    "services.*.retain_ip",
    "services.*.start_on_create",
    "services.*.health_check",
    "services.*.upgrade_strategy",
    "services.*.labels.io.rancher.container.pull_image",
    "services.*.labels.io.rancher.container.start_once",
    "services.*.pre_start",
    "services.*.use_api_socket",
    "services.*.provider",
    "services.*.models",
    "services.*.gpus",
)

NOT_LOWERED = {
    "version": "means nothing",
    "name": "the client names the stack by it",
    "services.*.isolation": "`default` is what there is",
    "services.*.start_on_create": "any other value is what happens anyway",
    "services.*.ports[].mode": "all its values are the same",
    "services.*.pull_policy": "`always` is what happens anyway",
    "services.*.networks.*.use_service_name_alias": "true is what there is",
    "services.*.labels.io.rancher.container.pull_image": "is what happens anyway",
    "networks.*.driver": "`bridge` is what there is",
    "networks.*.external": "false is what there is",
    "volumes.*.external": "the stack's own, whatever it says",
    "volumes.*.driver": "`local` is what there is",
    "services.*.env_file": "folded into `environment` by the client",
    "configs.*.file": "read by the client",
    "configs.*.environment": "read by the client",
    "secrets.*.name": "of external secrets only",
}
"""Supported or translated, and yet without a wrong value that lowering could find."""

WRONG: tuple[Any, ...] = ({"a": [{"b": 1}]}, [[{"a": 1}]], 7.25, "\x00", "no such thing\n", ["x", {}])


def findings(row: Row, value: Any) -> tuple[Finding, ...]:
    submission = Submission(row.document(value))
    return audit(submission, lower(submission, stack=STACK, registry_host=REGISTRY, project=PROJECT), Site())


def of(*verdicts: type) -> list[Any]:
    return [pytest.param(row, id=str(row)) for row in ROWS if isinstance(row.verdict, verdicts)]


@pytest.mark.parametrize("path", [*attributes(), *BEYOND])
def test_every_attribute_of_the_specification_has_a_row(path: str) -> None:
    """A row also holds for what is below it, where it is ignored, refused or ruled, or looked into no further."""
    while path not in BY_TITLE:
        shorter = path.removesuffix("[]") if path.endswith("[]") else path.rpartition(".")[0]
        assert shorter, "there is no row for this"
        path = shorter
        if path in BY_TITLE:
            assert BY_TITLE[path].leaf, f"the table goes on below {path}, and does not have this"


@pytest.mark.parametrize("row", [p for p in of(Supported, Translated) if p.values[0].leaf])
def test_what_is_supported_is_read_by_lowering(row: Row) -> None:
    if row.title in NOT_LOWERED:
        return
    refused = []
    for value in WRONG:
        submission = Submission(row.document(value))
        for stage in (lower, builds):
            try:
                stage(submission, stack=STACK, registry_host=REGISTRY, project=PROJECT)
            except InvalidInput as error:
                refused.append(error)
    assert refused, "no wrong value is noticed"


@pytest.mark.parametrize("row", of(Ignored))
def test_what_is_ignored_gives_its_warning(row: Row) -> None:
    found = [f for f in findings(row, row.value or "x") if f.rule == "ignored-key"]
    assert [(f.key, f.severity) for f in found] == [(row.path, Severity.WARN)]
    assert isinstance(row.verdict, Ignored)
    assert row.verdict.why in found[0].message
    assert found[0].instead == row.verdict.instead


@pytest.mark.parametrize("row", of(Refused))
def test_what_is_refused_gives_its_refusal(row: Row) -> None:
    value = {"false": False, None: "x"}.get(row.value, row.value)
    found = [f for f in findings(row, value) if f.rule == "refused-key"]
    assert [(f.key, f.severity) for f in found] == [(row.path, Severity.REFUSE)]
    assert isinstance(row.verdict, Refused)
    assert row.verdict.reason in found[0].message
    assert found[0].instead == row.verdict.instead


@pytest.mark.parametrize("row", [p for p in of(Translated) if p.values[0].verdict.tell])
def test_what_means_something_else_here_gives_its_advice(row: Row) -> None:
    value = {"false": False, None: "x"}.get(row.value, row.value)
    (found,) = [f for f in findings(row, value) if f.rule == "translated-key"]
    assert (found.key, found.severity) == (row.path, Severity.ADVISE)


@pytest.mark.parametrize("row", of(Ruled))
def test_what_is_left_to_a_rule_has_that_rule(row: Row) -> None:
    assert isinstance(row.verdict, Ruled)
    assert row.verdict.rule in CODES


@pytest.mark.parametrize("row", of(Ignored, Refused))
def test_a_sentence_says_what_to_write_instead(row: Row) -> None:
    assert isinstance(row.verdict, Ignored | Refused)
    assert row.verdict.instead.endswith(".")
    assert not (row.verdict.reason if isinstance(row.verdict, Refused) else row.verdict.why).endswith(".")


@pytest.mark.parametrize("row", of(Ignored, Refused))
def test_a_key_that_says_nothing_is_nothing(row: Row) -> None:
    if row.value is None:
        assert [f for f in findings(row, None) if f.rule in ("ignored-key", "refused-key")] == []
