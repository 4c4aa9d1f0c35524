"""One simulated container: a small state machine that is asked what it was doing up to a moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from spin.engines.simulated.behaviour import Behaviour
from spin.kit.backoff import backoff
from spin.model.log import Line, stamp
from spin.model.names import DeploymentKey, InstanceId
from spin.model.observed import Instance, Phase
from spin.model.stack import Restart, ServiceSpec
from spin.model.steps import Peer
from spin.model.streams import STDERR, STDOUT

_KILLED = 137
_TERMINATED = 143
_ENOUGH_RESTARTS = 1000
"""A jump of the clock over more restarts than this is cut short."""


@dataclass(slots=True)
class Container:
    """Mutable, and known to its engine only. `started` lies ahead while the engine waits to restart it."""

    id: InstanceId
    name: str
    key: DeploymentKey
    spec: ServiceSpec
    digest: str
    slot: int
    attempt: int
    created: datetime
    behaviour: Behaviour
    started: datetime | None = None
    finished: datetime | None = None
    stop_at: datetime | None = None
    killed: bool = False
    exit_code: int | None = None
    oom_killed: bool = False
    restarts: int = 0
    addresses: dict[str, str] = field(default_factory=dict)
    """By Compose name of the network, while it runs."""
    kept: dict[str, str] = field(default_factory=dict)
    """Addresses that it must have, by network: `retain_ip`."""
    peers: tuple[Peer, ...] = ()
    """The other services that it was told of."""
    connections: int | None = 0
    """Open connections that others have made to it."""
    altered: str = ""
    lost: list[str] = field(default_factory=list)
    """Networks that it was on when they were removed."""
    sick: str | None = None
    """Output of a health check that fails; None while it follows the behaviour."""
    hidden: str | None = None
    """Why the engine cannot tell its state; None while it can."""
    error: str = ""
    """Why it could not be started."""
    lines: list[Line] = field(default_factory=list)
    announced: datetime | None = None
    """The run of which it was logged that it is ready."""

    @property
    def networks(self) -> frozenset[str]:
        """Compose names of those that it belongs on."""
        return frozenset(a.network for a in self.spec.networks)

    def mounts(self, volume: str) -> bool:
        return any(m.volume == volume for m in self.spec.mounts)

    @property
    def running(self) -> bool:
        """A process runs, or the engine is about to restart it."""
        return self.started is not None and self.finished is None

    def start(self, now: datetime, addresses: dict[str, str]) -> None:
        self.started, self.finished, self.stop_at, self.exit_code = now, None, None, None
        self.killed = self.oom_killed = False
        self.sick, self.error, self.restarts = None, "", 0
        self.addresses, self.connections = addresses, 0
        self.lost.clear()
        self.log(now, "stdout", "started")

    def stop(self, now: datetime, grace: timedelta) -> None:
        """Ask it to end. Does nothing when it has been asked already."""
        if self.running and self.stop_at is None:
            self.killed = self.behaviour.stops_after > grace
            self.stop_at = now + min(self.behaviour.stops_after, grace)
            self.advance(now)

    def crash(self, now: datetime, exit_code: int, *, out_of_memory: bool = False) -> None:
        """Its main process ends now; its restart policy decides what follows."""
        if self.running:
            self._exit(now, _KILLED if out_of_memory else exit_code, out_of_memory=out_of_memory)

    def advance(self, now: datetime) -> None:
        """Everything that happened up to `now`."""
        for _ in range(_ENOUGH_RESTARTS):
            ends_at = self._ends_at()
            self._announce(now if ends_at is None else min(now, ends_at))
            if ends_at is None or ends_at > now:
                return
            if ends_at == self.stop_at:
                self._finish(ends_at, _KILLED if self.killed else _TERMINATED)
            else:
                code = _KILLED if self.behaviour.out_of_memory else self.behaviour.exit_code
                self._exit(ends_at, code, out_of_memory=self.behaviour.out_of_memory)

    def _ends_at(self) -> datetime | None:
        if self.started is None or self.finished is not None:
            return None
        by_itself = None if self.behaviour.exits_after is None else self.started + self.behaviour.exits_after
        return min((t for t in (by_itself, self.stop_at) if t is not None), default=None)

    def _exit(self, when: datetime, code: int, *, out_of_memory: bool) -> None:
        self.oom_killed = out_of_memory
        if self.stop_at is not None or not self._is_restarted_after(code):
            self._finish(when, code)
            return
        self.exit_code = code
        self.log(when, "stderr", f"exited with {code}")
        self.restarts += 1
        self.sick = None
        # Docker's own back-off: from 100 ms, doubling, up to a minute.
        self.started = when + backoff(self.restarts, first=timedelta(milliseconds=100), most=timedelta(minutes=1))

    def _is_restarted_after(self, code: int) -> bool:
        match self.spec.restart:
            case Restart.ALWAYS | Restart.UNLESS_STOPPED:
                return True
            case Restart.ON_FAILURE:
                return code != 0 and not 0 < self.spec.restart_limit <= self.restarts
            case Restart.NO:
                return False

    def _finish(self, when: datetime, code: int) -> None:
        self.finished, self.exit_code, self.stop_at = when, code, None
        self.addresses, self.connections, self.sick = {}, 0, None
        self.log(when, "stderr" if code else "stdout", f"exited with {code}")

    def _announce(self, now: datetime) -> None:
        if self.running and self.phase(now) is Phase.READY and self.announced != self.started:
            self.announced = self.started
            self.log(now, "stdout", "ready")

    def log(self, when: datetime, stream: str, text: str) -> None:
        self.lines.append((stamp(when), STDERR if stream == "stderr" else STDOUT, text.encode()))

    def phase(self, now: datetime) -> Phase:
        if self.hidden is not None:
            return Phase.UNKNOWN
        if self.started is None:
            return Phase.CREATED
        if self.finished is not None:
            return Phase.EXITED
        age = now - self.started
        if age < timedelta(0):
            return Phase.STARTING
        if self.sick is not None or (self.behaviour.unhealthy_after is not None and age >= self.behaviour.unhealthy_after):
            return Phase.UNHEALTHY
        ready = self.behaviour.ready_after is not None and age >= self.behaviour.ready_after
        return Phase.READY if ready else Phase.STARTING

    def next_change(self, now: datetime) -> datetime | None:
        """When its phase, or the number of its restarts, will next be another by itself; None = never."""
        if self.started is None or self.finished is not None:
            return None
        offsets = (timedelta(0), self.behaviour.ready_after, self.behaviour.unhealthy_after)
        moments = [self.started + o for o in offsets if o is not None] + [t for t in (self._ends_at(),) if t is not None]
        return min((t for t in moments if t > now), default=None)

    def observed(self, now: datetime) -> Instance:
        phase = self.phase(now)
        addresses = tuple((a.network, self.addresses[a.network]) for a in self.spec.networks if a.network in self.addresses)
        return Instance(
            id=self.id,
            name=self.name,
            service=self.spec.name,
            digest=self.digest,
            slot=self.slot,
            attempt=self.attempt,
            phase=phase,
            since=self.finished or min(self.started or self.created, now),
            address=next((a for _, a in addresses), None),
            exit_code=self.exit_code,
            oom_killed=self.oom_killed,
            restarts=self.restarts,
            detail=self._detail(phase),
            addresses=addresses,
            altered=self.altered or next((f"not on network {name}" for name in self.lost), ""),
            connections=self.connections,
            started=None if self.started is None else min(self.started, now),
        )

    def _detail(self, phase: Phase) -> str:
        match phase:
            case Phase.UNKNOWN:
                return self.hidden or ""
            case Phase.UNHEALTHY:
                return self.sick if self.sick is not None else self.behaviour.probe_output
            case Phase.CREATED:
                return self.error
            case _:
                return ""
