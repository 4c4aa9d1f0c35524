"""Dockerfile text to the model, with BuildKit's own parser (the package `dockerfile`)."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from spin.dockerfile.model import Dockerfile, Instruction, Stage, unquoted
from spin.errors import InvalidInput
from spin.kit.text import plain, quoted

MOST_BYTES = 256 * 1024
MOST_LINES = 10_000
"""The parser's time grows with the square of a continued instruction: a file of both sizes takes half a second, one of a megabyte in
lines of three characters took twenty."""

MOST_STAGES = 200

INSTRUCTIONS = frozenset(
    {
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    }
)
"""https://docs.docker.com/reference/dockerfile/"""


def parse(
    text: str, file: str = "Dockerfile", *, arguments: Mapping[str, str] | None = None, target: str | None = None
) -> Dockerfile:
    """The Dockerfile. `arguments` are the build's own, `target` the stage it asks for. Raises InvalidInput.

    The parser is a library with a runtime of its own, in this process; it is loaded here, when it is needed, and is given
    nothing that it was seen to fail on: no NUL, at which it stops reading, and no half of a surrogate pair, at which it ends the process.
    """
    _check(text, file)
    library = importlib.import_module("dockerfile")
    try:
        commands = library.parse_string(text)
    except (library.GoParseError, ValueError, MemoryError) as error:
        reason = plain(str(error))
        raise InvalidInput(f"{file}: not a Dockerfile: {reason}.", file=file) from None
    stages, before = _stages(commands, file)
    values = {name: value for i in before for name, value in i.pairs() if value is not None}
    values |= {name: value for name, value in (arguments or {}).items() if name in {n for i in before for n, _ in i.pairs()}}
    found = Dockerfile(file, stages, values, target)
    known = {(s.name or "").lower() for s in stages} | {str(s.number) for s in stages}
    if target is not None and target.lower() not in known:
        raise InvalidInput(f"{file}: there is no stage {quoted(target)}, which the build asks for.", file=file)
    return found


def _check(text: str, file: str) -> None:
    if len(text) > MOST_BYTES or text.count("\n") > MOST_LINES:
        raise InvalidInput(
            f"{file}: larger than {MOST_BYTES // 1024} KiB or {MOST_LINES} lines; that is no Dockerfile.", file=file
        )
    if "\0" in text:
        raise InvalidInput(f"{file}: has a NUL character in it; that is no Dockerfile.", file=file)
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise InvalidInput(f"{file}: is not a text in Unicode; that is no Dockerfile.", file=file)
    if not text.strip():
        raise InvalidInput(f"{file}: is empty.", file=file)


def _stages(commands: Iterable[Any], file: str) -> tuple[tuple[Stage, ...], list[Instruction]]:
    """The stages, and the ARG before them."""
    before: list[Instruction] = []
    stages: list[tuple[Instruction, list[Instruction]]] = []
    for command in commands:
        instruction = _instruction(command, file)
        if instruction.name == "FROM" and not instruction.trigger:
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif instruction.name == "ARG":
            before.append(instruction)
        else:
            raise InvalidInput(
                f"{file}:{instruction.line}: {instruction.name} before the first FROM.", file=file, line=instruction.line
            )
    if not stages:
        raise InvalidInput(f"{file}: has no FROM, so there is nothing to build on.", file=file)
    if len(stages) > MOST_STAGES:
        raise InvalidInput(f"{file}: has more than {MOST_STAGES} stages.", file=file)
    return tuple(_stage(number, first, rest, file) for number, (first, rest) in enumerate(stages)), before


def _stage(number: int, first: Instruction, rest: list[Instruction], file: str) -> Stage:
    words = first.words
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise InvalidInput(f"{file}:{first.line}: FROM takes an image, and a name after AS.", file=file, line=first.line)
    return Stage(number, unquoted(words[0]), words[2] if len(words) == 3 else None, first.line, tuple(rest))


def _instruction(command: Any, file: str) -> Instruction:
    name = str(command.cmd).upper()
    trigger = name == "ONBUILD"
    if trigger:
        name = str(command.sub_cmd or "").upper()
    if name not in INSTRUCTIONS:
        raise InvalidInput(
            f"{file}:{command.start_line}: {quoted(name, 40)} is no instruction of Dockerfiles.",
            file=file,
            line=int(command.start_line),
        )
    documents = tuple(str(document.content) for document in command.heredocs)
    return Instruction(
        name, tuple(command.value), tuple(command.flags), bool(command.json), int(command.start_line), documents, trigger
    )
