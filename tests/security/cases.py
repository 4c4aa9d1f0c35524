"""The hostile corpus: what a case's file says, and how it becomes a document.

A case is a file below `corpus/<topic>/`. Its first lines, which begin with `#:`, say what it is and what must come of it; the rest is
what a hostile person would send. In YAML they are comments, in JSON they are cut off.

    #: about: why this is hostile, in a sentence
    #: doors: file api         `file`: as the workstation loads it; `api`: as a document sent past the workstation; both where not said
    #: expect: CODE [CODE…]    the rule that refuses, or the error's code; any of them will do. `accepted`: nothing stops it
    #: expect-file, expect-api: CODE …    where the doors differ
    #: holds: SERVICE PATH OP JSON        of an accepted one: what the container's configuration must say (OP: == <= absent lacks)
    #: environment: {NAME: value}         the workstation's variables
    #: files: {path: text}                what the workstation may read; all other paths are said not to be there
    #: part: name              further Compose files begin at such lines
    #: body: submission | request         (JSON) the file is the whole submission, or the whole body of the request; else the document

What is too large to be stored is written as a recipe:

    %repeat N TEXT            N lines of TEXT, in which {n} is the line's number and {m} the one before
    %join N TEXT              the same, without line breaks
    %[N*TEXT]                 TEXT N times, within a line
    %{HEX}                    the character with that number
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

CORPUS = Path(__file__).parent / "corpus"
_HEAD = "#: "
_REPEAT = re.compile(r"%(repeat|join) ([0-9]+) (.*)")
_TIMES = re.compile(r"%\[([0-9]+)\*(.+?)\]%")
_CHARACTER = re.compile(r"%\{([0-9a-f]+)\}")
_KNOWN = {"about", "doors", "expect", "expect-file", "expect-api", "holds", "environment", "files", "part", "body"}


@dataclass(frozen=True)
class Holds:
    service: str
    path: str
    operator: str
    value: Any


@dataclass(frozen=True)
class Case:
    name: str
    about: str
    doors: tuple[str, ...]
    expected: dict[str, frozenset[str]]
    """By door."""
    parts: tuple[tuple[str, str], ...]
    """(name, text as stored) of each file."""
    holds: tuple[Holds, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    body: str = "document"

    @property
    def is_json(self) -> bool:
        return self.name.endswith(".json")

    def texts(self) -> list[tuple[str, str]]:
        """The files with their recipes carried out."""
        return [(name, expanded(text)) for name, text in self.parts]


def expanded(text: str) -> str:
    if "%" not in text:
        return text
    lines: list[str] = []
    for line in text.split("\n"):
        if found := _REPEAT.search(line):
            kind, count, rest = found.groups()
            made = (rest.replace("{n}", str(n)).replace("{m}", str(n - 1)) for n in range(int(count)))
            lines.append(line[: found.start()] + ("\n" if kind == "repeat" else "").join(made))
        else:
            lines.append(line)
    text = _TIMES.sub(lambda m: m[2] * int(m[1]), "\n".join(lines))
    return _CHARACTER.sub(lambda m: chr(int(m[1], 16)), text)


def read(path: Path) -> Case:
    name = str(path.relative_to(CORPUS))
    head: dict[str, list[str]] = {}
    parts: list[tuple[str, list[str]]] = [("compose.yaml", [])]
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.startswith(_HEAD):
            key, _, value = line.removeprefix(_HEAD).partition(":")
            if key not in _KNOWN:
                raise ValueError(f"{name}: {key!r} is not known here")
            if key == "part":
                parts.append((value.strip(), []))
            else:
                head.setdefault(key, []).append(value.strip())
        else:
            parts[-1][1].append(line)

    def one(key: str, default: str = "") -> str:
        (value,) = head.get(key, [default])
        return value

    doors = tuple(one("doors", "api" if name.endswith(".json") else "file api").split())
    expected = {door: frozenset(one(f"expect-{door}", one("expect")).split()) for door in doors}
    if not one("about") or not all(expected.values()):
        raise ValueError(f"{name}: it is not said what it is about, or what must come of it")
    holds = []
    for text in head.get("holds", ()):
        service, where, operator, *value = text.split(" ", 3)
        holds.append(Holds(service, where, operator, yaml.safe_load(value[0]) if value else None))
    return Case(
        name,
        one("about"),
        doors,
        expected,
        tuple((part, "\n".join(lines)) for part, lines in parts),
        tuple(holds),
        yaml.safe_load(one("environment", "{}")),
        yaml.safe_load(one("files", "{}")),
        one("body", "document"),
    )


def corpus() -> list[Case]:
    return [read(path) for path in sorted(CORPUS.rglob("*")) if path.is_file()]
