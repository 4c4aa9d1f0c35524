"""`spin check` and `spin render`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from spin import compose, policy
from spin.cli import files as compose_files
from spin.cli import rules
from spin.cli.failures import finding_line, in_order
from spin.cli.options import EnvFileOption, EnvironmentOption, FileOption, JsonOption, ProjectOption, StackOption
from spin.cli.output import data, json_data, message
from spin.cli.session import Session
from spin.errors import NotSignedIn, Refused, Unavailable
from spin.kit.canonical import primitive
from spin.site import Site

ANY_PROJECT = "default"
"""Stands for the project in image names where nobody is signed in."""


def check(
    *,
    files: FileOption = None,
    environment: EnvironmentOption = None,
    stack: StackOption = None,
    project: ProjectOption = None,
    env_files: EnvFileOption = None,
    json: JsonOption = False,
    explain: Annotated[str | None, typer.Option("--explain", metavar="CODE", help="Print the page of a rule, and end.")] = None,
) -> None:
    """Check a Compose file against the site's rules; change nothing.

    All findings come at once. Exit status 3 if one of them would stop `spin up`. Without a platform the rules of a site with
    no site file are applied here, and images are not looked up.
    """
    if explain is not None:
        data(rules.page(rules.described(explain)).rstrip("\n"))
        return
    with Session(environment=environment, project=project) as session:
        loaded, findings = _findings(session, files, env_files, stack)
    refused = [f for f in findings if f["severity"] == "refuse"]
    if json:
        json_data({"findings": findings, "ok": not refused})
    else:
        for finding in in_order(findings):
            data(finding_line(finding, severity=True))
        if not refused:
            message(f"{loaded.stack}: nothing would be refused{_also(len(findings))}.")
    if refused:
        message(f"spin: {loaded.stack} would be refused ({len(refused)} of {len(findings)} findings).")
        raise typer.Exit(Refused.exit_status)


def render(
    *,
    files: FileOption = None,
    environment: EnvironmentOption = None,
    stack: StackOption = None,
    project: ProjectOption = None,
    env_files: EnvFileOption = None,
    json: JsonOption = False,
) -> None:
    """Print the Compose file as Spin understands it; needs no platform.

    Merged, interpolated, normalised; `up` with the output does the same as `up` with the input. Nothing is sent anywhere.
    """
    with Session(environment=environment, project=project) as session:
        registry = session.stored_registry or Site().registry_host
        owner = session.stored_project or ANY_PROJECT
        loaded = _load(files, env_files, stack, registry, owner, environment or Site().environments[0].name)
    for notice in loaded.submission.notices:
        message(finding_line(primitive(notice), severity=True))
    spec = compose.lower(loaded.submission, stack=loaded.stack, registry_host=registry, project=owner)
    if json:
        json_data(primitive(spec))
    else:
        data(compose.render(spec).rstrip("\n"))


def _load(
    names: list[str] | None, env_files: list[str] | None, stack: str | None, registry: str, project: str, environment: str
) -> compose_files.Loaded:
    added = {"SPIN_REGISTRY": registry, "SPIN_PROJECT": project, "SPIN_ENVIRONMENT": environment}
    return compose_files.load(names, env_files, stack, added)


def _findings(
    session: Session, names: list[str] | None, env_files: list[str] | None, stack: str | None
) -> tuple[compose_files.Loaded, list[Any]]:
    """The platform's findings; where there is none to ask, those of a default site."""
    try:
        registry, owner, environment = session.registry, session.project, session.environment
    except (Unavailable, NotSignedIn) as error:
        message(f"{error.message}\nChecked here by the default rules instead; images were not looked up.")
    else:
        loaded = _load(names, env_files, stack, registry, owner, environment)
        target = session.client.stack(owner, environment, loaded.stack)
        return loaded, list(target.check(loaded.json)["findings"])
    site = Site()
    registry = session.stored_registry or site.registry_host
    owner = session.stored_project or ANY_PROJECT
    loaded = _load(names, env_files, stack, registry, owner, site.environments[0].name)
    spec = compose.lower(loaded.submission, stack=loaded.stack, registry_host=registry, project=owner)
    found = (*loaded.submission.notices, *policy.audit(loaded.submission, spec, site))
    return loaded, [primitive(finding) for finding in found]


def _also(count: int) -> str:
    return "" if not count else f"; {count} finding{'' if count == 1 else 's'} to read"
