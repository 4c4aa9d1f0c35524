"""`spin build` and `spin push`."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from spin import compose
from spin.cli import docker
from spin.cli import files as compose_files
from spin.cli.options import EnvFileOption, FileOption, ProfileOption, ProjectDirectoryOption, ProjectOption, StackOption
from spin.cli.output import data, message
from spin.cli.session import Session
from spin.errors import Failed, InvalidInput, NotFound, Unavailable
from spin.model.stack import Image
from spin.model.submission import Build

ServicesArgument: TypeAlias = Annotated[list[str] | None, typer.Argument(metavar="SERVICE", help="Only these services.")]


def build(
    *,
    services: ServicesArgument = None,
    files: FileOption = None,
    stack: StackOption = None,
    project: ProjectOption = None,
    env_files: EnvFileOption = None,
    project_directory: ProjectDirectoryOption = None,
    profiles: ProfileOption = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Build every step anew.")] = False,
    pull: Annotated[bool, typer.Option("--pull", help="Fetch newer base images.")] = False,
) -> None:
    """Build the images of services with `build:` on this machine.

    Uses the `docker` command. The images get the names under which the site's registry keeps them; `spin push` sends them there.
    Prints each image's name.
    """
    with Session(project=project) as session:
        loaded, builds = _builds(session, services, compose_files.Asked(files, env_files, stack, profiles, project_directory))
    for wanted in builds:
        message(f"[{wanted.service}] building {wanted.image}")
        arguments = docker.build_arguments(wanted, loaded.directory)
        arguments[1:1] = [*(["--no-cache"] if no_cache else []), *(["--pull"] if pull else [])]
        if docker.run(arguments, text=wanted.dockerfile_inline) != 0:
            raise Failed(f"Building {wanted.service} failed; docker's output above says why.")
    for wanted in builds:
        data(wanted.image)


def push(
    *,
    services: ServicesArgument = None,
    files: FileOption = None,
    stack: StackOption = None,
    project: ProjectOption = None,
    env_files: EnvFileOption = None,
    project_directory: ProjectDirectoryOption = None,
    profiles: ProfileOption = None,
) -> None:
    """Push built images to the site's registry.

    Uses the `docker` command, signed in by your API key for as long as it runs; no `docker login` is needed. Only images of
    services with `build:` are pushed. Prints each image with its digest.
    """
    with Session(project=project) as session:
        session.require_sign_in()
        _, builds = _builds(session, services, compose_files.Asked(files, env_files, stack, profiles, project_directory))
        missing = [b.service for b in builds if docker.inspect_image(b.image) is None]
        if missing:
            raise NotFound(f"Not built here yet: {', '.join(missing)}. Run `spin build` first.")
        user, key = session.client.whoami()["user"], session.token or ""
        registry = session.registry
    with docker.signed_in(registry, user, key) as environment:
        for wanted in builds:
            message(f"[{wanted.service}] pushing {wanted.image}")
            if docker.run(["push", wanted.image], environment=environment) != 0:
                raise Failed(f"Pushing {wanted.image} failed; docker's output above says why.")
    for wanted in builds:
        digest = docker.pushed_digest(docker.inspect_image(wanted.image) or {}, Image(wanted.image).repository)
        data(f"{wanted.image}@{digest}" if digest else wanted.image)


def _builds(
    session: Session, services: list[str] | None, asked: compose_files.Asked
) -> tuple[compose_files.Loaded, tuple[Build, ...]]:
    """What is to be built, under which names. Raises InvalidInput for a service that is not built."""
    registry = _registry(session)
    owner = session.stored_project or session.project
    loaded = compose_files.load(asked, {"SPIN_REGISTRY": registry, "SPIN_PROJECT": owner})
    builds = compose.builds(loaded.submission, stack=loaded.stack, registry_host=registry, project=owner)
    known = [b.service for b in builds]
    unknown = [s for s in services or () if s not in known]
    if unknown:
        raise InvalidInput(
            f"Not built from this file: {', '.join(unknown)}. Services with `build:` are: {', '.join(known) or 'none'}."
        )
    if not builds:
        message("No service in this file has `build:`; there is nothing to do.")
    return loaded, tuple(b for b in builds if not services or b.service in services)


def _registry(session: Session) -> str:
    """The registry's host: the platform's word, or what it was at the last sign-in, so that building works without it."""
    try:
        return session.registry
    except Unavailable:
        if session.stored_registry is None:
            raise
        return session.stored_registry
