"""What use cases work with: the ports, bound by `spin.main`."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from spin.errors import NotFound, Unavailable
from spin.kit.clock import Clock
from spin.kit.together import Together
from spin.model.names import DeploymentKey
from spin.ports.edge import Edge
from spin.ports.engine import Engine
from spin.ports.images import Images
from spin.ports.logs import LogArchive
from spin.ports.passwords import Passwords
from spin.ports.store import Store
from spin.site import Environment, Limits, Site
from spin.usecases.guard import REMEMBERED, Guard
from spin.usecases.log_hub import Hubs
from spin.usecases.meter import Meter
from spin.usecases.notify import Notifier
from spin.usecases.views import Views


@dataclass(slots=True)
class Streams:
    """Terminals, pipes and connections to containers that are open now."""

    count: int = 0
    of: Counter[str] = field(default_factory=Counter)
    """How many of them are whose."""
    noted: OrderedDict[str, datetime] = field(default_factory=OrderedDict)

    @contextmanager
    def one_more(self, person: str, limits: Limits) -> Iterator[None]:
        """Counts a stream of `person` for a block. Raises Unavailable where there are too many."""
        if self.count >= limits.streams:
            raise Unavailable(f"This site has {limits.streams} streams open, and allows no more at a time. Try again later.")
        if self.of[person] >= limits.streams_of_person:
            raise Unavailable(f"You have {limits.streams_of_person} streams open, and no more are allowed at a time. Close some.")
        self.count += 1
        self.of[person] += 1
        try:
            yield
        finally:
            self.count -= 1
            self.of[person] -= 1
            if not self.of[person]:
                del self.of[person]

    def may_note(self, text: str, now: datetime) -> bool:
        """Whether that is to be written into the journal: once a minute, however often it happens."""
        before = self.noted.get(text)
        if before is not None and now - before < timedelta(minutes=1):
            return False
        self.noted[text] = now
        self.noted.move_to_end(text)
        while len(self.noted) > REMEMBERED:
            self.noted.popitem(last=False)
        return True


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests can be served in full: `parts` says `ok` for each part of the platform, or what is wrong."""

    ready: bool
    parts: dict[str, str]


@dataclass(frozen=True, slots=True)
class Platform:
    site: Site
    store: Store
    engines: Mapping[str, Engine]
    """By kind, as named in `Environment.engine`."""
    images: Images
    passwords: Passwords
    clock: Clock
    wake: Callable[[DeploymentKey], None]
    """Tell the controller that this deployment's desired state has changed. Only a hint; call it after the commit."""
    notifier: Notifier = field(default_factory=Notifier)
    """Poked whenever a view of a deployment has changed: by use cases, and by the controller when it saved a status."""
    archive: LogArchive | None = None
    """Logs of removed containers; None: they are not kept."""
    hubs: Hubs = field(default_factory=Hubs)
    """What of logs is followed."""
    guard: Guard = field(default_factory=Guard)
    """What is remembered of sign-ins, in memory only."""
    streams: Streams = field(default_factory=Streams)
    edge: Edge | None = None
    """For what visitors meet there; None where nobody counts it."""
    meter: Meter = field(default_factory=Meter)
    """The last looks at what containers use, in memory only."""
    ready: Together[Readiness] = field(default_factory=Together)
    views: Views = field(default_factory=Views)
    """The stacks as they were last shown, in memory only."""

    def environment(self, name: str) -> Environment:
        """Raises NotFound, naming the environments there are."""
        found = self.site.environment(name)
        if found is None:
            known = ", ".join(e.name for e in self.site.environments)
            raise NotFound(f"There is no environment {name!r} here. There are: {known}.", environment=name)
        return found

    def engine(self, environment: str) -> Engine:
        """The engine that carries the environment. Raises NotFound."""
        return self.engines[self.environment(environment).engine]

    def changed(self, key: DeploymentKey) -> None:
        """The desired state of `key` was committed: wake the controller, and those who look on."""
        self.wake(key)
        self.notifier.poke(key)
