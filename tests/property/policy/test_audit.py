"""What holds of every document that can be lowered: the audit ends, and nothing of the host comes through."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from spin.compose import load, render
from spin.errors import InvalidInput
from spin.kit.canonical import canonical_json
from spin.model.finding import Severity
from spin.model.stack import StackSpec
from spin.model.submission import Submission
from spin.policy import apply_defaults, audit
from spin.site import Site
from support.compose import lowered
from support.stacks import hostile_documents, outcome, stack_specs


@settings(max_examples=50, deadline=None)
@given(hostile_documents)
def test_any_document_that_can_be_lowered_can_be_audited(document: Any) -> None:
    submission = Submission(document)
    spec = outcome(lambda: lowered(submission))
    if isinstance(spec, InvalidInput):
        return
    canonical_json(audit(submission, spec, Site())).encode()
    canonical_json(apply_defaults(spec, Site())).encode()


@settings(max_examples=15, deadline=None)
@given(stack_specs())
def test_what_spin_renders_holds_no_key_that_it_refuses(spec: StackSpec) -> None:
    submission = load([("compose.yaml", render(spec))], {}, lambda _: b"secret")
    rules = {f.rule for f in audit(submission, spec, Site())}
    of_keys = {
        "unknown-key",
        "refused-key",
        "ignored-key",
        "privileged",
        "host-namespaces",
        "devices",
        "cgroup-parent",
        "security-opt",
    }
    assert not rules & of_keys, "what a spec can say, its file may say"


SOURCES = st.text("/.~\\:aCd \t-", max_size=6)


@settings(max_examples=100, deadline=None)
@given(SOURCES, st.sampled_from(["", ":/x", ":/x:ro", ":rw", ":"]))
def test_every_volume_entry_is_mounted_refused_or_invalid_and_never_dropped(source: str, rest: str) -> None:
    document = {"services": {"a": {"image": "x:1", "volumes": [source + rest]}}, "volumes": {"a": None, "d": None, "C": None}}
    submission = Submission(document)
    spec = outcome(lambda: lowered(submission))
    if isinstance(spec, InvalidInput):
        return
    refused = [f.rule for f in audit(submission, spec, Site()) if f.severity is Severity.REFUSE]
    assert len(spec.services[0].mounts) + len(refused) == 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["privileged", "colour", "pid", "devices", "cgroup_parent", "include", "x-a"]), unique=True))
def test_every_key_that_is_not_carried_out_is_named(keys: list[str]) -> None:
    submission = Submission({"services": {"app": {"image": "x:1", **dict.fromkeys(keys, "on")}}})
    found = {f.key for f in audit(submission, lowered(submission), Site()) if f.rule != "no-limits"}
    assert found == {f"services.app.{key}" for key in keys if key != "x-a"}
