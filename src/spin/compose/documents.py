"""Fourth stage: from texts to one tree, with the files that they include and the services that they extend.

For each text: parse, interpolate, include, extend; then it is laid over what the texts before it gave.

    include   the other files are loaded as a project of their own, with their own `.env` and paths; what this file says of the
              same service, network, … is laid over what they say
    extends   the other service is taken as the base, as if this one stood in a later file
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from spin.compose.envfile import parse_env
from spin.compose.interpolate import Scope, interpolate
from spin.compose.merge import overlay, settle, stacked
from spin.compose.nodes import Node, Position, below, fail
from spin.compose.parse import parse
from spin.compose.rebase import rebase
from spin.compose.workspace import MOST_LEVELS, Workspace, joined
from spin.kit.text import decoded, quoted

_IMPORTED = ("services", "networks", "volumes", "configs", "secrets", "models")
_REMOTE = ("http://", "https://", "git@", "git://", "ssh://", "oci://", "oci:")


@dataclass(frozen=True, slots=True)
class Project:
    """Where files are being loaded from: the user's project, or one that is included."""

    scope: Scope
    workspace: Workspace
    directory: str = ""
    """Of the project, seen from the user's project directory."""
    loading: tuple[str, ...] = ()
    """The files whose `include` has led here."""
    bases: dict[str, Node] = field(default_factory=dict)
    """Files that were read for `extends`, by path."""


def gather(files: Sequence[tuple[str, Node]], project: Project) -> Node:
    """The documents of the files (name, parsed) as one tree; `include` and `extends` are gone, orders carried out. Raises InvalidInput."""
    result: Node | None = None
    for name, parsed in files:
        tree = rebase(interpolate(parsed, project.scope), project.directory)
        tree = _extended(_included(tree, name, project), name, project)
        result = tree if result is None else overlay(result, tree, "", ())
    assert result is not None  # noqa: S101 - callers give at least one file; tells the type checker
    return settle(result)


def _section(tree: Node, key: str) -> dict[str, Node]:
    found = tree.value.get(key) if isinstance(tree.value, dict) else None
    return found.value if found and isinstance(found.value, dict) else {}


def _with(tree: Node, key: str, value: Node) -> Node:
    assert isinstance(tree.value, dict)  # noqa: S101 - parse gives a mapping; tells the type checker
    return replace(tree, value={**tree.value, key: value}, keys={key: value.at, **tree.keys})


def _without(tree: Node, key: str) -> Node:
    assert isinstance(tree.value, dict)  # noqa: S101 - callers have looked; tells the type checker
    return replace(
        tree,
        value={k: v for k, v in tree.value.items() if k != key},
        keys={k: at for k, at in tree.keys.items() if k != key},
    )


# include


def _included(tree: Node, name: str, project: Project) -> Node:
    """The tree with what it includes below it."""
    assert isinstance(tree.value, dict)  # noqa: S101 - parse gives a mapping; tells the type checker
    entries = tree.value.get("include")
    if entries is None:
        return tree
    tree = _without(tree, "include")
    if entries.value is None:
        return tree
    if not isinstance(entries.value, list):
        fail(entries.at, f"`include` takes a list, not {entries.kind}; write `- file.yaml` lines below it.", key="include")
    for index, entry in enumerate(entries.value):
        tree = _imported(_include(entry, below("include", index), name, project), tree)
    return tree


def _include(entry: Node, key: str, name: str, project: Project) -> Node:
    given = entry.value if isinstance(entry.value, dict) else {"path": entry}
    for unknown in given.keys() - {"path", "project_directory", "env_file"}:
        fail(given[unknown].at, "this key is not known here; `include` has path, project_directory and env_file.", key=key)
    paths = [joined(project.directory, path) for path in _texts(given.get("path"), below(key, "path"))]
    if not paths:
        fail(entry.at, "the entry has no `path`; write the path of a Compose file.", key=key)
    for path in paths:
        if path.startswith(_REMOTE) or ".git#" in path:
            fail(entry.at, f"{quoted(path)} is elsewhere; fetch it yourself and include your copy.", key=key)
    loading = (*project.loading, _canonical(name))
    if any(_canonical(path) in loading for path in paths):
        fail(entry.at, f"{quoted(paths[0])} includes itself: {' -> '.join((*loading, paths[0]))}; remove one `include`.", key=key)
    if len(loading) > MOST_LEVELS:
        fail(entry.at, f"files include each other more than {MOST_LEVELS} levels deep; make it flatter.", key=key)
    chosen = _texts(given.get("project_directory"), below(key, "project_directory"))
    directory = joined(project.directory, chosen[0]) if chosen else posixpath.dirname(paths[0])
    trees = [(path, tree) for path in paths for tree in parse(project.workspace.text(path, entry.at, key), path)]
    variables = _variables(given.get("env_file"), directory, entry.at, key, project)
    scope = replace(project.scope, variables={**variables, **project.scope.variables})
    directory = "" if directory == "." else directory
    return gather(trees, Project(scope, project.workspace, directory, loading))


def _canonical(path: str) -> str:
    return posixpath.normpath(path)


def _variables(env_file: Node | None, directory: str, at: Position, key: str, project: Project) -> dict[str, str]:
    """Of the included project's `.env`, or of the files named in its place."""
    if env_file is None:
        path = joined(directory, ".env")
        try:
            text = decoded(project.workspace.fetch(path, at, key))
        except (OSError, UnicodeDecodeError):
            return {}
        return parse_env(text, path, project.scope)
    found: dict[str, str] = {}
    for written in _texts(env_file, below(key, "env_file")):
        if written != "/dev/null":
            path = joined(project.directory, written)
            found |= parse_env(project.workspace.text(path, env_file.at, key), path, project.scope, earlier=found)
    return found


def _texts(node: Node | None, key: str) -> list[str]:
    """One text or a list of texts."""
    if node is None or node.value is None:
        return []
    items = node.value if isinstance(node.value, list) else [node]
    for item in items:
        if not isinstance(item.value, str) or not item.value:
            fail(item.at, f"a path is expected here, not {item.kind}.", key=key)
    return [str(item.value) for item in items]


def _imported(below_it: Node, tree: Node) -> Node:
    """What is included, with this file laid over it."""
    for section in _IMPORTED:
        theirs, ours = _section(below_it, section), _section(tree, section)
        if not theirs:
            continue
        assert isinstance(below_it.value, dict)  # noqa: S101 - parse gives a mapping; tells the type checker
        source = below_it.value[section]
        merged = {
            name: overlay(settle(entry), ours[name], below(section, name), (section, name))
            if name in ours and not _same(entry, ours[name])
            else entry
            for name, entry in theirs.items()
        }
        own = tree.value.get(section) if isinstance(tree.value, dict) else None
        keys = {**source.keys, **(own.keys if own else {})}
        tree = _with(tree, section, replace(source, value={**ours, **merged}, keys=keys))
    return tree


def _same(one: Node, other: Node) -> bool:
    """Whether two trees hold the same values: what is included twice is there once."""
    if isinstance(one.value, dict) and isinstance(other.value, dict):
        return one.value.keys() == other.value.keys() and all(_same(v, other.value[k]) for k, v in one.value.items())
    if isinstance(one.value, list) and isinstance(other.value, list):
        return len(one.value) == len(other.value) and all(map(_same, one.value, other.value))
    return type(one.value) is type(other.value) and one.value == other.value


# extends


def _extended(tree: Node, name: str, project: Project) -> Node:
    """The tree with each service that extends another laid over it."""
    services = _section(tree, "services")
    if not any(isinstance(service.value, dict) and "extends" in service.value for service in services.values()):
        return tree
    done: dict[tuple[str, str], Node] = {}
    extended = {service: _service(service, (name, services), (), done, project) for service in services}
    assert isinstance(tree.value, dict)  # noqa: S101 - parse gives a mapping; tells the type checker
    return _with(tree, "services", replace(tree.value["services"], value=extended))


def _service(
    name: str,
    within: tuple[str, dict[str, Node]],
    chain: tuple[tuple[str, str], ...],
    done: dict[tuple[str, str], Node],
    project: Project,
) -> Node:
    """The service `name` of the file `within` (name, services), on top of what it extends."""
    file, services = within
    own = services[name]
    link = (_canonical(file), name)
    if link in done:
        return done[link]
    extends = own.value.get("extends") if isinstance(own.value, dict) else None
    if extends is None:
        return own
    key = f"services.{name}.extends"
    if link in chain:
        names = " -> ".join(service for _, service in (*chain, link))
        fail(extends.at, f"the services extend each other in a circle: {names}; remove one `extends`.", key=key)
    if len(chain) > MOST_LEVELS:
        fail(extends.at, f"services extend each other more than {MOST_LEVELS} levels deep; make it flatter.", key=key)
    own = _without(own, "extends")
    if extends.tag == "!reset" or extends.value is None:
        return own
    base, path = _base_name(extends, key)
    if path:
        within = (path, _section(_base_file(path, extends.at, key, project), "services"))
    if base not in within[1]:
        fail(extends.at, f"{within[0]} has no service {quoted(base)} to extend; correct the name.", key=key)
    parent = settle(_service(base, within, (*chain, link), done, project), f"services.{base}", ("services", base))
    done[link] = overlay(parent, own, f"services.{name}", ("services", name))
    project.workspace.grown(done[link], key)
    return done[link]


def _base_name(extends: Node, key: str) -> tuple[str, str | None]:
    """The service and the file that `extends` names."""
    if isinstance(extends.value, str):
        return extends.value, None
    if not isinstance(extends.value, dict):
        fail(extends.at, f"`extends` takes a service's name or a mapping, not {extends.kind}.", key=key)
    for unknown in extends.value.keys() - {"service", "file"}:
        fail(extends.value[unknown].at, "this key is not known here; `extends` has service and file.", key=f"{key}.{unknown}")
    names = _texts(extends.value.get("service"), below(key, "service"))
    files = _texts(extends.value.get("file"), below(key, "file"))
    if not names:
        fail(extends.at, "the entry names no `service`; write the service to extend.", key=key)
    return names[0], files[0] if files else None


def _base_file(path: str, at: Position, key: str, project: Project) -> Node:
    """A file that is read for its services; what it includes is none of them."""
    if path.startswith(_REMOTE):
        fail(at, f"{quoted(path)} is elsewhere; fetch it yourself and extend your copy.", key=key)
    known = _canonical(path)
    if known not in project.bases:
        documents = [interpolate(tree, project.scope) for tree in parse(project.workspace.text(path, at, key), path)]
        project.bases[known] = rebase(stacked(documents), posixpath.dirname(path))
    return project.bases[known]
