"""What all containers of a stack may ask for together: each may be modest, and twenty replicas of fifty services are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from spin.model.finding import Severity
from spin.model.stack import ServiceSpec
from spin.policy.case import Case, Place, Rule
from spin.policy.defaults import apply_defaults

GIB = 1024**3


def _find(case: Case) -> Iterator[Place]:
    limits = case.site.limits
    services = apply_defaults(case.spec, case.site).services
    yield from _over(services, "memory", lambda s: (s.resources.memory_bytes or 0) / GIB, limits.stack_memory_bytes / GIB, "GiB")
    yield from _over(services, "cpus", lambda s: s.resources.cpus or 0.0, limits.stack_cpus, "CPUs")


def _over(
    services: tuple[ServiceSpec, ...], key: str, of: Callable[[ServiceSpec], float], most: float, unit: str
) -> Iterator[Place]:
    together = sum(of(s) * _containers(s) for s in services)
    if not most or together <= most:
        return
    largest = max(services, key=lambda s: of(s) * _containers(s))
    values = {
        "together": f"{together:.10g} {unit}",
        "most": f"{most:.10g} {unit}",
        "service": largest.name,
        "containers": _containers(largest),
        "each": f"{of(largest):.10g} {unit}",
    }
    yield Place(f"services.{largest.name}.deploy.resources.limits.{key}", largest.name, values)


def _containers(service: ServiceSpec) -> int:
    """How many run at a time; of a job, one."""
    return service.replicas if service.schedule is None else 1


RULE = Rule(
    code="stack-size",
    severity=Severity.REFUSE,
    title="A stack asks for no more memory and processors than the site gives to one",
    message="The stack's containers ask for {together} together, most of all {service} ({containers} of {each} each); {most} are allowed.",
    instead="Lower the limits or the number of replicas, or ask the operators.",
    why="""A limit is what a container may take, and what all containers of a stack may take together is what the stack can do to its
        neighbours when something goes wrong in all of them at once: a leak, a rush of visitors, a mistake in a loop. Counted are limits
        times replicas, the site's defaults where the file says nothing, and one container for a job; not what an upgrade adds for a while.
        The numbers are `limits.stack_memory_bytes` and `limits.stack_cpus` in the site file; 0 switches one off.""",
    example="""
        services:
          web:
            image: nginx:1.27
            deploy:
              replicas: 10
              resources:
                limits: {cpus: "1", memory: 4g}
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            deploy:
              replicas: 10
              resources:
                limits: {cpus: "1", memory: 1g}
    """,
    site="""
        [limits]
        stack_memory_bytes = 17179869184  # 16 GiB
        stack_cpus = 16.0
    """,
    find=_find,
)
