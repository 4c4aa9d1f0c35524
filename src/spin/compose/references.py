"""Image references, as Docker reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from spin.kit.text import quoted

_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*", re.ASCII)
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?",
    re.ASCII,
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_LENGTH = 255
"""Longest name without tag, by the rules of Docker's registry."""


@dataclass(frozen=True, slots=True)
class Reference:
    """`host/path:tag@digest`. `host` None: the text names none."""

    host: str | None
    path: str
    tag: str | None
    digest: str | None

    def text(self, host: str) -> str:
        """As a registry knows it, at `host` where the reference names none; `:latest` where neither tag nor digest is given."""
        tag = self.tag or (None if self.digest else "latest")
        return f"{self.host or host}/{self.path}" + (f":{tag}" if tag else "")

    def on_hub(self) -> Reference:
        """This reference with Docker Hub's names spelt out, where it is one of Docker Hub's."""
        if self.host is not None and self.host.lower() not in _HUB:
            return self
        path = self.path if "/" in self.path else f"library/{self.path}"
        return Reference("docker.io", path, self.tag, self.digest)


def parse_reference(text: str) -> Reference:
    """Raises ValueError with a sentence."""
    rest, at, digest = text.partition("@")
    if "/" in digest:  # not told again: messages are kept
        raise ValueError(
            f"{quoted('…@' + digest)}: no user or password stands in an image's name; leave out what is before the @."
        )
    if at and not _DIGEST.fullmatch(digest):
        raise ValueError(f"{quoted(text)}: the digest after @ must be sha256: and 64 hexadecimal digits; copy it whole.")
    name, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        name, tag = rest, ""
    elif not _TAG.fullmatch(tag):
        raise ValueError(
            f"{quoted(text)}: the tag {quoted(tag)} is not valid; use letters, digits, dots, hyphens and underscores."
        )
    head, slash, tail = name.partition("/")
    named = slash and ("." in head or ":" in head or head == "localhost" or head != head.lower())
    host, path = (head, tail) if named else (None, name)
    if len(name) > _LENGTH or (host is not None and not _HOST.fullmatch(host)) or not _PATH.fullmatch(path):
        raise ValueError(f"{quoted(text)} is not an image; write name:tag or registry/name:tag, the name in lower case.")
    return Reference(host, path, tag or None, digest or None)
