"""The fuzzer works: for some seconds at both doors, and what it would find is not swallowed. `./run fuzz` is the real campaign."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz import campaign, targets
from security.cases import corpus
from spin.errors import InvalidInput

IMAGE = b"services: {web: {image: nginx:1}}"


def test_some_seconds_at_each_door_find_nothing(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris has no wheels for this Python")
    assert campaign.campaign(3, tmp_path), "".join((tmp_path / name / "log").read_text()[-3000:] for name in campaign.DOORS)


def test_every_small_case_of_the_hostile_corpus_passes_the_target() -> None:
    for case in corpus():
        for _, text in case.parts:
            if len(text) < campaign.LONGEST and "%" not in text:
                targets.text_target(text.encode())


def test_an_exception_that_is_no_answer_to_a_person_is_a_find(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(targets, "audit", broken)
    with pytest.raises(KeyError):
        targets.text_target(IMAGE)


def test_a_refusal_is_no_find(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: object, **__: object) -> None:
        raise InvalidInput("no")

    monkeypatch.setattr(targets, "lower", refusing)
    targets.text_target(IMAGE)


def test_a_container_without_bounds_is_a_find(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "apply_defaults", lambda spec, _: spec)
    monkeypatch.setattr(targets, "create_body", lambda *_, **__: {"HostConfig": {"CapDrop": [], "Privileged": True}})
    with pytest.raises(AssertionError, match="privileges"):
        targets.text_target(IMAGE)


def test_a_stack_that_is_another_after_rendering_is_a_find(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "render", lambda _: "services: {other: {image: nginx:1}}")
    with pytest.raises(AssertionError, match="render"):
        targets.text_target(IMAGE)
