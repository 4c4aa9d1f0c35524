"""Streams: commands in containers, one-off containers, files and ports of a stack's containers."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from spin.access import Action
from spin.errors import Conflict, InvalidInput, NotFound
from spin.model.names import DeploymentKey, InstanceId, container_name
from spin.model.principal import Principal
from spin.model.revision import Goal
from spin.model.status import InstanceStatus
from spin.model.steps import Create
from spin.model.streams import Command, FileStat
from spin.plan import desire
from spin.ports.engine import Engine
from spin.ports.streams import Stream
from spin.usecases.journal import accepted_change, audited
from spin.usecases.logs import no_service
from spin.usecases.platform import Platform
from spin.usecases.rights import find, no_stack

RUNNING = frozenset({"starting", "ready", "unhealthy"})
"""Phases in which a container has a process."""


@dataclass(frozen=True, slots=True)
class Target:
    """A container that somebody may reach."""

    engine: Engine
    key: DeploymentKey
    id: InstanceId
    service: str
    slot: int
    others: int
    """Containers beside it that were meant as well."""

    @property
    def name(self) -> str:
        return container_name(self.key.stack, self.service, self.slot)

    def exec(self, command: Command) -> AbstractAsyncContextManager[Stream]:
        return self.engine.exec(self.key, self.id, command)

    def dial(self, port: int) -> AbstractAsyncContextManager[Stream]:
        return self.engine.dial(self.key, self.id, port)

    async def stat(self, path: str) -> FileStat | None:
        return await self.engine.stat(self.key, self.id, path)

    def read_files(self, path: str) -> AbstractAsyncContextManager[Stream]:
        return self.engine.read_files(self.key, self.id, path)

    def write_files(self, directory: str) -> AbstractAsyncContextManager[Stream]:
        return self.engine.write_files(self.key, self.id, directory)


@dataclass(frozen=True, slots=True)
class OneOff:
    """A one-off container that somebody may run."""

    engine: Engine
    key: DeploymentKey
    step: Create

    @property
    def name(self) -> str:
        return f"{self.key.stack}-{self.step.spec.name}-run"

    def run(self, command: Command) -> AbstractAsyncContextManager[Stream]:
        return self.engine.run(self.key, self.step, command)


async def target(
    platform: Platform,
    principal: Principal,
    action: Action,
    project: str,
    environment: str,
    stack: str,
    *,
    service: str | None = None,
    slot: int | None = None,
) -> Target:
    """The running container that is meant: of several the one that visitors reach, of the newest revision, ready, lowest number.

    Raises NotFound, NotAllowed, InvalidInput where the stack has several services and none is named, Conflict where none runs.
    """
    async with platform.store.begin() as work:
        deployment = await find(platform, work, principal, action, project, environment, stack)
        revision = await work.revision(deployment.key, deployment.revision)
        status = await work.status(deployment.key)
    if revision is None:
        raise no_stack(deployment.key)
    key, names = deployment.key, tuple(s.name for s in revision.spec.services)
    instances = () if status is None else status.instances
    if service is None:
        if len(names) != 1:
            raise InvalidInput(f"Which service of {key.stack}? Write {key.stack}/SERVICE; it has: {', '.join(names)}.")
        service = names[0]
    if service not in names and all(i.service != service for i in instances):
        raise no_service(key, service, names)
    found = sorted(
        (i for i in instances if i.service == service and slot in (None, i.slot) and i.phase in RUNNING), key=_preference
    )
    if not found:
        raise _none_runs(key, service, slot, [i for i in instances if i.service == service])
    chosen = found[0]
    engine = platform.engine(key.environment)
    return Target(engine, key, InstanceId(chosen.id), chosen.service, chosen.slot, len(found) - 1)


@audited("exec")
async def exec_target(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    *,
    service: str | None = None,
    slot: int | None = None,
) -> Target:
    """`target`, for a command. That somebody runs one is written down, not which: its words may hold a secret."""
    found = await target(platform, principal, Action.EXEC, project, environment, stack, service=service, slot=slot)
    await _note(platform, principal, found.key, "exec", f"a command in {found.name}")
    return found


@audited("copy")
async def files_target(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    *,
    path: str,
    into: bool,
    service: str | None = None,
    slot: int | None = None,
) -> Target:
    """`target`, for files that are copied out of `path`, or into it."""
    found = await target(platform, principal, Action.FILES, project, environment, stack, service=service, slot=slot)
    await _note(platform, principal, found.key, "copy", f"files {'into' if into else 'out of'} {found.name}:{path}")
    return found


@audited("forward")
async def port_target(
    platform: Platform,
    principal: Principal,
    project: str,
    environment: str,
    stack: str,
    *,
    port: int,
    service: str | None = None,
    slot: int | None = None,
) -> Target:
    """`target`, for a connection to a port. Of many connections to one, some are written down (`Streams.may_note`)."""
    found = await target(platform, principal, Action.FORWARD, project, environment, stack, service=service, slot=slot)
    text = f"a connection to port {port} of {found.name}"
    if platform.streams.may_note(f"{principal.user} {found.key} {text}", platform.clock.now()):
        await _note(platform, principal, found.key, "forward", text)
    return found


@audited("run")
async def one_off(
    platform: Platform, principal: Principal, project: str, environment: str, stack: str, *, service: str
) -> OneOff:
    """A one-off container beside `service`, made as its containers are. Raises as `target` does."""
    async with platform.store.begin() as work:
        deployment = await find(platform, work, principal, Action.EXEC, project, environment, stack)
        revision = await work.revision(deployment.key, deployment.revision)
    if revision is None:
        raise no_stack(deployment.key)
    key = deployment.key
    if deployment.goal is Goal.REMOVED:
        raise Conflict(f"The stack {key.stack} is being removed.")
    engine = platform.engine(key.environment)
    desired = desire(deployment, revision, addresses=engine.capabilities.service_addresses)
    wanted = desired.service(service) or desired.job(service)
    if wanted is None:
        raise no_service(key, service, tuple(s.name for s in revision.spec.services))
    await _note(platform, principal, key, "run", f"a one-off container beside {key.stack}/{service}")
    return OneOff(engine, key, Create(wanted.spec, wanted.digest, 0, 1, "run", wanted.peers))


async def _note(platform: Platform, principal: Principal, key: DeploymentKey, verb: str, text: str) -> None:
    async with platform.store.begin(write=True) as work:
        await accepted_change(work, principal, verb, text, platform.clock.now(), key=key)


def _preference(instance: InstanceStatus) -> tuple[bool, bool, bool, int]:
    return (not instance.routed, not instance.current, instance.phase != "ready", instance.slot)


def _none_runs(key: DeploymentKey, service: str, slot: int | None, there: list[InstanceStatus]) -> NotFound | Conflict:
    if slot is not None and all(i.slot != slot for i in there):
        known = ", ".join(str(n) for n in sorted({i.slot for i in there})) or "none now"
        return NotFound(f"{key.stack}/{service} has no container number {slot}. It has: {known}.", service=service, slot=slot)
    what = f"{key.stack}/{service}" + ("" if slot is None else f"/{slot}")
    return Conflict(f"No container of {what} runs now: see `spin ps {key.stack}`.", service=service)
