"""Logs: what a stack's containers have written, those that are gone too, and what they write from now on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from spin.access import Action
from spin.errors import InvalidInput, NotFound
from spin.model.log import Cursor, LogSource, Span, Time, stamp
from spin.model.names import DeploymentKey, EnvironmentName, InstanceId, StackName
from spin.model.principal import Principal
from spin.usecases.log_following import Following
from spin.usecases.log_reading import LogReader, Piece, merged
from spin.usecases.platform import Platform
from spin.usecases.rights import allow, no_stack, plain


@dataclass(frozen=True, slots=True)
class LogQuery:
    service: str | None = None
    slot: int | None = None
    instance: InstanceId | None = None
    """One container, of several that have had the slot."""
    tail: int | None = None
    """Last lines of each container; None = all."""
    since: Time | None = None
    until: Time | None = None
    removed: bool = False
    """Also of containers that have been removed, as far as the site keeps their logs."""
    follow: bool = False
    cursor: Cursor | None = None
    """Where following goes on; `tail` and `since` are in it."""

    def wants(self, source: LogSource) -> bool:
        return (
            self.service in (None, source.service)
            and self.slot in (None, source.slot)
            and (self.instance is None or source.id.startswith(self.instance))
        )


async def logs(
    platform: Platform, principal: Principal, project: str, environment: str, stack: str, query: LogQuery
) -> AsyncIterator[Piece | None]:
    """The lines that `query` asks for, merged by time; of a stack that is gone, what is kept of it. None: nothing for a while.

    Raises NotFound when there is and was no such stack, or no such service in it; InvalidInput. The iterator raises
    EngineUnavailable, and NotFound once a follower is no member any more.
    """
    if query.follow and query.until is not None:
        raise InvalidInput("Following has no end: leave out either follow or until.", key="until")
    key, services = await _may(platform, principal, project, environment, stack)
    reader = LogReader(platform.engine(key.environment), platform.archive, key)
    sources = await reader.sources()
    if services is None and not sources:
        raise no_stack(key)
    known = {s.service for s in sources} | set(services or ())
    if query.service is not None and query.service not in known:
        raise no_service(key, query.service, tuple(sorted(known) if services is None else services))
    if query.follow and (services is not None or query.cursor is not None):  # nothing will come of what is gone

        async def there() -> bool:
            return (await _may(platform, principal, project, environment, stack))[1] is not None

        cursor = query.cursor or Cursor(stamp(platform.clock.now()), query.since)
        resumed = query.cursor is not None
        return Following(
            reader, platform.hubs, query.wants, there, cursor, query.tail, resumed=resumed, removed=query.removed
        ).pieces()
    span = Span(query.since, query.until, query.tail)
    wanted = [s for s in sources if query.wants(s)]
    if not wanted and (query.slot is not None or query.instance is not None):
        raise _no_container(key, query, sources)
    if not query.removed and query.instance is None and any(not s.removed for s in wanted):
        wanted = [s for s in wanted if not s.removed]
    return merged([(source, reader.read(source, span)) for source in wanted])


async def _may(
    platform: Platform, principal: Principal, project: str, environment: str, stack: str
) -> tuple[DeploymentKey, tuple[str, ...] | None]:
    """The key, and the stack's services; None where there is no such stack now. Raises NotFound for another's project."""
    async with platform.store.begin() as work:
        name = await allow(work, principal, Action.READ, project)
        key = DeploymentKey(name, EnvironmentName(platform.environment(environment).name), StackName(stack))
        if not plain(stack):
            raise no_stack(key)
        deployment = await work.deployment(key)
        revision = None if deployment is None else await work.revision(key, deployment.revision)
    return key, None if revision is None else tuple(s.name for s in revision.spec.services)


def no_service(key: DeploymentKey, service: str, known: tuple[str, ...]) -> NotFound:
    return NotFound(
        f"The stack {key.stack!r} has no service {service!r}. It has: {', '.join(known)}.",
        stack=key.stack,
        environment=key.environment,
        service=service,
    )


def _no_container(key: DeploymentKey, query: LogQuery, sources: Iterable[LogSource]) -> NotFound:
    place = str(key.stack) if query.service is None else f"{key.stack}/{query.service}"
    if query.instance is not None:
        return NotFound(
            f"No container of {place} whose log is kept has an id that begins with {query.instance}.", stack=key.stack
        )
    known = sorted({s.slot for s in sources if query.service in (None, s.service)})
    has = ", ".join(map(str, known)) or "none"
    return NotFound(
        f"{place} has no container number {query.slot}, and had none whose log is kept. It has: {has}.", stack=key.stack
    )


async def forget_logs(platform: Platform) -> int:
    """Let go of logs that the site keeps no longer; returns of how many containers."""
    return 0 if platform.archive is None else await platform.archive.prune(platform.clock.now())
