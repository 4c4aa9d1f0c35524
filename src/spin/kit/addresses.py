"""IP addresses as people write them: with brackets, or as a word."""

from __future__ import annotations

import ipaddress


def is_loopback(text: str) -> bool:
    """The machine's own: 127.0.0.0/8, ::1, localhost."""
    found = _read(text)
    return text == "localhost" or (found is not None and found.is_loopback)


def is_unspecified(text: str) -> bool:
    """All addresses: 0.0.0.0, ::."""
    found = _read(text)
    return found is not None and found.is_unspecified


def _read(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found
