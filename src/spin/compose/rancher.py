"""`rancher-compose.yml`, which lay beside the Compose file on the original platform: what it says of services, laid over them."""

from __future__ import annotations

from dataclasses import replace

from spin.compose.merge import overlay
from spin.compose.nodes import Node, Position, below
from spin.compose.notices import RANCHER_KEY
from spin.kit.text import quoted
from spin.model.finding import Finding

NAMES = ("rancher-compose.yml", "rancher-compose.yaml")
KEPT = ("scale", "health_check", "retain_ip", "start_on_create")
"""What Spin goes by."""
_INSTEAD = {
    "lb_config": "Visitors come in through `x-spin: {http: PORT}` at the service that answers them.",
    "upgrade_strategy": "Write `deploy: {update_config: …}` in the Compose file.",
    "drain_timeout_ms": "Write `stop_grace_period` in the Compose file.",
    "metadata": "Write `environment`, `labels` or a config in the Compose file.",
}
_USUAL = "Leave it out."


def with_rancher(tree: Node, rancher: Node) -> tuple[Node, list[Finding]]:
    """The Compose tree with the other one laid over its services, and what of that means nothing here. Raises InvalidInput."""
    assert isinstance(rancher.value, dict)  # noqa: S101 - parse gives a mapping; tells the type checker
    assert isinstance(tree.value, dict)  # noqa: S101
    found: list[Finding] = []
    theirs = _services(rancher, found)
    section = tree.value.get("services")
    if section is None or not isinstance(section.value, dict):
        return tree, found
    services = dict(section.value)
    for name, entry in theirs.items():
        at = entry.at
        own = services.get(name)
        if own is None or not isinstance(own.value, dict):
            found.append(_finding(f"{quoted(name)} is no service of the Compose file", _USUAL, name, None, at))
        elif isinstance(entry.value, dict):
            kept = _kept(name, entry, found)
            services[name] = overlay(own, kept, below("services", name), ("services", name))
    return replace(tree, value={**tree.value, "services": replace(section, value=services)}), found


def _services(rancher: Node, found: list[Finding]) -> dict[str, Node]:
    """Below `services`, or at the top level as in files without a `version`."""
    assert isinstance(rancher.value, dict)  # noqa: S101 - parse gives a mapping; tells the type checker
    if "services" not in rancher.value and "version" not in rancher.value:
        return {name: entry for name, entry in rancher.value.items() if not name.startswith(".")}
    others = rancher.value.keys() - {"services", "version"}
    found += [_finding(quoted(key), _USUAL, None, key, rancher.keys[key]) for key in sorted(others)]
    services = rancher.value.get("services")
    return services.value if services is not None and isinstance(services.value, dict) else {}


def _kept(name: str, entry: Node, found: list[Finding]) -> Node:
    assert isinstance(entry.value, dict)  # noqa: S101 - the caller has looked; tells the type checker
    found += [
        _finding(f"`{key}`", _INSTEAD.get(key, _USUAL), name, f"services.{name}.{key}", entry.keys[key])
        for key in entry.value
        if key not in KEPT
    ]
    return replace(entry, value={key: value for key, value in entry.value.items() if key in KEPT})


def _finding(what: str, instead: str, service: str | None, key: str | None, at: Position) -> Finding:
    return RANCHER_KEY.finding(f"{what} in {at.file} has no effect here.", instead, service=service, key=key, position=at.short)
