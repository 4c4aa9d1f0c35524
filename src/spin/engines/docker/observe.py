"""What is there: a deployment's containers, networks, volumes and files, as the engine tells it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from aiodocker.exceptions import DockerError

from spin.engines.docker import files, labels
from spin.engines.docker import networks as nets
from spin.engines.docker.altered import altered
from spin.engines.docker.client import Client
from spin.engines.docker.connections import connections
from spin.engines.docker.images import Images
from spin.engines.docker.labels import Kind
from spin.engines.docker.networks import Networks
from spin.engines.docker.probes import Command, Connect, Probe, Prober, Run, Starting
from spin.engines.docker.reasons import clause, health_check, how_it_ended, one_line
from spin.model.names import DeploymentKey, InstanceId
from spin.model.observed import Instance, Phase, Snapshot
from spin.site import Site

SETTLING = 1.0
"""Seconds after which a container that nothing can be asked of counts as up."""
OUTPUT_LENGTH = 200
"""Characters of a health check's output in an instance's detail."""
NEVER = datetime(1, 1, 1, tzinfo=UTC)
_NATIVE_START_INTERVAL_NS = 200_000_000  # the engine itself asks at least that often: no need to do it for it
_DEFAULT_TIMEOUT = 30.0  # Docker's, for a health check that names none

Inspected = Mapping[str, Any]


def moment(text: str | None) -> datetime:
    """The engine's time (nanoseconds, any zone) in UTC; its zero time, or none, is NEVER."""
    if not text:
        return NEVER
    return datetime.fromisoformat(text).astimezone(UTC) if not text.startswith("0001-") else NEVER


def phase(state: Mapping[str, Any], *, up: bool) -> Phase:
    """The phase that the engine's State comes to; `up`: a probe of Spin's own has succeeded since the start."""
    match state["Status"]:
        case "created":
            # A first start that failed leaves the container "created": it will not come up by waiting.
            return Phase.EXITED if state["Error"] or state["ExitCode"] else Phase.CREATED
        case "running":
            match (state.get("Health") or {}).get("Status"):
                case "healthy":
                    return Phase.READY
                case "unhealthy":
                    return Phase.UNHEALTHY
            return Phase.READY if up else Phase.STARTING
        case "restarting":
            return Phase.STARTING
        case "paused":
            return Phase.UNHEALTHY
        case "exited" | "removing" | "dead":
            return Phase.EXITED  # the last two: somebody is removing it, or failed to; its process has ended
    return Phase.UNKNOWN  # a word of a later engine


def detail(inspected: Inspected, now: Phase, said: str) -> str:
    """Why it is as it is; `said` is what Spin's own last probe put out."""
    state = inspected["State"]
    if state["Status"] == "restarting":
        return f"{ending(inspected)}, is being restarted"
    if state["Status"] == "paused":
        return "paused"
    if now is Phase.UNHEALTHY:
        last = ((state.get("Health") or {}).get("Log") or [{}])[-1]
        return one_line(health_check(last.get("Output", "").strip(), last.get("ExitCode", "?")), OUTPUT_LENGTH)
    if now is Phase.STARTING:
        return one_line(said, OUTPUT_LENGTH)
    if now is Phase.EXITED:
        return ending(inspected)
    return state["Status"] if now is Phase.UNKNOWN else ""


def ending(inspected: Inspected) -> str:
    """Why it does not run any more."""
    state = inspected["State"]
    if state["Error"]:
        return clause(state["Error"])
    if state["OOMKilled"]:
        return f"killed: it needed more memory than its limit of {inspected['HostConfig']['Memory'] // 2**20} MiB"
    return how_it_ended(state["ExitCode"])


def since(inspected: Inspected, now: Phase) -> datetime:
    """When it was created, started or finished, whichever the phase follows from."""
    state = inspected["State"]
    created, started, finished = (moment(t) for t in (inspected["Created"], state["StartedAt"], state["FinishedAt"]))
    chosen = {Phase.CREATED: created, Phase.EXITED: finished}.get(now, started)
    return chosen if chosen != NEVER else created


def addresses(inspected: Inspected, networks: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """(network, address) on the networks of its service, in its order; `networks`: Compose names by the engine's ids."""
    endpoints = inspected["NetworkSettings"]["Networks"].values()
    found = {networks.get(e["NetworkID"], ""): e["IPAddress"] for e in endpoints if e["IPAddress"]}
    order = [name for name, _ in json.loads(inspected["Config"]["Labels"].get(labels.NETWORKS, "[]"))]
    return tuple((name, found[name]) for name in order if name in found)


def address(inspected: Inspected, networks: Mapping[str, str]) -> str | None:
    """Its address on the first of its service's networks that it is on."""
    return next((where for _, where in addresses(inspected, networks)), None)


def instance(
    inspected: Inspected, networks: Mapping[str, str], *, up: bool, said: str, change: str = "", open: int | None = None
) -> Instance:
    """`change`: what somebody has altered; `open`: connections to it."""
    state, marks = inspected["State"], inspected["Config"]["Labels"]
    now = phase(state, up=up)
    began = moment(state["StartedAt"])
    return Instance(
        id=InstanceId(inspected["Id"]),
        name=inspected["Name"].removeprefix("/"),
        service=marks[labels.SERVICE],
        digest=marks[labels.DIGEST],
        slot=int(marks[labels.SLOT]),
        attempt=int(marks[labels.ATTEMPT]),
        phase=now,
        since=since(inspected, now),
        address=address(inspected, networks),
        exit_code=state["ExitCode"] if now is Phase.EXITED or state["Status"] == "restarting" else None,
        oom_killed=bool(state["OOMKilled"]),
        restarts=inspected["RestartCount"],
        detail=detail(inspected, now, said),
        addresses=addresses(inspected, networks),
        altered=change,
        connections=open,
        started=None if began == NEVER else began,
    )


def probe_for(inspected: Inspected, where: str | None, now: datetime) -> Probe | None:
    """How to find out whether a running container is up; None if that is not for Spin to find out (any more)."""
    state, config = inspected["State"], inspected["Config"]
    if state["Status"] != "running":
        return None
    health = (state.get("Health") or {}).get("Status", "none")
    if health != "none":
        check = config.get("Healthcheck") or {}
        natively = 0 < check.get("StartInterval", 0) <= _NATIVE_START_INTERVAL_NS
        argv = _argv(check.get("Test") or (), config.get("Shell") or ("/bin/sh", "-c"))
        if health != "starting" or natively or not argv:
            return None
        return Command(argv, check.get("Timeout", 0) / 1e9 or _DEFAULT_TIMEOUT)
    port = config["Labels"].get(labels.HTTP, "")
    if port.isdecimal() and where is not None:
        return Connect(where, int(port))
    age = (now - moment(state["StartedAt"])).total_seconds()
    return Run(min(SETTLING, max(0.0, SETTLING - age)))


def _argv(test: Iterable[str], shell: Iterable[str]) -> tuple[str, ...]:
    kind, *rest = (*test, "")[: len(tuple(test)) or 1]
    return tuple(rest) if kind == "CMD" else (*shell, *rest) if kind == "CMD-SHELL" else ()


class Observer:
    def __init__(self, client: Client, site: Site, networks: Networks, images: Images, prober: Prober) -> None:
        self._client = client
        self._site = site
        self._networks = networks
        self._images = images
        self._prober = prober
        self._room = asyncio.Semaphore(16)  # requests in flight for details of single containers

    async def snapshot(self, key: DeploymentKey, draining: Collection[InstanceId]) -> Snapshot:
        """Everything of the deployment. A container that vanishes while this looks is gone; any other failure raises."""
        listed, networks, volumes, images = await asyncio.gather(
            self._client.get("containers/json", all="true", filters=labels.selector(self._site.id, key, Kind.CONTAINER)),
            self._networks.of(key),
            files.volumes_of(self._client, self._site.id, key),
            self._images.present(),
        )
        names = {n["Id"]: n["Labels"].get(labels.NAME, "") for n in networks}
        found = [c for c in await asyncio.gather(*(self._inspect(c["Id"]) for c in listed)) if c is not None]
        await self._probe(key, found, names)
        counts = await self._connections([c for c in found if c["Id"] in draining], names)
        instances = [
            instance(
                c,
                names,
                up=self._prober.up(c["Id"], c["State"]["StartedAt"]),
                said=self._prober.said(c["Id"]),
                change=altered(c, self._site.id, key, names),
                open=counts.get(c["Id"]),
            )
            for c in found
        ]
        return Snapshot(
            instances=tuple(sorted(instances, key=lambda i: (i.service, i.slot, i.attempt, i.id))),
            networks=tuple(sorted(set(names.values()))),
            volumes=tuple(sorted(v["Labels"][labels.NAME] for v in volumes if v["Labels"][labels.KIND] == Kind.VOLUME.value)),
            files=files.delivered(volumes),
            images=images,
            links=nets.links(networks),
        )

    async def inspected(self, key: DeploymentKey) -> list[Inspected]:
        """The deployment's containers in full. One that vanishes while this looks is left out."""
        filters = labels.selector(self._site.id, key, Kind.CONTAINER)
        listed = await self._client.get("containers/json", all="true", filters=filters)
        return [c for c in await asyncio.gather(*(self._inspect(c["Id"]) for c in listed)) if c is not None]

    async def _connections(self, draining: list[Inspected], networks: Mapping[str, str]) -> dict[str, int | None]:
        """Open connections to each, by id. What is on no network has none; what is on another machine cannot be looked at."""
        counts: dict[str, int | None] = {}
        for each in draining:
            where = address(each, networks)
            if where is None:
                counts[each["Id"]] = 0
            elif self._client.local:
                counts[each["Id"]] = await asyncio.to_thread(connections, each["State"]["Pid"], where)
        return counts

    async def _inspect(self, id: str) -> Inspected | None:
        async with self._room:
            try:
                found: Inspected = await self._client.get(f"containers/{id}/json")
            except DockerError as error:
                if error.status == 404:
                    return None
                raise
            return found

    async def _probe(self, key: DeploymentKey, found: list[Inspected], networks: Mapping[str, str]) -> None:
        now = datetime.now(UTC)
        starting, running = [], {}
        for each in found:
            if each["State"]["Running"]:
                running[each["Id"]] = each["State"]["StartedAt"]
            probe = probe_for(each, address(each, networks), now)
            if probe is not None and not self._prober.up(each["Id"], each["State"]["StartedAt"]):
                starting.append(Starting(each["Id"], each["State"]["StartedAt"], probe))
        await asyncio.gather(*(self._prober.greet(key, s) for s in starting))
        self._prober.follow(key, tuple(s for s in starting if not self._prober.up(s.id, s.started)), running)
