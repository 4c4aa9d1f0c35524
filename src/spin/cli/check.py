"""`spin check` and `spin render`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any

import typer

from spin import compose, policy, rules
from spin import dockerfile as dockerfile_rules
from spin.cli import dockerfiles as reviewed
from spin.cli import files as compose_files
from spin.cli import reports
from spin.cli.dockerfiles import Severities
from spin.cli.failures import finding_line
from spin.cli.inputs import read_text
from spin.cli.invalid import finding_of
from spin.cli.local_images import facts_here
from spin.cli.options import (
    EnvFileOption,
    EnvironmentOption,
    FileOption,
    JsonOption,
    ProfileOption,
    ProjectDirectoryOption,
    ProjectOption,
    StackOption,
)
from spin.cli.output import data, json_data, message
from spin.cli.reports import Format
from spin.cli.session import Session
from spin.errors import InvalidInput, NotSignedIn, Refused, Unavailable
from spin.kit.canonical import primitive
from spin.policy.settings import SEVERITIES
from spin.site import Site

_OF_DOCKERFILES = frozenset(rule.code for rule in dockerfile_rules.RULES)

ANY_PROJECT = "default"
"""Stands for the project in image names where nobody is signed in."""


def check(
    *,
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]", help="Compose files, or Dockerfiles; default: the Compose file here.")
    ] = None,
    files: FileOption = None,
    environment: EnvironmentOption = None,
    stack: StackOption = None,
    project: ProjectOption = None,
    env_files: EnvFileOption = None,
    project_directory: ProjectDirectoryOption = None,
    profiles: ProfileOption = None,
    form: Annotated[Format, typer.Option("--format", metavar="FORMAT", help="text, json, github or sarif.")] = Format.TEXT,
    json: JsonOption = False,
    site: Annotated[
        str | None, typer.Option("--site", metavar="FILE", help="Go by the rules of this site file; ask no platform.")
    ] = None,
    dockerfile: Annotated[
        list[str] | None, typer.Option("--dockerfile", metavar="FILE", help="A Dockerfile of another name; repeat for more.")
    ] = None,
    explain: Annotated[str | None, typer.Option("--explain", metavar="CODE", help="Print the page of a rule, and end.")] = None,
) -> None:
    """Check a Compose file against the site's rules; change nothing.

    The Dockerfiles that its services are built from are reviewed too, and a Dockerfile that is named is reviewed alone
    (`Dockerfile`, `Dockerfile.web`, `web.Dockerfile`, `Containerfile`); what is found in them stops nothing but this check,
    and that only where the site says so.

    All findings come at once. Exit status 3 if one of them refuses. Without a platform the rules of a site with
    no site file are applied here, and of the images only those that Docker has on this machine are looked at. `--format github`
    writes commands for GitHub Actions, which shows findings at the lines of a change; `--format sarif` is for code scanning and
    editors.
    """
    if explain is not None:
        data(rules.page(rules.described(explain)).rstrip("\n"))
        return
    form = Format.JSON if json else form
    named = [*(t for t in targets or () if reviewed.is_dockerfile(t)), *(dockerfile or ())]
    files = [*(files or ()), *(t for t in targets or () if not reviewed.is_dockerfile(t))] or None
    rules_of = None if site is None else rules.read_site(read_text(site), site)
    with Session(environment=environment, project=project) as session:
        try:
            if named and files is None:
                checked = Checked(", ".join(named), named[0], [], _severities(session, rules_of))
            else:
                checked = _checked(session, compose_files.Asked(files, env_files, stack, profiles, project_directory), rules_of)
            checked.findings.extend(primitive(finding) for finding in reviewed.review_named(named, checked.severities))
        except InvalidInput as error:
            found = finding_of(error)
            if form is not Format.TEXT and found is not None:
                data(reports.render([found], form, file=error.fields.get("file")))
            raise
    _tell(checked, form)


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found about a file, and where it is found when it says no place."""

    stack: str
    file: str
    findings: list[Any]
    severities: Severities
    pages: str | None = None
    """Where a browser finds the rules' pages: at the platform that was asked."""


def _tell(checked: Checked, form: Format) -> None:
    findings, stack = checked.findings, checked.stack
    refused = [f for f in findings if f["severity"] == "refuse"]
    if findings or form in (Format.JSON, Format.SARIF):
        data(reports.render(findings, form, file=checked.file, pages=checked.pages))
    if not refused and form is Format.TEXT:
        message(f"{stack}: nothing would be refused{_also(len(findings))}.")
    if refused:
        built = all(f["rule"] in _OF_DOCKERFILES for f in refused)
        what = f"{stack}: the site refuses Dockerfiles like this" if built else f"{stack} would be refused"
        message(f"spin: {what} ({len(refused)} of {len(findings)} findings).")
        raise typer.Exit(Refused.exit_status)


def render(
    *,
    files: FileOption = None,
    environment: EnvironmentOption = None,
    stack: StackOption = None,
    project: ProjectOption = None,
    env_files: EnvFileOption = None,
    project_directory: ProjectDirectoryOption = None,
    profiles: ProfileOption = None,
    json: JsonOption = False,
    as_compose: Annotated[
        bool, typer.Option("--compose", help="Print what Docker Compose makes of the files, with every key, as JSON.")
    ] = False,
) -> None:
    """Print the Compose file as Spin understands it; needs no platform.

    Merged, interpolated, normalised; `up` with the output does the same as `up` with the input. Nothing is sent anywhere.
    """
    with Session(environment=environment, project=project) as session:
        registry = session.stored_registry or Site().registry_host
        owner = session.stored_project or ANY_PROJECT
        asked = compose_files.Asked(files, env_files, stack, profiles, project_directory)
        loaded = _load(asked, registry, owner, environment or Site().environments[0].name)
    for notice in loaded.submission.notices:
        message(finding_line(primitive(notice), severity=True))
    if as_compose:
        json_data(compose.canonical(loaded.submission.document, project=loaded.stack, directory=str(loaded.directory)))
        return
    spec = compose.lower(loaded.submission, stack=loaded.stack, registry_host=registry, project=owner)
    if json:
        json_data(primitive(spec))
    else:
        data(compose.render(spec).rstrip("\n"))


def _load(asked: compose_files.Asked, registry: str, project: str, environment: str) -> compose_files.Loaded:
    added = {"SPIN_REGISTRY": registry, "SPIN_PROJECT": project, "SPIN_ENVIRONMENT": environment}
    return compose_files.load(asked, added)


def _severities(session: Session, site: Site | None) -> Severities:
    """The site file's that was named, else the platform's, where somebody is signed in. Asked for once, when there is a Dockerfile."""

    @cache
    def found() -> Mapping[str, str]:
        if site is not None:
            return rules.severities_on(site)
        if not session.token:
            return {}
        try:
            views = session.client.rules()
        except (Unavailable, NotSignedIn) as error:
            message(f"{error.message}\nDockerfiles are reviewed by the default rules instead.")
            return {}
        return {rule["code"]: rule["severity"] for rule in views if rule["severity"] in SEVERITIES}

    return found


def _checked(session: Session, asked: compose_files.Asked, site: Site | None) -> Checked:
    """The platform's findings; with a site file, or where there is no platform to ask, those that can be had here."""
    if site is not None:
        ground = policy.Ground(environment=session.stored_environment or site.environments[0].name)
        return _checked_here(session, asked, site, ground, registry=site.registry_host)
    try:
        registry, owner, environment = session.registry, session.project, session.environment
    except (Unavailable, NotSignedIn) as error:
        message(f"{error.message}\nChecked here by the default rules instead; images were not looked up in a registry.")
        site = Site()
        registry = session.stored_registry or site.registry_host
        return _checked_here(session, asked, site, policy.Ground(platform=False), registry=registry)
    loaded = _load(asked, registry, owner, environment)
    target = session.client.stack(owner, environment, loaded.stack)
    findings = target.check(loaded.json)["findings"]
    severities = _severities(session, None)
    return Checked(
        loaded.stack, loaded.file, [*findings, *_built(loaded, severities, registry, owner)], severities, f"{session.url}/rules"
    )


def _checked_here(
    session: Session,
    asked: compose_files.Asked,
    site: Site,
    ground: policy.Ground,
    *,
    registry: str,
) -> Checked:
    owner = session.stored_project or ANY_PROJECT
    loaded = _load(asked, registry, owner, session.stored_environment or site.environments[0].name)
    spec = compose.lower(loaded.submission, stack=loaded.stack, registry_host=registry, project=owner)
    known = policy.Known(images=facts_here(spec), now=datetime.now(UTC))
    positions = loaded.submission.positions
    engine = policy.audit_engine(spec, site, positions, service_addresses=site.service_addresses)
    found = (*loaded.submission.notices, *policy.audit(loaded.submission, spec, site, known, ground), *engine)
    severities = _severities(session, site)
    findings = [*map(primitive, found), *_built(loaded, severities, registry, owner)]
    return Checked(loaded.stack, loaded.file, findings, severities)


def _built(loaded: compose_files.Loaded, severities: Severities, registry: str, project: str) -> list[Any]:
    """What is found in the Dockerfiles of services. They are on this machine only, so no platform is asked."""
    return [primitive(finding) for finding in reviewed.review_builds(loaded, severities, registry=registry, project=project)]


def _also(count: int) -> str:
    return "" if not count else f"; {count} finding{'' if count == 1 else 's'} to read"
