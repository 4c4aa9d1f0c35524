"""A database scaled above one on one volume (DOMAIN: volumes): users did that, and lost data."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.stack import ServiceSpec
from spin.policy.case import Case, Place, Rule
from spin.policy.wellknown import is_database


def written_volumes(service: ServiceSpec) -> list[str]:
    return [mount.volume for mount in service.mounts if not mount.read_only]


def _find(case: Case) -> Iterator[Place]:
    holders: dict[str, str] = {}
    for service in case.spec.services:
        volumes = written_volumes(service)
        if not volumes or not is_database(service):
            continue
        if service.replicas > 1:
            values = {"who": f"{service.replicas} replicas of the database {service.name}", "volume": volumes[0]}
            yield Place(f"services.{service.name}.volumes", service.name, values)
        for volume in volumes:
            first = holders.setdefault(volume, service.name)
            if first != service.name and service.replicas > 0:
                values = {"who": f"The databases {first} and {service.name}", "volume": volume}
                instead = f"Give {service.name} a volume of its own, or run one of the two."
                yield Place(f"services.{service.name}.volumes", service.name, values, instead)


RULE = Rule(
    code="database-scaled",
    severity=Severity.REFUSE,
    title="One volume belongs to one running database",
    message="{who} would write to the volume {volume} at once. Each takes the files for its own; that corrupts the data, mostly without an "
    "error, and nothing mends it afterwards.",
    instead="Run one replica (`deploy: {{replicas: 1}}`). To be faster give it more memory; to have copies use the database's own "
    "replication, with a service and a volume for each copy.",
    why="""A database keeps much of its state in memory and believes that nobody else touches its files. Two of them on one volume
        overwrite each other's pages; the locks that should prevent it do not hold between containers. Users of the original
        platform have lost databases that way. It is told apart from `shared-volume`, so that a site which allows replicas on one
        volume for programs that can do it still protects databases. A database is a service that is called
        `db-…` or `kv-…`, or has the image of one.""",
    example="""
        services:
          db:
            image: postgres:16
            volumes: ["data:/var/lib/postgresql/data"]
            deploy: {replicas: 2}
        volumes:
          data:
    """,
    fixed="""
        services:
          db:
            image: postgres:16
            volumes: ["data:/var/lib/postgresql/data"]
            deploy: {replicas: 1}
        volumes:
          data:
    """,
    optional=True,
    find=_find,
)
