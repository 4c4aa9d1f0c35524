"""The Dockerfiles that `spin check` looks at: those that are named, and those from which services are built. Read here, judged by
`spin.dockerfile`; nothing is sent anywhere.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path, PurePath
from typing import TypeAlias

from spin import compose, dockerfile
from spin.cli import docker
from spin.cli.files import Loaded
from spin.cli.inputs import read_text
from spin.cli.output import now
from spin.dockerfile.parse import MOST_BYTES
from spin.errors import Failed, InvalidInput
from spin.model.finding import Finding
from spin.model.submission import Build, locate

_NAMES = ("dockerfile", "containerfile")
_MOST_BASES = 10
"""Base images that the local engine is asked for."""
_LONGEST_NAME = 512
"""Of a base image: a registry's host, a repository of 255 characters, a tag of 128 and a digest."""
_PATIENCE = 5.0
"""Seconds for each of these questions; what is not answered is not known."""
Severities: TypeAlias = Callable[[], Mapping[str, str]]
"""Tells how severe the site has rules about Dockerfiles, by code; one that it does not name is as severe as it comes."""
_POSITION = re.compile(r"(?P<file>.+?):(?P<line>[0-9]{1,7})(?::[0-9]{1,7})?")


def is_dockerfile(name: str) -> bool:
    """Its name is that of a Dockerfile: `Dockerfile`, `Dockerfile.web`, `web.Dockerfile`, `Containerfile`, …"""
    file = PurePath(name).name.lower()
    if file.endswith(".dockerignore"):
        return False
    return file in _NAMES or file.startswith(tuple(f"{n}." for n in _NAMES)) or file.endswith(tuple(f".{n}" for n in _NAMES))


def review_named(names: Sequence[str], severities: Severities) -> list[Finding]:
    """The findings in Dockerfiles that were named on the command line. Raises InvalidInput for one that is none."""
    found: list[Finding] = []
    for name in names:
        file = dockerfile.parse(read_text(name), "stdin" if name == "-" else name)
        case = _case(file, ignores=name != "-" and _ignores(Path(name), Path(name).parent))
        found += dockerfile.review(case, severities=severities())
    return found


def review_builds(loaded: Loaded, severities: Severities, *, registry: str, project: str) -> list[Finding]:
    """The findings in the Dockerfiles that `build` names. One that cannot be read is a finding too; contexts elsewhere are left out."""
    found: dict[tuple[str, str, str | None], Finding] = {}
    for build in compose.builds(loaded.submission, stack=loaded.stack, registry_host=registry, project=project):
        if docker.is_remote(build.context) or (build.dockerfile and docker.is_remote(build.dockerfile)):
            continue
        for finding in _review_build(loaded, build, severities):
            found.setdefault((finding.rule, finding.message, finding.position), finding)  # two services may share a file
    return list(found.values())


def _review_build(loaded: Loaded, build: Build, severities: Severities) -> Iterable[Finding]:
    key = f"services.{build.service}.build"
    place = locate(loaded.submission.positions, f"{key}.dockerfile_inline" if build.dockerfile_inline else key)
    context = loaded.directory / docker.expanded(build.context)
    path = context / (build.dockerfile or "Dockerfile")
    shown = "dockerfile_inline" if build.dockerfile_inline is not None else os.path.relpath(path)
    arguments = {name: os.environ.get(name, "") if value is None else value for name, value in build.args}
    try:
        text = build.dockerfile_inline if build.dockerfile_inline is not None else _text(path, shown)
        file = dockerfile.parse(text, shown, arguments={n: v for n, v in arguments.items() if v}, target=build.target)
    except InvalidInput as error:
        return [dockerfile.INVALID.finding(error.message, service=build.service, key=key, position=place)]
    case = _case(file, ignores=_ignores(path, context), healthcheck=_has_healthcheck(loaded, build.service))
    found = dockerfile.review(case, build.service, severities())
    return found if build.dockerfile_inline is None else [_in_compose_file(finding, place) for finding in found]


def _text(path: Path, shown: str) -> str:
    """A Dockerfile that a Compose file names: an ordinary file of the size of one. Raises InvalidInput."""
    try:
        if path.exists() and not path.is_file():
            raise InvalidInput(f"{shown} is not a file.")
        with path.open("rb") as file:
            return file.read(4 * MOST_BYTES + 1).decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"{shown} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{shown} is not a text in UTF-8.") from None
    except ValueError:
        raise InvalidInput(f"{shown} cannot be the name of a file.") from None


def _in_compose_file(finding: Finding, place: str | None) -> Finding:
    """A finding in an inline Dockerfile, whose first line stands below its key."""
    match = _POSITION.fullmatch(place or "")
    if match is None:
        return replace(finding, position=None)
    line = int((finding.position or "0").rpartition(":")[2])
    return replace(finding, position=f"{match['file']}:{int(match['line']) + line}")


def _ignores(path: Path, context: Path) -> bool:
    try:
        return (context / ".dockerignore").is_file() or path.with_name(path.name + ".dockerignore").is_file()
    except (OSError, ValueError):  # a name that is too long, or none
        return False


def _has_healthcheck(loaded: Loaded, service: str) -> bool:
    services = loaded.submission.document.get("services")
    given = services.get(service) if isinstance(services, Mapping) else None
    return isinstance(given, Mapping) and bool(given.get("healthcheck"))


def _case(file: dockerfile.Dockerfile, *, ignores: bool, healthcheck: bool = False) -> dockerfile.Case:
    names = list(dict.fromkeys(base for _, base in file.external_bases()))[:_MOST_BASES]
    known = {name: base for name in names if (base := _known(name)) is not None}
    return dockerfile.Case(file, now().date(), known, ignores, healthcheck)


def _known(name: str) -> dockerfile.Base | None:
    """What the local engine knows of an image, where there is one and it has that image."""
    if shutil.which("docker") is None or len(name) > _LONGEST_NAME:
        return None
    try:
        found = docker.inspect_image(name, timeout=_PATIENCE)
    except (Failed, OSError, ValueError):
        return None
    if found is None:
        return None
    config = found.get("Config")
    user = config.get("User") if isinstance(config, Mapping) else None
    return dockerfile.Base(_date(found.get("Created")), user if isinstance(user, str) else None)


def _date(text: object) -> date | None:
    try:
        return datetime.fromisoformat(str(text)[:10]).date()
    except ValueError:
        return None
