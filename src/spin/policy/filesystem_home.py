"""Home directories stay out of containers."""

from __future__ import annotations

from collections.abc import Iterator

from spin.kit.paths import is_below
from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule
from spin.policy.mounted import mounted


def _find(case: Case) -> Iterator[Place]:
    for found in mounted(case):
        for home in found.filesystem.homes:
            if any(is_below(name, home) or is_below(home, name) for name in found.names):
                yield found.place(home=home)


RULE = Rule(
    code="filesystem-home",
    severity=Severity.REFUSE,
    title="Home directories are not mounted",
    message="{path} is of {home}, where people's home directories are.",
    instead="Move what the service needs to a directory of the project, and mount that.",
    why="""A home directory holds keys, tokens and shell start files: a service that is broken into there becomes its owner on every
        machine of the site. NERSC's own platform refuses the same (its rule NGF-002). The operators name the directories in
        the site file (`homes`).""",
    example="""
        services:
          web:
            image: nginx:1.27
            user: "46311:75137"
            volumes: ["/global/cfs/home/ann/data:/data:ro"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            user: "46311:75137"
            volumes: ["/global/cfs/physics/data:/data:ro"]
    """,
    site="""
        [[filesystems]]
        name = "cfs"
        path = "/global/cfs"
        homes = ["/global/cfs/home"]
    """,
    find=_find,
)
