"""`spin check` without a platform looks at the images that Docker has here: before anything is pushed is when it helps."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from spin.cli.local_images import facts_here, shown
from spin.model.stack import Image, ServiceSpec, StackSpec
from support.docker import TINY, build_image, tiny_image
from support.platform import docker


@pytest.fixture
def image() -> Iterator[str]:
    tiny_image()
    name = f"spin-test/check-{uuid.uuid4().hex[:8]}:1"
    build_image(name, f'FROM {TINY}\nEXPOSE 22\nCMD ["bash", "-c", "sleep infinity &"]\n')
    yield name
    docker("rmi", name)


def spec(*references: str) -> StackSpec:
    return StackSpec(tuple(ServiceSpec(f"app-{n}", Image(reference)) for n, reference in enumerate(references)))


def test_what_the_images_here_say_is_told_before_they_are_pushed(home: Path, spin, image: str, monkeypatch) -> None:
    monkeypatch.setenv("SPIN_URL", "http://127.0.0.1:9")
    (home / "compose.yaml").write_text(f"services:\n  web:\n    image: {image}\n    x-spin: {{http: 80}}\n")
    done = spin("check")
    assert done.status == 0
    for rule in ("image-root", "image-health", "image-ports", "background-process"):
        assert rule in done.out


def test_facts_are_those_of_each_image_that_is_here(image: str) -> None:
    found = facts_here(spec(f"docker.io/{image}", "docker.io/library/there-is-none:1"))
    assert list(found) == [f"docker.io/{image}"]
    facts = found[f"docker.io/{image}"]
    assert (facts.exposed, facts.root, facts.command) == ((22,), True, ("bash", "-c", "sleep infinity &"))
    assert facts.created is not None
    assert (facts.size_bytes or 0) > 10**6
    assert facts.layers >= 1


def test_without_docker_nothing_is_known(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert facts_here(spec("docker.io/library/nginx:1")) == {}


def test_an_engine_that_does_not_answer_is_not_in_the_way(monkeypatch, image: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    assert facts_here(spec(f"docker.io/{image}")) == {}
    monkeypatch.delenv("DOCKER_HOST")


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("docker.io/library/nginx:1", "nginx:1"),
        ("docker.io/lab/web:1", "lab/web:1"),
        ("localhost:5000/library/web:1", "localhost:5000/library/web:1"),
    ],
)
def test_references_are_matched_as_docker_shows_them(reference: str, name: str) -> None:
    assert shown(reference) == name
