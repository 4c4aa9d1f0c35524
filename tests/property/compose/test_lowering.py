"""What holds of every stack: text and StackSpec are the same thing, and no document breaks the server."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from spin.compose import builds, load, lower, render
from spin.errors import InvalidInput
from spin.model.stack import StackSpec
from spin.model.submission import Submission
from support.compose import PROJECT, REGISTRY, STACK, lowered
from support.stacks import hostile_documents, outcome, stack_specs


def reloaded(text: str) -> StackSpec:
    submission = load([("compose.yaml", text)], {}, lambda _: b"secret")
    assert submission.notices == ()
    return lowered(submission)


@settings(max_examples=25, deadline=None)
@given(stack_specs())
def test_a_rendered_stack_loads_to_the_same_stack(spec: StackSpec) -> None:
    again = reloaded(render(spec))
    assert again == spec
    assert again.digest == spec.digest
    assert render(again) == render(spec)


@settings(max_examples=50, deadline=None)
@given(
    hostile_documents, st.dictionaries(st.sampled_from(["services.a", "services"]), st.text(max_size=8) | st.none(), max_size=2)
)
def test_any_document_is_lowered_or_refused_with_one_sentence(document: Any, positions: Any) -> None:
    submission = Submission(document, positions=positions)
    for stage in (lower, builds):
        found = outcome(lambda stage=stage: stage(submission, stack=STACK, registry_host=REGISTRY, project=PROJECT))
        if isinstance(found, InvalidInput):
            assert found.message.encode()
            assert len(found.message) < 2000
            assert "\n" not in found.message
