"""Second stage: variables into values, by the rules of Docker Compose.

    $V ${V}          value; blank and a notice where V is not set
    ${V:-d} ${V-d}   `d` where V is not set (with `:`, or empty)
    ${V:?e} ${V?e}   an error saying `e` where V is not set (with `:`, or empty)
    ${V:+r} ${V+r}   `r` where V is set (with `:`, and not empty), else blank
    $$               a `$`
    $                a `$` too, where no name and no brace follows: `$5`, `$(date)`

`d`, `e` and `r` may hold variables in turn. Keys are left alone, only values are interpolated; a number that comes out of it is
still text and becomes a number where the key takes one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from spin.compose.nodes import Node, Position, below, fail
from spin.compose.notices import UNSET_VARIABLE
from spin.kit.text import plain, quoted
from spin.model.finding import Finding

MAX_NESTING = 20
"""Deepest nesting of defaults: `${A:-${B:-…}}`."""
MAX_VALUE = 1024 * 1024
"""Longest text that may come out of one value, characters."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")
_ESCAPE = "write `$$` for a single `$`"


class TemplateError(ValueError):
    """A text that cannot be interpolated; its message is a sentence for people."""


def substitute(text: str, lookup: Callable[[str], str | None], unset: Callable[[str], None], *, _depth: int = 0) -> str:
    """`text` with its variables replaced. `lookup` answers None for a variable that is not set; `unset` hears of those that
    became blank. Raises TemplateError.
    """
    if "$" not in text:
        return text
    if _depth > MAX_NESTING:
        raise TemplateError(f"defaults are nested more than {MAX_NESTING} levels deep; make the expression simpler.")
    parts: list[str] = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        parts.append(text[at:dollar])
        following = text[dollar + 1 : dollar + 2]
        if following == "$":
            parts.append("$")
            at = dollar + 2
        elif following == "{":
            end = _closing(text, dollar)
            parts.append(_braced(text[dollar + 2 : end], lookup, unset, _depth))
            at = end + 1
        elif match := _NAME.match(text, dollar + 1):
            parts.append(_plain(match[0], lookup, unset))
            at = match.end()
        else:
            parts.append("$")
            at = dollar + 1
    parts.append(text[at:])
    if sum(map(len, parts)) > MAX_VALUE:
        raise TemplateError(f"the value is longer than {MAX_VALUE} characters after interpolation; shorten the variables in it.")
    return "".join(parts)


def _closing(text: str, dollar: int) -> int:
    """Index of the brace that closes the `${` at `dollar`: braces in a default are counted, whatever they are. Where they do not come out
    even, the last brace of the text closes it, as in Compose.
    """
    depth = 0
    for at in range(dollar + 1, len(text)):
        if text[at] == "{":
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if not depth:
                return at
    last = text.rfind("}")
    if last <= dollar:
        raise TemplateError(f"a `${{` in {quoted(text)} has no closing `}}`; add it, or {_ESCAPE}.")
    return last


def _plain(name: str, lookup: Callable[[str], str | None], unset: Callable[[str], None]) -> str:
    value = lookup(name)
    if value is None:
        unset(name)
        return ""
    return value


def _braced(inner: str, lookup: Callable[[str], str | None], unset: Callable[[str], None], depth: int) -> str:
    match = _NAME.match(inner)
    if not match:
        raise TemplateError(f"{quoted('${' + inner + '}')} names no variable; write ${{NAME}}, or {_ESCAPE}.")
    name, rest = match[0], inner[match.end() :]
    if not rest:
        return _plain(name, lookup, unset)
    operator = _OPERATOR.match(rest)
    if not operator:
        raise TemplateError(f"{quoted('${' + inner + '}')} is not understood after {name}; use :-, -, :?, ?, :+ or + there.")
    value, argument = lookup(name), rest[operator.end() :]
    counts = value is not None and (value != "" or operator[0][0] != ":")
    match operator[0][-1]:
        case "-":
            return value if counts and value is not None else substitute(argument, lookup, unset, _depth=depth + 1)
        case "+":
            return substitute(argument, lookup, unset, _depth=depth + 1) if counts else ""
        case _:
            if counts and value is not None:
                return value
            said = substitute(argument, lookup, unset, _depth=depth + 1)
            state = "not set" if value is None else "empty"
            raise TemplateError(
                f"the variable {name} is required and {state}{': ' + plain(said) if said else ''}; set it in the environment or in .env."
            )


@dataclass(slots=True)
class Scope:
    """The variables that may be used, and what was noticed while using them."""

    variables: Mapping[str, str]
    notices: list[Finding] = field(default_factory=list)
    _noticed: set[tuple[str, str]] = field(default_factory=set)

    def text(self, text: str, at: Position, path: str = "", *, extra: Mapping[str, str] | None = None) -> str:
        """`text` interpolated; variables in `extra` count where this scope has none of that name. Raises InvalidInput."""
        extra = extra or {}

        def lookup(name: str) -> str | None:
            return self.variables.get(name, extra.get(name))

        def unset(name: str) -> None:
            if (name, at.short) not in self._noticed:
                self._noticed.add((name, at.short))
                message = f"The variable {name} is not set; it is taken as blank."
                instead = f"Set {name}, or give a default: ${{{name}:-default}}."
                service = path.split(".")[1] if path.startswith("services.") else None
                self.notices.append(UNSET_VARIABLE.finding(message, instead, service=service, key=path or None, position=str(at)))

        try:
            return substitute(text, lookup, unset)
        except TemplateError as error:
            fail(at, str(error), key=path)


def interpolate(node: Node, scope: Scope, path: str = "") -> Node:
    """The tree with every text value interpolated. Raises InvalidInput."""
    value = node.value
    if isinstance(value, str):
        return replace(node, value=scope.text(value, node.at, path)) if "$" in value else node
    if isinstance(value, dict):
        return replace(node, value={key: interpolate(child, scope, below(path, key)) for key, child in value.items()})
    if isinstance(value, list):
        return replace(node, value=[interpolate(child, scope, below(path, i)) for i, child in enumerate(value)])
    return node
