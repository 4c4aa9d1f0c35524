"""One stack, through the API."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from spin.client.shapes import Accepted, CheckView, ExportView, LogLineView, Preview, StackView
from spin.client.transport import Transport, path_of

LONG_POLL_SECONDS = 10.0
"""How long the server may hold a question for news; the API allows 30."""


class Stack:
    """A stack in an environment. It need not exist yet."""

    def __init__(self, transport: Transport, project: str, environment: str, name: str) -> None:
        self._transport = transport
        self.project = project
        self.environment = environment
        self.name = name
        self._path = path_of("projects", project, "environments", environment, "stacks", name)

    def view(self, *, seen: str | None = None, wait: float = 0.0) -> StackView:
        """How it stands. With `seen` (a view's token) the answer waits up to `wait` seconds for a different one. Raises NotFound."""
        query = {} if seen is None else {"seen": seen, "wait": f"{wait:g}"}
        return cast("StackView", self._transport.request("GET", self._path, query=query, patience=wait))

    def watch(self, *, until: float | None = None) -> Iterator[StackView]:
        """The view now, whenever it changes, and every LONG_POLL_SECONDS, until the monotonic time `until`.

        Raises NotFound once the stack is gone.
        """
        view = self.view()
        yield view
        while True:
            left = LONG_POLL_SECONDS if until is None else min(LONG_POLL_SECONDS, until - time.monotonic())
            if left <= 0:
                return
            seen = view["token"]
            view = self.view(seen=seen, wait=left)
            if view["token"] != seen or until is None or time.monotonic() < until:
                yield view

    def plan(self, submission: Mapping[str, Any]) -> Preview:
        """What deploying would change. Changes nothing."""
        return cast("Preview", self._transport.request("POST", self._path + "/plan", body={"submission": submission}))

    def check(self, submission: Mapping[str, Any]) -> CheckView:
        """All findings, images looked up too. Stores nothing."""
        return cast("CheckView", self._transport.request("POST", self._path + "/check", body={"submission": submission}))

    def deploy(self, submission: Mapping[str, Any], *, expect_generation: int | None = None, note: str = "") -> Accepted:
        """Make this the desired state. Raises Refused; Conflict where the stack is no longer at `expect_generation`."""
        body: dict[str, Any] = {"submission": submission}
        if expect_generation is not None:
            body["expect_generation"] = expect_generation
        if note:
            body["note"] = note
        return cast("Accepted", self._transport.request("PUT", self._path, body=body))

    def preview_scale(self, replicas: Mapping[str, int]) -> Preview:
        body = {"replicas": dict(replicas), "dry_run": True}
        return cast("Preview", self._transport.request("POST", self._path + "/scale", body=body))

    def scale(self, replicas: Mapping[str, int]) -> Accepted:
        body = {"replicas": dict(replicas), "dry_run": False}
        return cast("Accepted", self._transport.request("POST", self._path + "/scale", body=body))

    def act(self, verb: str, services: Sequence[str]) -> Accepted:
        """`verb`: start, stop or restart; no services means all of them."""
        return cast("Accepted", self._transport.request("POST", f"{self._path}/{verb}", body={"services": list(services)}))

    def preview_promotion(self, to: str, secrets: Mapping[str, bytes]) -> Preview:
        return cast(
            "Preview", self._transport.request("POST", self._path + "/promote", body=_promotion(to, secrets, dry_run=True))
        )

    def promote(self, to: str, secrets: Mapping[str, bytes]) -> Accepted:
        """The same revision in environment `to`. Answers for the stack there."""
        return cast(
            "Accepted", self._transport.request("POST", self._path + "/promote", body=_promotion(to, secrets, dry_run=False))
        )

    def export(self) -> ExportView:
        return cast("ExportView", self._transport.request("GET", self._path + "/export"))

    def remove(self, *, volumes: bool = False) -> Accepted:
        return cast("Accepted", self._transport.request("DELETE", self._path, query={"volumes": "true" if volumes else "false"}))

    def logs(
        self, *, service: str | None = None, slot: int | None = None, tail: int | None = None, since: str | None = None
    ) -> Iterator[LogLineView]:
        """Lines, oldest first. `tail`: the last lines of each container. `since`: RFC 3339."""
        given = {"service": service, "slot": slot, "tail": tail, "since": since}
        query = {name: str(value) for name, value in given.items() if value is not None}
        return cast("Iterator[LogLineView]", self._transport.lines(self._path + "/logs", query=query))


def _promotion(to: str, secrets: Mapping[str, bytes], *, dry_run: bool) -> dict[str, Any]:
    return {"to": to, "secrets": {n: base64.b64encode(v).decode() for n, v in secrets.items()}, "dry_run": dry_run}
