"""Docker Compose to measure against: what the machine has, else what a newer Debian release has."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
KEPT = ROOT / ".spin" / "docker-compose"
SUITES = ("trixie", "sid")
"""Debian releases after 12 whose package `docker-compose` is Compose v2, in the order of trying."""


def find() -> tuple[list[str], str]:
    """The command to run and what it is. Raises RuntimeError where there is none and none can be fetched.

    Of several processes that ask at a time, one fetches and the others wait for it.
    """
    KEPT.parent.mkdir(exist_ok=True)
    with KEPT.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _find()


def _find() -> tuple[list[str], str]:
    for command in (["docker", "compose"], [str(KEPT)]):
        if said := version(command):
            return command, said
    for suite in SUITES:
        fetch(suite)
        if said := version([str(KEPT)]):
            return [str(KEPT)], f"{said} (from Debian {suite})"
    if shutil.which("docker-compose") is None and os.geteuid() == 0:
        subprocess.run(
            ["apt-get", "install", "-qqy", "--no-install-recommends", "docker-compose"], check=False, stdout=subprocess.DEVNULL
        )
    if said := version(["docker-compose"]):
        return ["docker-compose"], said
    raise RuntimeError("no Docker Compose here, and none could be fetched")


def version(command: list[str]) -> str:
    """`Docker Compose 2.26.1`, or an empty text if the command does not work."""
    try:
        done = subprocess.run([*command, "version", "--short"], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return f"Docker Compose {done.stdout.strip()}" if done.returncode == 0 else ""


def waits(command: list[str]) -> bool:
    """Whether it knows `up --wait` (Compose v2)."""
    return "--wait" in subprocess.run([*command, "up", "--help"], capture_output=True, text=True, check=False).stdout


def fetch(suite: str) -> None:
    """Put the program of `suite`'s package at KEPT. Apt works in a directory of its own: the machine's lists stay as they are.

    Where to fetch from is what this machine's own sources say, with the name of the release exchanged.
    """
    if shutil.which("apt-get") is None:
        return
    with tempfile.TemporaryDirectory(prefix="spin-bench-") as folder:
        home = Path(folder)
        for part in ("sources", "lists/partial", "cache/archives/partial"):
            (home / part).mkdir(parents=True)
        for number, text in enumerate(sources(suite)):
            (home / "sources" / f"{number}.{'sources' if text.startswith('Types:') else 'list'}").write_text(text)
        options = {
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": str(home / "sources"),
            "Dir::State::Lists": str(home / "lists"),
            "Dir::Cache": str(home / "cache"),
            "APT::Sandbox::User": "root",
        }
        apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in options.items())]
        for command in ([*apt, "update"], [*apt, "download", "docker-compose"]):
            subprocess.run(command, cwd=home, check=False, capture_output=True)
        for package in home.glob("docker-compose_*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(home / "root")], check=False)
        for program in (home / "root").glob("usr/lib*/docker/cli-plugins/docker-compose"):
            new = KEPT.with_suffix(".new")
            shutil.copy(program, new)
            new.replace(KEPT)


def sources(suite: str) -> list[str]:
    """This machine's sources of its own Debian release, in either of apt's two forms, for `suite` instead."""
    release = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    if release is None:
        return []
    own = release[1]
    found = []
    for file in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        text = file.read_text() if file.suffix in (".list", ".sources") and file.is_file() else ""
        if file.suffix == ".sources":
            for stanza in re.split(r"\n\s*\n", text):
                lines = [line for line in stanza.splitlines() if line and not line.startswith("#")]
                suites = next((line.split()[1:] for line in lines if line.startswith("Suites:")), [])
                if own in suites:
                    kept = (line for line in lines if not line.startswith(("Types:", "Suites:")))
                    found.append("\n".join(["Types: deb", f"Suites: {suite}", *kept]) + "\n")
        else:
            found += [
                re.sub(rf" {own} ", f" {suite} ", line) + "\n" for line in text.splitlines() if re.match(rf"deb\s.* {own} ", line)
            ]
    return found
