"""The commands of a shell script, as far as rules need them: what is run, with which words. Not a shell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import dropwhile

_PIECE = re.compile(r"""\\\n|[ \t\r]+|&&|\|\||[;&|\n()]|(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|[^\s;&|()\\'"])+|.""", re.DOTALL)
_BREAKS = frozenset(["&&", "||", ";", "&", "|", "\n", "(", ")"])
_BEFORE = frozenset(["exec", "then", "do", "else", "if", "while", "until", "!", "{", "time", "command", "nohup", "env"])
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)


@lru_cache(maxsize=256)
def commands(script: str) -> tuple[tuple[str, ...], ...]:
    """Each simple command's words, without quotes, assignments and words such as `then` before it. Comments are left out.

    Linear in the script's length, and remembered: a dozen rules ask.
    """
    return tuple(words for split in _split(script) if (words := tuple(dropwhile(_is_before, split))))


def _is_before(word: str) -> bool:
    return word in _BEFORE or _ASSIGNMENT.fullmatch(word) is not None


def _split(script: str) -> Iterator[list[str]]:
    words: list[str] = []
    comment = False
    for match in _PIECE.finditer(script):
        piece = match[0]
        if comment and piece != "\n":
            continue
        comment = False
        if piece in _BREAKS:
            yield words
            words = []
        elif piece.startswith("#"):
            comment = True
        elif not piece.isspace() and piece != "\\\n":
            words.append(re.sub(r"\\(.)|[\"']", lambda m: m[1] or "", piece, flags=re.DOTALL))
    yield words


def program(words: tuple[str, ...]) -> str:
    """The program's name without its path."""
    return words[0].rpartition("/")[2] if words else ""


def calls(script: str, *programs: str) -> Iterator[tuple[str, ...]]:
    """The commands that call one of `programs`, also through sudo."""
    for words in commands(script):
        without = words[1:] if program(words) == "sudo" and len(words) > 1 else words
        if program(without) in programs:
            yield without


def arguments(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words after the program that are no options."""
    return tuple(word for word in words[1:] if not word.startswith("-"))
