"""The file that `spin login` writes: `~/.config/spin/credentials.toml`, mode 0600 in a directory of mode 0700.

A key belongs to the address it was made for and is never sent to another one, so the file has a table for each platform and
says which of them is current.
"""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from spin.errors import Failed, InvalidInput

_HEADER = "# Written by `spin login`. Keep this file to yourself: whoever has a key is you.\n"


@dataclass(frozen=True, slots=True)
class Login:
    """What is kept for one platform."""

    key: str
    user: str = ""
    project: str = ""
    """Default project; empty = the only membership."""
    registry: str = ""
    """The site's registry, for commands that must work without the platform."""
    created: bool = False
    """The key was made by `spin login`, which takes it back with `spin logout`."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The whole file."""

    current: str = ""
    """URL of the platform that commands talk to unless told otherwise."""
    sites: Mapping[str, Login] = field(default_factory=dict)

    def with_login(self, url: str, login: Login) -> Credentials:
        return Credentials(url, {**self.sites, url: login})

    def without(self, url: str) -> Credentials:
        left = {u: login for u, login in self.sites.items() if u != url}
        current = "" if self.current == url else self.current
        return Credentials(current or next(iter(left), ""), left)


def directory() -> Path:
    """`$XDG_CONFIG_HOME/spin`, else `~/.config/spin`."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "spin"


def path() -> Path:
    return directory() / "credentials.toml"


def parse(text: str, source: str) -> Credentials:
    """Raises InvalidInput for a text that `dump` has not written."""
    try:
        content = tomllib.loads(text)
        known = set(Login.__dataclass_fields__)
        sites = {
            url: Login(**{k: v for k, v in values.items() if k in known}) for url, values in content.get("sites", {}).items()
        }
    except (tomllib.TOMLDecodeError, TypeError, AttributeError) as error:
        raise InvalidInput(f"{source} cannot be read ({error}). Remove it and sign in again with `spin login`.") from None
    return Credentials(str(content.get("current", "")), sites)


def dump(credentials: Credentials) -> str:
    """TOML. Its basic strings are written as JSON writes them."""
    lines = [_HEADER, f"current = {json.dumps(credentials.current)}"]
    for url, login in credentials.sites.items():
        lines += ["", f"[sites.{json.dumps(url)}]"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in asdict(login).items()]
    return "\n".join(lines) + "\n"


def load() -> Credentials:
    """The stored credentials; empty ones where there is no file. A file that others can read is closed to them again."""
    try:
        with path().open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                os.fchmod(file.fileno(), 0o600)
            return parse(file.read(), str(path()))
    except FileNotFoundError:
        return Credentials()
    except OSError as error:
        raise Failed(f"{path()} cannot be read: {error.strerror}.") from None


def save(credentials: Credentials) -> None:
    """Write the file as a whole or not at all."""
    folder = directory()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        handle, name = tempfile.mkstemp(dir=folder, prefix=".credentials-")  # mkstemp: mode 0600 from the start
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(dump(credentials))
            Path(name).replace(path())
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Failed(f"{path()} cannot be written: {error.strerror}.") from None


def masked(key: str | None) -> str:
    """A key that may be shown: its public part, never its secret."""
    prefix, _, rest = (key or "").partition("_")
    identifier, _, secret = rest.partition("_")
    return f"{prefix}_{identifier}_…" if prefix == "spin" and secret else "…"
