"""Third stage: several files into one, by Compose's rules for each key.

    mappings              merged key by key, the later file wins
    single values         replaced by the later file
    lists                 joined, the later file's items after the earlier one's
    command, entrypoint, healthcheck.test            replaced as a whole, also by nothing (null)
    environment, labels, args, depends_on, networks  brought into mapping form, then merged
    ulimits, logging of another driver               replaced as a whole
    ports                                            joined; the same port of host and container stands once
    volumes, secrets, configs, devices               joined; the later entry for a path in the container takes the earlier one's place
    cap_add, expose, and other lists of plain values in a service    joined without repetition

`!reset` takes a key away, `!override` puts the later value in the place of the earlier one as it is. Any other empty value (null) in a
later file changes nothing. `overlay` is also what `extends` and `include` do.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from typing import TypeAlias

from spin.compose import forms
from spin.compose.attached import SECRETS_DIRECTORY
from spin.compose.nodes import Node, Position, below, fail
from spin.compose.scalars import as_text

Rule: TypeAlias = Callable[[Node, Node, str], Node]
Index: TypeAlias = Callable[[Node, str], str]

_SECTIONS = ("services", "networks", "volumes", "configs", "secrets")


def merge(trees: list[Node]) -> Node:
    """The trees as one, in order; orders (`!reset`, `!override`) are carried out also in a single tree. Raises InvalidInput."""
    return settle(stacked(trees))


def stacked(trees: list[Node]) -> Node:
    """The trees as one, in order; orders stay in it until `settle`. Raises InvalidInput."""
    return reduce(lambda below_it, tree: overlay(below_it, tree, "", ()), trees)


def overlay(base: Node, over: Node, path: str, way: tuple[str, ...]) -> Node:
    """`over` laid over `base`, both at `way` from the top of a file; orders stay in it until `settle`. Raises InvalidInput."""
    if over.tag is not None or base.tag == "!reset":
        return over
    rule = _rule(way)
    if over.value is None and rule is not _replace:
        return base
    if base.value is None:
        return over
    if rule:
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
            values[key] = overlay(values[key], child, below(path, key), (*way, key))
            if values[key] is child:
                keys[key] = over.keys[key]
        else:
            values[key], keys[key] = child, over.keys[key]
    return replace(base, value=values, keys=keys)


def settle(node: Node, path: str = "", way: tuple[str, ...] = ()) -> Node:
    """The tree with its orders carried out, and lists of things that can be there only once without repetition."""
    if isinstance(node.value, dict):
        kept = {k: settle(v, below(path, k), (*way, k)) for k, v in node.value.items() if v.tag != "!reset"}
        return replace(node, value=kept, keys={k: node.keys[k] for k in kept}, tag=None)
    if isinstance(node.value, list):
        for item in node.value:
            if item.tag:
                fail(item.at, f"{item.tag} cannot stand on an item of a list; write it at the key of the list.", key=path)
        items = [settle(v, below(path, i), (*way, "")) for i, v in enumerate(node.value)]
        if len(items) > 1 and len(way) > 2 and way[0] == "services" and (index := _index(way[2:])):
            items = _once(items, index, path)
        return replace(node, value=items, tag=None)
    return replace(node, tag=None) if node.tag else node


def _rule(way: tuple[str, ...]) -> Rule | None:
    """The special rule for what stands at `way`."""
    if len(way) < 3 or way[0] not in _SECTIONS:
        return None
    if way[0] == "services":
        if len(way) == 4 and way[2] == "ulimits":
            return _replace
        return _SERVICE.get(way[2:])
    if way[0] == "networks" and way[2:] == ("ipam", "config"):
        return _pools
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


def _sequence(base: Node, over: Node, path: str) -> Node:
    """Lists, or one value in the place of a list."""
    return replace(base, value=[*_items(base, path, single=True), *_items(over, path, single=True)])


def _logging(base: Node, over: Node, path: str) -> Node:
    """Options belong to a driver: another driver begins anew."""
    if isinstance(base.value, dict) and isinstance(over.value, dict):
        first, second = base.value.get("driver"), over.value.get("driver")
        if first and second and first.value != second.value:
            return over
        return _mappings(base, over, path, ("x-", "logging"))
    return over


def _hosts(base: Node, over: Node, path: str) -> Node:
    """`extra_hosts`: lists of `host=address` (also with a colon), or mappings; a list of addresses for one host is several."""
    first, second = _host_lines(base, path), _host_lines(over, path)
    known = {_text(line, path) for line in first}
    return replace(base, value=[*first, *(line for line in second if _text(line, path) not in known)], keys={})


def _host_lines(node: Node, path: str) -> list[Node]:
    if not isinstance(node.value, dict):
        return _items(node, path)
    lines: list[Node] = []
    for host, addresses in node.value.items():
        each = addresses.value if isinstance(addresses.value, list) else [addresses]
        lines += [replace(one, value=f"{host}={_text(one, path)}") for one in each]
    return lines


def _pools(base: Node, over: Node, path: str) -> Node:
    """`ipam.config`: pools of the same subnet are one."""
    pools = list(_items(base, path))
    for pool in _items(over, path):
        same = [i for i, old in enumerate(pools) if _subnet(old) == _subnet(pool)]
        if same and isinstance(pool.value, dict):
            pools[same[0]] = _mappings(pools[same[0]], pool, path, ("x-", "pool"))
        else:
            pools.append(pool)
    return replace(base, value=pools)


def _subnet(pool: Node) -> object:
    found = pool.value.get("subnet") if isinstance(pool.value, dict) else None
    return found.value if found else None


# What can be there only once: the index of an entry.


def _once(items: list[Node], index: Index, path: str) -> list[Node]:
    """The entries, a later one in the place of an earlier one of the same index."""
    seen: dict[str, Node] = {}
    for item in items:
        try:
            seen[index(item, path)] = item
        except ValueError as error:
            fail(item.at, str(error), key=path)
    return list(seen.values())


def _index(way: tuple[str, ...]) -> Index | None:
    if len(way) == 3 and way[0] == "networks" and way[2] in ("aliases", "link_local_ips"):
        return _word
    return _INDEXES.get(way)


def _word(item: Node, path: str) -> str:
    return _text(item, path).partition("=")[0]


def _tmpfs(item: Node, path: str) -> str:
    """By path: the engine takes the last one of a path (Compose prints both)."""
    return _text(item, path).partition(":")[0]


def _port(item: Node, path: str) -> str:
    if isinstance(item.value, dict):
        part = {k: as_text(v.value) for k, v in item.value.items() if isinstance(v.value, str | int | float)}
        return f"{part.get('host_ip', '')}:{part.get('published', '')}:{part.get('target', '')}/{part.get('protocol', 'tcp')}"
    body, _, protocol = _text(item, path).partition("/")
    rest, _, target = body.rpartition(":")
    address, _, published = rest.rpartition(":")
    return f"{address}:{published}:{target}/{protocol or 'tcp'}"


def _mount(item: Node, path: str) -> str:
    if isinstance(item.value, dict):
        target = item.value.get("target")
        return _text(target, path) if target else ""
    return posixpath.normpath(forms.volume(_text(item, path)).target)


def _device(item: Node, path: str) -> str:
    if isinstance(item.value, dict):
        return _mount(item, path)
    parts = _text(item, path).split(":")
    return parts[1] if len(parts) > 1 else parts[0]


def _env_file(item: Node, path: str) -> str:
    if isinstance(item.value, dict):
        named = item.value.get("path")
        return _text(named, path) if named else ""
    return _text(item, path)


def _grant(directory: str) -> Index:
    def index(item: Node, path: str) -> str:
        if not isinstance(item.value, dict):
            return directory + _text(item, path)
        if target := item.value.get("target"):
            return _text(target, path)
        return directory + _text(item.value["source"], path) if "source" in item.value else ""

    return index


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
    ("extra_hosts",): _hosts,
    ("logging",): _logging,
    ("build",): _build,
    ("build", "args"): _by_key,
    ("build", "labels"): _by_key,
    ("build", "additional_contexts"): _by_key,
    ("build", "extra_hosts"): _hosts,
    ("deploy", "labels"): _by_key,
    ("depends_on",): _dependencies,
    ("networks",): _by_name,
    ("models",): _by_name,
    **{(key,): _sequence for key in ("env_file", "label_file", "tmpfs", "dns", "dns_opt", "dns_search")},
}

_INDEXES: dict[tuple[str, ...], Index] = {
    ("ports",): _port,
    ("volumes",): _mount,
    ("devices",): _device,
    ("env_file",): _env_file,
    ("secrets",): _grant(SECRETS_DIRECTORY + "/"),
    ("configs",): _grant("/"),
    ("expose",): _text,
    ("build", "tags"): _word,
    ("tmpfs",): _tmpfs,
    **{(key,): _word for key in ("cap_add", "cap_drop", "dns", "dns_opt", "dns_search", "links", "profiles")},
}
