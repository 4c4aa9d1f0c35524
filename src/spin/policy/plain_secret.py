"""Passwords, tokens and keys where everybody can read them (DOMAIN: what hurt users: passwords in Compose files in git)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from spin.model.finding import Severity
from spin.model.image import ImageFacts
from spin.model.stack import ServiceSpec
from spin.policy.case import Case, Place, Rule
from spin.policy.credentials import MOST_TEXT, in_text, in_variable, in_words, is_value, named
from spin.policy.programs import script_words
from spin.policy.wellknown import secret_variable

_FILE = (
    "Put it into a file of its own, `{name}.txt` (not in git), and give it as a secret: `secrets: {{{name}: {{file: ./{name}.txt}}}}` for "
    "the stack, `secrets: [{name}]` at the service"
)
_BY_FILE = _FILE + ", and `{by_file}: /run/secrets/{name}` in the place of {variable}."
_BY_PROGRAM = _FILE + "; the program reads it from `/run/secrets/{name}`."
_BAKED = (
    "Leave it out of the image, build it again, and give the value as a secret when the container runs. Change the value: whoever can "
    "pull the image has it."
)
MOST_IN_ALL = 2 * 1024**2
"""Characters of a stack that are looked at: hundreds of times what people write, and less than a second of the worst text."""
_ARGUMENT = re.compile(r"(?:^|\s)([A-Za-z_][A-Za-z0-9_]{0,120})=(\S{1,500})", re.ASCII)


def _find(case: Case) -> Iterator[Place]:
    contents = dict(case.services())
    room = MOST_IN_ALL
    for service in case.spec.services:
        image = case.facts(service)
        room -= _size(service, image)
        if room < 0:
            return
        yield from _in_environment(service)
        yield from _in_command(service)
        yield from _in_labels(service)
        yield from _in_build(service, contents.get(service.name, {}).get("build"))
        if image is not None:
            yield from _in_image(service, image)


def _size(service: ServiceSpec, image: ImageFacts | None) -> int:
    """Characters to look at, about."""
    pairs = [*service.environment, *service.labels, *(image.environment if image else ()), *(image.labels if image else ())]
    texts = [value for _, value in pairs]
    texts += [*(service.command or ()), *(service.entrypoint or ()), *(image.history if image else ())]
    return sum(min(len(text), MOST_TEXT) + 16 for text in texts)


def _in_environment(service: ServiceSpec) -> Iterator[Place]:
    for name, value in service.environment:
        what = in_variable(name, value)
        if what is not None:
            by_file = secret_variable(service.image, name)
            yield _place(service, f"environment.{name}", f"The variable {name}", what, name, by_file)


def _in_command(service: ServiceSpec) -> Iterator[Place]:
    for key, words in (("entrypoint", service.entrypoint), ("command", service.command)):
        for name, what in in_words([*script_words(words or ())]):
            place = f"The option {name} in the {key}" if name else f"The {key}"
            yield _place(service, key, place, what, name or "secret")


def _in_labels(service: ServiceSpec) -> Iterator[Place]:
    for name, value in service.labels:
        what = in_text(value) or (f"a {kind}" if (kind := named(name)) is not None and is_value(value) else None)
        if what is not None:
            values = {"place": f"The label {name}", "what": what}
            instead = (
                "Labels are for everybody to see. Leave it out, and give the value to the program that needs it as a secret."
            )
            yield Place(f"services.{service.name}.labels.{name}", service.name, values, instead)


def _in_build(service: ServiceSpec, build: Any) -> Iterator[Place]:
    arguments = build.get("args") if isinstance(build, dict) else None
    pairs: list[Any] = [str(entry).partition("=")[::2] for entry in arguments] if isinstance(arguments, list) else []
    if isinstance(arguments, dict):
        pairs = [(str(name), value) for name, value in arguments.items() if isinstance(value, str)]
    for name, value in pairs:
        what = in_variable(name, value)
        if what is not None:
            values = {"place": f"The build argument {name}", "what": what}
            instead = "Build arguments stay readable in the image. Use `RUN --mount=type=secret` with BuildKit, or do without."
            yield Place(f"services.{service.name}.build.args.{name}", service.name, values, instead)


def _in_image(service: ServiceSpec, image: ImageFacts) -> Iterator[Place]:
    overridden = {name for name, _ in service.environment}
    seen = set()
    for name, value in image.environment:
        if name not in overridden and (what := in_variable(name, value)) is not None:
            seen.add(name)
            yield _baked(service, f"The variable {name} in the image", what)
    for name, value in image.labels:
        what = in_text(value) or (f"a {kind}" if (kind := named(name)) is not None and is_value(value) else None)
        if what is not None:
            yield _baked(service, f"The label {name} of the image", what)
    for step in image.history:
        for found in _ARGUMENT.finditer(step[:4096]):
            if found[1] not in seen and named(found[1]) is not None and is_value(found[2].strip("'\"")):
                seen.add(found[1])
                yield _baked(service, f"{found[1]}, with which the image was built,", f"a {named(found[1])}")
    for _, what in in_words([*script_words((*image.entrypoint, *image.command))]):
        yield _baked(service, "The command of the image", what)


def _baked(service: ServiceSpec, place: str, what: str) -> Place:
    return Place(f"services.{service.name}.image", service.name, {"place": place, "what": what}, _BAKED)


def _place(service: ServiceSpec, path: str, place: str, what: str, variable: str, by_file: str | None = None) -> Place:
    """With how to write it, in the names of this place."""
    name = re.sub(r"[^a-z0-9]+", "_", variable.lower()).strip("_")[:60] or "secret"
    values = {"place": place, "what": what, "name": name, "variable": variable, "by_file": by_file}
    return Place(f"services.{service.name}.{path}", service.name, values, _BY_PROGRAM if by_file is None else _BY_FILE)


RULE = Rule(
    code="plain-secret",
    severity=Severity.WARN,
    title="Secrets are not in plain sight",
    message="{place} holds {what} in plain sight: everybody who can read the file, the stack or the image reads it, too.",
    instead="Give it as a secret: it is stored encrypted, and reaches the container as a file in /run/secrets.",
    why="""A Compose file is kept in git, sent to colleagues and shown by `spin export`; what is in a container's environment is seen by
        `inspect`, by every child process and in crash reports; a command line by everybody on the machine; an image by all who pull it,
        in every layer that ever had it. Passwords got lost that way on the original platform. A secret is stored encrypted, is shown by no
        command, and has a value of its own in each environment. Many images read NAME from a file that NAME_FILE names. The value
        itself is never repeated in a finding. What was in git or in an image has to be changed.""",
    example="""
        services:
          db:
            image: postgres:16
            environment:
              POSTGRES_PASSWORD: correct-horse
    """,
    fixed="""
        services:
          db:
            image: postgres:16
            environment:
              POSTGRES_PASSWORD_FILE: /run/secrets/password
            secrets: [password]
        secrets:
          password: {file: ./password.txt}
    """,
    find=_find,
)
