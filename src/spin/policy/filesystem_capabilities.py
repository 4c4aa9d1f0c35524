"""Capabilities beside a site's filesystem: the second column of the original platform's table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from spin.model.finding import Severity
from spin.policy.case import Case, Parameter, Place, Rule
from spin.policy.mounted import mounting

ALLOWED = Parameter(
    "allowed",
    ("NET_BIND_SERVICE",),
    "Capabilities that a service may add back with `cap_add` where it mounts one of the site's filesystems.",
    within=("AUDIT_WRITE", "KILL", "NET_BIND_SERVICE", "NET_RAW"),
)


def _find(case: Case) -> Iterator[Place]:
    allowed = ALLOWED.of(case)
    for found in mounting(case):
        for capability in found.service.cap_add:
            if capability not in allowed:
                key = f"services.{found.service.name}.cap_add"
                yield replace(found.place(capability=capability, allowed=", ".join(allowed) or "none"), path=key)


RULE = Rule(
    code="filesystem-capabilities",
    severity=Severity.REFUSE,
    title="Beside a site's filesystem hardly a capability can be added back",
    message="Service {service} mounts {path}, and beside {filesystem} the capability {capability} is not given to containers.",
    instead="Leave it out. These can be added: {allowed}.",
    why="""CHOWN, DAC_OVERRIDE and FOWNER pass over the permissions of files, SETUID and SETGID become somebody else: inside a stack's
        own volumes that is harmless, on a filesystem that people share it opens everybody's files. The original platform
        allowed NET_BIND_SERVICE alone there. A service that does not mount the filesystem keeps what the rule `capabilities`
        allows, also in the same stack.""",
    example="""
        services:
          web:
            image: nginx:1.27
            user: "46311:75137"
            cap_add: [CHOWN]
            volumes: ["/global/cfs/physics/data:/data:ro"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            user: "46311:75137"
            cap_add: [NET_BIND_SERVICE]
            volumes: ["/global/cfs/physics/data:/data:ro"]
    """,
    site="""
        [[filesystems]]
        name = "cfs"
        path = "/global/cfs"
    """,
    parameters=(ALLOWED,),
    find=_find,
)
