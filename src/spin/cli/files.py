"""Finding the user's Compose files, the way Docker Compose does. Everything the server must not open is read on this side."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spin import compose
from spin.cli.directory import Directory
from spin.cli.inputs import read_text
from spin.cli.output import message
from spin.errors import InvalidInput
from spin.kit.canonical import primitive
from spin.model.finding import Finding
from spin.model.names import StackName, check_name, stack_name_from
from spin.model.submission import Submission

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
"""Docker Compose's own order of preference."""
OVERRIDES = ("compose.override.yaml", "compose.override.yml", "docker-compose.override.yml", "docker-compose.override.yaml")
_YES = ("1", "t", "true")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options of one invocation say about the files."""

    files: Sequence[str] | None = None
    env_files: Sequence[str] | None = None
    stack: str | None = None
    profiles: Sequence[str] | None = None
    project_directory: str | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of one invocation. Relative paths in them start at `directory`: that of the first file, where no other is named."""

    directory: Path
    files: tuple[tuple[str, str], ...]
    """(name for messages, text), in the order in which they are merged."""
    variables: Mapping[str, str]
    """The shell's, and those of `.env` or the files in its place."""
    rancher: tuple[str, str] | None
    notices: tuple[Finding, ...] = ()


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


def load(asked: Asked, added: Mapping[str, str]) -> Loaded:
    """Read, merge and interpolate. `added` are Spin's own variables; they win. Raises InvalidInput."""
    sources = find(asked.files, asked.env_files, os.environ, asked.project_directory)
    directory = Directory(sources.directory)
    chosen = asked.stack or sources.variables.get("COMPOSE_PROJECT_NAME") or None
    submission = compose.load(
        sources.files,
        {**sources.variables, **added},
        directory.read,
        look=directory.look,
        profiles=asked.profiles or (),
        rancher=sources.rancher,
        name=chosen,
        usual_name=sources.directory.name,
        notices=sources.notices,
    )
    return Loaded(submission, _stack_name(chosen, submission, sources.directory), sources.directory, sources.files[0][0])


def _usual_name(directory: Path) -> str | None:
    try:
        return stack_name_from(directory.name)
    except InvalidInput:
        return None


def _stack_name(given: str | None, submission: Submission, directory: Path) -> StackName:
    if given:
        return StackName(check_name("stack", given))
    if suggested := compose.suggested_name(submission):
        return stack_name_from(suggested)
    if usual := _usual_name(directory):
        return StackName(usual)
    raise InvalidInput(f"The directory {directory} gives no name for the stack. Name it with -s NAME.")


def find(
    files: Sequence[str] | None,
    env_files: Sequence[str] | None,
    shell: Mapping[str, str],
    project_directory: str | None = None,
) -> Sources:
    """The files to load: those named, else COMPOSE_FILE, else the nearest directory upwards with a Compose file in it.

    COMPOSE_FILE and the others of Compose's own variables may stand in `.env` too, as Docker Compose has it: in that of the present
    directory where no file is named, then in that of the project. With `project_directory`, files are looked for in that one, and
    relative paths and `.env` are of it; names of files are seen from the present directory all the same.
    """
    home = _home(project_directory)
    start = home or Path.cwd()
    names = list(files or [])
    notices: list[Finding] = []
    variables = dict(shell)
    if named := list(env_files or _several(shell.get("COMPOSE_ENV_FILES", ""), ",")):
        _add_variables([(name, read_text(name)) for name in named], variables, notices)
    elif not names:
        _add_variables(_dotenv(start, shell), variables, notices)
    if not names:
        names = _several(variables.get("COMPOSE_FILE", ""), variables.get("COMPOSE_PATH_SEPARATOR") or os.pathsep)
    if not names:
        names = [str(path) for path in _discover(start)]
    first = names[0]
    beside = Path.cwd() if first == "-" else Path(first).absolute().parent
    directory = home or beside
    if not named and (files or directory != start):
        _add_variables(_dotenv(directory, shell), variables, notices)
    texts = tuple(("stdin" if name == "-" else _shown(name), read_text(name)) for name in names)
    return Sources(directory, texts, variables, _rancher(beside, first), tuple(notices))


def _home(named: str | None) -> Path | None:
    """The directory that was named for the project. Raises InvalidInput where there is none."""
    if not named:
        return None
    if not Path(named).is_dir():
        raise InvalidInput(f"{named} is not a directory. Name the one that the file's relative paths start at.")
    return Path(os.path.normpath(Path(named).absolute()))  # a link keeps its name, which is the stack's


def _several(text: str, separator: str) -> list[str]:
    return [part for part in text.split(separator) if part]


def _add_variables(files: list[tuple[str, str]], variables: dict[str, str], notices: list[Finding]) -> None:
    """Those of the files which are not set yet; later files win over earlier ones."""
    found, told = compose.variables(files, variables)
    variables |= {key: value for key, value in found.items() if key not in variables}
    notices += told


def _dotenv(directory: Path, shell: Mapping[str, str]) -> list[tuple[str, str]]:
    path = directory / ".env"
    if shell.get("COMPOSE_DISABLE_ENV_FILE", "").lower() in _YES or not path.is_file():
        return []
    return [(_shown(str(path)), read_text(str(path)))]


def _rancher(directory: Path, first: str) -> tuple[str, str] | None:
    """The file that the original's CLI read beside the Compose file."""
    if first == "-":
        return None
    for name in compose.RANCHER_NAMES:
        if (directory / name).is_file():
            return _shown(str(directory / name)), read_text(str(directory / name))
    return None


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
