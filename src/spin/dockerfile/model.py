"""A Dockerfile, parsed: stages of instructions with their lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_VARIABLE = re.compile(
    r"\$(?:(?P<plain>[A-Za-z_][A-Za-z0-9_]*)|\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)(?::?-(?P<default>[^{}$]*))?\})"
)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction. Of `ONBUILD x`, it is `x` with `trigger` set."""

    name: str
    """In capitals."""
    words: tuple[str, ...]
    """As BuildKit's parser splits them: shell form is one word, ENV and LABEL alternate names and values."""
    flags: tuple[str, ...]
    """Such as `--from=build`."""
    exec_form: bool
    """Written as a JSON list: no shell is between."""
    line: int
    heredocs: tuple[str, ...] = ()
    trigger: bool = False

    @property
    def script(self) -> str:
        """What a shell is given: the shell form with its here-documents, or the argument of `sh -c`. Empty where there is no shell."""
        if not self.exec_form:
            return "\n".join((*self.words, *self.heredocs))
        if len(self.words) > 2 and _is_shell(self.words[0]) and self.words[1].startswith("-") and "c" in self.words[1]:
            return self.words[2]
        return ""

    def pairs(self) -> Iterator[tuple[str, str | None]]:
        """Names and values of ENV, LABEL and ARG; None where ARG has no default."""
        if self.name == "ARG":
            for word in self.words:
                name, equals, value = word.partition("=")
                yield name, unquoted(value) if equals else None
        else:
            for name, value in zip(self.words[::2], self.words[1::2], strict=False):
                yield unquoted(name), unquoted(value)


@dataclass(frozen=True, slots=True)
class Stage:
    """From one FROM to the next."""

    number: int
    base: str
    """As written, `$VARIABLES` and all."""
    name: str | None
    line: int
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """The whole file. `target` is the stage that is built, if it is not the last."""

    file: str
    """For messages."""
    stages: tuple[Stage, ...]
    arguments: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Values of the ARG before the first FROM: what the build gives, else their defaults."""
    target: str | None = None

    @property
    def final(self) -> Stage:
        """The stage that becomes the image."""
        wanted = (self.target or "").lower()
        return next((s for s in self.stages if wanted and wanted in ((s.name or "").lower(), str(s.number))), self.stages[-1])

    def base(self, stage: Stage) -> str | None:
        """The stage's base with its variables filled in; None where one has no value here."""
        missing = False

        def value(match: re.Match[str]) -> str:
            nonlocal missing
            found = self.arguments.get(match["plain"] or match["braced"]) or match["default"]
            missing = missing or not found
            return found or ""

        filled = _VARIABLE.sub(value, stage.base)
        return None if missing or "$" in filled else filled

    def parent(self, stage: Stage) -> Stage | None:
        """The earlier stage on which it is built, if its base is one."""
        base = (self.base(stage) or "").lower()
        return next((s for s in reversed(self.stages[: stage.number]) if s.name is not None and s.name.lower() == base), None)

    def lineage(self) -> tuple[Stage, ...]:
        """The stages whose layers the image has, the final one last."""
        found = [self.final]
        while (parent := self.parent(found[0])) is not None:
            found.insert(0, parent)
        return tuple(found)

    def shipped(self) -> Iterator[Instruction]:
        """The instructions of the lineage, in order, without those that are for images built on this one."""
        for stage in self.lineage():
            yield from (i for i in stage.instructions if not i.trigger)

    def last(self, name: str) -> Instruction | None:
        """The instruction of that name that counts in the image. A stage that is built on another takes over what it does not say."""
        return next((i for i in reversed(tuple(self.shipped())) if i.name == name), None)

    def everywhere(self, *names: str) -> Iterator[Instruction]:
        """The instructions of these names in all stages."""
        for stage in self.stages:
            yield from (i for i in stage.instructions if i.name in names)

    def external_bases(self) -> Iterator[tuple[Stage, str]]:
        """Stages on images from elsewhere, with the image; `scratch` is none."""
        for stage in self.stages:
            base = self.base(stage)
            if base is not None and base != "scratch" and self.parent(stage) is None:
                yield stage, base


def _is_shell(path: str) -> bool:
    return path.rpartition("/")[2] in ("sh", "bash", "ash", "dash", "zsh", "ksh")


def unquoted(word: str) -> str:
    """A word without the quotes around it, as far as it matters to rules."""
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'" else word


def tag_of(image: str) -> tuple[str, str, str]:
    """Repository, tag and digest of an image's name; the last two may be empty."""
    name, _, digest = image.partition("@")
    head, colon, tail = name.rpartition(":")
    return (head, tail, digest) if colon and "/" not in tail else (name, "", digest)
