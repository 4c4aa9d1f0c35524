"""One stack, through the API."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from spin.client.answers import path_of
from spin.client.feed import LogFeeds
from spin.client.logs import LogQuery, log_query
from spin.client.shapes import (
    Accepted,
    AdviceView,
    CheckView,
    DifferenceView,
    ExplanationView,
    ExportView,
    FileView,
    LogLineView,
    Preview,
    RevisionView,
    RunView,
    StackView,
    StatsView,
    UsageView,
)
from spin.client.transport import Transport
from spin.model.streams import SUBPROTOCOL

if TYPE_CHECKING:
    from spin.client.streams import Stream

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

    def plan(self, submission: Mapping[str, Any], *, force: bool = False) -> Preview:
        """What deploying would change. Changes nothing."""
        body = {"submission": submission} | _said(force=force or None)
        return cast("Preview", self._transport.request("POST", self._path + "/plan", body=body))

    def check(self, submission: Mapping[str, Any]) -> CheckView:
        """All findings, images looked up too. Stores nothing."""
        return cast("CheckView", self._transport.request("POST", self._path + "/check", body={"submission": submission}))

    def deploy(
        self,
        submission: Mapping[str, Any],
        *,
        expect_generation: int | None = None,
        note: str = "",
        force: bool = False,
        on_failure: str | None = None,
    ) -> Accepted:
        """Make this the desired state. `force`: replace every container. `on_failure`: pause, continue or rollback.

        Raises Refused; Conflict where the stack is no longer at `expect_generation`.
        """
        body = {"submission": submission} | _said(
            expect_generation=expect_generation, note=note or None, force=force or None, on_failure=on_failure
        )
        return cast("Accepted", self._transport.request("PUT", self._path, body=body))

    def confirm(self, *, expect_generation: int | None = None) -> Accepted:
        """What was kept of the revision before goes. Raises Conflict while the upgrade is not complete."""
        return self._accept("confirm", _said(expect_generation=expect_generation))

    def rollback(self, *, to: int | None = None, expect_generation: int | None = None, note: str = "") -> Accepted:
        """Back to the confirmed revision, or to revision `to`. Raises Conflict where there is nothing to go back to."""
        return self._accept("rollback", _said(to=to, expect_generation=expect_generation, note=note or None))

    def revisions(self, *, last: int | None = None) -> list[RevisionView]:
        """The newest first."""
        query = {} if last is None else {"last": str(last)}
        return cast("list[RevisionView]", self._transport.request("GET", self._path + "/revisions", query=query))

    def diff(self, *, old: int | None = None, new: int | None = None) -> DifferenceView:
        """What `new` (else the desired revision) changes in `old` (else the confirmed one, or the one before)."""
        query = {name: str(value) for name, value in _said(old=old, new=new).items()}
        return cast("DifferenceView", self._transport.request("GET", self._path + "/diff", query=query))

    def preview_scale(self, replicas: Mapping[str, int]) -> Preview:
        body = {"replicas": dict(replicas), "dry_run": True}
        return cast("Preview", self._transport.request("POST", self._path + "/scale", body=body))

    def scale(self, replicas: Mapping[str, int], *, expect_generation: int | None = None) -> Accepted:
        body = {"replicas": dict(replicas), "dry_run": False} | _said(expect_generation=expect_generation)
        return self._accept("scale", body)

    def act(self, verb: str, services: Sequence[str], *, expect_generation: int | None = None) -> Accepted:
        """`verb`: start, stop or restart; no services means all of them."""
        return self._accept(verb, {"services": list(services)} | _said(expect_generation=expect_generation))

    def preview_promotion(self, to: str, secrets: Mapping[str, bytes]) -> Preview:
        return cast(
            "Preview", self._transport.request("POST", self._path + "/promote", body=_promotion(to, secrets, dry_run=True))
        )

    def promote(self, to: str, secrets: Mapping[str, bytes], *, expect_generation: int | None = None) -> Accepted:
        """The same revision in environment `to`. Answers for the stack there; `expect_generation` is that stack's."""
        return self._accept("promote", _promotion(to, secrets, dry_run=False) | _said(expect_generation=expect_generation))

    def export(self) -> ExportView:
        return cast("ExportView", self._transport.request("GET", self._path + "/export"))

    def remove(self, *, volumes: bool = False, expect_generation: int | None = None) -> Accepted:
        """`volumes`: with their data (owners)."""
        query = {"volumes": "true" if volumes else "false"}
        query |= {name: str(value) for name, value in _said(expect_generation=expect_generation).items()}
        return cast("Accepted", self._transport.request("DELETE", self._path, query=query))

    def logs(
        self,
        *,
        service: str | None = None,
        slot: int | None = None,
        instance: str | None = None,
        tail: int | None = None,
        since: str | None = None,
        until: str | None = None,
        removed: bool = False,
        follow: bool = False,
        cursor: str | None = None,
    ) -> Iterator[LogLineView]:
        """Lines, oldest first. `tail`: the last lines of each container. `since`, `until`: RFC 3339. `removed`: also of containers that
        are gone. `follow`: go on; `cursor` (docs/reference/logs.md) goes on where one was.
        """
        query = LogQuery(
            service=service, slot=slot, instance=instance, tail=tail, since=since, until=until, removed=removed, follow=follow
        )
        said = log_query({**query, "cursor": cursor})
        return cast("Iterator[LogLineView]", self._transport.lines(self._path + "/logs", query=said))

    @property
    def log_feed(self) -> LogFeeds:
        """The same as bytes, which is faster, and comes back by itself where following breaks off."""
        return LogFeeds(self._transport, self._path + "/logs")

    # What it uses.

    def stats(self, *, service: str | None = None) -> list[StatsView]:
        """What the running containers use now."""
        return cast("list[StatsView]", self._asked("/stats", service=service))

    def usage(self, *, service: str | None = None, since: str | None = None, step: int | None = None) -> list[UsageView]:
        """What the services used, in steps of `step` seconds (a multiple of 300). `since`: RFC 3339."""
        return cast("list[UsageView]", self._asked("/stats/history", service=service, since=since, step=step))

    def advice(self, *, service: str | None = None) -> list[AdviceView]:
        """Whether the services' limits fit what they used."""
        return cast("list[AdviceView]", self._asked("/stats/advice", service=service))

    def why(self, *, service: str | None = None, since: str | None = None, last: int | None = None) -> ExplanationView:
        """What is wrong, since when, and what changed just before; also of a stack that is gone. `since`: RFC 3339."""
        return cast("ExplanationView", self._asked("/why", service=service, since=since, last=last))

    def _asked(self, path: str, **query: str | int | None) -> Any:
        said = {name: str(value) for name, value in _said(**query).items()}
        return self._transport.request("GET", self._path + path, query=said)

    # Jobs.

    def runs(self, service: str) -> list[RunView]:
        """The runs of a job that are remembered, the newest first. Raises NotFound, and Conflict where it is no job."""
        return cast("list[RunView]", self._transport.request("GET", self._path + _runs(service)))

    def run_job(self, service: str) -> RunView:
        """Run a job now. Raises Conflict where it is none, is stopped, or may not run beside the run that goes on."""
        return cast("RunView", self._transport.request("POST", self._path + _runs(service)))

    def run_logs(self, service: str, number: int, *, tail: int | None = None, since: str | None = None) -> Iterator[LogLineView]:
        """What a run has written. Raises NotFound where nothing of it is left."""
        query = {name: str(value) for name, value in _said(tail=tail, since=since).items()}
        return cast("Iterator[LogLineView]", self._transport.lines(f"{self._path}{_runs(service)}/{number}/logs", query=query))

    # Terminals, pipes, files, ports. `service` may be left out where the stack has only one.

    def exec(self, *, service: str | None = None, slot: int | None = None) -> Stream:
        """For a command in a running container. Raises Conflict where none runs."""
        return self._stream("exec", service=service, slot=slot)

    def run(self, service: str) -> Stream:
        """For a command in a one-off container beside `service`."""
        return self._stream("run", service=service)

    def forward(self, port: int, *, service: str | None = None, slot: int | None = None) -> Stream:
        """For one TCP connection to a container."""
        return self._stream("forward", service=service, slot=slot, port=port)

    def file(self, path: str, *, service: str | None = None, slot: int | None = None) -> FileView:
        """What a container has at an absolute path. Raises NotFound."""
        query = {n: str(v) for n, v in _said(service=service, slot=slot, path=path).items()}
        return cast("FileView", self._transport.request("GET", self._path + "/files", query=query))

    def read_files(self, path: str, *, service: str | None = None, slot: int | None = None) -> Stream:
        """For a tar stream of what is at `path`, on its standard output."""
        return self._stream("files/read", service=service, slot=slot, path=path)

    def write_files(self, directory: str, *, service: str | None = None, slot: int | None = None) -> Stream:
        """For a tar stream that is unpacked in `directory`, on its standard input."""
        return self._stream("files/write", service=service, slot=slot, path=directory)

    def _stream(self, kind: str, **query: Any) -> Stream:
        from spin.client.streams import Stream  # noqa: PLC0415 - WebSockets cost 50 ms, and few commands need them

        said = {name: str(value) for name, value in _said(**query).items()}
        return Stream(self._transport.upgrade(f"{self._path}/{kind}", SUBPROTOCOL, query=said))

    def _accept(self, verb: str, body: Mapping[str, Any]) -> Accepted:
        return cast("Accepted", self._transport.request("POST", f"{self._path}/{verb}", body=body))


def _runs(service: str) -> str:
    return path_of("jobs", service, "runs")


def _said(**given: Any) -> dict[str, Any]:
    """What was said at all; the server has the defaults."""
    return {name: value for name, value in given.items() if value is not None}


def _promotion(to: str, secrets: Mapping[str, bytes], *, dry_run: bool) -> dict[str, Any]:
    return {"to": to, "secrets": {n: base64.b64encode(v).decode() for n, v in secrets.items()}, "dry_run": dry_run}
