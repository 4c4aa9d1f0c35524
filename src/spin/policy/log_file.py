"""Logs go to stdout and stderr (DOMAIN: container manners)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.stack import ServiceSpec, StackSpec
from spin.policy.case import Case, Place, Rule
from spin.policy.programs import Process, command_line
from spin.policy.wellknown import named_like

_FLAG = re.compile(
    r"--?(?:log[-_.]?(?:file|path|output|error)|logfile|(?:access|error)[-_]?log(?:[-_]?file)?|general[-_]log[-_]file"
    r"|slow[-_]query[-_]log[-_]file|logto|daemonize)(?:=(.*))?",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_VARIABLE = re.compile(r"(?:.*_)?(?:LOG_?(?:FILE(?:_?(?:NAME|PATH))?|PATH)|LOGFILE)", re.ASCII | re.IGNORECASE)
_NGINX = re.compile(rb"^[ \t]*(?:access_log|error_log)[ \t]+([^\s;]{1,200})", re.MULTILINE)
_IN_TEXT = re.compile(r"\b(?:access_log|error_log)\s+(/[^\s;]{1,200})")
_STREAMS = re.compile(r"/dev/(?:stdout|stderr|null|fd/[12]|pts/\d+|console)|/proc/(?:1|self)/fd/[12]")
_LINKED = re.compile(r"/var/log/nginx/(?:access|error)\.log")
"""The official image of nginx has links to stdout and stderr there."""


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        where = f"services.{service.name}"
        line = command_line(service, case.facts(service))
        written = next((path for process in line.processes for path in _written(process, service)), None)
        if written is not None:
            yield Place(f"{where}.{line.key}", service.name, {"path": written})
        for name, value in service.environment:
            if _VARIABLE.fullmatch(name[:200]) and _is_file(value):
                yield Place(f"{where}.environment.{name}", service.name, {"path": value})
        for path in _of_configs(case.spec, service):
            yield Place(f"{where}.configs", service.name, {"path": path})


def _written(process: Process, service: ServiceSpec) -> Iterator[str]:
    for path in process.outputs:
        if path.startswith("/var/log/") or (path.endswith(".log") and _is_file(path)):
            yield path
    for index, argument in enumerate(process.arguments):
        flag = _FLAG.fullmatch(argument[:300])
        if flag is not None:
            value = flag[1] if flag[1] is not None else process.arguments[index + 1] if index + 1 < len(process.arguments) else ""
            if _is_file(value):
                yield value
        found = _IN_TEXT.search(argument[:2000])
        if found and _is_file(found[1]) and not _is_linked(found[1], service):
            yield found[1]


def _of_configs(spec: StackSpec, service: ServiceSpec) -> Iterator[str]:
    contents = {config.name: config.content for config in spec.configs}
    for grant in service.configs:
        if "nginx" not in grant.target:
            continue
        for found in _NGINX.finditer(contents.get(grant.source, b"")[:65536]):
            path = found[1].decode(errors="replace")
            if _is_file(path) and not _is_linked(path, service):
                yield path
                break


def _is_file(path: str) -> bool:
    return path.startswith("/") and len(path) > 1 and not path.endswith("/") and not _STREAMS.fullmatch(path)


def _is_linked(path: str, service: ServiceSpec) -> bool:
    return bool(_LINKED.fullmatch(path)) and named_like(service.image, ("nginx", "nginx-unprivileged", "openresty")) is not None


RULE = Rule(
    code="log-file",
    severity=Severity.ADVISE,
    title="Logs go to stdout and stderr",
    message="The log is written to the file {path} in the container, where nobody sees it and nothing rotates it.",
    instead="Log to stdout: most programs take `/dev/stdout`, `-`, or no file at all.",
    why="""What a container writes to stdout and stderr is kept, rotated and shown by `spin logs`, with the container's name and the
        time, also after the container is gone. A file in the container grows until the disk is full, and is lost in the next
        upgrade, which is when it would be needed.""",
    example="""
        services:
          api:
            image: localhost:5000/lab/api:1.0
            command: ["gunicorn", "--access-logfile", "/var/log/access.log", "app:app"]
    """,
    fixed="""
        services:
          api:
            image: localhost:5000/lab/api:1.0
            command: ["gunicorn", "--access-logfile", "-", "app:app"]
    """,
    find=_find,
)
