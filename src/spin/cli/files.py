"""Finding and reading the user's Compose files, the way Docker Compose does. Everything the server must not open is read here."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spin import compose
from spin.cli.inputs import read_file, read_text
from spin.cli.output import message
from spin.errors import InvalidInput
from spin.kit.canonical import primitive
from spin.model.names import StackName, check_name, stack_name_from
from spin.model.submission import Submission

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
"""Docker Compose's own order of preference."""
OVERRIDES = ("compose.override.yaml", "compose.override.yml", "docker-compose.override.yml", "docker-compose.override.yaml")


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of one invocation. `directory` is that of the first file: relative paths start there."""

    directory: Path
    files: tuple[tuple[str, str], ...]
    """(name for messages, text), in the order in which they are merged."""
    dotenv: str | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """A Compose file, read and resolved, and the name its stack gets."""

    submission: Submission
    stack: StackName
    directory: Path
    file: str
    """The first of its files, as messages name it."""

    @property
    def json(self) -> dict[str, Any]:
        """As the API takes it."""
        converted: dict[str, Any] = primitive(self.submission)
        return converted


def load(files: Sequence[str] | None, env_files: Sequence[str] | None, stack: str | None, added: Mapping[str, str]) -> Loaded:
    """Read, merge and interpolate. `added` are Spin's own variables; they win. Raises InvalidInput."""
    sources = find(files, env_files, os.environ)
    variables = {**os.environ, **added}
    submission = compose.load(sources.files, variables, lambda path: read(sources.directory, path), dotenv=sources.dotenv)
    return Loaded(submission, _stack_name(stack, submission, sources.directory), sources.directory, sources.files[0][0])


def _stack_name(given: str | None, submission: Submission, directory: Path) -> StackName:
    if given:
        return StackName(check_name("stack", given))
    suggested = os.environ.get("COMPOSE_PROJECT_NAME") or compose.suggested_name(submission)
    if suggested:
        return StackName(check_name("stack", suggested))
    try:
        return stack_name_from(directory.name)
    except InvalidInput:
        raise InvalidInput(f"The directory {directory} gives no name for the stack. Name it with -s NAME.") from None


def read(directory: Path, path: str) -> bytes:
    """The bytes of a path that is written in a Compose file. Raises OSError."""
    return read_file(directory / Path(path).expanduser())


def find(files: Sequence[str] | None, env_files: Sequence[str] | None, environment: Mapping[str, str]) -> Sources:
    """The files to load: those named, else COMPOSE_FILE, else the nearest directory upwards with a Compose file in it."""
    names = list(files or [])
    if not names and environment.get("COMPOSE_FILE"):
        names = environment["COMPOSE_FILE"].split(environment.get("COMPOSE_PATH_SEPARATOR") or os.pathsep)
    if not names:
        names = [str(path) for path in _discover(Path.cwd())]
    first = names[0]
    directory = Path.cwd() if first == "-" else Path(first).absolute().parent
    texts = tuple(("stdin" if name == "-" else _shown(name), read_text(name)) for name in names)
    return Sources(directory, texts, _dotenv(directory, env_files))


def _discover(start: Path) -> list[Path]:
    for directory in (start, *start.parents):
        present = [directory / name for name in NAMES if (directory / name).is_file()]
        if not present:
            continue
        if len(present) > 1:
            message(f"Several Compose files here; using {present[0].name}, not {', '.join(p.name for p in present[1:])}.")
        overrides = [directory / name for name in OVERRIDES if (directory / name).is_file()]
        return [present[0], *overrides[:1]]
    raise InvalidInput(f"No Compose file in {start} or above it ({', '.join(NAMES)}). Name one with -f FILE.")


def _shown(name: str) -> str:
    """`name` relative to the present directory where that is shorter."""
    path = Path(name)
    try:
        return str(path.relative_to(Path.cwd())) if path.is_absolute() else name
    except ValueError:
        return name


def _dotenv(directory: Path, env_files: Sequence[str] | None) -> str | None:
    if env_files:
        return "\n".join(read_text(name) for name in env_files)
    path = directory / ".env"
    return read_text(str(path)) if path.is_file() else None
