"""`.env` and `env_file` texts, by the rules of Docker Compose.

# comment
KEY=value            text to the end of the line, trimmed; a blank and `#` begin a comment; variables are interpolated
export KEY=value     the same
KEY='value'          as it stands, `\\'` for a quote; may span lines
KEY="value"          with \\n \\t \\\\ \\" \\$ \\0101 and the like, and interpolated; may span lines
KEY                  the variable of that name from the environment, if it is set
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from spin.compose.interpolate import Scope
from spin.compose.nodes import Position, fail
from spin.kit.text import quoted

_LINE = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<key>[\w.\-\[\]]+)[ \t]*(?P<sign>[=:]?)[ \t]*")
_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_QUOTED = {"'": re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL), '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)}
_COMMENT = re.compile(r" #.*")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "$": "$$"}
_BACKSLASH = re.compile(r"\\(0[0-7]{3}|.)", re.DOTALL)


def parse_env(
    text: str,
    file: str,
    scope: Scope,
    *,
    earlier: Mapping[str, str] | None = None,
    earlier_wins: bool = False,
    raw: bool = False,
) -> dict[str, str]:
    """The variables that `text` sets. Raises InvalidInput with file, line and column.

    Variables in values are those of `scope`, then `earlier` (from files read before; first of all if they are to win, as in Compose's
    `env_file`), then those set further up. `raw`: the format of `docker run --env-file`, where quotes and `$` mean nothing.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    earlier = earlier or {}
    if earlier_wins:
        scope = replace(scope, variables={**scope.variables, **earlier})
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        if blank := _BLANK.match(text, at):
            at = max(blank.end(), at + 1)
            continue
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = _LINE.match(text, at, end)
        if not line:
            fail(
                _position(text, at, file),
                f"{quoted(text[at:end].strip())} is not a setting; write NAME=value, or begin a comment with #.",
            )
        if "\0" in text[at:end]:
            fail(_position(text, at, file), "a NUL character stands in this line; remove it.")
        if not line["sign"]:
            _inherit(text, line, end, file, scope, found)
            at = end + 1
        elif raw:
            found[line["key"]] = text[line.start("sign") + 1 : end]
            at = end + 1
        else:
            found[line["key"]], at = _value(text, line.end(), end, file, scope, {**found, **earlier})
    return found


def _position(text: str, at: int, file: str) -> Position:
    return Position(file, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))


def _inherit(text: str, line: re.Match[str], end: int, file: str, scope: Scope, found: dict[str, str]) -> None:
    """A name by itself: its value comes from the environment."""
    if rest := _COMMENT.sub("", text[line.end("key") : end]).strip():
        at = _position(text, line.start("key"), file)
        fail(
            at,
            f"{quoted(rest)} after {line['key']} is not understood; write {line['key']}=value, the value in quotes if it has spaces.",
        )
    if (value := scope.variables.get(line["key"])) is not None:
        found[line["key"]] = value


def _value(text: str, start: int, end: int, file: str, scope: Scope, known: Mapping[str, str]) -> tuple[str, int]:
    """The value that begins at `start`, and where the next line begins."""
    where = _position(text, start, file)
    quote = text[start : start + 1]
    if quote not in _QUOTED:
        plain = _COMMENT.sub("", text[start:end]).strip()
        return scope.text(plain, where, extra=known), end + 1
    match = _QUOTED[quote].match(text, start)
    if not match:
        fail(where, f"the quote {quote} that begins here is never closed; add the missing quote.")
    after = _BLANK.match(text, match.end())
    following = None if after else _LINE.match(text, match.end())
    if after is None and (following is None or not following["sign"]):
        fail(_position(text, match.end(), file), "text follows the closing quote; put the whole value in quotes.")
    end = after.end() if after else match.end()
    return match[1].replace("\\'", "'") if quote == "'" else _double_quoted(match[1], where, scope, known), end


def _double_quoted(inner: str, where: Position, scope: Scope, known: Mapping[str, str]) -> str:
    """Variables first, as in a shell: what a variable holds is not read for escapes."""
    pieces: list[str] = []
    at = 0
    for match in _BACKSLASH.finditer(inner):
        pieces.append(inner[at : match.start()])
        character = match[1]
        pieces.append(chr(int(character, 8)) if len(character) > 1 else _ESCAPES.get(character, match[0]))
        at = match.end()
    return scope.text("".join(pieces) + inner[at:], where, extra=known)
