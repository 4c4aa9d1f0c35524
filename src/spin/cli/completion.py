"""`spin completion`: scripts for shells, and the words that they ask for.

A script hands the words of the line to `spin __complete`, which prints the candidates for the last one, each with a tab and a
description. Names come from the platform, within two seconds or not at all: a key press must never hang or print an error.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum, StrEnum
from typing import Annotated, Any, TypeAlias

import typer

from spin.cli.lazy import Command, Noun, Row, load
from spin.cli.output import data
from spin.cli.session import Session
from spin.client import Client
from spin.errors import SpinError

PATIENCE = 2.0
"""Seconds for the platform to answer."""


class Shell(StrEnum):
    """The shells with a script."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def completion(*, shell: Annotated[Shell, typer.Argument(metavar="SHELL", help=f"One of {', '.join(Shell)}.")]) -> None:
    """Print a script that completes commands, options and names.

    bash: `source <(spin completion bash)` in ~/.bashrc. zsh: `source <(spin completion zsh)` in ~/.zshrc, after compinit. fish:
    `spin completion fish > ~/.config/fish/completions/spin.fish`.
    """
    data(_SCRIPTS[shell])


def complete(words: Sequence[str], rows: Mapping[str, Row]) -> None:
    """Print what can stand in the place of the last of `words`, those before it given. Never raises, never writes to stderr."""
    with open(os.devnull, "w") as nothing, contextlib.redirect_stderr(nothing), contextlib.suppress(Exception):  # noqa: PTH123
        for word, description in candidates(words, rows):
            data(f"{word}\t{' '.join(description.split())}" if description else word)
    sys.stdout.flush()


def candidates(words: Sequence[str], rows: Mapping[str, Row]) -> Iterator[tuple[str, str]]:
    """(word, description) for each way to go on. `words` ends with the word at the cursor, which may be empty."""
    *before, current = words or [""]
    path: list[str] = []
    row: Row | None = None
    while before and not before[0].startswith("-"):
        row = rows.get(before[0])
        if row is None:
            return
        path.append(before.pop(0))
        if isinstance(row, Command):
            break
        rows = row.commands
    if row is None or isinstance(row, Noun):
        if not before:
            yield from ((name, found.help) for name, found in rows.items() if name.startswith(current))
        return
    yield from _of_command(path, load(path[-1], row), before, current)


def _of_command(path: list[str], command: Any, before: list[str], current: str) -> Iterator[tuple[str, str]]:
    parameters = command.get_params(typer.Context(command))
    options = {name: p for p in parameters if p.param_type_name == "option" for name in (*p.opts, *p.secondary_opts)}
    chosen, places = _chosen(options, before)
    chosen = _surroundings(parameters) | chosen
    waiting = options.get(before[-1]) if before else None
    if waiting is not None and not waiting.is_flag:
        yield from _values(waiting, path, chosen, current)
    elif current.startswith("-"):
        shown = {max(p.opts, key=len): p for p in options.values() if not p.hidden}
        yield from ((name, p.help or "") for name, p in sorted(shown.items()) if name.startswith(current))
    else:
        arguments = [p for p in parameters if p.param_type_name == "argument"]
        last = arguments[-1] if arguments and arguments[-1].nargs == -1 else None
        mine = arguments[places] if places < len(arguments) else last
        if mine is not None:
            yield from _values(mine, path, chosen, current)


def _surroundings(parameters: Sequence[Any]) -> dict[str, str]:
    """What variables of the surroundings say in the place of options, by the parameter's name."""
    named = {p.name: p.envvar for p in parameters if isinstance(p.envvar, str)}
    return {name: os.environ[variable] for name, variable in named.items() if os.environ.get(variable)}


def _chosen(options: Mapping[str, Any], before: Sequence[str]) -> tuple[dict[str, str], int]:
    """The values that options have on the line so far, by the parameter's name; and how many arguments stand there."""
    chosen: dict[str, str] = {}
    places = 0
    rest = iter(before)
    for word in rest:
        name, equals, value = word.partition("=")
        option = options.get(name)
        if option is None:
            places += not word.startswith("-")
        elif not option.is_flag:
            chosen[option.name] = value if equals else next(rest, "")
    return chosen, places


def _values(parameter: Any, path: list[str], chosen: Mapping[str, str], current: str) -> Iterator[tuple[str, str]]:
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        yield from ((choice.value, "") for choice in kind if choice.value.startswith(current))
        return
    source = _source(parameter, path, chosen)
    if source is None:
        return
    with Session(environment=chosen.get("environment"), project=chosen.get("project")) as session:
        session.client.close()
        session.client = Client(session.url, session.token, timeout=PATIENCE)
        with contextlib.suppress(SpinError):
            yield from ((word, why) for word, why in source(session, current) if word.startswith(current))


Source: TypeAlias = Callable[[Session, str], Iterator[tuple[str, str]]]


def _source(parameter: Any, path: list[str], chosen: Mapping[str, str]) -> Source | None:
    """Where the names come from that a parameter takes: by its own name for options, by its metavar for arguments."""
    if parameter.param_type_name == "option":
        return {"environment": _environments, "to": _environments, "project": _projects, "stack": _stacks}.get(parameter.name)
    if path == ["inspect"]:
        return _INSPECTED.get(chosen.get("kind", "stack"))
    if path == ["secret", "rm"]:
        return _secrets
    metavar = str(parameter.metavar or parameter.name).upper()
    if path == ["cp"]:
        return _copied
    if path[0] == "volume":
        return _volumes
    if "STACK" in metavar:
        return _targets if "SERVICE" in metavar else _stacks
    return {"USER": _users, "ENVIRONMENT": _environments}.get(metavar)


def _stacks(session: Session, _current: str) -> Iterator[tuple[str, str]]:
    yield from ((view["stack"], view["state"]) for view in session.client.stacks(session.project, session.environment))


def _targets(session: Session, current: str) -> Iterator[tuple[str, str]]:
    """Stacks; once a stack is written, its services; once a service is, its containers."""
    stack, slash, rest = current.partition("/")
    if not slash:
        yield from _stacks(session, current)
        return
    view = session.client.stack(session.project, session.environment, stack).view()
    service, slash, _ = rest.partition("/")
    if not slash:
        yield from ((f"{stack}/{s['name']}", s["state"]) for s in view["services"])
    else:
        numbered = {c["slot"]: c["phase"] for c in view["containers"] if c["service"] == service}
        yield from ((f"{stack}/{service}/{slot}", phase) for slot, phase in sorted(numbered.items()))


def _copied(session: Session, current: str) -> Iterator[tuple[str, str]]:
    """Nothing where a file of this machine may be meant: then the shell offers those."""
    if current and not current.startswith((".", "/", "~")):
        yield from _targets(session, current)


def _secrets(session: Session, _current: str) -> Iterator[tuple[str, str]]:
    secrets = session.client.secrets(session.project, session.environment)
    yield from ((s["name"], f"version {s['version']}") for s in secrets)


def _volumes(session: Session, _current: str) -> Iterator[tuple[str, str]]:
    yield from ((f"{v['stack']}/{v['name']}", v["environment"]) for v in session.client.volumes(session.project))


def _environments(session: Session, _current: str) -> Iterator[tuple[str, str]]:
    yield from ((e["name"], e["description"]) for e in session.site["environments"])


def _projects(session: Session, _current: str) -> Iterator[tuple[str, str]]:
    yield from ((p["name"], "") for p in session.client.projects())


def _users(session: Session, _current: str) -> Iterator[tuple[str, str]]:
    yield from ((m["user"], m["role"]) for m in session.client.members(session.project))


def _keys(session: Session, _current: str) -> Iterator[tuple[str, str]]:
    yield from ((k["id"], k["name"]) for k in session.client.keys())  # noqa: SIM118 - API keys, not a mapping's


_INSPECTED: Mapping[str, Source] = {
    "stack": _targets,
    "secret": _secrets,
    "volume": _volumes,
    "project": _projects,
    "environment": _environments,
    "key": _keys,
}

_SCRIPTS = {
    Shell.bash: r"""# spin: completion for bash
_spin() {
    local IFS=$'\n' line
    local words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    COMPREPLY=()
    while IFS= read -r line; do COMPREPLY+=("${line%%$'\t'*}"); done < <(spin __complete "${words[@]}" 2>/dev/null)
}
complete -o default -F _spin spin""",
    Shell.zsh: r"""#compdef spin
# spin: completion for zsh
_spin() {
    local -a found
    local line
    while IFS= read -r line; do
        line=${line//:/\\:}
        found+=("${line/$'\t'/:}")
    done < <(spin __complete "${(@)words[2,$CURRENT]}" 2>/dev/null)
    if (( ${#found} )); then _describe -V 'spin' found; else _files; fi
}
if [[ ${funcstack[1]:-} == _spin ]]; then _spin "$@"; else compdef _spin spin; fi""",
    Shell.fish: r"""# spin: completion for fish
function __spin_complete
    set -l words (commandline -opc) (commandline -ct)
    spin __complete $words[2..-1] 2>/dev/null
end
complete -c spin -e
complete -c spin -a '(__spin_complete)'""",
}
