"""Whoever mounts one of the site's filesystems is somebody there: never root, and never somebody else."""

from __future__ import annotations

from collections.abc import Iterator

from spin.kit.text import quoted
from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule
from spin.policy.mounted import Mounted, mounting, runner_of, user_of

_CHOOSE = "Write {runners}."
_ASK = (
    "You have no account on the site's filesystems, nor has the project. The operators set yours with `spin user set`, and the "
    "project's with `spin project account set`."
)


def _find(case: Case) -> Iterator[Place]:
    for found in mounting(case):
        wrong = _wrong(case, found)
        if wrong:
            yield found.place(_advice(case), wrong=wrong, runners=_runners(case))


def _wrong(case: Case, found: Mounted) -> str:
    service = found.service
    user = user_of(service)
    if user is None:
        return f"`user: {quoted(service.user)}` is not UID:GID in numbers above 0" if service.user else "it has no `user`"
    if case.ground.runners is None:
        return ""
    runner = runner_of(case, service)
    if runner is None:
        return f"the uid {user[0]} is neither your account nor one of the project's"
    return "" if user[1] in runner.identity.groups else f"the gid {user[1]} is no group of {runner.name}"


def _advice(case: Case) -> str | None:
    runners = case.ground.runners
    if runners is None:
        return None
    return _CHOOSE if runners else _ASK


def _runners(case: Case) -> str:
    return " or ".join(f'`user: "{r.user}"` ({r.name})' for r in (case.ground.runners or ())[:5])


RULE = Rule(
    code="filesystem-user",
    severity=Severity.REFUSE,
    title="Whoever mounts a site's filesystem runs as its own account there",
    message="Service {service} mounts {path}, so it must run as somebody on {filesystem}: {wrong}.",
    instead='Write `user: "UID:GID"` with the numbers of your own account (`spin whoami`) or of one of the project (`spin '
    "project account ls`).",
    why="""A shared filesystem trusts numbers: whoever has a uid there reads and writes all that this uid may. Root of a container is
        root of the host, and an image's own users (`nginx` is 101 or 33) are whoever happens to have that number at the site.
        So the numbers are written in the file, and they must be those of the person who brings it up or of a collaboration
        account of the project, which the operators have set (`spin user set`, `spin project account set`). Scaling, copying
        and rolling back change nothing of what was once accepted; for them the account has to be that of anybody who may
        deploy in the project today.""",
    example="""
        services:
          web:
            image: nginx:1.27
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
