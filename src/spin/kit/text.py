"""Untrusted text: read from bytes; and in messages: quoted, without characters that a terminal obeys, and short."""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping, Sequence
from typing import Any

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def decoded(data: bytes) -> str:
    """The text of a file: UTF-8, or UTF-16 where it begins with that mark, as editors and shells of Windows write it.

    Raises UnicodeDecodeError.
    """
    return data.decode("utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")


def plain(text: str, most: int = 200) -> str:
    """`text` on one line, of at most `most` characters."""
    clean = _CONTROL.sub("?", text[:most])
    return clean if len(text) <= most else clean[: most - 4] + " ..."


def quoted(value: Any, most: int = 80) -> str:
    """What `value` is: a scalar as Python writes it, cut to `most` characters; anything else by its kind."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return repr(plain(value, most))
    if isinstance(value, int) and value.bit_length() > 128:
        return "a number of many digits"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return "a list"
    return "something else"
