"""Directories above a mount through which its account, or the engine, cannot pass."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from spin.kit.paths import is_below
from spin.model.finding import Severity
from spin.model.paths import Component, PathKind, granted, whose
from spin.policy.case import Case, Place, Rule
from spin.policy.mounted import Mounted, groups_of, mounted, user_of


def _find(case: Case) -> Iterator[Place]:
    for found in mounted(case):
        if found.facts is None or found.root is None or found.real is None:
            continue
        places = [c for c in found.facts.way if c.kind is PathKind.DIRECTORY and is_below(c.path, found.root.real)]
        for component in dict.fromkeys(places):
            who, commands = _shut_out(found, component)
            if who:
                yield found.place(
                    directory=component.path,
                    mode=f"{component.mode:04o}",
                    owner=f"{component.uid}:{component.gid}",
                    who=" and ".join(who),
                    commands=" && ".join(commands),
                )


def _shut_out(found: Mounted, component: Component) -> tuple[list[str], list[str]]:
    """Who cannot pass that directory, and what its owner types so that they can."""
    who: list[str] = []
    changes: list[str] = []
    path = shlex.quote(component.path)
    above = found.facts is not None and component.path != found.facts.real
    if above and found.filesystem.root_squash and not component.mode & 1:
        who.append("the engine, which is nobody there,")
        changes.append("o+x")
    commands: list[str] = []
    user = user_of(found.service)
    if user is not None:
        groups = {user[1]} | groups_of(found.service)
        if not granted(component, user[0], groups) & 1:
            who.append(f"{user[0]}:{user[1]}")
            if component.acl:
                commands.append(f"setfacl -m u:{user[0]}:x {path}")
            else:
                changes.append(f"{whose(component, user[0], groups)}+x")
    if changes:
        commands.insert(0, f"chmod {','.join(dict.fromkeys(changes))} {path}")
    return who, commands


RULE = Rule(
    code="filesystem-traverse",
    severity=Severity.REFUSE,
    title="Every directory above a mount can be passed",
    message="{directory} has mode {mode} and belongs to {owner}: {who} cannot pass it, so {path} cannot be mounted.",
    instead="Type `{commands}`, or ask whoever owns it.",
    why="""A directory is passed by whoever has its execute bit. The engine mounts as root, and on a filesystem that squashes root it is
        nobody: each directory above the mount needs the execute bit for others, whoever owns it (mode 0741 works, 0740 does
        not), or containers fail at their start with a puzzling error. And the account that the service runs as has to be able
        to pass them too, by owner, group, others or access control list, as on any login node: a mount must not be a way
        around a directory that its owner has closed. Where root is not squashed (`root_squash = false` in the site file),
        only the second is asked.""",
    example="""
        services:
          web:
            image: nginx:1.27
            user: "46311:75137"
            volumes: ["/global/cfs/physics/data:/data:ro"]
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
    """,
    find=_find,
)
