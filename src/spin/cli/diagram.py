"""`spin diagram`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from spin import compose
from spin.cli import files as compose_files
from spin.cli.options import (
    EnvFileOption,
    EnvironmentOption,
    FileOption,
    ProfileOption,
    ProjectDirectoryOption,
    ProjectOption,
    StackOption,
)
from spin.cli.output import data, message
from spin.cli.refs import parse_ref
from spin.cli.session import Session
from spin.diagram import Picture, Surroundings, mermaid, picture, svg, text
from spin.errors import Failed, InvalidInput, NotSignedIn, Unavailable
from spin.kit.canonical import primitive
from spin.model.names import StackName
from spin.model.stack import StackSpec
from spin.site import PortClass, Site

_FORMS: dict[str, Callable[[Picture], str]] = {
    "text": text,
    "mermaid": mermaid,
    "svg": svg,
    "json": lambda drawn: json.dumps(primitive(drawn), indent=2, ensure_ascii=False) + "\n",
}
_ENDINGS = {".txt": "text", ".mmd": "mermaid", ".mermaid": "mermaid", ".svg": "svg", ".json": "json"}
_ANY_PROJECT = "default"
"""Stands for the project in image names where nobody is signed in."""


def diagram(
    *,
    target: Annotated[
        str | None, typer.Argument(metavar="[STACK|FILE]", help="What runs, or a Compose file. Default: the file here.")
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="FORM", help="text, mermaid, svg or json; default: as -o ends, else text.")
    ] = None,
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", help="Write there, not to stdout.")] = None,
    files: FileOption = None,
    environment: EnvironmentOption = None,
    stack: StackOption = None,
    project: ProjectOption = None,
    env_files: EnvFileOption = None,
    project_directory: ProjectDirectoryOption = None,
    profiles: ProfileOption = None,
) -> None:
    """Draw a stack, with the list of its public and private ports.

    A name is a stack of the platform; what is there as a file, or has a slash or ends in .yaml or .yml, is a Compose file. Services
    with their replicas, networks, volumes, secrets and configs, host names, and who reaches which port. Secrets' values are not in it.
    """
    chosen = _form(form, output)
    if target is not None and files:
        raise typer.BadParameter(f"{target} and -f exclude each other.")
    with Session(environment=environment, project=project) as session:
        if target is not None and not _is_file(target):
            drawn = _running(session, target)
        else:
            asked = compose_files.Asked(files if target is None else [target], env_files, stack, profiles, project_directory)
            drawn = _described(session, asked, environment)
    written = _FORMS[chosen](drawn)
    if output is None:
        data(written.rstrip("\n"))
        return
    try:
        Path(output).write_text(written, encoding="utf-8")
    except OSError as error:
        raise Failed(f"{output} cannot be written: {error.strerror}.") from None
    data(output)


def _form(form: str | None, output: str | None) -> str:
    """The form that is asked for, else what the file's name ends in. Raises a usage error."""
    if form is None and output is not None:
        form = _ENDINGS.get(Path(output).suffix.lower())
        if form is None:
            raise typer.BadParameter(f"-o {output}: say --format, or end it in {', '.join(_ENDINGS)}.")
    if form not in {None, *_FORMS}:
        raise typer.BadParameter(f"--format {form}: one of {', '.join(_FORMS)}.")
    return form or "text"


def _is_file(target: str) -> bool:
    return target == "-" or "/" in target or target.lower().endswith((".yaml", ".yml")) or Path(target).is_file()


def _running(session: Session, target: str) -> Picture:
    """What the platform is asked to run under that name."""
    name = parse_ref(target, depth=1).stack
    exported = session.client.stack(session.project, session.environment, name).export()
    submission = compose.load([("compose.yaml", exported["files"]["compose.yaml"])], {}, _nothing, dotenv=None)
    spec = compose.lower(submission, stack=StackName(name), registry_host=session.registry, project=session.project)
    return picture(_without_digests(spec), _around(session, name, session.environment))


def _nothing(path: str) -> bytes:
    raise InvalidInput(f"The platform's file of this stack names another file, {path!r}; that does not belong into it.")


def _without_digests(spec: StackSpec) -> StackSpec:
    """Tags say more in a picture; what is pinned to which digest is in `spin ps`."""
    named = [replace(s, image=replace(s.image, reference=s.image.reference.partition("@")[0])) for s in spec.services]
    return replace(spec, services=tuple(named))


def _described(session: Session, asked: compose_files.Asked, environment: str | None) -> Picture:
    """What a Compose file describes, in the site's terms where a platform answers, else in those of a site with no site file."""
    site = Site()
    try:
        where = session.environment
        registry = session.registry
    except Unavailable as error:
        message(f"{error.message}\nDrawn with the default host names and classes of ports instead.")
        where, registry, known = environment or site.environments[0].name, session.stored_registry or site.registry_host, False
    else:
        known = True
    owner = (_project(session) if known else session.stored_project) or _ANY_PROJECT
    added = {"SPIN_REGISTRY": registry, "SPIN_PROJECT": owner, "SPIN_ENVIRONMENT": where}
    loaded = compose_files.load(asked, added)
    spec = compose.lower(loaded.submission, stack=loaded.stack, registry_host=registry, project=owner)
    around = _around(session, loaded.stack, where) if known else Surroundings.of_site(loaded.stack, where, site)
    return picture(_without_digests(spec), around)


def _project(session: Session) -> str | None:
    """The project in whose name images are drawn; a picture needs no choice among several, and no sign-in."""
    try:
        return session.project
    except (InvalidInput, NotSignedIn):
        return None


def _around(session: Session, stack: str, environment: str) -> Surroundings:
    site = session.site
    classes = tuple(PortClass(c["name"], c["reach"], tuple(c["ports"])) for c in site.get("port_classes", ()))
    return Surroundings(stack, environment, site["domain"], site["edge_port"], classes)
