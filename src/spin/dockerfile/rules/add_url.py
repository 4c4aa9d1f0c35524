"""Something from the network goes into the image unchecked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spin.dockerfile.model import Instruction
from spin.dockerfile.rule import Case, Rule, Spot
from spin.model.finding import Severity

_URL = re.compile(r"https?://", re.IGNORECASE)


def is_url(word: str) -> bool:
    return _URL.match(word) is not None


def _find(case: Case) -> Iterator[Spot]:
    for i in case.dockerfile.everywhere("ADD"):
        if any(is_url(word) for word in i.words[:-1]) and not _is_checked(i):
            yield Spot(i.line)


def _is_checked(i: Instruction) -> bool:
    """A checksum, or all of it Git repositories (`.git`), which name commits."""
    urls = [word for word in i.words[:-1] if is_url(word)]
    return any(flag.startswith("--checksum=") for flag in i.flags) or all(".git" in word for word in urls)


RULE = Rule(
    code="dockerfile-add-url",
    severity=Severity.WARN,
    title="What is fetched from the network is checked",
    message="ADD fetches from the network, and takes whatever is there.",
    instead="Add `--checksum=sha256:…` with the digest of the file that you have tested.",
    why="What stands at an address may be another file tomorrow, by a new release or by somebody who has broken into the server. "
    "With a checksum the build ends instead.",
    example="""
        FROM debian:13-slim
        ADD https://example.org/tool-1.2.tar.gz /opt/
        USER 10001
        CMD ["/opt/tool"]
    """,
    fixed="""
        FROM debian:13-slim
        ADD --checksum=sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d https://example.org/tool-1.2.tar.gz /opt/
        USER 10001
        CMD ["/opt/tool"]
    """,
    find=_find,
)
