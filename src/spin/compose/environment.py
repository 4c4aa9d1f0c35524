"""`env_file` folded into `environment`, `label_file` into `labels`, variables into what has no value: only the workstation has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from spin.compose.cursor import Cursor
from spin.compose.envfile import parse_env
from spin.compose.interpolate import Scope
from spin.compose.mappings import pairs
from spin.compose.nodes import Position
from spin.compose.workspace import Workspace, unreadable
from spin.kit.text import decoded, quoted
from spin.model.submission import locate


def resolve_environment(service: Cursor, scope: Scope, workspace: Workspace) -> None:
    """Fold `env_file` into `environment`, and take variables without a value from the scope. Raises InvalidInput."""
    found: dict[str, str] = {}
    files = service.value.pop("env_file", None)
    if files is not None:
        cursor = service.at("env_file", files)
        for item in cursor.items() if isinstance(files, list) else [cursor]:
            found.update(_env_file(item, scope, found, workspace))
    environment = service.get("environment")
    given = pairs(environment)
    resolved = {**found, **{k: scope.variables.get(k) if v is None else v for k, v in given.items()}}
    if environment is not None or found:
        service.value["environment"] = {k: v for k, v in resolved.items() if v is not None}


def resolve_build_arguments(service: Cursor, scope: Scope) -> None:
    """Take `build.args` without a value from the scope, where it is set there. Raises InvalidInput."""
    build = service.get("build")
    given = pairs(build.get("args")) if build is not None and build.is_mapping() else {}
    if build is not None and any(value is None for value in given.values()):
        build.value["args"] = {key: scope.variables.get(key) if value is None else value for key, value in given.items()}


def resolve_labels(service: Cursor, scope: Scope, workspace: Workspace) -> None:
    """Fold `label_file` into `labels`, which win. Only variables of the files themselves are known in them. Raises InvalidInput."""
    within = replace(scope, variables={})
    found: dict[str, str] = {}
    files = service.value.pop("label_file", None)
    if files is None:
        return
    cursor = service.at("label_file", files)
    for item in cursor.items() if isinstance(files, list) else [cursor]:
        try:
            found.update(parse_env(_text(item, workspace), item.line(), within, earlier=found))
        except FileNotFoundError as error:
            item.fail(unreadable(item.line(), error))
    own = service.get("labels")
    service.value["labels"] = {**found, **{key: "" if value is None else value for key, value in pairs(own).items()}}


def _env_file(item: Cursor, scope: Scope, earlier: Mapping[str, str], workspace: Workspace) -> dict[str, str]:
    required, raw, path = True, False, item
    if item.is_mapping():
        given, must, form = item.get("path"), item.get("required"), item.get("format")
        if given is None:
            item.fail("the entry has no `path`; write the path of the file.")
        if form and form.value != "raw":
            form.fail(f"{quoted(form.value)} is not a format; leave `format` out, or write raw.")
        path, required, raw = given, must.boolean() if must else True, form is not None
    try:
        return parse_env(_text(path, workspace), path.line(), scope, earlier=earlier, raw=raw, earlier_wins=True)
    except FileNotFoundError as error:
        if required:
            path.fail(unreadable(path.line(), error))
        return {}


def _text(path: Cursor, workspace: Workspace) -> str:
    """The text of a file. Raises FileNotFoundError where there is none, else InvalidInput."""
    name = path.line()
    try:
        return decoded(workspace.fetch(name, _position(path), path.path))
    except FileNotFoundError:
        raise
    except OSError as error:
        path.fail(unreadable(name, error))
    except UnicodeDecodeError:
        path.fail(f"{quoted(name)} is not UTF-8 text; save it as UTF-8.")


def _position(cursor: Cursor) -> Position:
    """For messages of stages that speak in positions of the text."""
    file, _, line = (locate(cursor.positions, cursor.path) or "?:1").rpartition(":")
    return Position(file, int(line), 1)
