"""One concern a container (DOMAIN: container manners)."""

from __future__ import annotations

from collections.abc import Iterator

from spin.model.finding import Severity
from spin.model.image import ImageFacts
from spin.policy.case import Case, Place, Rule
from spin.policy.foreign_service import kind_of
from spin.policy.programs import CommandLine, command_line

SERVERS = frozenset(
    {
        *(
            "nginx",
            "httpd",
            "apache2",
            "apache2-foreground",
            "apachectl",
            "apache2ctl",
            "caddy",
            "lighttpd",
            "haproxy",
            "traefik",
        ),
        *("mysqld", "mysqld_safe", "mariadbd", "postgres", "mongod", "redis-server", "valkey-server", "memcached", "influxd"),
        *("php-fpm", "gunicorn", "uwsgi", "uvicorn", "hypercorn", "daphne", "waitress-serve", "puma", "unicorn", "flask"),
        *("rabbitmq-server", "celery", "rq", "sidekiq", "apache2", "mysql", "mariadb", "postgresql", "mongodb", "elasticsearch"),
        *("jupyter", "jupyterhub", "rserver", "shiny-server", "catalina.sh", "node_exporter"),
    }
)
"""Programs that serve by themselves, by the names with which they are started (also as services: `service mysql start`)."""
_KINDS = {
    "a web server": {80, 443, 3000, 8000, 8080, 8443},
    "a database": {1433, 1521, 3306, 5432, 27017},
    "a key-value store": {6379, 11211},
    "a mail server": {25, 143, 465, 587, 993},
}
"""Ports that say what listens there."""


def _find(case: Case) -> Iterator[Place]:
    for service in case.spec.services:
        image = case.facts(service)
        line = command_line(service, image)
        if any(kind_of(process, line.words) for process in line.processes):
            continue  # foreign-service says it
        programs = _servers(line)
        if len(programs) > 1:
            what = f"starts {' and '.join(f'`{p}`' for p in programs)}"
            yield Place(f"services.{service.name}.{line.key}", service.name, {"what": what})
        elif image is not None and len(kinds := _exposed(image)) > 1:
            yield Place(f"services.{service.name}.image", service.name, {"what": f"has {' and '.join(kinds)} in it by its ports"})


def _servers(line: CommandLine) -> list[str]:
    """The servers, and whatever else is started in the background beside the main process."""
    found = [p.program for p in line.processes if p.program in SERVERS]
    beside = [p.program for p in line.processes[:-1] if p.background and not p.managed and p.program not in SERVERS]
    main = line.main
    if beside and main is not None and main.program not in (*SERVERS, "wait"):
        beside.append(main.program)
    return list(dict.fromkeys((*found, *beside)))[:4]


def _exposed(image: ImageFacts) -> list[str]:
    """Kinds of servers that the image says it listens as. Two of the web and nothing else are one."""
    return [kind for kind, ports in _KINDS.items() if ports.intersection(image.exposed)]


RULE = Rule(
    code="several-concerns",
    severity=Severity.ADVISE,
    title="One concern a container",
    message="One container {what}: several concerns in one.",
    instead="Make each a service of its own; in the stack they reach each other by their names.",
    why="""Programs in one container are upgraded, limited, scaled and healed together: a database restarts because the web server has a new
        version, and when one of them dies nothing notices. As services of one stack they have their own logs, limits
        and health, and still start with one `spin up`.""",
    example="""
        services:
          app:
            image: localhost:5000/lab/app:1.0
            command: ["sh", "-c", "redis-server & exec gunicorn app:app"]
    """,
    fixed="""
        services:
          app:
            image: localhost:5000/lab/app:1.0
            command: ["gunicorn", "app:app"]
            environment: {REDIS_HOST: kv}
          kv:
            image: redis:7
    """,
    find=_find,
)
