"""Amounts for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def memory(count: float) -> str:
    """Bytes as `docker stats` writes memory: `1.5GiB`, `62.1MiB`, `512B`."""
    return _scaled(count, 1024, ("B", "KiB", "MiB", "GiB", "TiB"))


def traffic(count: float) -> str:
    """Bytes as `docker stats` writes traffic: `1.2kB`, `3.4MB`."""
    return _scaled(count, 1000, ("B", "kB", "MB", "GB", "TB"))


def percent(part: float | None, whole: float = 1.0) -> str:
    """`part` of `whole`; empty where that means nothing."""
    return "" if part is None or not whole else f"{part / whole * 100:.1f}%"


def sparkline(values: Sequence[float | None], highest: float) -> str:
    """A bar for each value, the full one for `highest`; a gap for None."""
    top = len(_BARS) - 1
    scale = top / highest if highest > 0 else 0.0
    return "".join(" " if v is None else _BARS[min(top, max(0, round(v * scale)))] for v in values)


def _scaled(count: float, base: int, units: tuple[str, ...]) -> str:
    for unit in units[:-1]:
        if count < base:
            return f"{count:.0f}{unit}" if unit == units[0] or count >= 100 else f"{count:.3g}{unit}"
        count /= base
    return f"{count:.0f}{units[-1]}" if count >= 100 else f"{count:.3g}{units[-1]}"
