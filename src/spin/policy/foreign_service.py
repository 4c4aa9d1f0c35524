"""What a machine has and a container has not: an init system, a supervisor, syslog, cron (DOMAIN: container manners)."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule
from spin.policy.programs import Process, command_line

_SUPERVISOR = "One server a container: make each program a service of its own. The platform starts again what ends."
_SYSLOG = "Let the program write to stdout and stderr: the platform keeps that, and `spin logs` shows it."
_CRON = (
    "Make the job a service of its own that ends when it is done, so that its output and its exit status are seen; or let the "
    "program that owns the data do it."
)
KINDS = {
    "supervisor": (
        _SUPERVISOR,
        ("supervisord", "runsvdir", "runsvdir-start", "s6-svscan", "monit", "circusd", "god", "pm2", "my_init"),
    ),
    "init system": (_SUPERVISOR, ("systemd", "init", "openrc", "upstart")),
    "syslog": (_SYSLOG, ("rsyslogd", "syslogd", "syslog-ng", "rsyslog", "klogd")),
    "cron": (_CRON, ("cron", "crond", "anacron", "supercronic", "go-crond")),
}
"""Words for each, advice, and its programs."""
_OF_PROGRAM = {program: kind for kind, (_, programs) in KINDS.items() for program in programs}


def kind_of(process: Process, words: tuple[str, ...]) -> str | None:
    """`supervisor`, `init system`, `syslog` or `cron`; None for every other program."""
    if process.program == "init" and words[:1] not in (("/sbin/init",), ("/usr/sbin/init",), ("/lib/systemd/systemd",)):
        return None  # many images call their own start script so
    if process.program == "pm2" and process.arguments[:1] != ("start",):
        return None
    return _OF_PROGRAM.get(process.program)


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        line = command_line(service, case.facts(service))
        for process in line.processes:
            kind = kind_of(process, line.words)
            if kind is not None:
                values = {"program": process.program, "kind": kind}
                yield Place(f"services.{service.name}.{line.key}", service.name, values, KINDS[kind][0])
                break


RULE = Rule(
    code="foreign-service",
    severity=Severity.WARN,
    title="No init system, supervisor, syslog or cron in a container",
    message="The container starts `{program}` ({kind}), which belongs on a machine, not into a container.",
    instead=_SUPERVISOR,
    why="""The platform does that work: it starts again what ends, keeps the logs, checks the health. A supervisor within a container
        hides from it that a program has died, syslog hides what it said, and cron runs jobs whose failure nobody sees. What
        is in one container can also only be upgraded, limited and scaled together.""",
    example="""
        services:
          app:
            image: localhost:5000/lab/app:1.0
            command: ["supervisord", "-n", "-c", "/etc/supervisord.conf"]
    """,
    fixed="""
        services:
          app:
            image: localhost:5000/lab/app:1.0
            command: ["gunicorn", "--bind", "0.0.0.0:8000", "app:app"]
    """,
    find=_find,
)
