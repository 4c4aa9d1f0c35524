"""What a container gets when its Compose file does not say."""

from __future__ import annotations

from dataclasses import replace

from spin.model.stack import Resources, StackSpec
from spin.site import Limits, Site


def apply_defaults(spec: StackSpec, site: Site) -> StackSpec:
    """`spec` with the site's limits of memory, CPU and processes where it sets none; a reservation above them raises them."""
    services = tuple(replace(s, resources=_filled(s.resources, site.limits)) for s in spec.services)
    return replace(spec, services=services)


def _filled(asked: Resources, limits: Limits) -> Resources:
    return replace(
        asked,
        cpus=max(limits.cpus, asked.reserved_cpus or 0.0) if asked.cpus is None else asked.cpus,
        memory_bytes=max(limits.memory_bytes, asked.reserved_memory_bytes or 0)
        if asked.memory_bytes is None
        else asked.memory_bytes,
        pids=limits.pids if asked.pids is None else asked.pids,
    )
