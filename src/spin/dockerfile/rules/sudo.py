"""sudo in an image."""

from __future__ import annotations

from collections.abc import Iterator

from spin.dockerfile.model import Instruction
from spin.dockerfile.rule import Case, Rule, Spot
from spin.dockerfile.shell import arguments, calls, commands, program
from spin.model.finding import Severity


def _find(case: Case) -> Iterator[Spot]:
    for i in case.dockerfile.everywhere("RUN", "CMD", "ENTRYPOINT"):
        if _uses(i):
            yield Spot(i.line)


def _uses(i: Instruction) -> bool:
    if i.exec_form and not i.script:
        return program(i.words) == "sudo"
    managers = calls(i.script, "apt-get", "apt", "apk", "dnf", "yum", "microdnf")
    return any(program(words) == "sudo" for words in commands(i.script)) or any("sudo" in arguments(words) for words in managers)


RULE = Rule(
    code="dockerfile-sudo",
    severity=Severity.WARN,
    title="Nobody becomes root in a container",
    message="sudo is installed or used: whoever is in the container can become root.",
    instead="Do as root what needs it, before `USER`, and take sudo away.",
    why="Building runs as root anyway. In the finished image sudo is a way to all that USER was meant to take away; Spin also starts "
    "containers so that no program gains rights, so there it does not even work.",
    example="""
        FROM debian:13-slim
        RUN sudo install -d -o 10001 /var/lib/app
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    fixed="""
        FROM debian:13-slim
        RUN install -d -o 10001 /var/lib/app
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    find=_find,
)
