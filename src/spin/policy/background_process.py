"""The main process stays in the foreground (DOMAIN: container manners)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spin.model.finding import Severity
from spin.policy.case import Case, Place, Rule
from spin.policy.programs import CommandLine, Process, command_line

_OFF = frozenset({"off", "no", "false", "0"})
_DAEMON = re.compile(r"--?(?:daemon|daemoni[sz]e|background|detached)(?:[=:](.*))?", re.ASCII)
_OWN_FLAGS = {
    "gunicorn": {"-D"},
    "php-fpm": {"-D"},
    "memcached": {"-d"},
    "mongod": {"--fork"},
    "mongos": {"--fork"},
    "lighttpd": set(),
    "squid": set(),
    "uwsgi": {"-d"},
}
_NGINX = re.compile(r"(?<![a-z_])daemon\s+on\b")
_STARTERS = {
    ("apachectl", "start"): "apachectl -D FOREGROUND",
    ("apache2ctl", "start"): "apache2ctl -D FOREGROUND",
    ("catalina.sh", "start"): "catalina.sh run",
    ("pg_ctl", "start"): "postgres",
    ("celery", "multi"): "celery worker",
    ("pm2", "start"): "pm2-runtime",
}
_WAITS = frozenset({"wait"})


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        line = command_line(service, case.facts(service))
        if (found := _fault(line)) is not None:
            what, instead = found
            yield Place(f"services.{service.name}.{line.key}", service.name, {"what": what}, instead)


def _fault(line: CommandLine) -> tuple[str, str | None] | None:
    main = line.main
    if main is None:
        return None
    if (main.program, main.arguments[-1:]) == ("tail", ("/dev/null",)):
        return "`tail -f /dev/null` is the main process, which goes on when the real one has died", None
    for process in line.processes:
        if process.managed:
            return f"`{process.program}` is started as a service of an init system, which a container has not", None
        if (fault := _goes_behind(process)) is not None:
            return fault
    if main.background:
        return f"`{main.program}` is started in the background, so the container ends at once", None
    if len(line.processes) > 1 and (main.program, main.arguments) == ("sleep", ("infinity",)):
        return "`sleep infinity` is the main process, which goes on when the real one has died", None
    return None


def _goes_behind(process: Process) -> tuple[str, str | None] | None:
    program, arguments = process.program, process.arguments
    for index, argument in enumerate(arguments):
        flag = _DAEMON.fullmatch(argument)
        if flag is not None:
            value = flag[1] if flag[1] is not None else arguments[index + 1] if index + 1 < len(arguments) else ""
            if value.lower() not in _OFF:
                return f"`{program} {argument.partition('=')[0]}` puts itself into the background", None
        if argument in _OWN_FLAGS.get(re.sub(r"[0-9.]+$", "", program), ()):
            return f"`{program} {argument}` puts itself into the background", None
        if program.startswith("nginx") and _NGINX.search(argument):
            return "nginx is told to go into the background", 'Write `command: ["nginx", "-g", "daemon off;"]`.'
    instead = _STARTERS.get((program, arguments[0] if arguments else ""))
    if instead is not None:
        return f"`{program} {arguments[0]}` puts the server into the background", f"Write `exec {instead}`."
    return None


RULE = Rule(
    code="background-process",
    severity=Severity.WARN,
    title="The main process stays in the foreground",
    message="In this container {what}.",
    instead="Start the server itself in the foreground, as the only or the last command (`exec SERVER`).",
    why="""A container lives as long as its first process (PID 1). When that has only started something else, the container ends at
        once, or stays up while the real server is dead: nothing is healed, the logs are elsewhere, and `stop` kills instead of
        asking. Servers have a way to stay in the foreground.""",
    example="""
        services:
          web:
            image: nginx:1.27
            command: ["sh", "-c", "service nginx start && tail -f /dev/null"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            command: ["nginx", "-g", "daemon off;"]
    """,
    find=_find,
)
