"""`spin diagram`: of the file here, of one that is named, and of what runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from support.fake_api import Problem

FILE = """
services:
  web:
    image: nginx:1.27
    ports: ["8080:80"]
    x-spin: {http: 80}
"""
RUNS = """
services:
  front:
    image: "localhost:5999/demo/front:2@sha256:%s"
    secrets: [{source: key, target: /run/secrets/key}]
    deploy: {replicas: 2}
secrets:
  key: {external: true, name: shop.key}
""" % ("ab" * 32)


@pytest.fixture
def here(home: Path) -> Path:
    (home / "compose.yaml").write_text(FILE)
    return home


def runs(api: Any) -> None:
    path = "/projects/demo/environments/development/stacks/shop/export"
    api.answers[("GET", path)] = {"files": {"compose.yaml": RUNS}, "missing_secrets": ["shop.key"]}


def test_without_an_argument_it_draws_the_file_here(here, spin) -> None:
    done = spin("diagram")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("shop in development\n")
    assert "http://web.shop.development.spin.localhost:8080/" in done.out
    assert "8080/tcp" in done.out
    assert "everyone" in done.out


@pytest.mark.parametrize("words", [["compose.yaml"], ["./compose.yaml"], ["-f", "compose.yaml"]])
def test_a_file_is_named_as_one_likes(here, spin, words: list[str]) -> None:
    assert spin("diagram", *words).out == spin("diagram").out


def test_it_needs_no_platform(here, anonymous, monkeypatch) -> None:
    monkeypatch.setenv("SPIN_URL", "http://127.0.0.1:1")
    done = anonymous("diagram", "-e", "production")
    assert done.status == 0
    assert done.out.startswith("shop in production\n")
    assert "default host names" in done.err


def test_a_name_is_a_stack_of_the_platform(api, here, spin) -> None:
    runs(api)
    done = spin("diagram", "shop")
    assert done.status == 0
    assert "● front  \N{MULTIPLICATION SIGN}2  localhost:5999/demo/front:2\n" in done.out
    assert "secret   key at /run/secrets/key" in done.out


def test_a_stack_that_is_not_there_is_not_found(api, here, spin) -> None:
    api.answers[("GET", "/projects/demo/environments/development/stacks/shop/export")] = Problem(
        "not-found", "There is no stack."
    )
    assert spin("diagram", "shop").status == 5


def test_a_platform_that_sends_a_file_of_its_own_making_opens_nothing(api, here, spin) -> None:
    path = "/projects/demo/environments/development/stacks/shop/export"
    text = "services: {a: {image: a, secrets: [k]}}\nsecrets: {k: {file: /etc/passwd}}"
    api.answers[("GET", path)] = {"files": {"compose.yaml": text}, "missing_secrets": []}
    done = spin("diagram", "shop")
    assert done.status != 0
    assert "root:" not in done.out + done.err


def test_the_form_follows_the_files_ending(here, spin) -> None:
    assert spin("diagram", "-o", "shop.svg").out == "shop.svg\n"
    ET.fromstring((here / "shop.svg").read_text())
    spin("diagram", "-o", "shop.mmd")
    assert "flowchart LR" in (here / "shop.mmd").read_text()
    spin("diagram", "-o", "shop.out", "--format", "json")
    assert json.loads((here / "shop.out").read_text())["stack"] == "shop"
    assert spin("diagram", "--format", "mermaid").out.startswith("---\n")


@pytest.mark.parametrize(
    "words", [["--format", "png"], ["-o", "picture"], ["compose.yaml", "-f", "compose.yaml"]], ids=lambda words: words[0]
)
def test_wrong_use_is_told(here, spin, words: list[str]) -> None:
    done = spin("diagram", *words)
    assert (done.status, done.out) == (2, "")
    assert "--format" in done.err or "exclude" in done.err


def test_a_file_that_cannot_be_written_fails(here, spin) -> None:
    done = spin("diagram", "-o", "no/such/folder.svg")
    assert done.status == 1
    assert done.err == "spin: no/such/folder.svg cannot be written: No such file or directory.\n"
