"""A picture as plain text: a tree of the services, then what they share, then the list of public and private ports."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from spin.diagram.picture import EDGE, Picture, PublicPort, Service, Use, who

_GAP = "   "


def text(picture: Picture) -> str:
    """Lines of the stack; nothing is cut, so that names can be copied."""
    public = picture.public_of()
    blocks = [[picture.title], *(_service(s, public.get(s.name, ())) for s in picture.services), _shared(picture)]
    blocks += [_public(picture), _private(picture)]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _service(s: Service, public: Iterable[PublicPort]) -> list[str]:
    leaves = [("visitors" if p.way == EDGE else p.way, f"{p.published} → {p.target}") for p in public]
    leaves += [("needs", f"{need.service} ({need.condition})") for need in s.needs]
    leaves += [("volume", _use(use)) for use in s.volumes]
    leaves += [("secret", _use(use, usual=True)) for use in s.secrets]
    leaves += [("config", _use(use, usual=True)) for use in s.configs]
    leaves.append(("network", ", ".join(s.networks) or "none"))
    width = max(_width(word) for word, _ in leaves)
    lines = [f"● {s.name}  {s.badge}  {s.image}"]
    for n, (word, what) in enumerate(leaves):
        lines.append(f"{'└' if n == len(leaves) - 1 else '├'}─ {_padded(word, width)}  {what}")
    return lines


def _use(use: Use, *, usual: bool = False) -> str:
    """`usual`: what is read-only anyway need not say so."""
    return f"{use.name} at {use.target}" + (" (read only)" if use.read_only and not usual else "")


def _shared(picture: Picture) -> list[str]:
    """Who is on which network, and who has which volume, secret and config."""
    rows = [
        (f"network {n.name}" + (" (internal: no way out)" if n.internal else ""), ", ".join(n.services)) for n in picture.networks
    ]
    held = [
        ("volume", picture.volumes, [(s.name, s.volumes) for s in picture.services]),
        ("secret", picture.secrets, [(s.name, s.secrets) for s in picture.services]),
        ("config", picture.configs, [(s.name, s.configs) for s in picture.services]),
    ]
    for word, names, uses_of in held:
        users: dict[str, list[str]] = {name: [] for name in names}
        for service, uses in uses_of:
            for name in dict.fromkeys(use.name for use in uses):
                users.setdefault(name, []).append(service)
        rows += [(f"{word} {name}", ", ".join(found) or "nobody") for name, found in users.items()]
    return ["Who shares what", *_table(rows)] if rows else []


def _public(picture: Picture) -> list[str]:
    if not picture.public:
        return ["Public ports: none. Nothing of this stack is reached from outside."]
    rows = [("PUBLISHED", "SERVICE", "PORT", "CLASS", "REACHED BY")]
    rows += [(p.published, p.service, p.target, p.way, p.reach) for p in picture.public]
    return ["Public ports: reached from outside the stack", *_table(rows)]


def _private(picture: Picture) -> list[str]:
    if not picture.private:
        return ["Private ports: none. No service is on a network."]
    rows = [("SERVICE", "PORT", "NETWORK", "REACHED BY")]
    rows += [(p.service, p.port, ", ".join(p.networks), who(p.callers)) for p in picture.private]
    return ["Private ports: reached on the stack's own networks only", *_table(rows)]


def _table(rows: Iterable[Sequence[str]]) -> list[str]:
    rows = list(rows)
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return ["  " + _GAP.join(map(_padded, row, widths)).rstrip() for row in rows]


def _padded(word: str, width: int) -> str:
    return word + " " * (width - _width(word))


def _width(word: str) -> int:
    """Columns on a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in word)
