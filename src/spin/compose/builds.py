"""Which images `spin build` makes, and how."""

from __future__ import annotations

from spin.compose.cursor import Cursor
from spin.compose.mappings import labels, pairs
from spin.compose.service import Target, service_image
from spin.model.names import StackName
from spin.model.submission import Build, Submission


def builds(submission: Submission, *, stack: StackName, registry_host: str, project: str) -> tuple[Build, ...]:
    """The builds of the services that have `build`, sorted by service; paths as written in the document. Raises InvalidInput."""
    target = Target(stack, registry_host, project)
    services = Cursor(submission.document, "", submission.positions).get("services")
    found = []
    for name, service in sorted(services.entries() if services else (), key=lambda pair: pair[0]):
        build = service.get("build")
        if build is not None:
            found.append(_build(name, build, service_image(name, service, target).reference))
    return tuple(found)


def _build(name: str, build: Cursor, image: str) -> Build:
    if not build.is_mapping():
        return Build(name, image, build.line())
    dockerfile, inline = _line(build, "dockerfile"), build.said("dockerfile_inline")
    if dockerfile and inline:
        inline.fail("`dockerfile` and `dockerfile_inline` exclude each other; keep one.")
    return Build(
        service=name,
        image=image,
        context=_line(build, "context") or ".",
        dockerfile=dockerfile,
        dockerfile_inline=inline.text() if inline else None,
        args=tuple(sorted(pairs(build.get("args")).items())),
        target=_line(build, "target"),
        labels=labels(build.get("labels")),
        no_cache=_flag(build, "no_cache"),
        pull=_flag(build, "pull"),
    )


def _line(build: Cursor, key: str) -> str | None:
    found = build.said(key)
    return found.line() if found else None


def _flag(build: Cursor, key: str) -> bool:
    found = build.get(key)
    return found.boolean() if found else False
