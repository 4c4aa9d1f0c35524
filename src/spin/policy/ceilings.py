"""What one container may ask for at most: without a ceiling a stack could ask for the whole machine, for processes or time without end."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    most = case.site.limits
    for service in case.spec.services:
        asked = service.resources
        where = f"services.{service.name}"
        for path, key, value, ceiling, unit in (
            ("deploy.resources.", "limits.memory", asked.memory_bytes, most.most_memory_bytes, ""),
            ("deploy.resources.", "limits.pids", asked.pids, most.most_pids, ""),
            ("deploy.resources.", "reservations.memory", asked.reserved_memory_bytes, most.most_memory_bytes, ""),
            ("", "stop_grace_period", service.stop_grace_ms / 1000, most.most_stop_seconds, "s"),
        ):
            if value is not None and value > ceiling:
                values = {"key": key, "value": f"{value:.15g}{unit}", "most": f"{ceiling}{unit}"}
                yield Place(f"{where}.{path}{key}", service.name, values)


RULE = Rule(
    code="ceilings",
    severity=Severity.REFUSE,
    title="A container asks for no more memory, processes and time to stop than the site gives to one",
    message="`{key}` asks for {value}; a container gets at most {most}.",
    instead="Write at most {most}; ask the operators if that cannot be enough.",
    why="A limit that is larger than the machine is no limit: one container could take the memory of all, or fill the kernel's table "
    "of processes with a fork bomb. One that may take a year to stop can be neither upgraded nor removed meanwhile. The numbers are "
    "`limits.most_memory_bytes`, `limits.most_pids` and `limits.most_stop_seconds` in the site file.",
    example="""
        services:
          web:
            image: nginx:1.27
            deploy:
              resources:
                limits: {pids: 1000000}
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            deploy:
              resources:
                limits: {pids: 1000}
    """,
    find=_find,
)
