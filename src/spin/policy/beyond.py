"""Findings that need more than the document: what registries, the store and the engine say at admission. Described here, where the
command line and the documentation see them too; found in `spin.usecases`.
"""

from __future__ import annotations

from spin.model.finding import Description, Severity

IMAGE_MISSING = Description(
    code="image-missing",
    severity=Severity.REFUSE,
    title="Every image is there before anything is changed",
    why="""On the original platform a stack whose image was missing hung in `activating` for ever, with no reason shown. Here the registry
        is asked first, and the image's digest is written into the revision. An image of a project that you may not read is answered
        like one that is not there.""",
    example="""
        services:
          web:
            image: nginx:1.27-typo
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
    """,
)

SECRET_MISSING = Description(
    code="secret-missing",
    severity=Severity.REFUSE,
    title="Every secret is in the environment before anything is changed",
    why="""A secret belongs to an environment, so that a copy in production has a password of its own; an external one has to be created
        there first. A container that starts without its password fails in ways that say nothing of the reason. A rollback needs
        the versions that the earlier revision had.""",
    example="""
        services:
          db:
            image: postgres:16
            secrets: [password]
        secrets:
          password: {external: true}
    """,
    fixed="""
        services:
          db:
            image: postgres:16
            secrets: [password]
        secrets:
          password: {file: ./password.txt}
    """,
)

PORT_TAKEN = Description(
    code="port-taken",
    severity=Severity.REFUSE,
    title="A published port is free",
    why="""A port of the host leads to one container. It may be held by another stack, by something outside of Spin, or by the revision
        to which an unconfirmed upgrade of another stack may still go back. Another project's stack is not named.""",
    example="""
        services:
          db:
            image: postgres:16
            ports: ["5432:5432"]
    """,
    fixed="""
        services:
          db:
            image: postgres:16
            ports: ["55000:5432"]
    """,
)

PORTS_OF_ENGINE = Description(
    code="ports-of-engine",
    severity=Severity.REFUSE,
    title="The engine of the environment can publish ports",
    why="""Not every engine has ports of a host to give away. Where it has none the stack would run and nobody could reach it; HTTP
        goes through the edge on every engine.""",
    example="""
        services:
          web:
            image: nginx:1.27
            ports: ["8080:80"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            x-spin: {http: 80}
    """,
)

HOST_TAKEN = Description(
    code="host-taken",
    severity=Severity.REFUSE,
    title="An own host name belongs to one stack of the site",
    why="""The edge leads a host name to one service. Whoever has a name keeps it until they give it up, also while their stack is
        stopped, so that nobody takes another's visitors by being quicker.""",
    example="""
        services:
          web:
            image: nginx:1.27
            x-spin:
              http: 80
              hosts: [data.example.org]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            x-spin:
              http: 80
              hosts: [data-2.example.org]
    """,
)

ENGINE_UNREACHABLE = Description(
    code="engine-unreachable",
    severity=Severity.WARN,
    title="The engine answered when it was asked",
    why="""`spin check` asks the engine of the environment whether the published ports are free. When it does not answer, the document is
        judged without it; `spin up` would change nothing until the engine is back. Nothing in the file is wrong.""",
    example="""
        services:
          web:
            image: nginx:1.27
            ports: ["8080:80"]
    """,
    fixed="""
        services:
          web:
            image: nginx:1.27
            ports: ["8080:80"]
    """,
)

BEYOND: tuple[Description, ...] = (
    IMAGE_MISSING,
    SECRET_MISSING,
    PORT_TAKEN,
    PORTS_OF_ENGINE,
    HOST_TAKEN,
    ENGINE_UNREACHABLE,
)
"""All of them."""
