"""What one container may ask for at most: without a ceiling a stack could ask for the whole machine, or for processes without end."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule


def _find(case: Case) -> Iterator[Place]:
    most = case.site.limits
    for service in case.spec.services:
        asked = service.resources
        for key, value, ceiling in (
            ("limits.memory", asked.memory_bytes, most.most_memory_bytes),
            ("limits.pids", asked.pids, most.most_pids),
            ("reservations.memory", asked.reserved_memory_bytes, most.most_memory_bytes),
        ):
            if value is not None and value > ceiling:
                values = {"key": key, "value": value, "most": ceiling}
                yield Place(f"services.{service.name}.deploy.resources.{key}", service.name, values)


RULE = Rule(
    code="ceilings",
    severity=Severity.REFUSE,
    title="A container asks for no more memory and processes than the site gives to one",
    message="`{key}` asks for {value}; a container gets at most {most}.",
    instead="Write at most {most}; ask the operators if that cannot be enough.",
    why="A limit that is larger than the machine is no limit: one container could take the memory of all, or fill the kernel's table "
    "of processes with a fork bomb. The numbers are `limits.most_memory_bytes` and `limits.most_pids` in the site file.",
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
