"""The container's program goes to the background, or is none."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from spin.dockerfile.model import Instruction
from spin.dockerfile.rule import Case, Rule, Spot
from spin.dockerfile.shell import commands, program
from spin.model.finding import Severity

_SEVERAL = {
    "supervisord": "supervisord runs several programs in one container",
    "systemd": "systemd runs several programs in one container",
    "s6-svscan": "s6 runs several programs in one container",
    "runsvdir": "runit runs several programs in one container",
    "sshd": "sshd lets people log in to a container, which `spin logs` and a new image are for",
    "cron": "cron hides the jobs' output and exit status",
    "crond": "crond hides the jobs' output and exit status",
    "rsyslogd": "a log daemon hides what Spin would collect from stdout",
    "syslogd": "a log daemon hides what Spin would collect from stdout",
}
_NGINX = "nginx goes to the background unless it is told `daemon off;`"
_CONTROLLERS = frozenset(["apachectl", "apache2ctl", "pg_ctl", "rabbitmqctl"])


def _find(case: Case) -> Iterator[Spot]:
    for name in ("ENTRYPOINT", "CMD"):
        i = case.dockerfile.last(name)
        if i is None:
            continue
        faults = (what for words in _started(i) if (what := _fault(words)))
        for what in islice(faults, 1):
            if not (what == _NGINX and _is_configured(case)):
                yield Spot(i.line, {"name": name, "what": what})
    for run in case.dockerfile.everywhere("RUN"):
        if any(
            program(words) in ("service", "systemctl") and {"start", "restart"} & set(words) for words in commands(run.script)
        ):
            yield Spot(
                run.line, {"name": "RUN", "what": "a program that is started while building does not run in the container"}
            )


def _is_configured(case: Case) -> bool:
    """A step writes nginx's `daemon off` into its configuration."""
    return any("daemon off" in run.script for run in case.dockerfile.shipped() if run.name == "RUN")


def _started(i: Instruction) -> Iterator[tuple[str, ...]]:
    if i.exec_form and not i.script:
        yield i.words
    else:
        yield from commands(i.script)


def _fault(words: tuple[str, ...]) -> str | None:
    name, rest = program(words), words[1:]
    options = set(rest)
    if name in _SEVERAL:
        return _SEVERAL[name]
    if name in ("service", "systemctl", "rc-service") or (words and words[0].startswith("/etc/init.d/")):
        return f"`{name}` starts a program in the background and ends"
    if name == "nginx" and "daemon off" not in " ".join(rest).replace("=", " ") and not options & {"-t", "-v", "-V", "-h"}:
        return _NGINX
    if name in ("apache2", "httpd") and options and "start" in options:
        return f"`{name} -k start` goes to the background"
    if name in _CONTROLLERS and "start" in options and not options & {"-DFOREGROUND"}:
        return f"`{name} start` goes to the background"
    if name == "tail" and "-f" in options and "/dev/null" in options:
        return "`tail -f /dev/null` keeps a container alive in which nothing runs"
    if name == "sleep" and options & {"infinity", "inf"}:
        return "`sleep infinity` keeps a container alive in which nothing runs"
    return "`--daemon` sends the program to the background" if options & {"--daemon", "--daemonize"} else None


RULE = Rule(
    code="dockerfile-background",
    severity=Severity.WARN,
    title="A container runs one program, in the foreground",
    message="{name}: {what}.",
    instead="Start the one program in the foreground, and make a service in the Compose file of each further one.",
    why="Spin watches process 1: when it ends, the container has ended; its output is the log; its health is the service's. A program "
    "in the background, or below a manager of processes, may be dead for days while the container counts as running.",
    example="""
        FROM nginx:1.28
        USER 10001
        CMD ["nginx"]
    """,
    fixed="""
        FROM nginx:1.28
        USER 10001
        CMD ["nginx", "-g", "daemon off;"]
    """,
    find=_find,
)
