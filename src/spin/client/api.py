"""Every endpoint of the API, by noun."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self, cast

from spin.client.answers import path_of
from spin.client.patience import Patience
from spin.client.shapes import (
    AccountView,
    EnvironmentView,
    EventView,
    IdentityView,
    JobView,
    KeyView,
    MemberView,
    NewKey,
    ProjectView,
    RuleView,
    SecretView,
    SiteView,
    StackView,
    StatsView,
    UserView,
    VolumeView,
    WhoAmI,
)
from spin.client.stack import LONG_POLL_SECONDS, Stack
from spin.client.transport import Transport
from spin.errors import Unavailable


class Client:
    """A platform, as one person sees it. `token` is an API key; `basic` is user and password (or key), for signing in.

    `timeout` is in seconds, for one answer. Every method raises Unavailable where no platform answers, and the error of
    `spin.errors` that an answer stands for. Close it, or use it in a `with` statement.
    """

    def __init__(
        self, url: str, token: str | None = None, *, basic: tuple[str, str] | None = None, timeout: float = 30.0
    ) -> None:
        self._transport = Transport(url, token=token, basic=basic, timeout=timeout)
        self.url = self._transport.url

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # The site and the person.

    def site(self) -> SiteView:
        """Needs no credentials."""
        return cast("SiteView", self._get("/site"))

    def rules(self) -> list[RuleView]:
        """Every rule, with how severe it is on this site."""
        return cast("list[RuleView]", self._get("/rules"))

    def whoami(self) -> WhoAmI:
        return cast("WhoAmI", self._get("/whoami"))

    def environments(self) -> list[EnvironmentView]:
        return cast("list[EnvironmentView]", self._get("/environments"))

    # Users, projects, keys.

    def users(self) -> list[UserView]:
        return cast("list[UserView]", self._get("/users"))

    def create_user(self, name: str, *, password: str | None = None, operator: bool = False) -> UserView:
        body: dict[str, Any] = {"name": name, "operator": operator}
        if password is not None:
            body["password"] = password
        return cast("UserView", self._transport.request("POST", "/users", body=body))

    def set_identity(self, user: str, identity: IdentityView | None) -> UserView:
        """Who `user` is on the site's filesystems; None takes it away."""
        where = path_of("users", user, "identity")
        if identity is None:
            return cast("UserView", self._transport.request("DELETE", where))
        return cast("UserView", self._transport.request("PUT", where, body=identity))

    def projects(self) -> list[ProjectView]:
        return cast("list[ProjectView]", self._get("/projects"))

    def create_project(self, name: str) -> ProjectView:
        return cast("ProjectView", self._transport.request("POST", "/projects", body={"name": name}))

    def members(self, project: str) -> list[MemberView]:
        return cast("list[MemberView]", self._get(path_of("projects", project, "members")))

    def set_member(self, project: str, user: str, role: str) -> None:
        self._transport.request("PUT", path_of("projects", project, "members", user), body={"role": role})

    def remove_member(self, project: str, user: str) -> None:
        self._transport.request("DELETE", path_of("projects", project, "members", user))

    def accounts(self, project: str) -> list[AccountView]:
        """Collaboration accounts."""
        return cast("list[AccountView]", self._get(path_of("projects", project, "accounts")))

    def set_account(self, project: str, name: str, identity: IdentityView) -> None:
        self._transport.request("PUT", path_of("projects", project, "accounts", name), body=identity)

    def remove_account(self, project: str, name: str) -> None:
        self._transport.request("DELETE", path_of("projects", project, "accounts", name))

    def keys(self, *, user: str | None = None) -> list[KeyView]:
        """`user`: somebody else's (operators)."""
        query = {} if user is None else {"user": user}
        return cast("list[KeyView]", self._transport.request("GET", "/keys", query=query))

    def create_key(self, name: str, *, expires_days: int | None = None, user: str | None = None) -> NewKey:
        """`user`: make it for someone else (operators)."""
        body: dict[str, Any] = {"name": name}
        if expires_days is not None:
            body["expires_days"] = expires_days
        if user is not None:
            body["user"] = user
        return cast("NewKey", self._transport.request("POST", "/keys", body=body))

    def remove_key(self, id: str) -> None:
        self._transport.request("DELETE", path_of("keys", id))

    # Stacks, secrets, volumes.

    def stacks(self, project: str, environment: str) -> list[StackView]:
        return cast("list[StackView]", self._get(path_of("projects", project, "environments", environment, "stacks")))

    def stats(self, project: str, environment: str) -> list[StatsView]:
        """What the running containers of all stacks use now."""
        return cast("list[StatsView]", self._get(path_of("projects", project, "environments", environment, "stats")))

    def stack(self, project: str, environment: str, name: str) -> Stack:
        return Stack(self._transport, project, environment, name)

    def secrets(self, project: str, environment: str) -> list[SecretView]:
        return cast("list[SecretView]", self._get(_secrets(project, environment)))

    def put_secret(self, project: str, environment: str, name: str, value: bytes) -> SecretView:
        """A new version; the same value as the newest version adds none."""
        body = {"value": base64.b64encode(value).decode()}
        return cast("SecretView", self._transport.request("PUT", _secrets(project, environment) + path_of(name), body=body))

    def remove_secret(self, project: str, environment: str, name: str) -> None:
        self._transport.request("DELETE", _secrets(project, environment) + path_of(name))

    def volumes(self, project: str) -> list[VolumeView]:
        return cast("list[VolumeView]", self._get(path_of("projects", project, "volumes")))

    def jobs(self, project: str, environment: str, stack: str | None = None) -> list[JobView]:
        """The jobs of a stack, or of all the project's stacks in the environment."""
        where = path_of("projects", project, "environments", environment)
        return cast("list[JobView]", self._get(where + ("" if stack is None else path_of("stacks", stack)) + "/jobs"))

    # What happened.

    def events(
        self,
        project: str,
        *,
        environment: str | None = None,
        stack: str | None = None,
        service: str | None = None,
        kind: str | None = None,
        since: str | None = None,
        until: str | None = None,
        last: int = 100,
    ) -> list[EventView]:
        """The newest `last` events, in their order. Times are RFC 3339."""
        named = {"environment": environment, "stack": stack, "service": service, "kind": kind, "since": since, "until": until}
        return cast("list[EventView]", self._events(path_of("projects", project, "events"), named, last))

    def follow_events(
        self,
        project: str,
        after: int,
        *,
        environment: str | None = None,
        stack: str | None = None,
        service: str | None = None,
        kind: str | None = None,
    ) -> Iterator[list[EventView]]:
        """Events after that number as they happen, some at a time and in their order, without end.

        Goes on over a platform that is restarted: no event is lost or comes twice.
        """
        patience = Patience(heard=True)  # who knows a number has it from an answer
        query = {"environment": environment, "stack": stack, "service": service, "kind": kind}
        chosen = {name: value for name, value in query.items() if value is not None}
        while True:
            asked = chosen | {"after": str(after), "last": "1000", "wait": f"{LONG_POLL_SECONDS:g}"}
            path = path_of("projects", project, "events")
            try:
                found = cast("list[EventView]", self._transport.request("GET", path, query=asked, patience=LONG_POLL_SECONDS))
            except Unavailable as error:
                self._transport.pause(patience.after(error))
                continue
            patience.answered()
            if found:
                after = found[-1]["number"]
                yield found

    def audit(
        self,
        project: str | None,
        *,
        environment: str | None = None,
        stack: str | None = None,
        user: str | None = None,
        kind: str | None = None,
        since: str | None = None,
        until: str | None = None,
        last: int = 100,
    ) -> list[EventView]:
        """What people asked for, accepted or refused: in a project, or with None on the whole site (operators)."""
        named = {"user": user, "kind": kind, "since": since, "until": until}
        if project is None:
            return cast("list[EventView]", self._events("/audit", named, last))
        named |= {"environment": environment, "stack": stack}
        return cast("list[EventView]", self._events(path_of("projects", project, "audit"), named, last))

    def _events(self, path: str, named: Mapping[str, str | None], last: int) -> Any:
        query = {name: value for name, value in named.items() if value is not None} | {"last": str(last)}
        return self._transport.request("GET", path, query=query)

    def _get(self, path: str) -> Any:
        return self._transport.request("GET", path)


def _secrets(project: str, environment: str) -> str:
    return path_of("projects", project, "environments", environment, "secrets")
