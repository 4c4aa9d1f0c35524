"""Whom a command talks to, as whom, about which project and environment."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

from spin.cli import credentials
from spin.client import DEFAULT_URL, Client, normalise_url
from spin.client.shapes import SiteView
from spin.errors import InvalidInput, NotSignedIn


class Session:
    """A signed-in client with the choices that were not made on the command line. Asks the platform only for what is missing.

    Options win over SPIN_URL, SPIN_TOKEN, SPIN_ENVIRONMENT and SPIN_PROJECT (Typer reads the last two), these over the
    credentials file.
    """

    def __init__(self, *, environment: str | None = None, project: str | None = None) -> None:
        stored = credentials.load()
        self.url = normalise_url(os.environ.get("SPIN_URL") or stored.current or DEFAULT_URL)
        self._login = stored.sites.get(self.url)
        token = os.environ.get("SPIN_TOKEN")
        self._stored_person = not token
        """The file's user and project are those of the file's key."""
        self.token = token or (self._login.key if self._login else None)
        self._environment = environment
        self._project = project
        self._site: SiteView | None = None
        self.client = Client(self.url, self.token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.client.close()

    def require_sign_in(self) -> None:
        """Raises NotSignedIn before anything is sent, where there is no key at all."""
        if not self.token:
            raise NotSignedIn(f"You are not signed in to {self.url}. Run `spin login {self.url}`, or set SPIN_TOKEN.")

    @property
    def site(self) -> SiteView:
        if self._site is None:
            self._site = self.client.site()
        return self._site

    @property
    def registry(self) -> str:
        return os.environ.get("SPIN_REGISTRY") or self.site["registry"]

    @property
    def stored_registry(self) -> str | None:
        """The registry's host as far as it is known without asking."""
        return os.environ.get("SPIN_REGISTRY") or (self._login.registry if self._login else None)

    @property
    def environment(self) -> str:
        """The environment that was chosen, else the site's first."""
        if self._environment is None:
            self._environment = self.site["environments"][0]["name"]
        return self._environment

    @property
    def stored_environment(self) -> str | None:
        """The environment that was chosen, without asking."""
        return self._environment

    @property
    def stored_project(self) -> str | None:
        """The project as far as it is known without asking."""
        if self._project is None and self._login and self._stored_person and self._login.project:
            self._project = self._login.project
        return self._project

    @property
    def project(self) -> str:
        """The project that was chosen, else the only one. Raises InvalidInput where that leaves a choice."""
        self.require_sign_in()
        chosen = self.stored_project or only_project([p["name"] for p in self.client.whoami()["projects"]])
        self._project = chosen
        return chosen


def only_project(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    if not names:
        raise InvalidInput("You are in no project yet. Make one with `spin project create NAME`, or ask its owner to add you.")
    raise InvalidInput(
        f"You are in several projects: {', '.join(sorted(names))}. Choose with -p NAME, SPIN_PROJECT or `spin login --project`."
    )
