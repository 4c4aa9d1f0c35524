"""A script from the network is run as it comes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spin.dockerfile.rule import Case, Rule, Spot
from spin.model.finding import Severity

_PIPED = re.compile(
    r"\b(?:curl|wget)\b[^\n;&|]{0,2000}\|\s{0,20}(?:sudo\s{1,20})?(?:\S{0,40}/)?(?:ba|da|z|k)?sh\b|"
    r"\b(?:ba|da|z|k)?sh\s{1,20}(?:-c\s{1,20})?[\"']?(?:<\(|\$\()\s{0,20}(?:curl|wget)\b"
)


def _find(case: Case) -> Iterator[Spot]:
    for i in case.dockerfile.everywhere("RUN"):
        if _PIPED.search(i.script):
            yield Spot(i.line)


RULE = Rule(
    code="dockerfile-pipe-to-shell",
    severity=Severity.WARN,
    title="No script from the network is run unseen",
    message="A script is fetched from the network and run as root, whatever it says on that day.",
    instead="Install a package, or fetch a release with `ADD --checksum=sha256:…` and run that.",
    why="Nobody has read what runs, it is another script tomorrow, and if the connection breaks half of it runs: the pipe's exit status is "
    "the shell's, so the build goes on.",
    example="""
        FROM debian:13-slim
        RUN curl -fsSL https://example.org/install.sh | sh
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    fixed="""
        FROM debian:13-slim
        ADD --checksum=sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d https://example.org/install.sh /tmp/
        RUN sh /tmp/install.sh
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    find=_find,
)
