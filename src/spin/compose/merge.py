"""Third stage: several files into one, by Compose's rules for each key.

    mappings              merged key by key, the later file wins
    single values         replaced by the later file
    lists                 joined, the later file's items after the earlier one's
    command, entrypoint, healthcheck.test            replaced as a whole
    environment, labels, args, depends_on, networks  brought into mapping form, then merged
    ports                 joined; the same port of host and container stands once
    volumes, secrets, configs, tmpfs                 merged by the path in the container
    cap_add, expose, and other lists of plain values in a service    joined without repetition

`!reset` takes a key away, `!override` puts the later value in the place of the earlier one as it is. An empty value (null) in a
later file changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from spin.compose import forms
from spin.compose.attached import SECRETS_DIRECTORY
from spin.compose.nodes import Node, Position, below, fail
from spin.compose.scalars import as_text

Rule: TypeAlias = Callable[[Node, Node, str], Node]

_SECTIONS = ("services", "networks", "volumes", "configs", "secrets")


def merge(trees: list[Node]) -> Node:
    """The trees as one, in order; orders (`!reset`, `!override`) are carried out also in a single tree. Raises InvalidInput."""
    result = trees[0]
    for tree in trees[1:]:
        result = _merge(result, tree, "", ())
    return _settle(result, "")


def _merge(base: Node, over: Node, path: str, way: tuple[str, ...]) -> Node:
    if over.tag is not None:
        return over
    if over.value is None:
        return base
    if base.value is None or base.tag == "!reset":
        return over
    if rule := _rule(way):
        return rule(base, over, path)
    if isinstance(base.value, dict) and isinstance(over.value, dict):
        return _mappings(base, over, path, way)
    if isinstance(base.value, list) and isinstance(over.value, list):
        return replace(base, value=[*base.value, *over.value])
    if isinstance(base.value, (dict, list)) or isinstance(over.value, (dict, list)):
        fail(over.at, f"this is {over.kind}, but {base.at.short} has {base.kind} here; write both in the same form.", key=path)
    return over


def _mappings(base: Node, over: Node, path: str, way: tuple[str, ...]) -> Node:
    assert isinstance(base.value, dict)  # noqa: S101 - the caller has looked; tells the type checker
    assert isinstance(over.value, dict)  # noqa: S101
    values, keys = dict(base.value), dict(base.keys)
    for key, child in over.value.items():
        if key in values:
            values[key] = _merge(values[key], child, below(path, key), (*way, key))
            if values[key] is child:
                keys[key] = over.keys[key]
        else:
            values[key], keys[key] = child, over.keys[key]
    return replace(base, value=values, keys=keys)


def _settle(node: Node, path: str) -> Node:
    """The tree with its orders carried out."""
    if isinstance(node.value, dict):
        kept = {k: _settle(v, below(path, k)) for k, v in node.value.items() if v.tag != "!reset"}
        return replace(node, value=kept, keys={k: node.keys[k] for k in kept}, tag=None)
    if isinstance(node.value, list):
        for item in node.value:
            if item.tag:
                fail(item.at, f"{item.tag} cannot stand on an item of a list; write it at the key of the list.", key=path)
        return replace(node, value=[_settle(v, below(path, i)) for i, v in enumerate(node.value)], tag=None)
    return replace(node, tag=None) if node.tag else node


def _rule(way: tuple[str, ...]) -> Rule | None:
    """The special rule for what stands at `way`."""
    if len(way) < 3 or way[0] not in _SECTIONS:
        return None
    if way[0] == "services":
        return _SERVICE.get(way[2:])
    return _by_key if way[2:] == ("labels",) else None


def _replace(_base: Node, over: Node, _path: str) -> Node:
    return over


def _by_key(base: Node, over: Node, path: str) -> Node:
    """Lists of KEY=value, or mappings. A key without a value in the later file counts: it takes the variable's value."""
    (first, first_keys), (second, second_keys) = _pairs(base, path), _pairs(over, path)
    return replace(base, value={**first, **second}, keys={**first_keys, **second_keys})


def _pairs(node: Node, path: str) -> tuple[dict[str, Node], dict[str, Position]]:
    if isinstance(node.value, dict):
        return node.value, node.keys
    values: dict[str, Node] = {}
    for item in _items(node, path):
        key, sign, text = _text(item, path).partition("=")
        values[key] = replace(item, value=text if sign else None)
    return values, {key: child.at for key, child in values.items()}


def _by_name(base: Node, over: Node, path: str) -> Node:
    """Lists of names, or mappings from names: `networks`, `depends_on`."""
    return _mappings(_names(base, path), _names(over, path), path, ("x-", "names"))


def _names(node: Node, path: str) -> Node:
    if isinstance(node.value, dict):
        return node
    values = {_text(item, path): replace(item, value=None) for item in _items(node, path)}
    return replace(node, value=values, keys={key: child.at for key, child in values.items()})


def _dependencies(base: Node, over: Node, path: str) -> Node:
    """As names, where a bare name in a later file means the plain condition again."""
    return _by_name(_spelt(base, path), _spelt(over, path), path)


def _spelt(node: Node, path: str) -> Node:
    named = _names(node, path)
    if named is node:
        return node
    assert isinstance(named.value, dict)  # noqa: S101 - made by _names; tells the type checker
    plain = {
        key: replace(child, value={"condition": replace(child, value="service_started")}, keys={"condition": child.at})
        for key, child in named.value.items()
    }
    return replace(named, value=plain)


def _build(base: Node, over: Node, path: str) -> Node:
    """A plain `build` is its context."""
    return _mappings(_context(base), _context(over), path, ("services", "", "build"))


def _context(node: Node) -> Node:
    return node if isinstance(node.value, dict) else replace(node, value={"context": node}, keys={"context": node.at})


def _union(base: Node, over: Node, path: str) -> Node:
    """Lists (or one value) of plain values, each once."""
    seen: dict[str, Node] = {}
    for item in (*_items(base, path, single=True), *_items(over, path, single=True)):
        seen.setdefault(as_text(item.value) if isinstance(item.value, str | int | float) else f"{item.at}", item)
    return replace(base, value=list(seen.values()))


def _joined(base: Node, over: Node, path: str) -> Node:
    """Lists (or one value), joined as they are: `env_file`."""
    return replace(base, value=[*_items(base, path, single=True), *_items(over, path, single=True)])


def _ports(base: Node, over: Node, path: str) -> Node:
    seen: dict[str, Node] = {}
    for item in (*_items(base, path), *_items(over, path)):
        seen.setdefault(_port_key(item, path), item)
    return replace(base, value=list(seen.values()))


def _port_key(item: Node, path: str) -> str:
    if isinstance(item.value, dict):
        part = {k: as_text(v.value) for k, v in item.value.items() if isinstance(v.value, str | int | float)}
        return f"{part.get('host_ip', '')}:{part.get('published', '')}:{part.get('target', '')}/{part.get('protocol', 'tcp')}"
    text = _text(item, path)
    body, _, protocol = text.partition("/")
    rest, _, target = body.rpartition(":")
    address, _, published = rest.rpartition(":")
    return f"{address}:{published}:{target}/{protocol or 'tcp'}"


def _volumes(base: Node, over: Node, path: str) -> Node:
    """By target; an entry of the later file is laid over that of the earlier one."""
    return _by_target(base, over, path, _long_volume)


def _long_volume(item: Node, path: str) -> tuple[str, Node]:
    """An entry in its long form, and its target."""
    if isinstance(item.value, dict):
        target = item.value.get("target")
        return (_text(target, path) if target else ""), item
    form = forms.volume(_text(item, path))
    values: dict[str, Node] = {"type": replace(item, value="bind" if form.is_host_path else "volume")}
    if form.source is not None:
        values["source"] = replace(item, value=form.source)
    values["target"] = replace(item, value=form.target)
    for option in form.options:
        if option in ("ro", "rw"):
            values["read_only"] = replace(item, value=option == "ro")
        elif option == "nocopy":
            nested = {"nocopy": replace(item, value=True)}
            values["volume"] = replace(item, value=nested, keys={"nocopy": item.at})
        elif not form.is_host_path:
            fail(item.at, f"the mount option {option!r} is not known; use ro, rw or nocopy.", key=path)
    return form.target, replace(item, value=values, keys=dict.fromkeys(values, item.at))


def _grants(directory: str) -> Rule:
    def by_target(base: Node, over: Node, path: str) -> Node:
        return _by_target(base, over, path, lambda item, where: _long_grant(item, where, directory))

    return by_target


def _long_grant(item: Node, path: str, directory: str) -> tuple[str, Node]:
    if not isinstance(item.value, dict):
        name = _text(item, path)
        return directory + name, replace(item, value={"source": replace(item, value=name)}, keys={"source": item.at})
    named = item.value.get("target") or item.value.get("source")
    target = _text(named, path) if named else ""
    return (target if target.startswith("/") else directory + target), item


def _tmpfs(base: Node, over: Node, path: str) -> Node:
    seen: dict[str, Node] = {}
    for item in (*_items(base, path, single=True), *_items(over, path, single=True)):
        seen[_text(item, path).partition(":")[0]] = item
    return replace(base, value=list(seen.values()))


def _by_target(base: Node, over: Node, path: str, long_form: Callable[[Node, str], tuple[str, Node]]) -> Node:
    seen: dict[str, Node] = {}
    for item in (*_items(base, path), *_items(over, path)):
        try:
            target, entry = long_form(item, path)
        except ValueError as error:
            fail(item.at, str(error), key=path)
        seen[target] = _mappings(seen[target], entry, path, ("x-", "entry")) if target in seen else entry
    return replace(base, value=list(seen.values()))


def _items(node: Node, path: str, *, single: bool = False) -> list[Node]:
    if isinstance(node.value, list):
        return node.value
    if not single or isinstance(node.value, dict):
        fail(node.at, f"a list is expected here, not {node.kind}; write `- item` lines below it.", key=path)
    return [node]


def _text(node: Node, path: str) -> str:
    if not isinstance(node.value, str | int | float):
        fail(node.at, f"a single value is expected here, not {node.kind}.", key=path)
    return as_text(node.value)


_SERVICE: dict[tuple[str, ...], Rule] = {
    ("command",): _replace,
    ("entrypoint",): _replace,
    ("healthcheck", "test"): _replace,
    ("environment",): _by_key,
    ("labels",): _by_key,
    ("annotations",): _by_key,
    ("sysctls",): _by_key,
    ("build",): _build,
    ("build", "args"): _by_key,
    ("build", "labels"): _by_key,
    ("deploy", "labels"): _by_key,
    ("depends_on",): _dependencies,
    ("networks",): _by_name,
    ("ports",): _ports,
    ("volumes",): _volumes,
    ("secrets",): _grants(SECRETS_DIRECTORY + "/"),
    ("configs",): _grants("/"),
    ("tmpfs",): _tmpfs,
    ("env_file",): _joined,
    **{(key,): _union for key in ("cap_add", "cap_drop", "expose", "group_add", "security_opt", "devices", "dns", "profiles")},
}
