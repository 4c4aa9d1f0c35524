"""A file that cannot be read, as a finding. Pure."""

from __future__ import annotations

from typing import Any

from spin.compose import INVALID_FILE
from spin.errors import InvalidInput
from spin.kit.canonical import primitive


def finding_of(error: InvalidInput) -> dict[str, Any] | None:
    """The finding that the error comes to; None where it is about no file, such as an option that is wrong."""
    fields = error.fields
    file, line, column, key = (fields.get(name) for name in ("file", "line", "column", "key"))
    if not file and not key:
        return None
    position = ":".join(str(part) for part in (file, line, column) if part) if file and line else None
    message = error.message
    for prefix in (position, key):
        if prefix:
            message = message.removeprefix(f"{prefix}: ")
    service = str(key).split(".")[1] if key and str(key).startswith("services.") else None
    found: dict[str, Any] = primitive(
        INVALID_FILE.finding(message, service=service, key=str(key) if key else None, position=position)
    )
    return found
