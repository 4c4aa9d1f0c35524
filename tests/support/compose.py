"""Compose texts in, values out: short ways through the pure stages, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import dedent, indent
from typing import Any

import pytest

from spin.compose import load, lower
from spin.compose.workspace import Kind, Look
from spin.errors import InvalidInput
from spin.model.finding import Finding, Severity
from spin.model.names import StackName
from spin.model.stack import ServiceSpec, StackSpec
from spin.model.submission import Submission
from spin.policy import audit
from spin.policy.case import NOTHING, Known
from spin.site import Site

STACK = StackName("shop")
REGISTRY = "localhost:5000"
PROJECT = "team"


def loaded(
    *texts: str,
    variables: Mapping[str, str] | None = None,
    files: Mapping[str, bytes] | None = None,
    directories: Sequence[str] = (),
    dotenv: str | None = None,
    profiles: Sequence[str] = (),
    rancher: str | None = None,
    **more: Any,
) -> Submission:
    """The submission of the texts; the first is `compose.yaml`, then `2.yaml`, …; `files` are those the document names."""

    def look(path: str) -> Look:
        if path in directories:
            return Look(Kind.DIRECTORY)
        return Look(Kind.FILE, len((files or {})[path])) if path in (files or {}) else Look(Kind.NOTHING)

    def read(path: str) -> bytes:
        if path not in (files or {}):
            raise FileNotFoundError(2, "No such file or directory", path)
        return (files or {})[path]

    names = ["compose.yaml", *(f"{n}.yaml" for n in range(2, len(texts) + 1))]
    named = [(name, dedent(text)) for name, text in zip(names, texts, strict=True)]
    more |= {"rancher": ("rancher-compose.yml", dedent(rancher))} if rancher else {}
    more |= {"look": look} if directories or files else {}
    return load(named, variables or {}, read, dotenv=dotenv, profiles=profiles, **more)


def lowered(submission: Submission) -> StackSpec:
    return lower(submission, stack=STACK, registry_host=REGISTRY, project=PROJECT)


def stack(*texts: str, variables: Mapping[str, str] | None = None, files: Mapping[str, bytes] | None = None) -> StackSpec:
    return lowered(loaded(*texts, variables=variables, files=files))


def service_text(keys: str) -> str:
    """A file with one service `app`, which has `keys`, and an image where they name none."""
    keys = dedent(keys)
    image = "" if "\nimage:" in f"\n{keys}" else "image: nginx:1.27\n"
    return "services:\n  app:\n" + indent(image + keys, "    ")


def service(keys: str, *, variables: Mapping[str, str] | None = None, files: Mapping[str, bytes] | None = None) -> ServiceSpec:
    """That service, lowered."""
    found = stack(service_text(keys), variables=variables, files=files).service("app")
    assert found is not None
    return found


def of_document(document: Any, **more: Any) -> StackSpec:
    """What the server makes of a document that came as JSON."""
    return lowered(Submission(document, **more))


def complaint(*texts: str, **more: Any) -> str:
    """The sentence with which loading the texts is refused."""
    with pytest.raises(InvalidInput) as caught:
        loaded(*texts, **more)
    return caught.value.message


def findings(*texts: str, site: Site | None = None, known: Known = NOTHING) -> tuple[Finding, ...]:
    """All that is found, but for `no-limits`: hardly a short text in a test says what its services need."""
    submission = loaded(*texts)
    found = audit(submission, lowered(submission), site or Site(), known)
    return tuple(f for f in found if f.rule != "no-limits")


def refused(*texts: str, site: Site | None = None) -> list[tuple[str, str | None]]:
    """(rule, key) of everything that stops the texts."""
    return [(f.rule, f.key) for f in findings(*texts, site=site) if f.severity is Severity.REFUSE]
