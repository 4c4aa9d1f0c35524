"""First stage: YAML text to trees with positions, one of each document in it.

Only the events of libyaml (PyYAML's C extension) are used, the library that Docker Compose's own parser is a translation of. The tree
is built here, because the limits (depth, size with aliases counted, no duplicate keys) must hold while it is built.
Where PyYAML comes without its C extension, its Python parser gives the same events twenty times slower.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NoReturn

import yaml
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.reader import ReaderError

from spin.compose.nodes import Node, Position, Scalar, fail
from spin.compose.scalars import resolve
from spin.kit.text import quoted

MAX_BYTES = 1024 * 1024
"""Longest text of one file, in UTF-8. The longest Compose files that people write have some 100 KiB."""
MAX_DEPTH = 50
"""Deepest nesting. Compose needs 8; what lies below `x-…` may be deeper."""
MAX_NODES = 100_000
"""Most values of one file, those behind aliases counted at each use: stops "billion laughs"."""

MAX_DOCUMENTS = 50
"""Most documents of one file, each of which is laid over those before it."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STANDARD = "tag:yaml.org,2002:"
_ORDERS = ("!reset", "!override")
_TOO_DEEP = f"values are nested more than {MAX_DEPTH} levels deep here; make it flatter."
_QUOTE = "the quote that is opened at line {start} is never closed; add the missing quote"
_BRACKET = "the bracket that is opened at line {start} is not closed properly; add the missing ',' or bracket"
_INDENT = "this line does not fit the indentation of the lines above it; align it with its neighbours"
_ESCAPE = "this escape is not known in double quotes; write `\\\\` for a backslash, or use single quotes"
_CONFLICT = re.compile(r"^<{7} ", re.MULTILINE)
_HINTS = (
    ("found a tab", "a tab cannot be used for indentation in YAML; use spaces"),
    ("found character", "a value cannot begin with {what}; put the value in quotes"),
    ("mapping values are not allowed", "a ':' is not allowed here; check the indentation, or put the value in quotes"),
    ("sequence entries are not allowed", "a list item '- ' cannot begin here; begin the list on a line of its own"),
    ("block sequence entries are not allowed", "a list item '- ' cannot begin here; begin the list on a line of its own"),
    ("could not find expected ':'", "a ':' is missing after the key on this or the previous line"),
    ("expected <block end>", _INDENT),
    ("did not find expected key", _INDENT),
    ("did not find expected '-' indicator", _INDENT),
    ("found unexpected end of stream", _QUOTE),
    ("found undefined tag handle", "this tag is not known; remove it"),
    ("expected ',' or", _BRACKET),
    ("did not find expected ',' or", _BRACKET),
    ("expected the node content", "a value is missing here; write one, or close the bracket that is opened before it"),
    ("did not find expected node content", "a value is missing here; write one, or close the bracket that is opened before it"),
    ("did not find expected alphabetic", "an anchor (&name) or alias (*name) has no name here; write one, or quote the value"),
    ("expected alphabetic", "an anchor (&name) or alias (*name) has no name here; write one, or quote the value"),
    ("found unknown escape character", _ESCAPE),
    ("found invalid Unicode character escape", _ESCAPE),
    ("did not find expected hexdecimal number", _ESCAPE),
)
"""How libyaml's complaints begin, and those of PyYAML's Python parser where they differ, in words for people."""


def parse(text: str, file: str) -> list[Node]:
    """The documents in `text`, each a mapping, at least one; those with nothing in them are left out. `file` names it in messages.

    Raises InvalidInput with file, line and column.
    """
    start = Position(file, 1, 1)
    if len(text) > MAX_BYTES or len(_utf8(text, start)) > MAX_BYTES:
        fail(
            start,
            f"the file has more than {MAX_BYTES // 1024} KiB; move data out of it, for example into `configs` with `file:`.",
        )
    roots = [root for root in _Composer(text.removeprefix("\ufeff"), file).documents() if root.value is not None]
    if not roots:
        fail(start, "the file is empty; it needs at least `services:` with one service.")
    for root in roots:
        if not isinstance(root.value, dict):
            fail(root.at, f"the file must hold a mapping with `services:`, not {root.kind}.")
    return roots


def _utf8(text: str, start: Position) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        fail(start, "the file is not valid UTF-8; save it as UTF-8 text.")


class _Composer:
    """Builds nodes from events, within the limits."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._anchors: dict[str, Node] = {}
        self._open: set[str] = set()

    def documents(self) -> list[Node]:
        roots: list[Node] = []
        size = 0
        try:
            for event in self._events:
                if isinstance(event, DocumentStartEvent):
                    if len(roots) == MAX_DOCUMENTS:
                        fail(self._at(event), f"more than {MAX_DOCUMENTS} documents stand in this file; join some of them.")
                    roots.append(self._node(next(self._events), 1))
                    size = self._grown(size, roots[-1], roots[-1].at)
        except MarkedYAMLError as error:
            self._broken(error)
        except ReaderError as error:
            before = self._text[: error.position]
            at = Position(self._file, before.count("\n") + 1, len(before) - before.rfind("\n"))
            fail(at, "this character (a control character) is not allowed in YAML; remove it.")
        except (YAMLError, ValueError, OverflowError, RecursionError) as error:
            fail(Position(self._file, 1, 1), f"the file is not valid YAML: {quoted(str(error))}; check its escapes.")
        return roots

    def _at(self, event: Any) -> Position:
        return Position(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _character(self, at: Position) -> str:
        line = next(islice(self._text.split("\n"), at.line - 1, None), "")
        return line[at.column - 1 : at.column]

    def _broken(self, error: MarkedYAMLError) -> NoReturn:
        mark = error.problem_mark or error.context_mark
        at = Position(self._file, mark.line + 1, mark.column + 1) if mark else Position(self._file, 1, 1)
        start = error.context_mark.line + 1 if error.context_mark else at.line
        problem = str(error.problem)
        what = self._character(at)
        if problem.startswith("exceeded maximum nesting"):
            fail(at, _TOO_DEEP)
        if problem.startswith("found character") and what == "\t":
            problem = "found a tab"
        if conflict := _CONFLICT.search(self._text):
            line = self._text.count("\n", 0, conflict.start()) + 1
            fail(
                Position(self._file, line, 1),
                "a merge of Git has left its marks here; decide between the two sides, and remove them.",
            )
        for beginning, sentence in _HINTS:
            if problem.startswith(beginning):
                fail(at, f"not valid YAML: {sentence.format(what=quoted(what), start=start)}.")
        fail(at, f"not valid YAML: {problem}; mend it here or just before.")

    def _node(self, event: Any, depth: int) -> Node:
        at = self._at(event)
        if depth > MAX_DEPTH:
            fail(at, _TOO_DEEP)
        if isinstance(event, AliasEvent):
            if event.anchor in self._open:
                fail(at, f"the alias *{event.anchor} stands inside its own anchor; an alias must come after it.")
            if event.anchor not in self._anchors:
                fail(
                    at, f"the alias *{event.anchor} names no anchor; write &{event.anchor} at the value meant, before this place."
                )
            return self._anchors[event.anchor]
        if event.anchor:
            self._open.add(event.anchor)
        if isinstance(event, MappingStartEvent):
            node = self._mapping(event, at, depth)
        elif isinstance(event, SequenceStartEvent):
            node = self._sequence(event, at, depth)
        else:
            node = self._scalar(event, at)
        if event.anchor:
            self._open.discard(event.anchor)
            self._anchors[event.anchor] = node
        return node

    def _grown(self, size: int, child: Node, at: Position) -> int:
        if size + child.size > MAX_NODES:
            fail(at, f"the file holds more than {MAX_NODES} values once its aliases are written out; use fewer aliases.")
        return size + child.size

    def _tag(self, event: Any, at: Position, standard: str) -> str | None:
        tag: str | None = event.tag
        if tag is None or tag in ("!", _STANDARD + standard):
            return None
        if tag not in _ORDERS:
            fail(at, f"the tag {quoted(tag.replace(_STANDARD, '!!'))} is not known; remove it. Known are !reset and !override.")
        return tag

    def _mapping(self, event: Any, at: Position, depth: int) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, Position] = {}
        inherited: list[Node] = []
        size = 1
        while not isinstance(event_key := next(self._events), MappingEndEvent):
            key_at = self._at(event_key)
            is_merge = isinstance(event_key, ScalarEvent) and event_key.value == "<<" and not event_key.style
            if is_merge and event_key.tag == _STANDARD + "merge":  # as yq writes it: !!merge <<: *anchor
                event_key.tag = None
            key_node = self._node(event_key, depth + 1)
            child = self._node(next(self._events), depth + 1)
            size = self._grown(size, child, key_at)
            if is_merge:
                inherited += self._merged(child, key_at)
                continue
            key = self._key(event_key, key_node, key_at)
            if key in values:
                fail(key_at, f"the key {quoted(key)} stands here again, first at line {keys[key].line}; keep one of them.")
            values[key], keys[key] = child, key_at
        for parent in inherited:
            assert isinstance(parent.value, dict)  # noqa: S101 - checked by _merged; tells the type checker
            for key, child in parent.value.items():
                if key not in values:
                    values[key], keys[key] = child, parent.keys[key]
        return Node(values, at, keys, self._tag(event, at, "map"), size)

    @staticmethod
    def _key(event: Any, node: Node, at: Position) -> str:
        if isinstance(node.value, (dict, list)) or node.value is None:
            fail(
                at,
                f"a key must be a name, not {node.kind}; write `name: value`, and put a value that begins with `{{{{` in quotes.",
            )
        return event.value if isinstance(event, ScalarEvent) else str(node.value)

    @staticmethod
    def _merged(node: Node, at: Position) -> list[Node]:
        parents = node.value if isinstance(node.value, list) else [node]
        for parent in parents:
            if not isinstance(parent.value, dict):
                fail(at, f"`<<` takes a mapping or a list of mappings, not {parent.kind}; write `<<: *anchor`.")
        return parents

    def _sequence(self, event: Any, at: Position, depth: int) -> Node:
        items: list[Node] = []
        size = 1
        while not isinstance(item := next(self._events), SequenceEndEvent):
            child = self._node(item, depth + 1)
            size = self._grown(size, child, self._at(item))
            items.append(child)
        return Node(items, at, tag=self._tag(event, at, "seq"), size=size)

    def _scalar(self, event: Any, at: Position) -> Node:
        text: str = event.value
        tag: str | None = event.tag
        if tag is None:
            return Node(resolve(text) if not event.style else text, at)
        if tag in _ORDERS:
            return Node(resolve(text) if not event.style else text, at, tag=tag)
        return Node(self._tagged(text, tag, at), at)

    def _tagged(self, text: str, tag: str, at: Position) -> Scalar:
        name = tag.removeprefix(_STANDARD)
        if name in ("!", "str"):
            return text
        if name == "binary":
            return _binary(text, at)
        value = resolve(text)
        wanted: dict[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "bool": (bool,), "null": (type(None),)}
        if name not in wanted:
            fail(at, f"the tag {quoted(tag.replace(_STANDARD, '!!'))} is not known; remove it. Known are !reset and !override.")
        if not isinstance(value, wanted[name]) or (name != "bool" and isinstance(value, bool)):
            fail(at, f"{quoted(text)} is not what its tag !!{name} says; correct one of them.")
        return value


def _binary(text: str, at: Position) -> str | bytes:
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        fail(at, "the value tagged !!binary is not valid base64; encode it again.")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
