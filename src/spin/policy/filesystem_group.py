"""Groups that a service adds count on the site's filesystems like its own: only the account's may be added."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule
from spin.policy.mounted import mounting, runner_of


def _find(case: Case) -> Iterator[Place]:
    least = case.site.least_gid
    for found in mounting(case):
        runner = runner_of(case, found.service)
        allowed = frozenset() if runner is None else runner.identity.groups
        for group in found.service.group_add:
            if not group.isdecimal() or 0 < int(group) < least or int(group) in allowed:
                continue
            if int(group) == 0 or runner is not None:
                whose = "root's own group" if runner is None else f"no group of {runner.name}"
                values: dict[str, object] = {
                    "group": group,
                    "whose": whose,
                    "groups": ", ".join(map(str, sorted(allowed))) or "none",
                    "least": least,
                }
                key = f"services.{found.service.name}.group_add"
                yield replace(found.place(None, **values), path=key)


RULE = Rule(
    code="filesystem-group",
    severity=Severity.REFUSE,
    title="On a site's filesystem only groups of the account are added",
    message="Service {service} mounts {path} and adds the group {group}, which is {whose}.",
    instead="Leave it out of `group_add`. These can be added: {groups}; and groups of the image itself, which are below {least}.",
    why="""`group_add` is how a service gets at files of a group (DOMAIN: group access). A group counts on the filesystem like a user:
        the container reads whatever that group may. So only groups of the account it runs as are added, as the operators have
        set them. Groups of the image, such as `nginx`, by name or by number below `least_gid` of the site file, mean nothing
        there and are let pass; when the container is made, what the image's `/etc/group` says of them is looked at, since an
        image may call any group by any name.""",
    example="""
        services:
          web:
            image: nginx:1.27
            user: "46311:75137"
            group_add: ["0"]
            volumes: ["/global/cfs/physics/data:/data:ro"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            user: "46311:75137"
            group_add: [nginx]
            volumes: ["/global/cfs/physics/data:/data:ro"]
    """,
    site="""
        [[filesystems]]
        name = "cfs"
        path = "/global/cfs"
    """,
    find=_find,
)
