"""What a plain YAML scalar means, and how a scalar is written as text: both as Docker Compose does it.

Compose reads YAML with Go's yaml.v3: the YAML 1.2 core schema, where `yes`, `no`, `on`, `off` and `22:22` are text, with
the octal numbers (`0644`) and underscores of YAML 1.1 kept. Dates stay text here.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {word: value for value in (True, False) for word in (str(value), str(value).lower(), str(value).upper())}
_SPECIAL = {
    sign + word: (-1 if sign == "-" else 1) * math.inf for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")
} | dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan)
_INT = re.compile(r"(?P<sign>[-+]?)(?:0b(?P<two>[01]+)|0o?(?P<eight>[0-7]+)|0x(?P<sixteen>[0-9a-fA-F]+)|(?P<ten>[1-9][0-9]*|0))")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_MAY_BE_NUMBER = frozenset("+-.0123456789")
LEAST, MOST = -(2**63), 2**64 - 1
"""Whole numbers that Compose knows. Others it rounds where they are decimal; they are kept here, to be refused with a sentence."""
_MOST_DIGITS = 64
"""Longer digit strings are text: no key of a Compose file takes such a number."""


def resolve(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] not in _MAY_BE_NUMBER or len(text) > _MOST_DIGITS:
        return text
    if text in _SPECIAL:
        return _SPECIAL[text]
    number = text.replace("_", "")
    if match := _INT.fullmatch(number):
        for base, group in ((2, "two"), (8, "eight"), (16, "sixteen"), (10, "ten")):
            if digits := match[group]:
                value = -int(digits, base) if match["sign"] == "-" else int(digits, base)
                return text if base in (2, 16) and not LEAST <= value <= MOST else value
    if _FLOAT.fullmatch(number) and math.isfinite(float(number)):
        return float(number)
    return text


def as_text(value: str | float) -> str:
    """A scalar as Compose hands it to a container: `true`, `8080`, `0.5`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    return str(value)


def _float_text(value: float) -> str:
    """As Go's `%v` prints floats: the shortest digits that read back the same, no needless `.0`, `1e+06` from a million on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    exponent = Decimal(repr(value)).adjusted()
    if -5 < exponent < 6:
        return repr(value).removesuffix(".0")
    if "e" in repr(value):
        mantissa = repr(value).partition("e")[0]
    else:
        sign, digits = "-" * (value < 0), repr(abs(value)).replace(".", "").strip("0")
        mantissa = f"{sign}{digits[0]}.{digits[1:]}" if digits[1:] else f"{sign}{digits}"
    return f"{mantissa}e{exponent:+03d}"
