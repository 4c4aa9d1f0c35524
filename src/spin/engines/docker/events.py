"""Hints: deployments that may need a look, from the engine's event stream and from probes that succeeded."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from aiodocker.exceptions import DockerError

from spin.engines.docker import labels
from spin.engines.docker.client import Client, json_lines
from spin.engines.docker.images import Images
from spin.errors import EngineUnavailable
from spin.model.names import DeploymentKey
from spin.site import Site

# What changes something that `observe` tells. Networks' and volumes' events carry no labels, so the engine cannot filter by site;
# foreign events are dropped here. The kinds of event that health checks and Spin's own probes make by the dozen are not asked for.
_FILTERS = {
    "type": ["container", "network", "volume", "image"],
    "event": [
        "start",
        "die",
        "destroy",
        "health_status",
        "oom",
        "pause",
        "unpause",
        "rename",
        "update",
        "connect",
        "disconnect",
        "pull",
        "tag",
        "untag",
        "delete",
        "import",
        "load",
    ],
}
_ADVANCE = 0.5
"""Seconds before its beginning from which a listener gets the events that the engine remembers: nothing falls into the gap."""
QUIET = 300.0
"""Seconds without any event after which the stream is opened anew: a connection that was lost unnoticed would stay silent for ever."""


class Listener:
    """Keys that wait to be taken, each at most once."""

    def __init__(self) -> None:
        self._waiting: dict[DeploymentKey, None] = {}
        self._wake = asyncio.Event()
        self._ended: EngineUnavailable | None = None

    def put(self, key: DeploymentKey) -> None:
        self._waiting[key] = None
        self._wake.set()

    def end(self, why: EngineUnavailable) -> None:
        self._ended = why
        self._wake.set()

    async def take(self) -> DeploymentKey:
        """The next key. Raises the EngineUnavailable given to `end` when no more are waiting."""
        while not self._waiting:
            if self._ended is not None:
                raise self._ended
            self._wake.clear()
            await self._wake.wait()
        key = next(iter(self._waiting))
        del self._waiting[key]
        return key


class Hints:
    def __init__(self, client: Client, site: Site, images: Images) -> None:
        self._client = client
        self._site = site
        self._images = images
        self._listeners: set[Listener] = set()
        self._owners: dict[str, DeploymentKey] = {}
        self._things: dict[DeploymentKey, list[str]] = {}

    def put(self, key: DeploymentKey) -> None:
        """Hint at `key` to everybody who listens."""
        for listener in self._listeners:
            listener.put(key)

    def know(self, key: DeploymentKey, things: list[str]) -> None:
        """These, and no others, are the deployment's: names of networks and volumes, ids of containers. Their events carry no labels."""
        for thing in self._things.pop(key, ()):
            self._owners.pop(thing, None)
        if things:
            self._things[key] = things
            self._owners.update(dict.fromkeys(things, key))

    async def listen(self) -> AsyncIterator[DeploymentKey]:
        """Keys, for ever; raises EngineUnavailable when the engine's stream ends."""
        since = time.time() - _ADVANCE
        listener = Listener()
        self._listeners.add(listener)
        reader = asyncio.create_task(self._read(listener, since), name="docker events")
        try:
            while True:
                yield await listener.take()
        finally:
            self._listeners.discard(listener)
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _read(self, listener: Listener, since: float) -> None:
        try:
            with self._images.watched():
                while await self._read_until_quiet(listener, since):
                    since = time.time() - QUIET - _ADVANCE
            listener.end(EngineUnavailable("The Docker Engine has ended its stream of events.", engine="docker"))
        except EngineUnavailable as error:
            listener.end(error)
        except (DockerError, ValueError) as error:
            listener.end(EngineUnavailable(f"The Docker Engine's events cannot be read: {error}", engine="docker"))

    async def _read_until_quiet(self, listener: Listener, since: float) -> bool:
        """True when nothing has come for QUIET seconds, False when the engine has ended the stream."""
        params = {"filters": json.dumps(_FILTERS), "since": f"{since:.9f}"}
        async with self._client.stream("GET", "events", params=params) as response, aclosing(json_lines(response)) as events:
            while True:
                try:
                    async with asyncio.timeout(QUIET):
                        event = await anext(events)
                except StopAsyncIteration:
                    return False
                except TimeoutError:
                    return True
                key = self._key(event)
                if key is not None:
                    listener.put(key)

    def _key(self, event: dict[str, Any]) -> DeploymentKey | None:
        actor = event.get("Actor") or {}
        attributes = actor.get("Attributes") or {}
        match event.get("Type"):
            case "container":
                return labels.key_of(attributes) if attributes.get(labels.SITE) == self._site.id else None
            case "network":  # what happened to one of ours, or one of our containers joined or left it
                return self._owners.get(attributes.get("name", "")) or self._owners.get(attributes.get("container", ""))
            case "volume":
                return self._owners.get(actor.get("ID", ""))
            case "image":
                self._images.changed()
        return None
