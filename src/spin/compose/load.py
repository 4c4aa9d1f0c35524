"""All that happens on the workstation: files in, a resolved submission out.

    parse -> interpolate, include, extends (each file) -> merge -> rancher-compose.yml -> profiles
    -> env_file, label_file, binds, configs and secrets read in -> checked by lowering it once

The last step finds wrong types and missing references here, with line and column, before anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from spin.compose.binds import carry
from spin.compose.cursor import Cursor
from spin.compose.documents import Project, gather
from spin.compose.envfile import parse_env
from spin.compose.environment import resolve_build_arguments, resolve_environment, resolve_labels
from spin.compose.interpolate import Scope, interpolate
from spin.compose.lower import lower_document
from spin.compose.merge import merge
from spin.compose.nodes import Node, Position, below, fail
from spin.compose.notices import PORT_NOT_PUBLISHED
from spin.compose.parse import parse
from spin.compose.profiles import active_profiles, select
from spin.compose.published import port_forms
from spin.compose.rancher import with_rancher
from spin.compose.service import Target
from spin.compose.workspace import Look, Workspace, unreadable
from spin.errors import InvalidInput
from spin.model.finding import Finding
from spin.model.submission import Submission

_TRIAL = Target("stack", "registry.invalid", "project")
"""Where the stack would live does not matter for whether the file is right."""
_PROJECT = "COMPOSE_PROJECT_NAME"


def load(
    files: Sequence[tuple[str, str]],
    variables: Mapping[str, str],
    read: Callable[[str], bytes],
    *,
    look: Callable[[str], Look] | None = None,
    dotenv: str | None = None,
    dotenv_name: str = ".env",
    profiles: Iterable[str] = (),
    rancher: tuple[str, str] | None = None,
    name: str | None = None,
    usual_name: str | None = None,
    notices: Iterable[Finding] = (),
) -> Submission:
    """The Compose files (name, text), merged in order and resolved.

    `variables` are the shell's (and SPIN_REGISTRY, SPIN_PROJECT); they win over those of the text `dotenv`. `read` gives the
    contents of a path as written in the document (include, extends, env_file, label_file, configs, secrets) and raises OSError where
    it cannot; `look` says what a bind leads to (without it, binds stay as they are). Of configs and secrets only what services use
    is read. `profiles` are those asked for, `rancher` is a rancher-compose.yml (name, text). `name` is the stack's name if it is
    chosen, `usual_name` that of the directory, for where the file does not say either; both are for `${COMPOSE_PROJECT_NAME}` only.
    `notices` are passed on.

    Raises InvalidInput, its message beginning `file:line:column:`.
    """
    if not files:
        raise InvalidInput("There is no Compose file to read; name one with -f.")
    scope = Scope(variables)
    if dotenv is not None:
        scope.variables = {**parse_env(dotenv, dotenv_name, scope), **variables}
    workspace = Workspace(read, look) if look else Workspace(read)
    trees = [(file, tree) for file, text in files for tree in parse(text, file)]
    if project := name or _folded(_named(trees, scope)) or _folded(usual_name):
        scope.variables = {**scope.variables, _PROJECT: project}
    tree = gather(trees, Project(scope, workspace))
    found: list[Finding] = []
    if rancher:
        beside = [interpolate(document, scope) for document in parse(rancher[1], rancher[0])]
        tree, found = with_rancher(tree, merge(beside))
    places: dict[str, Position] = {}
    document: dict[str, Any] = {}
    blobs: dict[str, bytes] = {}
    _flatten(tree, document, places, blobs)
    positions = {path: str(position) for path, position in places.items()}
    root = Cursor(document, "", positions)
    select(root, active_profiles(profiles, scope.variables))
    for _, service in _section(root, "services"):
        resolve_environment(service, scope, workspace)
        resolve_build_arguments(service, scope)
        resolve_labels(service, scope, workspace)
    if look:
        found += carry(root, workspace)
    configs = {**blobs, **_contents(root, "configs", scope.variables, workspace)}
    secrets = _contents(root, "secrets", scope.variables, workspace)
    found = [*notices, *scope.notices, *found, *_unpublished(root, positions)]
    submission = Submission(document, configs, secrets, positions, tuple(found))
    _try(submission, scope.notices)
    return submission


def _try(submission: Submission, notices: Iterable[Finding]) -> None:
    """Lower it once. Raises InvalidInput, which also says what the value holds no more for want of a variable."""
    try:
        lower_document(submission, _TRIAL)
    except InvalidInput as error:
        told = [notice.message for notice in notices if error.fields.get("key") == notice.key is not None]
        if not told:
            raise
        raise InvalidInput(" ".join([error.message, *told]), **error.fields) from None


def variables(files: Sequence[tuple[str, str]], shell: Mapping[str, str]) -> tuple[dict[str, str], tuple[Finding, ...]]:
    """What the texts (name, text) of `.env`, or of the files in its place, set; and what was noticed. The shell's variables are used in
    their values; a later file wins over an earlier one. Raises InvalidInput.
    """
    scope = Scope(shell)
    found: dict[str, str] = {}
    for name, text in files:
        found |= parse_env(text, name, scope, earlier=found)
    return found, tuple(scope.notices)


def _named(trees: Sequence[tuple[str, Node]], scope: Scope) -> str | None:
    """The last `name` at the top of a file, where variables may stand in it."""
    found = None
    for _, tree in trees:
        node = tree.value.get("name") if isinstance(tree.value, dict) else None
        if node is not None and isinstance(node.value, str) and node.value:
            found = scope.text(node.value, node.at, "name")
    return found


def _folded(name: str | None) -> str:
    """A project's name as Docker Compose makes it of what stands in a file, or of a directory's name."""
    return re.sub(r"[^a-z0-9_-]+", "", (name or "").lower()).lstrip("_-")


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


def _contents(root: Cursor, section: str, variables: Mapping[str, str], workspace: Workspace) -> dict[str, bytes]:
    """Contents of the configs or secrets that services use, from `file`, `environment` or `content`."""
    used = {name for _, service in _section(root, "services") for name in _used(service, section)}
    found: dict[str, bytes] = {}
    for name, entry in _section(root, section):
        file, variable, content = entry.get("file"), entry.get("environment"), entry.get("content")
        if sum(x is not None for x in (file, variable, content)) > 1:
            entry.fail("the content is given twice; keep one of `file`, `environment`, `content`.")
        if name not in used:
            continue
        if file:
            try:
                found[name] = workspace.read(file.line())
            except OSError as error:
                file.fail(unreadable(file.line(), error))
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
            if not form.is_published:
                message = f"Port {form.target[0]} names no port of the host, so it is open to the stack's other services only."
                instead = (
                    f'For HTTP write `x-spin: {{http: {form.target[0]}}}`; otherwise publish it, such as "8080:{form.target[0]}".'
                )
                place = positions.get(item.path)
                found.append(PORT_NOT_PUBLISHED.finding(message, instead, service=name, key=item.path, position=place))
    return found
