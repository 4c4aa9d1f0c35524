"""The user's own `docker` command, which builds and pushes. Nothing else of the CLI talks to a Docker Engine."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spin.errors import Failed, InvalidInput
from spin.model.submission import Build

_STDERR = 2
"""This process' standard error, as a file descriptor."""


def build_arguments(build: Build, directory: Path) -> list[str]:
    """The arguments of `docker build` for `build`; relative contexts start at `directory`."""
    arguments = ["build", "--tag", build.image]
    context = build.context if is_remote(build.context) else str(directory / expanded(build.context))
    if build.dockerfile_inline is not None:
        arguments += ["--file", "-"]
    elif build.dockerfile is not None:
        # Docker reads --file relative to where it is called from, Compose relative to the context.
        arguments += ["--file", build.dockerfile if is_remote(context) else str(Path(context) / build.dockerfile)]
    for name, value in build.args:
        arguments += ["--build-arg", name if value is None else f"{name}={value}"]
    if build.target is not None:
        arguments += ["--target", build.target]
    for name, value in build.labels:
        arguments += ["--label", f"{name}={value}"]
    if build.no_cache:
        arguments.append("--no-cache")
    if build.pull:
        arguments.append("--pull")
    return [*arguments, context]


def expanded(path: str) -> str:
    """`path` with `~` as the home directory; that of somebody who is not known here stays as it is."""
    return os.path.expanduser(path)  # noqa: PTH111 - Path.expanduser raises RuntimeError for a user who is not known


def is_remote(context: str) -> bool:
    """A context, or a Dockerfile, that Docker fetches by itself."""
    return "://" in context or context.startswith("git@")


def run(arguments: list[str], *, environment: Mapping[str, str] | None = None, text: str | None = None) -> int:
    """`docker` with these arguments, its output on stderr; its exit status. Raises Failed where there is no docker."""
    sys.stderr.flush()
    try:
        # Given explicitly: stdout of this process carries data, and docker's words are for people.
        done = subprocess.run(
            [_docker(), *arguments],
            check=False,
            stdout=_STDERR,
            stderr=_STDERR,
            env=environment,
            input=text,
            stdin=None if text is not None else subprocess.DEVNULL,
            text=True,
        )
    except OSError as error:
        raise Failed(f"docker cannot be started: {error.strerror}.") from None
    return done.returncode


def inspect_image(reference: str, *, timeout: float | None = None) -> dict[str, Any] | None:
    """What the local engine knows of an image; None if it has none of that name.

    Raises Failed where the engine does not answer, within `timeout` seconds where that is given.
    """
    command = [_docker(), "image", "inspect", "--", reference]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failed(f"docker does not answer within {timeout:g} seconds.") from None
    if done.returncode == 0:
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found[0]
    if "no such image" in done.stderr.lower():
        return None
    raise Failed(f"docker does not answer: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no reason given'}")


def inspect_images(references: list[str], *, timeout: float) -> list[dict[str, Any]]:
    """What the local engine knows of those images that it has. Raises Failed where it does not answer within `timeout` seconds."""
    command = [_docker(), "image", "inspect", "--format", "{{json .}}", "--", *references]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout)
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    except subprocess.TimeoutExpired:
        raise Failed(f"docker does not answer within {timeout:g} seconds.") from None
    except (OSError, ValueError) as error:
        raise Failed(f"docker does not answer: {error}") from None


def pushed_digest(image: Mapping[str, Any], repository: str) -> str | None:
    """The digest under which the image is known in `repository`, once it has been pushed there."""
    for known in image.get("RepoDigests") or ():
        name, _, digest = str(known).partition("@")
        if name == repository:
            return digest
    return None


@contextlib.contextmanager
def signed_in(registry: str, user: str, key: str) -> Iterator[dict[str, str]]:
    """An environment in which `docker` is signed in to `registry`, without `docker login` and without touching the user's own
    configuration. The key lies in a directory that only the user can read, for as long as the block runs.
    """
    own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    with tempfile.TemporaryDirectory(prefix="spin-docker-") as temporary:  # mkdtemp: mode 0700
        folder = Path(temporary)
        if own.is_dir():
            for entry in own.iterdir():  # contexts, plugins, builders stay usable
                if entry.name != "config.json":
                    (folder / entry.name).symlink_to(entry.absolute())
        config = with_key(_read_config(own / "config.json"), registry, user, key)
        with os.fdopen(os.open(folder / "config.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(config, file)
        yield {**os.environ, "DOCKER_CONFIG": temporary}


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}.") from None
    return config if isinstance(config, dict) else {}


def with_key(config: Mapping[str, Any], registry: str, user: str, key: str) -> dict[str, Any]:
    """Docker's configuration with the key for `registry` added. An empty credential helper for that registry makes docker read
    the entry from the file even where the user keeps other passwords in a helper.
    """
    entry = {"auth": base64.b64encode(f"{user}:{key}".encode()).decode()}
    return {
        **config,
        "auths": {**(config.get("auths") or {}), registry: entry},
        "credHelpers": {**(config.get("credHelpers") or {}), registry: ""},
    }


def _docker() -> str:
    found = shutil.which("docker")
    if found is None:
        raise Failed(
            "There is no `docker` command here. Building and pushing need Docker's command line; everything else does not."
        )
    return found
