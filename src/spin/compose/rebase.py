"""Paths of a file in another directory, as they are seen from the project directory (`include`, `extends`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from spin.compose.nodes import Node
from spin.compose.workspace import joined

Change: TypeAlias = Callable[[str, str], str]

_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git@|github\.com/|service:|target:|docker-image:|oci-layout:", re.IGNORECASE)


def rebase(tree: Node, directory: str) -> Node:
    """The tree of a file in `directory`, every path in it as seen from the project directory."""
    return _walk(tree, directory, _PATHS) if directory else tree


def _walk(node: Node, directory: str, rules: Mapping[str, Rules]) -> Node:
    if not isinstance(node.value, dict):
        return node
    changed = dict(node.value)
    for key, child in node.value.items():
        rule = rules.get(key) or rules.get("*")
        if isinstance(rule, Mapping):
            changed[key] = _walk(child, directory, rule)
        elif rule is not None:
            changed[key] = rule(child, directory)
    return replace(node, value=changed)


def _text(node: Node, directory: str, change: Change) -> Node:
    return replace(node, value=change(directory, node.value)) if isinstance(node.value, str) else node


def _path(node: Node, directory: str) -> Node:
    return _text(node, directory, joined)


def _paths(node: Node, directory: str) -> Node:
    """A path, a list of paths, or a list of mappings with `path`."""
    if isinstance(node.value, list):
        return replace(node, value=[_paths(item, directory) for item in node.value])
    if isinstance(node.value, dict):
        return _walk(node, directory, {"path": _path})
    return _path(node, directory)


def _context(directory: str, path: str) -> str:
    return path if _REMOTE.match(path) else joined(directory, path)


def _build(node: Node, directory: str) -> Node:
    if isinstance(node.value, str):
        return _text(node, directory, _context)
    if isinstance(node.value, dict) and "context" not in node.value:
        values = {"context": replace(node, value="."), **node.value}
        node = replace(node, value=values, keys={"context": node.at, **node.keys})
    return _walk(node, directory, {"context": lambda n, d: _text(n, d, _context), "additional_contexts": _contexts})


def _contexts(node: Node, directory: str) -> Node:
    if isinstance(node.value, list):
        return replace(node, value=[_text(item, directory, _named_context) for item in node.value])
    return _walk(node, directory, {"*": lambda n, d: _text(n, d, _context)})


def _named_context(directory: str, text: str) -> str:
    name, sign, path = text.partition("=")
    return name + sign + _context(directory, path) if sign else text


def _volumes(node: Node, directory: str) -> Node:
    if not isinstance(node.value, list):
        return node
    return replace(node, value=[_volume(item, directory) for item in node.value])


def _volume(item: Node, directory: str) -> Node:
    if isinstance(item.value, str):
        return _text(item, directory, _bind)
    if not isinstance(item.value, dict):
        return item
    kind = item.value.get("type")
    return _walk(item, directory, {"source": lambda n, d: _text(n, d, _source)}) if kind and kind.value == "bind" else item


def _bind(directory: str, text: str) -> str:
    source, sign, rest = text.partition(":")
    return _source(directory, source) + sign + rest if sign and source.startswith(".") else text


def _source(directory: str, path: str) -> str:
    """A source keeps the look of a path: without the dot it would be a volume's name."""
    found = joined(directory, path)
    return found if found.startswith((".", "/", "~")) else f"./{found}"


Rules: TypeAlias = "Callable[[Node, str], Node] | Mapping[str, Rules]"

_FILES: Mapping[str, Rules] = {"*": {"file": _path}}
_PATHS: Mapping[str, Rules] = {
    "services": {
        "*": {
            "build": _build,
            "env_file": _paths,
            "label_file": _paths,
            "extends": {"file": _path},
            "develop": {"watch": _paths},
            "volumes": _volumes,
        }
    },
    "configs": _FILES,
    "secrets": _FILES,
    "volumes": {"*": {"driver_opts": {"device": lambda n, d: _text(n, d, _device)}}},
}


def _device(directory: str, path: str) -> str:
    """Only of a bind; other devices (`:/export` of NFS, `tmpfs`) are no paths of this machine."""
    return _source(directory, path) if path.startswith(".") else path
