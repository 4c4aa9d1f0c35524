"""How long a service's containers live, and how many there are: `restart`, `deploy.restart_policy`, `deploy.mode`, `scale`, and Rancher's
`start_on_create` and `start_once`.
"""

from __future__ import annotations

import re

from spin.compose.cursor import Cursor
from spin.compose.mappings import pairs
from spin.kit.text import quoted
from spin.model.stack import Restart

MOST_REPLICAS = 10_000
"""Upper bound of what is read as a number of replicas; the site's own limit is the audit's business."""
MOST_ATTEMPTS = 999_999

START_ONCE = "io.rancher.container.start_once"
_CONDITIONS = {
    "none": Restart.NO,
    "no": Restart.NO,
    "on-failure": Restart.ON_FAILURE,
    "any": Restart.ALWAYS,
    "always": Restart.ALWAYS,
}
_JOBS = ("replicated-job", "global-job")
_GLOBAL = ("global", "global-job")
_MODES = ("replicated", *_GLOBAL, *_JOBS)


def lower_restart(service: Cursor) -> tuple[Restart, int]:
    """The policy, and how often it tries again (0: without end). Raises InvalidInput."""
    plain = _plain(service)
    deploy = service.get("deploy")
    policy = deploy.get("restart_policy") if deploy else None
    told = _policy(policy) if policy else None
    if _mode(service) in _JOBS or _starts_once(service):
        return Restart.NO, 0
    return told or plain or (Restart.UNLESS_STOPPED, 0)


def says_restart(service: Cursor) -> bool:
    """Whether its author has said anything about restarting."""
    deploy = service.get("deploy")
    return service.said("restart") is not None or (deploy is not None and deploy.get("restart_policy") is not None)


def lower_replicas(service: Cursor) -> int:
    """Raises InvalidInput."""
    scale, deploy, start = service.get("scale"), service.get("deploy"), service.get("start_on_create")
    replicas = deploy.get("replicas") if deploy else None
    wanted = [found.integer(0, MOST_REPLICAS) for found in (scale, replicas) if found]
    if scale and len(set(wanted)) > 1:
        scale.fail(f"`scale` says {wanted[0]} and `deploy.replicas` says {wanted[1]}; keep one of them.")
    if start and not start.boolean():
        return 0
    if replicas and _mode(service) in _GLOBAL and wanted[0] > 1:
        replicas.fail("`mode: global` runs one container on each machine; leave `mode` out, or `replicas`.")
    return wanted[0] if wanted else 1


def _mode(service: Cursor) -> str:
    """`deploy.mode`; what is none is passed over, as the audit refuses it."""
    deploy = service.get("deploy")
    mode = deploy.said("mode") if deploy else None
    return mode.line() if mode else "replicated"


def _starts_once(service: Cursor) -> bool:
    return str(pairs(service.get("labels")).get(START_ONCE)).lower() == "true"


def _plain(service: Cursor) -> tuple[Restart, int] | None:
    found = service.said("restart")
    if found is None:
        return None
    if found.value is False:
        return Restart.NO, 0
    policy, colon, limit = found.line().partition(":")
    if policy not in {r.value for r in Restart} or (
        colon and (policy != "on-failure" or not re.fullmatch(r"[0-9]{1,6}", limit, re.ASCII))
    ):
        found.fail(
            f'{quoted(found.value)} is not a restart policy; write "no", always, unless-stopped, on-failure or on-failure:3.'
        )
    return Restart(policy), int(limit or 0)


def _policy(cursor: Cursor) -> tuple[Restart, int]:
    condition, attempts = cursor.said("condition"), cursor.get("max_attempts")
    name = condition.line() if condition else "any"
    if name not in _CONDITIONS:
        cursor.at("condition", name).fail(f"{quoted(name)} is not a condition; write none, on-failure or any.")
    limit = attempts.integer(0, MOST_ATTEMPTS) if attempts else 0
    return _CONDITIONS[name], limit if _CONDITIONS[name] is Restart.ON_FAILURE else 0
