"""A picture as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html), as GitHub and GitLab show it in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from spin.diagram.picture import EDGE, Picture, PrivatePort, Service

# What ends a label or begins an entity, a tag, Markdown, a formula or a directive; inside a quoted label all else stands for itself.
_ESCAPED = re.compile(r"""["#&;<>`\\{}%$]""")
_LABEL = 60
"""Characters of a name that are shown; the whole name is in the text form."""

_CLASSES = """    classDef way fill:#eef2f6,stroke:#57606a,color:#24292f
    classDef service fill:#ddf4ff,stroke:#0969da,color:#0a3069
    classDef volume fill:#fff8c5,stroke:#9a6700,color:#4d2d00
    classDef secret fill:#ffebe9,stroke:#cf222e,color:#82071e
    classDef config fill:#fbefff,stroke:#8250df,color:#3e1f79"""


def mermaid(picture: Picture) -> str:
    """The flowchart. Ids are made here, so that no name can be taken for syntax; labels are quoted, with entities."""
    ids = {s.name: f"s{n}" for n, s in enumerate(picture.services)}
    lines = ["---", f"title: {_title(picture.title)}", "---", "flowchart LR"]
    ways = dict.fromkeys(p.way for p in picture.public)
    reaches = {p.way: p.reach for p in picture.public}
    gates = {way: f"w{n}" for n, way in enumerate(ways)}
    for way, gate in gates.items():
        shown = "visitors, HTTP" if way == EDGE else f"{way}: {reaches[way]}"
        lines.append(f'    {gate}(["{_label(shown)}"]):::way')
    lines += _services(picture, ids)
    for letter, kind, names in (
        ("v", "volume", picture.volumes),
        ("k", "secret", picture.secrets),
        ("c", "config", picture.configs),
    ):
        shapes = {"volume": '[("', "secret": '{{"', "config": '[/"'}
        ends = {"volume": '")]', "secret": '"}}', "config": '"/]'}
        lines += [f"    {letter}{n}{shapes[kind]}{kind} {_label(name)}{ends[kind]}:::{kind}" for n, name in enumerate(names)]
    lines += _arrows(picture, ids, gates)
    return "\n".join([*lines, _CLASSES]) + "\n"


def _services(picture: Picture, ids: dict[str, str]) -> Iterable[str]:
    """A box for each set of networks, with the services that are on exactly these."""
    internal = {n.name for n in picture.networks if n.internal}
    groups: dict[tuple[str, ...], list[Service]] = {}
    for s in picture.services:
        groups.setdefault(s.networks, []).append(s)
    private = picture.private_of()
    for n, (networks, services) in enumerate(groups.items()):
        named = [f"{name} (internal)" if name in internal else name for name in networks]
        word = "network" if len(networks) == 1 else "networks"
        yield f'    subgraph n{n}["{_label(f"{word} " + " + ".join(named) if networks else "no network")}"]'
        for s in services:
            yield f'        {ids[s.name]}["{_box(s, private.get(s.name, ()))}"]:::service'
        yield "    end"


def _box(s: Service, private: Iterable[PrivatePort]) -> str:
    times = f" {_label(s.badge)}" if s.schedule or s.replicas != 1 else ""
    lines = [f"<b>{_label(s.name)}</b>{times}", _label(s.image, keep_end=True)]
    if inside := ", ".join(p.port for p in private):
        lines.append(_label(f"inside: {inside}"))
    return "<br/>".join(lines)


def _arrows(picture: Picture, ids: dict[str, str], gates: dict[str, str]) -> Iterable[str]:
    for p in picture.public:
        shown = p.published.removeprefix("http://").rstrip("/") if p.way == EDGE else p.published
        yield f'    {gates[p.way]} -->|"{_label(f"{shown} → {p.target}")}"| {ids[p.service]}'
    volumes = {name: f"v{n}" for n, name in enumerate(picture.volumes)}
    secrets = {name: f"k{n}" for n, name in enumerate(picture.secrets)}
    configs = {name: f"c{n}" for n, name in enumerate(picture.configs)}
    for s in picture.services:
        own = ids[s.name]
        yield from (f'    {own} -->|"{need.condition}"| {ids[need.service]}' for need in s.needs if need.service in ids)
        for use in s.volumes:
            if use.name in volumes:
                yield f'    {own} ---|"{_label(use.target + (" (read only)" if use.read_only else ""))}"| {volumes[use.name]}'
        yield from (f"    {own} -.- {secrets[use.name]}" for use in s.secrets if use.name in secrets)
        yield from (f"    {own} -.- {configs[use.name]}" for use in s.configs if use.name in configs)


def _label(text: str, *, keep_end: bool = False) -> str:
    """`text` for the inside of a quoted label: cut, and with numbered entities for what Mermaid or HTML would read."""
    if len(text) > _LABEL:
        text = "…" + text[1 - _LABEL :] if keep_end else text[: _LABEL - 1] + "…"
    return _ESCAPED.sub(lambda match: f"#{ord(match[0])};", text)


def _title(text: str) -> str:
    """A string of YAML. A title knows no entities, so what could be read as something else is not written."""
    return "'" + _ESCAPED.sub("?", text).replace("'", "''") + "'"
