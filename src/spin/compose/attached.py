"""What is attached to a service's containers: volumes, tmpfs, secrets, configs, networks."""

from __future__ import annotations

from dataclasses import replace

from spin.compose.cursor import Cursor
from spin.compose.forms import MOST_BYTES, absolute_path, octal_mode, size_bytes, tmpfs, volume
from spin.kit.paths import is_below, normal_path
from spin.kit.text import quoted
from spin.model.stack import Attachment, Bind, Grant, Mount, ServiceSpec, Tmpfs

SECRETS_DIRECTORY = "/run/secrets"
MOST_MODE = 0o7777
MOST_ID = 2**31 - 1
"""Largest user and group id."""
_KERNELS = ("/proc", "/sys", "/dev")
"""Places in a container that the engine fills from the kernel. The runtime refuses mounts there at the start, in words that nobody
understands, or makes a container without what programs and its own barriers need; and by such mounts runtimes were broken out of
(CVE-2019-19921, CVE-2023-28642, CVE-2025-31133).
"""
_SHM = "/dev/shm"  # noqa: S108 - a container's
DEFAULT_NETWORK = "default"
_OPTIONS = ("ro", "rw", "nocopy")
_NO_CONCERN = ("z", "Z", "cached", "delegated", "consistent")
"""Options of a volume that other machines go by: labels of SELinux, consistency on macOS. Docker ignores them too elsewhere."""
_TMPFS_OPTIONS = ("size", "mode", "uid", "gid", "exec")
_TMPFS_FLAGS = frozenset({"rw", "noexec", "nosuid", "nodev"})
"""Options of `tmpfs` that hold anyway."""


def mounted(cursor: Cursor) -> tuple[tuple[Mount, ...], tuple[Bind, ...], tuple[Tmpfs, ...]]:
    """`volumes` and `tmpfs`. Anonymous volumes, and host paths that are not absolute or that climb, are passed over: the audit refuses
    them. Raises InvalidInput.
    """
    mounts: list[Mount] = []
    binds: list[Bind] = []
    memory: list[Tmpfs] = []
    volumes = cursor.get("volumes")
    for item in volumes.items() if volumes else ():
        found = _long_volume(item) if item.is_mapping() else _short_volume(item)
        if isinstance(found, Mount):
            mounts.append(found)
        elif isinstance(found, Bind):
            binds.append(found)
        elif found is not None:
            memory.append(found)
    plain = cursor.get("tmpfs")
    if plain is not None:
        memory += [_tmpfs(item) for item in ([plain] if plain.is_text() else plain.items())]
    return (
        tuple(sorted(mounts, key=lambda m: m.target)),
        tuple(sorted(binds, key=lambda b: b.target)),
        tuple(sorted(memory, key=lambda t: t.target)),
    )


def _below_root(item: Cursor, text: str) -> str:
    path = Cursor(text, item.path, item.positions).read(absolute_path)
    if path == "/":
        item.fail("nothing can be mounted over the container's root; write a directory such as /data.")
    if any(is_below(path, place) for place in _KERNELS) and not is_below(path, _SHM):
        item.fail(f"{quoted(path)} is the kernel's and not a place for files; write another, such as /data.")
    return path


def _short_volume(item: Cursor) -> Mount | Bind | None:
    form = item.read(volume)
    if form.source is None:
        return None
    if form.is_host_path:
        source = normal_path(form.source)
        if source is None:
            return None
        return Bind(source, _below_root(item, form.target), "ro" in form.options)
    for option in form.options:
        if option not in (*_OPTIONS, *_NO_CONCERN):
            item.fail(f"the mount option {quoted(option)} is not known; use ro, rw or nocopy.")
    return Mount(
        _volume_name(item, form.source), _below_root(item, form.target), "ro" in form.options, nocopy="nocopy" in form.options
    )


def _volume_name(item: Cursor, text: str) -> str:
    return Cursor(text, item.path, item.positions).name("volume")


def _long_volume(item: Cursor) -> Mount | Bind | Tmpfs | None:
    kind, target, source = item.get("type"), item.get("target"), item.get("source")
    if kind is None:
        item.fail("the volume has no `type`; write `type: volume` or `type: tmpfs`.")
    if kind.value not in ("volume", "tmpfs", "bind", "npipe", "cluster", "image"):
        kind.fail(f"{quoted(kind.value)} is not a type of volume; write volume or tmpfs.")
    if target is None:
        item.fail("the volume has no `target`; write the path in the container.")
    read_only, options = item.get("read_only"), item.get(kind.value)
    other = {"tmpfs": ("source", "read_only", "volume"), "volume": ("tmpfs",)}.get(kind.value, ())
    for key in other:
        found = item.get(key)
        if found is not None and found.value not in (False, "false", "", {}):
            found.fail(f"`{key}` means nothing for `type: {kind.value}`; leave it out.")
    if kind.value == "tmpfs":
        size, mode = (options.get("size"), options.get("mode")) if options else (None, None)
        return Tmpfs(
            _below_root(target, target.line()),
            size.read(size_bytes) or None if size else None,
            mode.read(octal_mode) if mode and mode.is_text() else mode.integer(0, MOST_MODE) if mode else None,
        )
    if kind.value == "bind" and source is not None:
        path = normal_path(source.line())
        return (
            None if path is None else Bind(path, _below_root(target, target.line()), read_only.boolean() if read_only else False)
        )
    if kind.value != "volume" or source is None:
        return None
    nocopy = options.get("nocopy") if options else None
    return Mount(
        source.name("volume"),
        _below_root(target, target.line()),
        read_only.boolean() if read_only else False,
        nocopy=nocopy.boolean() if nocopy else False,
    )


def _tmpfs(item: Cursor) -> Tmpfs:
    path, options = item.read(tmpfs)
    for option in options:
        if option not in _TMPFS_OPTIONS and option not in _TMPFS_FLAGS:
            item.fail(f"the tmpfs option {quoted(option)} is not supported; use {', '.join(_TMPFS_OPTIONS)}.")
    said = {name: Cursor(value, item.path, item.positions) for name, value in options.items()}
    size = said["size"].read(size_bytes) if "size" in said else 0
    return Tmpfs(
        _below_root(item, path),
        min(size, MOST_BYTES) or None,
        said["mode"].read(octal_mode) if "mode" in said else None,
        uid=said["uid"].integer(0, MOST_ID) if "uid" in said else None,
        gid=said["gid"].integer(0, MOST_ID) if "gid" in said else None,
        executable="exec" in said,
    )


def secrets(cursor: Cursor) -> tuple[Grant, ...]:
    """Below /run/secrets, named as the secret unless `target` says otherwise. Raises InvalidInput."""
    return _grants(cursor.get("secrets"), "secret", SECRETS_DIRECTORY + "/")


def configs(cursor: Cursor) -> tuple[Grant, ...]:
    """At the root, named as the config unless `target` says otherwise. Raises InvalidInput."""
    return _grants(cursor.get("configs"), "config", "/")


def _grants(cursor: Cursor | None, what: str, directory: str) -> tuple[Grant, ...]:
    return tuple(sorted((_grant(item, what, directory) for item in (cursor.items() if cursor else ())), key=lambda g: g.target))


def _grant(item: Cursor, what: str, directory: str) -> Grant:
    if not item.is_mapping():
        name = item.name(what)
        return Grant(name, directory + name)
    source, target, mode = item.get("source"), item.get("target"), item.get("mode")
    if source is None:
        item.fail(f"the {what} has no `source`; write the name it has below `{what}s:` at the top level.")
    name = source.name(what)
    text = target.line() if target else name
    return Grant(
        name,
        _below_root(target or item, text if text.startswith("/") else directory + text),
        _owner(item, "uid"),
        _owner(item, "gid"),
        0o444 if mode is None else mode.read(octal_mode) if mode.is_text() else mode.integer(0, MOST_MODE),
    )


def _owner(item: Cursor, key: str) -> int:
    found = item.get(key)
    return found.integer(0, MOST_ID) if found else 0


def networks(cursor: Cursor) -> tuple[Attachment, ...]:
    """The networks the service joins: the stack's default one where it names none. Raises InvalidInput.

    `container_name` is one more name there. Modes of `network_mode` other than `none` are passed over, as the audit judges them.
    """
    found, mode, own = cursor.get("networks"), cursor.get("network_mode"), cursor.said("container_name")
    if mode and mode.value == "none":
        if found is not None and found.value:
            found.fail("`network_mode: none` is a container without networks; keep one of them.")
        return ()
    names = {own.name("network alias")} if own else set()
    joined: dict[str, Attachment] = {}
    if found is not None and found.is_mapping():
        for name, entry in found.entries():
            joined[name] = Attachment(_network_name(entry, name), _aliases(entry))
    elif found is not None:
        for item in found.items():
            joined[item.name("network")] = Attachment(item.name("network"))
    return tuple(
        replace(a, aliases=tuple(sorted({*a.aliases, *names})))
        for a in [joined[name] for name in sorted(joined)] or [Attachment(DEFAULT_NETWORK)]
    )


def _network_name(entry: Cursor, name: str) -> str:
    return Cursor(name, entry.path, entry.positions).name("network")


def _aliases(entry: Cursor) -> tuple[str, ...]:
    aliases = entry.get("aliases") if entry.value is not None else None
    return tuple(sorted({item.name("network alias") for item in aliases.items()})) if aliases else ()


def no_target_twice(cursor: Cursor, spec: ServiceSpec) -> None:
    """Raises InvalidInput where two things of the service are to be at one path in its containers."""
    places = [
        *(("volumes", m.target) for m in spec.mounts),
        *(("volumes", b.target) for b in spec.binds),
        *(("tmpfs", t.target) for t in spec.tmpfs),
        *(("secrets", g.target) for g in spec.secrets),
        *(("configs", g.target) for g in spec.configs),
    ]
    seen: dict[str, str] = {}
    for key, target in places:
        if target in seen:
            again = f"by `{seen[target]}` and `{key}`" if seen[target] != key else "twice"
            cursor.at(key, None).fail(f"{quoted(target)} is given {again}; give each its own target.")
        seen[target] = key
