"""What Spin asks of a container engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from spin.model.feature import Feature
from spin.model.log import Line, LogSource, Span
from spin.model.names import DeploymentKey, InstanceId
from spin.model.observed import Snapshot
from spin.model.paths import PathFacts
from spin.model.stack import Port
from spin.model.steps import Create, EngineStep
from spin.model.streams import Command, FileStat
from spin.model.usage import Sample
from spin.model.why import Probed
from spin.ports.streams import Stream


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do; what it cannot is refused at admission."""

    kind: str
    published_ports: bool = True
    lacks: frozenset[Feature] = frozenset()
    service_addresses: bool = False
    """Its containers find the other services by stable addresses (`spin.ports.addresses`)."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the engine answers, for `spin environment ls`."""

    reachable: bool
    version: str = ""
    detail: str = ""
    platform: str = ""
    """`os/architecture` of its host, where it says."""


@dataclass(frozen=True, slots=True)
class VolumeInfo:
    key: DeploymentKey
    name: str
    """Name in the Compose file."""
    engine_name: str
    created: datetime | None
    used_by: tuple[str, ...] = ()
    """Services whose containers mount it now."""


class Engine(Protocol):
    """One engine, for the deployments of one site. Touches nothing that does not carry the site's id.

    Every method raises EngineUnavailable when the engine does not answer.
    """

    capabilities: Capabilities

    async def health(self) -> Health:
        """Never raises: an engine that is gone is an answer."""
        ...

    async def keys(self) -> frozenset[DeploymentKey]:
        """The deployments of which this engine holds containers or networks, wanted or not."""
        ...

    async def observe(self, key: DeploymentKey, draining: Collection[InstanceId] = ()) -> Snapshot:
        """Everything of that deployment. Complete, or it raises.

        `draining`: the instances of which open connections are counted; engines may leave the others' uncounted, as it costs time.
        """
        ...

    async def overview(self) -> Mapping[DeploymentKey, str]:
        """A short text for each deployment in `keys`, which changes whenever its snapshot could be another: one cheap look at all."""
        ...

    async def execute(self, key: DeploymentKey, step: EngineStep) -> None:
        """Do one step. Idempotent. Raises Failed with the engine's reason when the step cannot be done."""
        ...

    def hints(self) -> AsyncIterator[DeploymentKey]:
        """Deployments that may need a look, for ever. May lose or repeat keys; raises EngineUnavailable when it ends."""
        ...

    async def log_sources(self, key: DeploymentKey) -> tuple[LogSource, ...]:
        """The deployment's containers, by time of creation."""
        ...

    def log(self, key: DeploymentKey, id: InstanceId, span: Span) -> AsyncIterator[Sequence[Line]]:
        """Lines of one container in the order in which they were written, some at a time; nothing where it is gone or another's.

        Lines that end while `span.follow` waits are given at once.
        """
        ...

    async def probes(self, key: DeploymentKey) -> tuple[Probed, ...]:
        """The health checks of the deployment's containers, with the last answers that the engine remembers."""
        ...

    async def stats(
        self, project: str | None = None, environment: str | None = None, stack: str | None = None, *, over: float = 0.0
    ) -> tuple[Sample, ...]:
        """What the running containers of those names have used so far; without names, of the site.

        `over`: seconds over which the looks are spread evenly, so that many containers are no burst of work.
        """
        ...

    async def volumes(self, project: str) -> tuple[VolumeInfo, ...]:
        """The project's volumes, also of stacks that are gone."""
        ...

    async def taken_ports(self, key: DeploymentKey, ports: tuple[Port, ...]) -> tuple[tuple[Port, str], ...]:
        """Those of `ports` that cannot be published because something that is not `key` holds them, each with who it is."""
        ...

    async def look(self, paths: Collection[str]) -> Mapping[str, PathFacts]:
        """What the engine's host says of each of these normal paths. Where it cannot tell, that is what the facts say."""
        ...

    # Streams: each lasts for a block, at whose end nothing of it runs any more, whoever has left it. They raise Conflict where the
    # instance `id` is gone or does not run, and Failed with the engine's reason.

    def exec(self, key: DeploymentKey, id: InstanceId, command: Command) -> AbstractAsyncContextManager[Stream]:
        """Run a command in the instance. When the block is left before its end it is hung up, and killed soon after."""
        ...

    def run(self, key: DeploymentKey, step: Create, command: Command) -> AbstractAsyncContextManager[Stream]:
        """Run a command in a container of its own that is made as `step` says, but is no instance: it is reached by nobody, not
        observed, and removed at the end of the block. No words in `command`: the service's own command.
        """
        ...

    def dial(self, key: DeploymentKey, id: InstanceId, port: int) -> AbstractAsyncContextManager[Stream]:
        """A TCP connection to the instance."""
        ...

    async def stat(self, key: DeploymentKey, id: InstanceId, path: str) -> FileStat | None:
        """What the instance has at `path`, a link as itself; None where there is nothing."""
        ...

    def read_files(self, key: DeploymentKey, id: InstanceId, path: str) -> AbstractAsyncContextManager[Stream]:
        """A tar stream of the file or directory at `path`, whose names begin with its last part. Raises NotFound."""
        ...

    def write_files(self, key: DeploymentKey, id: InstanceId, directory: str) -> AbstractAsyncContextManager[Stream]:
        """Unpack a tar stream in `directory`, which must be there."""
        ...


class FileContents(Protocol):
    """Where engines get the contents of secrets when they deliver them; kept out of plans, steps and logs."""

    async def secret(self, key: DeploymentKey, stored: str, version: int) -> bytes:
        """Raises NotFound."""
        ...


class PullAccess(Protocol):
    """How engines prove to a registry that they may pull."""

    def bearer(self, repository: str) -> str | None:
        """A short-lived pull token for `host/path`, or None where the registry is not ours."""
        ...
