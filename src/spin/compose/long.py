"""Values in Docker Compose's long form, one form a function: what `docker compose config` would print for them.

A form gets what stands in the file, short or long, and raises ValueError where it is neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, TypeAlias

from spin.compose import forms
from spin.compose.scalars import as_text

Form: TypeAlias = Callable[[Any], Any]

_NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_NANOSECONDS |= {"d": 24 * _NANOSECONDS["h"], "w": 7 * 24 * _NANOSECONDS["h"]}
_DURATION_PART = re.compile(r"([0-9]*\.?[0-9]+|[0-9]+\.)(ns|us|µs|ms|s|m|h|d|w)")

# Scalars.


def scalar(value: Any) -> Any:
    return as_text(value) if isinstance(value, str | int | float) else value


def integer(value: Any) -> Any:
    return int(value) if isinstance(value, str | float) else value


def number(value: Any) -> Any:
    return float(value) if isinstance(value, str | int) else value


def flag(value: Any) -> Any:
    return value.lower() in ("true", "yes", "y", "on", "1") if isinstance(value, str) else value


def size(value: Any) -> Any:
    """Sizes are printed as digits; -1 stands for no limit."""
    text = str(scalar(value)).strip()
    return text if re.fullmatch(r"-?[0-9]+", text) else str(forms.size_bytes(text))


def duration(value: Any) -> str:
    """As Go prints it: `1m30s`, `1.5s`, `500ms`."""
    text, total, at = str(value).strip(), Fraction(0), 0
    for part in _DURATION_PART.finditer(text):
        total += Fraction(part[1].strip(".") if part[1].endswith(".") else part[1]) * _NANOSECONDS[part[2]]
        at = part.end()
    if at != len(text) and text != "0":
        raise ValueError(f"{text!r} is not a duration; write a number with a unit, such as 30s, 1m30s or 500ms.")
    return _go_duration(int(total))


def _go_duration(nanoseconds: int) -> str:
    if nanoseconds < _NANOSECONDS["s"]:
        for unit in ("ms", "µs", "ns"):
            if nanoseconds >= _NANOSECONDS[unit]:
                return _decimal(Fraction(nanoseconds, _NANOSECONDS[unit])) + unit
        return "0s"
    hours, rest = divmod(nanoseconds, _NANOSECONDS["h"])
    minutes, rest = divmod(rest, _NANOSECONDS["m"])
    seconds = _decimal(Fraction(rest, _NANOSECONDS["s"])) + "s"
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + seconds


def _decimal(value: Fraction) -> str:
    whole, rest = divmod(value, 1)
    return str(whole) + (f".{int(rest * 10**9):09d}".rstrip("0") if rest else "")


# Lists and mappings.


def same(value: Any) -> Any:
    return value


def texts(value: Any) -> list[Any]:
    return [scalar(item) for item in value] if isinstance(value, list) else [scalar(value)]


def words(value: Any) -> Any:
    return texts(value) if isinstance(value, list) else list(forms.words(scalar(value)))


def pairs(value: Any, *, missing: str | None = None) -> dict[str, Any]:
    """A mapping, or a list of KEY=value, with `missing` for a key without a value."""
    if isinstance(value, Mapping):
        return {key: missing if item is None else scalar(item) for key, item in value.items()}
    found: dict[str, Any] = {}
    for item in value:
        key, sign, text = str(scalar(item)).partition("=")
        found[key] = text if sign else missing
    return found


def labels(value: Any) -> dict[str, Any]:
    return pairs(value, missing="")


def keyed(value: Any) -> dict[str, Any]:
    """A list of names, or a mapping from names."""
    return dict(value) if isinstance(value, Mapping) else {scalar(name): None for name in value}


def mapped(rules: Mapping[str, Form]) -> Form:
    def form(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {
            key: within(key, rules.get(key, same), item)
            for key, item in value.items()
            if not key.startswith("x-") and item is not None
        }

    return form


def within(key: str, form: Form, value: Any) -> Any:
    """The form of what stands at `key`. Raises ValueError that names the key."""
    try:
        return form(value)
    except (TypeError, AttributeError):
        raise ValueError(f"{key}: this is not a form that it can have.") from None
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def each(form: Form) -> Form:
    return lambda value: [form(item) for item in value] if isinstance(value, list) else value


def hosts(value: Any) -> list[str]:
    pairs: list[tuple[str, str]] = []
    if isinstance(value, Mapping):
        for host, addresses in value.items():
            pairs += [(host, str(one)) for one in (addresses if isinstance(addresses, list) else [addresses])]
    else:
        for line in value:
            sign = "=" if "=" in line else ":"
            host, _, address = line.partition(sign)
            pairs.append((host, address))
    return sorted(f"{host}={address[1:-1] if address[:1] == '[' else address}" for host, address in pairs)


def ulimits(value: Any) -> Any:
    form = mapped({"soft": integer, "hard": integer})
    return {name: form(limit) if isinstance(limit, Mapping) else integer(limit) for name, limit in value.items()}
