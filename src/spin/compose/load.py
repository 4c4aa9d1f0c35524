"""All that happens on the workstation: files in, a resolved submission out.

    parse -> interpolate (each file) -> merge -> env_file, configs and secrets read in -> checked by lowering it once

The last step finds wrong types and missing references here, with line and column, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spin.compose.cursor import Cursor
from spin.compose.envfile import parse_env
from spin.compose.interpolate import Scope, interpolate
from spin.compose.lower import lower_document
from spin.compose.mappings import pairs
from spin.compose.merge import merge
from spin.compose.nodes import Node, Position, below, fail
from spin.compose.notices import PORT_NOT_PUBLISHED
from spin.compose.parse import parse
from spin.compose.published import port_forms
from spin.compose.service import Target
from spin.errors import InvalidInput
from spin.kit.text import quoted
from spin.model.finding import Finding
from spin.model.submission import Submission

_TRIAL = Target("stack", "registry.invalid", "project")
"""Where the stack would live does not matter for whether the file is right."""


def load(
    files: Sequence[tuple[str, str]],
    variables: Mapping[str, str],
    read: Callable[[str], bytes],
    *,
    dotenv: str | None = None,
    dotenv_name: str = ".env",
) -> Submission:
    """The Compose files (name, text), merged in order and resolved.

    `variables` are the shell's (and SPIN_REGISTRY, SPIN_PROJECT); they win over those of the text `dotenv`. `read` gives the
    contents of a path as written in the document (env_file, configs, secrets) and raises OSError where it cannot. Only what
    services use is read. Raises InvalidInput, its message beginning `file:line:column:`.
    """
    if not files:
        raise InvalidInput("There is no Compose file to read; name one with -f.")
    scope = Scope(variables)
    if dotenv is not None:
        scope.variables = {**parse_env(dotenv, dotenv_name, scope), **variables}
    tree = merge([interpolate(parse(text, name), scope) for name, text in files])
    places: dict[str, Position] = {}
    document: dict[str, Any] = {}
    blobs: dict[str, bytes] = {}
    _flatten(tree, document, places, blobs)
    positions = {path: str(position) for path, position in places.items()}
    root = Cursor(document, "", positions)
    for _, service in _section(root, "services"):
        _resolve_environment(service, scope, read)
    configs = {**blobs, **_contents(root, "configs", scope.variables, read)}
    secrets = _contents(root, "secrets", scope.variables, read)
    notices = (*scope.notices, *_unpublished(root, positions))
    submission = Submission(document, configs, secrets, positions, notices)
    lower_document(submission, _TRIAL)
    return submission


def suggested_name(submission: Submission) -> str | None:
    """The stack's name that the file itself suggests: the top-level `name`."""
    name = submission.document.get("name")
    return name if isinstance(name, str) and name else None


def _flatten(tree: Node, document: dict[str, Any], places: dict[str, Position], blobs: dict[str, bytes]) -> None:
    """Plain data, and where each part stands. Extensions (`x-…`) that mean nothing to Spin stay behind."""
    assert isinstance(tree.value, dict)  # noqa: S101 - parse gives a mapping; tells the type checker
    for key, child in tree.value.items():
        if key == "x-spin" or not key.startswith("x-"):
            places[key] = tree.keys[key]
            document[key] = _plain(child, key, places, blobs)


def _plain(node: Node, path: str, places: dict[str, Position], blobs: dict[str, bytes]) -> Any:
    if isinstance(node.value, dict):
        found = {}
        is_service = path.startswith("services.") and path.count(".") == 1
        for key, child in node.value.items():
            if is_service and key.startswith("x-") and key != "x-spin":
                continue
            step = below(path, key)
            places.setdefault(step, node.keys[key])
            found[key] = _plain(child, step, places, blobs)
        return found
    if isinstance(node.value, list):
        items = []
        for index, child in enumerate(node.value):
            places[below(path, index)] = child.at
            items.append(_plain(child, below(path, index), places, blobs))
        return items
    if isinstance(node.value, bytes):
        section, _, rest = path.partition(".")
        name, _, key = rest.rpartition(".")
        if (section, key) != ("configs", "content"):
            fail(node.at, "binary data can only stand as the `content` of a config; write text here.", key=path)
        blobs[name] = node.value
        return None
    return node.value


def _section(root: Cursor, key: str) -> list[tuple[str, Cursor]]:
    """The entries below a top-level key that are mappings; the others are for lowering to complain about."""
    section = root.get(key)
    return [(name, entry) for name, entry in section.entries() if isinstance(entry.value, dict)] if section else []


def _resolve_environment(service: Cursor, scope: Scope, read: Callable[[str], bytes]) -> None:
    """Fold `env_file` into `environment`, and take variables without a value from the scope."""
    found: dict[str, str] = {}
    files = service.value.pop("env_file", None)
    if files is not None:
        cursor = service.at("env_file", files)
        for item in cursor.items() if isinstance(files, list) else [cursor]:
            found.update(_env_file(item, scope, found, read))
    environment = service.get("environment")
    given = pairs(environment)
    resolved = {**found, **{k: scope.variables.get(k) if v is None else v for k, v in given.items()}}
    if environment is not None or found:
        service.value["environment"] = {k: v for k, v in resolved.items() if v is not None}


def _env_file(item: Cursor, scope: Scope, earlier: Mapping[str, str], read: Callable[[str], bytes]) -> dict[str, str]:
    required, raw, path = True, False, item
    if item.is_mapping():
        given, must, form = item.get("path"), item.get("required"), item.get("format")
        if given is None:
            item.fail("the entry has no `path`; write the path of the file.")
        if form and form.value != "raw":
            form.fail(f"{quoted(form.value)} is not a format; leave `format` out, or write raw.")
        path, required, raw = given, must.boolean() if must else True, form is not None
    try:
        data = read(path.line())
    except OSError as error:
        if not required and isinstance(error, FileNotFoundError):
            return {}
        path.fail(_unreadable(path.line(), error))
    try:
        text = data.decode()
    except UnicodeDecodeError:
        path.fail(f"{quoted(path.line())} is not UTF-8 text; save it as UTF-8.")
    return parse_env(text, path.line(), scope, earlier=earlier, raw=raw)


def _unreadable(path: str, error: OSError) -> str:
    reason = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror or "it cannot be read"
    return f"{quoted(path)} cannot be read: {reason}; correct the path or create the file."


def _contents(root: Cursor, section: str, variables: Mapping[str, str], read: Callable[[str], bytes]) -> dict[str, bytes]:
    """Contents of the configs or secrets that services use, from `file`, `environment` or `content`."""
    used = {name for _, service in _section(root, "services") for name in _used(service, section)}
    found: dict[str, bytes] = {}
    for name, entry in _section(root, section):
        file, variable, content = entry.get("file"), entry.get("environment"), entry.get("content")
        if name not in used:
            continue
        if sum(x is not None for x in (file, variable, content)) > 1:
            entry.fail("the content is given twice; keep one of `file`, `environment`, `content`.")
        if file:
            try:
                found[name] = read(file.line())
            except OSError as error:
                file.fail(_unreadable(file.line(), error))
        elif variable:
            if (value := variables.get(variable.line())) is None:
                variable.fail(f"the variable {variable.line()} is not set; set it, or write `file:`.")
            found[name] = value.encode()
        elif content and section == "configs":
            found[name] = content.data()
    return found


def _used(service: Cursor, section: str) -> list[str]:
    found = service.value.get(section)
    items = found if isinstance(found, list) else []
    names = [item.get("source") if isinstance(item, dict) else item for item in items]
    return [name for name in names if isinstance(name, str)]


def _unpublished(root: Cursor, positions: Mapping[str, str]) -> list[Finding]:
    """Compose publishes a port without a host port at random; Spin does not, and says so."""
    found = []
    for name, service in _section(root, "services"):
        for item, form in port_forms(service.get("ports")):
            if form.published is None:
                message = f"Port {form.target[0]} names no port of the host, so it is open to the stack's other services only."
                instead = (
                    f'For HTTP write `x-spin: {{http: {form.target[0]}}}`; otherwise publish it, such as "8080:{form.target[0]}".'
                )
                place = positions.get(item.path)
                found.append(PORT_NOT_PUBLISHED.finding(message, instead, service=name, key=item.path, position=place))
    return found
