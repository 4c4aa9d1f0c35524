"""What Spin asks of its store.

One `UnitOfWork` is one transaction: leaving the block normally commits, an exception rolls back. Every method that touches a
project's objects takes the project (alone or in a DeploymentKey) and finds only that project's objects: tenancy is by construction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from spin.model.event import Event, EventQuery
from spin.model.names import DeploymentKey
from spin.model.principal import Identity, Principal, Role
from spin.model.revision import Deployment, Revision
from spin.model.run import Job, JobBook, Run
from spin.model.status import DeploymentStatus
from spin.model.usage import Usage


@dataclass(frozen=True, slots=True)
class User:
    name: str
    operator: bool
    created: datetime
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret part, which is stored as a hash only."""

    id: str
    user: str
    name: str
    created: datetime
    expires: datetime | None = None
    last_used: datetime | None = None


@dataclass(frozen=True, slots=True)
class Member:
    user: str
    role: Role


@dataclass(frozen=True, slots=True)
class Account:
    """A project's collaboration account: its members' common identity on the site's filesystems."""

    name: str
    identity: Identity


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """A stored secret without its value."""

    name: str
    version: int
    author: str
    created: datetime


class UnitOfWork(Protocol):
    """One transaction."""

    # People.
    async def users(self) -> tuple[User, ...]: ...
    async def user(self, name: str) -> User | None: ...
    async def add_user(self, user: User, password_hash: str | None) -> None:
        """Raises Conflict when the name is taken."""
        ...

    async def set_identity(self, user: str, identity: Identity | None) -> None:
        """Raises Conflict when the uid is another user's or an account's, NotFound for an unknown user."""
        ...

    async def password_hash(self, user: str) -> str | None: ...
    async def principal(self, user: str, key: str | None = None) -> Principal | None: ...
    async def add_key(self, key: ApiKey, secret_hash: str) -> None: ...
    async def keys(self, user: str) -> tuple[ApiKey, ...]: ...
    async def key(self, id: str) -> tuple[ApiKey, str] | None:
        """The key and the hash of its secret."""
        ...

    async def key_holder(self, id: str) -> tuple[ApiKey, str, Principal] | None:
        """A key, the hash of its secret, and whom it signs in; None also where its owner is gone."""
        ...

    async def touch_key(self, id: str, when: datetime) -> None: ...
    async def remove_key(self, user: str, id: str) -> bool: ...

    # Projects.
    async def projects(self) -> tuple[str, ...]: ...
    async def has_project(self, project: str) -> bool: ...
    async def add_project(self, project: str, when: datetime) -> None:
        """Raises Conflict when the name is taken."""
        ...

    async def members(self, project: str) -> tuple[Member, ...]: ...
    async def set_member(self, project: str, user: str, role: Role | None) -> None:
        """None removes."""
        ...

    async def identities(self, project: str) -> tuple[tuple[Member, Identity], ...]:
        """The members who have an identity, with it."""
        ...

    async def accounts(self, project: str) -> tuple[Account, ...]:
        """The project's collaboration accounts."""
        ...

    async def set_account(self, project: str, account: Account) -> None:
        """Make it, or change the one of that name. Raises Conflict when the uid is a user's or another account's."""
        ...

    async def remove_account(self, project: str, name: str) -> bool:
        """Whether there was one."""
        ...

    # Deployments and revisions.
    async def deployments(self, project: str | None = None, environment: str | None = None) -> tuple[Deployment, ...]:
        """All of the site when `project` is None (for the controller and admission's look at ports and host names)."""
        ...

    async def generations(self) -> Mapping[DeploymentKey, int]:
        """The generation of each deployment of the site: what a round over all of them has to know, and no more."""
        ...

    async def deployment(self, key: DeploymentKey) -> Deployment | None: ...
    async def holder(self, environment: str, stack: str) -> DeploymentKey | None:
        """Whose the stack of this name is, over all projects: names are unique within an environment."""
        ...

    async def add_deployment(self, deployment: Deployment) -> None:
        """Raises Conflict when the name is taken."""
        ...

    async def save_deployment(self, deployment: Deployment) -> Deployment:
        """Write with generation + 1, if the stored one still has `deployment.generation`; else raises Conflict."""
        ...

    async def delete_deployment(self, key: DeploymentKey) -> None:
        """Forget the deployment and its revisions, after its removal from the engine. Secrets stay."""
        ...

    async def revision(self, key: DeploymentKey, number: int) -> Revision | None: ...
    async def revisions(self, key: DeploymentKey, *, last: int | None = None) -> tuple[Revision, ...]:
        """In order of their numbers; only the `last` ones where it is said how many."""
        ...

    async def add_revision(self, key: DeploymentKey, revision: Revision) -> None:
        """Raises Conflict when the number exists."""
        ...

    async def status(self, key: DeploymentKey) -> DeploymentStatus | None: ...
    async def save_status(self, key: DeploymentKey, status: DeploymentStatus) -> None:
        """Does nothing where the deployment is gone."""
        ...

    async def statuses(
        self, project: str | None = None, environment: str | None = None
    ) -> Mapping[DeploymentKey, DeploymentStatus]:
        """The statuses of many deployments at once; one that the controller has not seen yet has none."""
        ...

    async def desired_revisions(
        self, project: str | None = None, environment: str | None = None
    ) -> Mapping[DeploymentKey, Revision]:
        """The desired revision of each deployment, at once."""
        ...

    async def base_revisions(
        self, project: str | None = None, environment: str | None = None
    ) -> Mapping[DeploymentKey, Revision]:
        """The last confirmed revision of each deployment that has an unconfirmed upgrade, at once."""
        ...

    # Jobs: what is remembered of services with a schedule, and their runs.
    async def job_book(self, key: DeploymentKey) -> JobBook:
        """All of it, sorted by service and number. Empty where the deployment has none."""
        ...

    async def job_books(self, project: str | None = None, environment: str | None = None) -> Mapping[DeploymentKey, JobBook]:
        """Those of every deployment that has any, in a number of queries that does not depend on how many there are."""
        ...

    async def save_jobs(self, key: DeploymentKey, jobs: Sequence[Job], runs: Sequence[Run]) -> None:
        """Write the jobs with version + 1, if the stored ones still have theirs, and the runs; else raises Conflict.

        Of each job's runs that have ended the newest `spin.model.run.KEPT` stay. Does nothing where the deployment is gone.
        """
        ...

    async def forget_runs(self, before: datetime) -> int:
        """Remove the runs that ended earlier, but for the newest of each job; returns how many went."""
        ...

    # Secrets: (project, environment, name) -> versions from 1.
    async def secrets(self, project: str, environment: str) -> tuple[SecretInfo, ...]:
        """The newest version of each."""
        ...

    async def secret(self, project: str, environment: str, name: str) -> SecretInfo | None: ...
    async def secret_value(self, project: str, environment: str, name: str, version: int) -> bytes | None: ...
    async def add_secret(
        self, project: str, environment: str, name: str, value: bytes, author: str, when: datetime
    ) -> SecretInfo:
        """A new version; the same value as the newest version adds none and returns that."""
        ...

    async def remove_secret(self, project: str, environment: str, name: str) -> bool:
        """Remove all versions; whether there were any. Their numbers are not given out again."""
        ...

    # Events.
    async def add_events(self, events: Sequence[Event]) -> None:
        """In their order. Longer texts are cut."""
        ...

    async def events(self, query: EventQuery) -> tuple[Event, ...]:
        """In the order of their numbers: the earliest after `query.after`, else the newest."""
        ...

    async def newest_event(self) -> int:
        """The greatest number that was given so far; 0 = none."""
        ...

    async def forget_events(self, *, before: datetime, audit_before: datetime, most: int) -> int:
        """Remove what is older (audit: `spin.model.event.AUDIT`), and of each stack's other events all but the newest `most`.

        Returns how many went.
        """
        ...

    # Use of resources.
    async def usage(self, key: DeploymentKey, *, service: str | None = None, since: datetime | None = None) -> tuple[Usage, ...]:
        """What a stack's services used, by service and time, as far as it is remembered."""
        ...

    async def usage_from(self, start: datetime) -> tuple[Usage, ...]:
        """That of all stacks, of the steps that begin at `start` or later."""
        ...

    async def save_usage(self, found: Sequence[Usage]) -> None:
        """Write it, instead of what is there of the same services and steps."""
        ...

    async def forget_usage(self, before: datetime) -> int:
        """Remove what began earlier; returns how many steps went."""
        ...


class Store(Protocol):
    def begin(self, *, write: bool = False) -> AbstractAsyncContextManager[UnitOfWork]:
        """A transaction. With `write=True` it waits for the writers before it; without, it sees one moment and may not write.

        A block that writes must be short, and must not begin another that writes: it would wait for itself. Raises Unavailable
        where the database does not answer or the writers before do not finish.
        """
        ...
