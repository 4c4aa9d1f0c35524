"""What a service asks of the kernel and of name resolution: `ulimits`, `sysctls`, `shm_size`, `extra_hosts`, `dns`, `platform`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from spin.compose.cursor import Cursor
from spin.compose.forms import inner_host, size_bytes
from spin.compose.mappings import pairs
from spin.kit.text import quoted
from spin.model.stack import Resolver, Ulimit

ULIMITS = (
    *("as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime"),
    *("sigpending", "stack"),
)
"""Names that Docker knows (setrlimit(2))."""
MOST_ULIMIT = 2**53
MOST_HOSTS = 200
"""Most lines of a service's own in /etc/hosts."""
MOST_SERVERS = 8
MOST_SEARCH = 32
"""As many as glibc reads at least (resolv.conf(5): unlimited since 2.26, six before)."""
LEAST_SHM = 4096

_SYSCTL = re.compile(r"[a-z0-9_]{1,32}(?:\.[a-zA-Z0-9_-]{1,64}){1,6}", re.ASCII)
_SETTING = re.compile(r"-?[0-9]{1,20}(?:[ \t]-?[0-9]{1,20}){0,3}", re.ASCII)
_OPTION = re.compile(r"[a-z][a-z0-9-]{0,30}(?::[0-9]{1,4})?", re.ASCII)
_PLATFORM = re.compile(r"[a-z0-9]{1,16}(?:/[a-z0-9_]{1,16}(?:/[a-z0-9.]{1,8})?)?", re.ASCII)
_GATEWAY = "host-gateway"


def lower_ulimits(service: Cursor) -> tuple[Ulimit, ...]:
    """Raises InvalidInput."""
    found = service.get("ulimits")
    return tuple(sorted((_ulimit(name, entry) for name, entry in found.entries()), key=lambda u: u.name)) if found else ()


def _ulimit(name: str, entry: Cursor) -> Ulimit:
    if name not in ULIMITS:
        entry.fail(f"{quoted(name)} is not a limit of the kernel; write one of {', '.join(ULIMITS)}.")
    if not entry.is_mapping():
        both = entry.integer(-1, MOST_ULIMIT)
        return Ulimit(name, both, both)
    soft, hard = entry.get("soft"), entry.get("hard")
    if soft is None or hard is None:
        entry.fail("both `soft` and `hard` are needed; write both, or one number.")
    low, high = soft.integer(-1, MOST_ULIMIT), hard.integer(-1, MOST_ULIMIT)
    if high != -1 and (low == -1 or low > high):
        entry.fail("`soft` is above `hard`; raise `hard`, or lower `soft`.")
    return Ulimit(name, low, high)


def lower_sysctls(service: Cursor) -> tuple[tuple[str, str], ...]:
    """Raises InvalidInput. Which may be set is the audit's business."""
    found = service.get("sysctls")
    settings = pairs(found)
    for name, value in settings.items():
        assert found is not None  # noqa: S101 - it has entries
        if not _SYSCTL.fullmatch(name):
            found.fail(f"{quoted(name)} is not a parameter of the kernel; write one such as net.core.somaxconn.")
        if value is None or not _SETTING.fullmatch(value):
            found.fail(f"{quoted(name)} needs a number, or some in a row; write for example 1024.")
    return tuple(sorted((name, value or "") for name, value in settings.items()))


def lower_shm(service: Cursor) -> int | None:
    """Raises InvalidInput."""
    found = service.get("shm_size")
    size = found.read(size_bytes) if found else 0
    if found and 0 < size < LEAST_SHM:
        found.fail(f"{quoted(found.value)} is less than a page; write for example 64m.")
    return size or None


def lower_extra_hosts(service: Cursor) -> tuple[tuple[str, str], ...]:
    """`NAME:ADDRESS`, `NAME=ADDRESS`, or a mapping; addresses in their usual form. Raises InvalidInput.

    The word `host-gateway` stays, for the audit to refuse.
    """
    found = service.get("extra_hosts")
    lines = sorted({(name, address) for item, name, address in _hosts(found)}) if found else []
    if found and len(lines) > MOST_HOSTS:
        found.fail(f"more than {MOST_HOSTS} hosts stand here; write fewer, or use DNS.")
    return tuple(lines)


def _hosts(found: Cursor) -> Iterator[tuple[Cursor, str, str]]:
    if found.is_mapping():
        for name, entry in found.entries():
            for item in [entry] if entry.is_text() else entry.items():
                yield item, _host(entry, name), item.read(_address)
        return
    for item in found.items():
        text = item.line()
        name, sign, address = text.partition("=")
        if not sign:
            name, sign, address = text.partition(":")
        if not sign:
            item.fail("a name and an address are expected here; write NAME=ADDRESS.")
        yield item, _host(item, name), Cursor(address, item.path, item.positions).read(_address)


def _host(item: Cursor, name: str) -> str:
    return Cursor(name, item.path, item.positions).read(inner_host).lower()


def _address(text: str) -> str:
    if text == _GATEWAY:
        return text
    try:
        return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        raise ValueError(f"{quoted(text)} is not an IP address; write one such as 192.0.2.7.") from None


def lower_dns(service: Cursor) -> Resolver:
    """Raises InvalidInput."""
    return Resolver(
        servers=tuple(item.read(_address) for item in _several(service, "dns", MOST_SERVERS)),
        search=tuple(item.read(_search) for item in _several(service, "dns_search", MOST_SEARCH)),
        options=tuple(item.read(_option) for item in _several(service, "dns_opt", MOST_SEARCH)),
    )


def _several(service: Cursor, key: str, most: int) -> list[Cursor]:
    found = service.said(key)
    items = [] if found is None else [found] if found.is_text() else [item for item in found.items() if item.value != ""]
    if found and len(items) > most:
        found.fail(f"more than {most} stand here; write fewer.")
    return items


def _search(text: str) -> str:
    return text if text == "." else inner_host(text.removesuffix("."))


def _option(text: str) -> str:
    if not _OPTION.fullmatch(text):
        raise ValueError(f"{quoted(text)} is not an option of resolv.conf; write one such as ndots:2 or use-vc.")
    return text


def lower_platform(service: Cursor) -> str | None:
    """Raises InvalidInput."""
    found = service.said("platform")
    return found.read(_platform) if found else None


def _platform(text: str) -> str:
    if not _PLATFORM.fullmatch(text.lower()):
        raise ValueError(f"{quoted(text)} is not a platform; write one such as linux/amd64.")
    return text.lower()
