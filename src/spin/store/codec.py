"""Frozen values as text and back.

Text is `spin.kit.canonical.canonical_json`; reading is pydantic's, strict, after the types of the dataclass. Fields that a later
version adds get their defaults when an older text is read; fields that are gone are passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache, partial
from types import GenericAlias
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter

from spin.kit.canonical import canonical_json

T = TypeVar("T")

# A dataclass takes no outside configuration, but hands down that of what contains it: hence the one-tuple around each value.
_CONFIG = ConfigDict(strict=True, val_json_bytes="base64")
_ADAPTERS: dict[Any, TypeAdapter[tuple[Any]]] = {}


def encode(value: Any) -> str:
    """Canonical JSON. Raises TypeError for what has no canonical form."""
    return canonical_json((value,))


def decode_kept(kind: type[T], text: str) -> T:
    """As `decode`; what was read lately is kept, and the same text is the very same value. For what is read often and is frozen throughout.

    By its text and not by its name: a stack that was removed and made anew has another first revision.
    """
    kinds: Any = kind  # hashable, also where it is a generic alias
    value: T = _reader(kinds)(text)
    return value


@cache
def _reader(kind: Any) -> Callable[[str], Any]:
    """Of each kind its own: many values of one do not drive out the others."""
    return lru_cache(maxsize=2048)(partial(decode, kind))


def decode(kind: type[T], text: str) -> T:
    """The value of type `kind` that `encode` made `text` from. Raises pydantic's ValidationError for any other text."""
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        wrapped: Any = GenericAlias(tuple, (kind,))
        adapter = _ADAPTERS[kind] = TypeAdapter(wrapped, config=_CONFIG)
    value: T = adapter.validate_json(text)[0]
    return value
