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

NOTICES: tuple[Description, ...] = (INVALID_FILE, UNSET_VARIABLE, PORT_NOT_PUBLISHED)
"""All of them."""
