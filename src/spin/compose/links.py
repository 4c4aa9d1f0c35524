"""`links`, Docker's way before networks: the linked service gets the other name as an alias, and is started first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from spin.compose.cursor import Cursor
from spin.kit.text import quoted
from spin.model.stack import Dependency, ServiceSpec


def lower_links(services: Sequence[ServiceSpec], entries: Mapping[str, Cursor]) -> tuple[ServiceSpec, ...]:
    """The services with what their `links` come to. Raises InvalidInput."""
    found = {s.name: s for s in services}
    for name, entry in entries.items():
        links = entry.get("links")
        for item in links.items() if links else ():
            target, colon, alias = item.line().partition(":")
            if target not in found or target == name:
                item.fail(f"there is no other service {quoted(target)}; write the name of a service of this file.")
            if colon and alias != target:
                _check_alias(item, alias, found)
                _add_alias(item, found, name, target, alias)
            if target not in {d.service for d in found[name].depends_on}:
                waits = sorted((*found[name].depends_on, Dependency(target)), key=lambda d: d.service)
                found[name] = replace(found[name], depends_on=tuple(waits))
    return tuple(found[s.name] for s in services)


def _check_alias(item: Cursor, alias: str, services: Mapping[str, ServiceSpec]) -> None:
    item.at("alias", alias).name("network alias")
    if alias in services:
        item.fail(f"{quoted(alias)} is the name of a service of its own; link that one, or choose another name.")


def _add_alias(item: Cursor, found: dict[str, ServiceSpec], name: str, target: str, alias: str) -> None:
    """One more name of `target`, on the networks that it shares with `name`."""
    mine = {a.network for a in found[name].networks}
    if not mine & {a.network for a in found[target].networks}:
        item.fail(f"{quoted(target)} is on none of this service's networks; put both on one.")
    networks = tuple(
        replace(a, aliases=tuple(sorted({*a.aliases, alias}))) if a.network in mine else a for a in found[target].networks
    )
    found[target] = replace(found[target], networks=networks)
