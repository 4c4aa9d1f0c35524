"""Docker Compose and Spin over the same files, and where they differ."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spin import compose as spin_compose
from spin.cli.directory import Directory
from spin.cli.files import find
from spin.compose.canonical import canonical, implied_dependencies
from spin.errors import InvalidInput
from spin.model.finding import Severity
from spin.model.names import StackName
from spin.model.stack import StackSpec
from spin.model.submission import Submission
from spin.policy import audit
from spin.site import Site

KEPT: Mapping[str, Mapping[str, str]] = json.loads(
    (Path(__file__).parent.parent / "differential" / "kept.json").read_text(encoding="utf-8")
)
"""Differences that are meant: by case, where (`!spin` and `!compose` are refusals of the whole file) and why."""

_VERBATIM = frozenset({"environment", "labels", "args", "annotations", "sysctls", "options", "driver_opts", "storage_opt"})
"""Below these an empty text is a value like any other; elsewhere it says the same as nothing."""
_ZERO_SIZES = frozenset({"memory", "mem_limit", "mem_reservation", "memswap_limit", "mem_swappiness", "shm_size"})
"""Of which Compose prints no zero."""
_ZERO_COUNTS = frozenset({"replicas", "scale", "retries", "parallelism", "soft", "hard", "max_attempts"})


@dataclass(frozen=True, slots=True)
class Case:
    """One invocation: in which directory, with which options and variables."""

    home: Path
    files: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    variables: Mapping[str, str] | None = None
    project_directory: str | None = None

    @property
    def shell(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **(self.variables or {})}


def case_in(home: Path) -> Case:
    """The case of a directory; `case.json` in it says what is not usual."""
    path = home / "case.json"
    said = json.loads(path.read_text()) if path.is_file() else {}
    lists = (tuple(said.get(key, ())) for key in ("files", "env_files", "profiles"))
    return Case(home, *lists, said.get("env"), said.get("project_directory"))


def by_compose(case: Case, command: list[str]) -> dict[str, Any] | str:
    """What Docker Compose prints, or what it says against the files."""
    arguments = [
        *(f"--file={name}" for name in case.files),
        *(f"--env-file={name}" for name in case.env_files),
        *(f"--profile={name}" for name in case.profiles),
        *([f"--project-directory={case.project_directory}"] if case.project_directory else []),
    ]
    done = subprocess.run(
        [*command, *arguments, "config", "--format", "json"],
        cwd=case.home,
        env=case.shell,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    found: dict[str, Any] = _undoubled(json.loads(done.stdout))
    return found


def _undoubled(value: Any) -> Any:
    """Compose doubles each dollar for whoever reads its output as a Compose file again, in keys too."""
    if isinstance(value, dict):
        return {key.replace("$$", "$"): _undoubled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_undoubled(item) for item in value]
    return value.replace("$$", "$") if isinstance(value, str) else value


def loaded(case: Case) -> Submission:
    """What Spin loads, its own exchange of binds for configs left out. Raises InvalidInput."""
    return _loaded(case)[0]


def _loaded(case: Case) -> tuple[Submission, Path]:
    """The same, and the project's directory."""
    with chdir(case.home):
        sources = find(case.files, case.env_files, case.shell, case.project_directory)
    submission = spin_compose.load(
        sources.files,
        sources.variables,
        Directory(sources.directory).read,
        profiles=case.profiles,
        name=sources.variables.get("COMPOSE_PROJECT_NAME"),
        usual_name=sources.directory.name,
    )
    return submission, sources.directory


def by_spin(case: Case, project: str) -> dict[str, Any] | str:
    """The same of Spin, in Compose's long form."""
    try:
        submission, directory = _loaded(case)
        return canonical(submission.document, project=project, directory=str(directory))
    except InvalidInput as error:
        return error.message


def refused_by_audit(case: Case) -> bool:
    """Whether `spin up` would stop before anything is changed: where Compose refuses a file, the audit may do it for Spin."""
    submission = loaded(case)
    spec = spin_compose.lower(submission, stack=StackName("stack"), registry_host="registry.invalid", project="project")
    return any(finding.severity is Severity.REFUSE for finding in audit(submission, spec, Site()))


def compare(case: Case, command: list[str]) -> dict[str, Any]:
    """What differs, by place; empty where nothing does. Names of projects are Compose's: Spin's rule for them is stricter."""
    theirs = by_compose(case, command)
    ours = by_spin(case, theirs["name"] if isinstance(theirs, dict) else "project")
    if isinstance(theirs, str) or isinstance(ours, str):
        found = {"!spin": ours} if isinstance(ours, str) else {}
        found |= {"!compose": theirs} if isinstance(theirs, str) else {}
        return {} if len(found) == 2 or ("!compose" in found and refused_by_audit(case)) else found
    differences: dict[str, Any] = {}
    for service in theirs["services"].values():
        service.pop("profiles", None)  # they have done their work: whether a service is there shows it
        for devices in service.get("blkio_config", {}).values():
            for device in devices if isinstance(devices, list) else ():
                device.update({key.lower(): device.pop(key) for key in list(device)})  # printed as Go names them
    for section in ("services", "networks", "volumes", "configs", "secrets"):
        _differ(_pruned(ours.get(section, {}), ""), _pruned(theirs.get(section, {}), ""), section, differences)
    return differences


def _pruned(value: Any, key: str) -> Any:
    """Without what says the same as nothing."""
    if isinstance(value, dict):
        found = {k: v if key in _VERBATIM else _pruned(v, k) for k, v in value.items() if not k.startswith("x-")}
        kept = (
            {k: v for k, v in found.items() if v is not None}
            if key in _VERBATIM
            else {k: v for k, v in found.items() if _says(k, v)}
        )
        return kept or None
    if isinstance(value, list):
        return [_pruned(item, "") for item in value]
    return value


def _says(key: str, value: Any) -> bool:
    if (value == "0s" and key in ("delay", "monitor")) or (value == "0" and key in _ZERO_SIZES):
        return False
    return value is not None and value not in ("", []) and (value not in (0, False) or key in _ZERO_COUNTS)


def _differ(ours: Any, theirs: Any, path: str, found: dict[str, Any]) -> None:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in ours.keys() | theirs.keys():
            _differ(ours.get(key), theirs.get(key), f"{path}.{key}", found)
    elif isinstance(ours, float | int) and isinstance(theirs, float | int) and not isinstance(ours, bool):
        if abs(ours - theirs) > 1e-6 * max(1, abs(theirs)):  # Compose reads some numbers as 32-bit floats
            found[path] = {"spin": ours, "compose": theirs}
    elif _ordered(path, ours) != _ordered(path, theirs):
        found[path] = {"spin": ours, "compose": theirs}


def _ordered(path: str, value: Any) -> Any:
    """Lists whose order says nothing are compared as sets; that of words of a command says a lot."""
    loose = path.rpartition(".")[2] in ("ports", "volumes", "devices", "secrets", "configs", "expose", "ssh")
    return sorted(value, key=lambda item: json.dumps(item, sort_keys=True)) if loose and isinstance(value, list) else value


def lowered_alike(case: Case, command: list[str]) -> tuple[StackSpec | str, StackSpec | str]:
    """The stack that Spin makes of its own document, and the one that it makes of Compose's long forms."""
    theirs = by_compose(case, command)
    try:
        ours = loaded(case)
    except InvalidInput as error:
        return ("refused", "refused") if isinstance(theirs, str) else (error.message, "taken by Compose")
    if isinstance(theirs, str):
        return "refused", "refused" if refused_by_audit(case) else "taken by Spin"
    for name, config in theirs.get("configs", {}).items():
        config.pop("name", None)
        config["external"] = ours.document["configs"][name].get("external")
    for name, secret in theirs.get("secrets", {}).items():
        if not secret.get("external") or secret["name"] == name:
            secret.pop("name", None)
    for service, entry in theirs["services"].items():
        kept = ours.document["services"][service] or {}
        entry.pop("profiles", None)
        entry |= {key: value for key, value in kept.items() if key in ("x-spin", "retain_ip")}
        for implied in implied_dependencies(entry).keys() - set(kept.get("depends_on") or ()):
            entry["depends_on"].pop(implied)  # of keys that Spin refuses or that name a service anyway
        for key in ("command", "entrypoint"):
            entry[key] = entry[key] or kept.get(key)
    given = replace(ours, document=theirs, positions={})
    return _lowered(ours), _lowered(given)


def _lowered(submission: Submission) -> StackSpec | str:
    try:
        spec = spin_compose.lower(submission, stack=StackName("stack"), registry_host="registry.invalid", project="project")
    except InvalidInput as error:
        return error.message
    # Compose makes relative paths absolute, so that they become binds of the host; `compare` holds them against each other.
    return replace(spec, services=tuple(replace(service, binds=()) for service in spec.services))
