"""What somebody has changed about a container by hand, so that it is no longer what Spin created. Pure.

The engine lets people rename a container, change its limits and its restart policy, and move it between networks while it runs.
What it was created with is in its labels, which nobody can change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from spin.engines.docker import labels
from spin.model.names import DeploymentKey

_NUMBERS = {
    "Memory": "memory limit",
    "MemoryReservation": "memory reservation",
    "NanoCpus": "CPU limit",
    "CpuShares": "CPU weight",
    "PidsLimit": "limit of processes",
}
_NOT_ENFORCED = (None, 0, -1)
"""An engine that cannot enforce a limit, as its kernel lacks what it takes, leaves it away: nobody has changed it then."""
_RESTART = "RestartPolicy"
_GOING = ("removing", "dead")
"""Its process has ended, and it cannot be started again; to be gone altogether may take the engine seconds more."""


def limits(host: Mapping[str, Any]) -> str:
    """The text of the label LIMITS for a container that is created with the HostConfig `host`."""
    return json.dumps({_RESTART: _policy(host), **{name: host.get(name, 0) for name in _NUMBERS}})


def restart_policy(marks: Mapping[str, str]) -> dict[str, Any] | None:
    """The policy that a container with these labels was created with, in the engine's form; None if they do not say."""
    text = json.loads(marks.get(labels.LIMITS, "{}")).get(_RESTART)
    if text is None:
        return None
    name, _, most = text.partition(":")
    return {"Name": name, "MaximumRetryCount": int(most or 0)}


def altered(inspected: Mapping[str, Any], site: str, key: DeploymentKey, networks: Mapping[str, str]) -> str:
    """The first change found, in a few words; empty if there is none. `networks`: Compose names by the engine's ids."""
    marks = inspected["Config"]["Labels"]
    name = inspected["Name"].removeprefix("/")
    slot, attempt = int(marks[labels.SLOT]), int(marks[labels.ATTEMPT])
    if name != labels.container(site, key, marks[labels.SERVICE], slot, marks[labels.DIGEST], attempt):
        return f"renamed to {name}"
    status = inspected["State"]["Status"]
    if status in _GOING:
        return "being removed"
    if status not in ("running", "paused"):
        return ""  # it gets its networks and its policy when it is started
    return _limits_altered(inspected["HostConfig"], json.loads(marks.get(labels.LIMITS, "{}"))) or _moved(inspected, networks)


def _limits_altered(host: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    if asked.get(_RESTART, _policy(host)) != _policy(host):
        return f"its restart policy was changed from {asked[_RESTART]} to {_policy(host)}"
    for name, words in _NUMBERS.items():
        if host.get(name) not in (*_NOT_ENFORCED, asked.get(name, host.get(name))):
            return f"its {words} was changed"
    return ""


def _moved(inspected: Mapping[str, Any], networks: Mapping[str, str]) -> str:
    wanted = [name for name, _ in json.loads(inspected["Config"]["Labels"].get(labels.NETWORKS, "[]"))]
    joined = inspected["NetworkSettings"]["Networks"]
    there = {networks.get(endpoint["NetworkID"], "") for endpoint in joined.values()}
    for name in wanted:
        if name not in there:
            return f"not on network {name}"
    for name, endpoint in joined.items():
        if networks.get(endpoint["NetworkID"]) not in wanted and (wanted or name != "none"):
            return f"connected to network {name} by hand"
    return ""


def _policy(host: Mapping[str, Any]) -> str:
    policy = host.get("RestartPolicy") or {}
    name, most = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    return f"{name}:{most}" if most else name
