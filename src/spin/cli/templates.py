"""`--format TEMPLATE`: Jinja templates over what the API tells. Names may have the leading dot of Docker's templates: `{{.name}}`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from spin.errors import InvalidInput

_DOTTED = re.compile(r"(\{\{-?\s*)\.(?=[A-Za-z_])")
_DOT = re.compile(r"\{\{\s*\.\s*\}\}")
_ESCAPES = {r"\t": "\t", r"\n": "\n"}


def fill(template: str, items: Iterable[Any]) -> Iterator[str]:
    """The template filled with each item, whose keys are its variables; the item itself is `it`. Raises InvalidInput."""
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, finalize=_shown)
    environment.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False)
    text = _DOTTED.sub(r"\1", _DOT.sub("{{ it }}", template))
    for written, meant in _ESCAPES.items():
        text = text.replace(written, meant)
    names: dict[str, Any] = {}
    try:
        compiled = environment.from_string(text)
        for item in items:
            names = item if isinstance(item, dict) else {}
            yield compiled.render(**{**names, "it": item})
    except TemplateError as error:
        known = ", ".join(sorted(names))
        raise InvalidInput(f"--format {template}: {error}." + (f" There are: {known}." if known else "")) from None
    except (TypeError, ValueError, ArithmeticError) as error:
        raise InvalidInput(f"--format {template}: {error}.") from None


def _shown(value: Any) -> Any:
    """Lists and mappings as JSON, nothing as nothing, true and false as in JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
