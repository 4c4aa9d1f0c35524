"""ADD where COPY would do."""

from __future__ import annotations

from collections.abc import Iterator

from spin.dockerfile.rule import Case, Rule, Spot
from spin.dockerfile.rules.add_url import is_url
from spin.model.finding import Severity

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".gz", ".bz2", ".xz")


def _find(case: Case) -> Iterator[Spot]:
    for i in case.dockerfile.everywhere("ADD"):
        sources = [word.strip("\"'") for word in i.words[:-1] if not word.startswith("<<")]
        special = (is_url(s) or s.startswith("git@") or s.lower().endswith(_ARCHIVES) or "$" in s for s in sources)
        if sources and not any(special):
            yield Spot(i.line)


RULE = Rule(
    code="dockerfile-add-local",
    severity=Severity.ADVISE,
    title="Files are copied with COPY",
    message="ADD does more than copying: it fetches addresses and unpacks archives.",
    instead="Write COPY.",
    why="Whoever reads ADD has to think about which of its three works it does here, and a file that happens to be an archive is "
    "unpacked. COPY only copies. ADD is right for an archive that is to be unpacked and for an address with a checksum.",
    example="""
        FROM debian:13-slim
        ADD app /usr/bin/app
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    fixed="""
        FROM debian:13-slim
        COPY app /usr/bin/app
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    find=_find,
)
