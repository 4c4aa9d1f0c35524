"""What loading a file finds: wrong in itself, or right and probably not what was meant."""

from __future__ import annotations

from spin.model.finding import Description, Severity

INVALID_FILE = Description(
    code="invalid-file",
    severity=Severity.REFUSE,
    title="The file is a Compose file",
    why="""What cannot be read cannot be judged: text that is not YAML, a value of the wrong type, a volume that is not declared, services
        that wait for each other. The message gives line and column; the first such mistake is told, and the rules are
        looked at when there is none.""",
    example="""
        services:
          web:
            image: nginx:1.27
            ports: [eighty]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            ports: ["8080:80"]
    """,
)

UNSET_VARIABLE = Description(
    code="unset-variable",
    severity=Severity.WARN,
    title="Every variable that the file uses is set",
    why="""Docker Compose takes a variable that is not set as blank, and so does Spin. Mostly it was forgotten: a tag, a password or a host
        name is empty, and the container says so much later. A default in the file says that blank is meant.""",
    example="""
        services:
          web:
            image: nginx:1.27
            environment: {GREETING: "${GREETING}"}
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            environment: {GREETING: "${GREETING:-}"}
    """,
)

PORT_NOT_PUBLISHED = Description(
    code="port-not-published",
    severity=Severity.WARN,
    title="A published port has a number outside",
    why="""Docker publishes a port without a number of the host at random, another one at each start. On a platform nobody could
        find it, and the site's classes of ports would mean nothing. So it is open to the stack's other services, and not
        published.""",
    example="""
        services:
          web:
            image: nginx:1.27
            ports: ["80"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            x-spin: {http: 80}
    """,
)

FILE_AS_CONFIG = Description(
    code="file-as-config",
    severity=Severity.WARN,
    title="A file that is mounted from the project's directory travels along",
    why="""A container of a platform does not run on the machine where the Compose file lies, so there is nothing to bind. A regular file of
        at most 1 MiB inside the project's directory is sent along instead and becomes a config: a copy, read-only, as it was
        when the file was loaded. Most such binds are configuration, for which that is the same; a config says that it is meant.""",
    example="""
        services:
          web:
            image: nginx:1.27
            volumes: ["./site.conf:/etc/nginx/conf.d/default.conf"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            configs: [{source: site, target: /etc/nginx/conf.d/default.conf}]
        configs:
          site: {file: ./site.conf}
    """,
)

BIND_LEFT = Description(
    code="bind-left",
    severity=Severity.WARN,
    title="What is mounted from the user's machine can travel along",
    why="""A directory, a large file, a device or a path outside of the project does not travel along with a Compose file, and the host of
        a platform has nothing at that place. The mount stays as it is written and the rule `host-path` refuses it; this
        finding says what lies there and what to write for that.""",
    example="""
        services:
          web:
            image: nginx:1.27
            volumes: ["./pages:/usr/share/nginx/html"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            volumes: ["pages:/usr/share/nginx/html"]
        volumes:
          pages:
    """,
)

RANCHER_KEY = Description(
    code="rancher-key",
    severity=Severity.WARN,
    title="What rancher-compose.yml says has an effect",
    why="""On the original platform a second file, `rancher-compose.yml`, lay beside the Compose file. Spin reads it there and goes by
        `scale`, `health_check`, `retain_ip` and `start_on_create` of each service. Everything else in it was for parts of the
        original that do not exist here, such as load balancers made of containers, and is told rather than lost in silence.""",
    example="""
        # beside it a rancher-compose.yml: {version: "2", services: {web: {scale: 2, upgrade_strategy: {batch_size: 1}}}}
        services:
          web:
            image: nginx:1.27
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            deploy: {replicas: 2, update_config: {parallelism: 1}}
    """,
)

NOTICES: tuple[Description, ...] = (
    INVALID_FILE,
    UNSET_VARIABLE,
    PORT_NOT_PUBLISHED,
    FILE_AS_CONFIG,
    BIND_LEFT,
    RANCHER_KEY,
)
"""All of them."""
