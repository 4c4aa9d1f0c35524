"""What can be found beside the rules."""

from __future__ import annotations

from spin.model.finding import Description, Severity

INVALID = Description(
    code="dockerfile-invalid",
    severity=Severity.WARN,
    title="A Dockerfile that a service is built from can be read",
    why="`spin check` looks at the Dockerfiles that `build` names. One that is not there, or is no Dockerfile, would stop `spin build`; it "
    "does not stop `spin up`, which takes the image that was pushed. The finding says what is wrong, with the line where it is known.",
    example="""
        FORM debian:13-slim
        CMD ["/usr/bin/app"]
    """,
    fixed="""
        FROM debian:13-slim
        CMD ["/usr/bin/app"]
    """,
    language="dockerfile",
)

NOTICES: tuple[Description, ...] = (INVALID,)
