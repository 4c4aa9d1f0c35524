"""A container without limits gets the site's, which its file should say."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    bare = [s.name for s in case.spec.services if s.resources.memory_bytes is None and s.resources.cpus is None]
    if not bare:
        return
    limits = case.site.limits
    values = {
        "services": ", ".join(bare),
        "says": "says" if len(bare) == 1 else "say",
        "memory": f"{limits.memory_bytes / 1024**3:g} GiB",
        "cpus": f"{limits.cpus:g}",
        "pids": limits.pids,
    }
    one = bare[0] if len(bare) == 1 else None
    yield Place(f"services.{one}" if one else "services", one, values)


RULE = Rule(
    code="no-limits",
    severity=Severity.ADVISE,
    title="A service says how much memory and processor it needs",
    message="{services} {says} no limits: each container gets the site's {memory} of memory, {cpus} CPUs and {pids} processes at most.",
    instead='Write what it needs: `deploy: {{resources: {{limits: {{memory: 512m, cpus: "1.0"}}}}}}`. `docker stats` on your machine '
    "shows what it uses.",
    why="""A program that has a leak takes what it can get, and the kernel then ends some program of the machine, maybe another
        one. So every container has limits here. The default suits a small web service; a database with it may be ended
        in the middle of its work, and what needs a tenth of it keeps others from room that is free. Whoever knows the
        program should say.""",
    example="""
        services:
          web:
            image: nginx:1.27
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            deploy: {resources: {limits: {memory: 256m, cpus: "0.5"}}}
    """,
    find=_find,
)
