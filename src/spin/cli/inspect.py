"""`spin inspect`: everything that is known of one thing, as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from spin.cli.options import EnvironmentOption, FormatOption, JsonOption, ProjectOption
from spin.cli.output import for_programs
from spin.cli.refs import parse_ref
from spin.cli.session import Session
from spin.cli.stack import service_of
from spin.errors import InvalidInput, NotFound


class Kind(StrEnum):
    """What can be inspected."""

    stack = "stack"
    revision = "revision"
    secret = "secret"  # noqa: S105 - the word
    volume = "volume"
    project = "project"
    environment = "environment"
    key = "key"
    user = "user"


def inspect(
    *,
    target: Annotated[str, typer.Argument(metavar="NAME", help="STACK[/SERVICE[/N]], STACK/REVISION, or a name of the --type.")],
    kind: Annotated[Kind, typer.Option("--type", metavar="TYPE", help=f"One of {', '.join(Kind)}.")] = Kind.stack,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
    _json: JsonOption = True,
    template: FormatOption = None,
) -> None:
    """Print everything known of a stack, or of another thing, as JSON.

    `spin inspect shop`, `shop/web` and `shop/web/1` are a stack, a service, a container. The form of each is in the reference of
    JSON. A secret's value is not in it.
    """
    with Session(environment=environment, project=project) as session:
        session.require_sign_in()
        found = _LOOK[kind](session, target)
    for_programs(found, json=template is None, template=template)


def _stack(session: Session, target: str) -> Mapping[str, Any]:
    ref = parse_ref(target)
    view = session.client.stack(session.project, session.environment, ref.stack).view()
    if ref.service is None:
        return view
    service = service_of(view, ref.service)
    containers = [c for c in view["containers"] if c["service"] == ref.service]
    if ref.slot is None:
        return {"stack": ref.stack, **service, "containers": containers}
    mine = [c for c in containers if c["slot"] == ref.slot]
    newest = sorted(mine, key=lambda c: (c["current"], c["since"]))
    if not newest:
        there = ", ".join(str(n) for n in sorted({c["slot"] for c in containers})) or "none"
        raise NotFound(f"{ref.stack}/{ref.service} has no container {ref.slot}. It has: {there}.")
    return {"stack": ref.stack, **newest[-1]}


def _revision(session: Session, target: str) -> Mapping[str, Any]:
    stack, _, number = target.partition("/")
    if not stack or not number.isdecimal():
        raise InvalidInput(f"{target!r} does not name a revision; write STACK/NUMBER, such as shop/3.")
    revisions = session.client.stack(session.project, session.environment, stack).revisions(last=1000)
    return _one(revisions, "number", int(number), f"{stack} has no revision {number}")


def _secret(session: Session, target: str) -> Mapping[str, Any]:
    secrets = session.client.secrets(session.project, session.environment)
    return _one(secrets, "name", target, f"There is no secret {target!r} in {session.environment}")


def _volume(session: Session, target: str) -> Mapping[str, Any]:
    stack, _, name = target.partition("/")
    if not name:
        raise InvalidInput(f"{target!r} does not name a volume; write STACK/VOLUME, such as shop/data.")
    volumes = [v for v in session.client.volumes(session.project) if v["environment"] == session.environment]
    mine = [v for v in volumes if v["stack"] == stack]
    return _one(mine, "name", name, f"{stack} has no volume {name!r} in {session.environment}")


def _project(session: Session, target: str) -> Mapping[str, Any]:
    found = _one(session.client.projects(), "name", target, f"There is no project {target!r}, or you are not a member of it")
    return {**found, "members": session.client.members(target), "accounts": session.client.accounts(target)}


def _environment(session: Session, target: str) -> Mapping[str, Any]:
    return _one(session.client.environments(), "name", target, f"There is no environment {target!r}")


def _key(session: Session, target: str) -> Mapping[str, Any]:
    return _one(session.client.keys(), "id", target, f"You have no API key {target!r}")


def _user(session: Session, target: str) -> Mapping[str, Any]:
    return _one(session.client.users(), "name", target, f"There is no user {target!r}")


def _one(things: Iterable[Any], key: str, wanted: object, missing: str) -> Mapping[str, Any]:
    """The thing whose `key` is `wanted`. Raises NotFound, naming some of those there are."""
    there = list(things)
    for thing in there:
        if thing[key] == wanted:
            return dict(thing)
    known = ", ".join(str(thing[key]) for thing in there[:10])
    raise NotFound(f"{missing}. There are: {known}." if known else f"{missing}.")


_LOOK: Mapping[Kind, Callable[[Session, str], Mapping[str, Any]]] = {
    Kind.stack: _stack,
    Kind.revision: _revision,
    Kind.secret: _secret,
    Kind.volume: _volume,
    Kind.project: _project,
    Kind.environment: _environment,
    Kind.key: _key,
    Kind.user: _user,
}
