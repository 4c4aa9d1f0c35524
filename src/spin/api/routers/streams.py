"""Terminals, pipes, files and ports of containers, over WebSockets (docs/reference/streams.md)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spin.access import Action
from spin.api.channel import Channel, Gone, watched
from spin.api.context import PREFIX, EnvironmentPath, Person, ProjectPath, StackPath, ThePlatform
from spin.errors import InvalidInput, NotFound, SpinError
from spin.model.principal import Principal
from spin.model.streams import Command, Size
from spin.ports.streams import Stream
from spin.usecases.platform import Platform
from spin.usecases.streams import exec_target, files_target, one_off, port_target, target

router = APIRouter(prefix=PREFIX + "/projects/{project}/environments/{environment}/stacks/{stack}", tags=["stacks"])

Service = Annotated[str | None, Query(max_length=100, description="The service; none where the stack has only one")]
Slot = Annotated[int | None, Query(ge=1, le=10_000, description="The number of its container")]
FilePath = Annotated[
    str, Query(min_length=1, max_length=4096, pattern=r"^/[^\x00]*$", description="Absolute path in the container")
]

_Word = Annotated[str, Field(max_length=131_072, pattern=r"^[^\x00]*$")]


class TerminalSize(BaseModel):
    rows: int = Field(ge=0, le=10_000)
    columns: int = Field(ge=0, le=10_000)


class Opening(BaseModel):
    """The first message of a client that runs a command."""

    model_config = ConfigDict(extra="forbid")

    type: str
    window: int
    command: list[_Word] = Field(max_length=10_000)
    tty: bool = False
    stdin: bool = False
    user: _Word | None = None
    workdir: _Word | None = None
    environment: dict[_Word, _Word] = Field(default_factory=dict, max_length=1000)
    size: TerminalSize | None = None

    def value(self) -> Command:
        return Command(
            argv=tuple(self.command),
            tty=self.tty,
            stdin=self.stdin,
            user=self.user,
            workdir=self.workdir,
            environment=tuple(sorted(self.environment.items())),
            size=None if self.size is None else Size(self.size.rows, self.size.columns),
        )


def _command(opening: dict[str, Any], *, needed: bool) -> Command:
    try:
        command = Opening.model_validate(opening).value()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part)[:80] for part in first["loc"])
        raise InvalidInput(f"The request is not valid: {where}: {first['msg']}.") from None
    if needed and not command.argv:
        raise InvalidInput("Which command? None was given.")
    return command


async def _serve(
    platform: Platform,
    person: Principal,
    socket: WebSocket,
    opened: Callable[[dict[str, Any]], AbstractAsyncContextManager[Stream]],
    longest: float = 0,
    **ready: Any,
) -> None:
    """Accept, open what `opened` makes of the first message, carry it, and tell how it ended."""
    limits = platform.site.limits
    channel: Channel | None = None
    with platform.streams.one_more(person.user, limits):
        try:
            with contextlib.suppress(Gone):
                channel = await Channel.accept(socket)
                opening = await channel.opening()
                async with opened(opening) as stream:
                    await watched(channel, channel.carry(stream, **ready), idle=limits.idle_seconds, longest=longest)
                await channel.close()
        except SpinError as error:
            if channel is None:
                raise
            await channel.fail(error)


@router.websocket("/exec")
async def ws_exec(
    socket: WebSocket,
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    service: Service = None,
    slot: Slot = None,
) -> None:
    """Run a command in a container."""
    found = await exec_target(platform, person, project, environment, stack, service=service, slot=slot)
    await _serve(
        platform, person, socket, lambda o: found.exec(_command(o, needed=True)), container=found.name, others=found.others
    )


@router.websocket("/run")
async def ws_run(
    socket: WebSocket,
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    service: Annotated[str, Query(max_length=100, description="The service")],
) -> None:
    """Run a command in a one-off container beside a service."""
    found = await one_off(platform, person, project, environment, stack, service=service)
    longest = platform.site.limits.run_seconds
    await _serve(
        platform, person, socket, lambda o: found.run(_command(o, needed=False)), longest, container=found.name, others=0
    )


@router.websocket("/forward")
async def ws_forward(
    socket: WebSocket,
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    port: Annotated[int, Query(ge=1, le=65535, description="TCP port of the container")],
    service: Service = None,
    slot: Slot = None,
) -> None:
    """One TCP connection to a container."""
    found = await port_target(platform, person, project, environment, stack, port=port, service=service, slot=slot)
    await _serve(platform, person, socket, lambda _: found.dial(port), container=found.name, others=found.others)


@router.websocket("/files/read")
async def ws_read_files(
    socket: WebSocket,
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    path: FilePath,
    service: Service = None,
    slot: Slot = None,
) -> None:
    """A file or directory of a container, as a tar stream."""
    found = await files_target(platform, person, project, environment, stack, path=path, into=False, service=service, slot=slot)
    await _serve(platform, person, socket, lambda _: found.read_files(path), container=found.name, others=found.others)


@router.websocket("/files/write")
async def ws_write_files(
    socket: WebSocket,
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    path: FilePath,
    service: Service = None,
    slot: Slot = None,
) -> None:
    """A tar stream that is unpacked in a directory of a container."""
    found = await files_target(platform, person, project, environment, stack, path=path, into=True, service=service, slot=slot)
    await _serve(platform, person, socket, lambda _: found.write_files(path), container=found.name, others=found.others)


class FileView(BaseModel):
    """A file in a container."""

    container: str
    service: str
    slot: int
    name: str
    size: int
    mode: int
    kind: str
    target: str


@router.get("/files", summary="What a container has at a path, a link as itself")
async def get_file(
    platform: ThePlatform,
    person: Person,
    project: ProjectPath,
    environment: EnvironmentPath,
    stack: StackPath,
    path: FilePath,
    service: Service = None,
    slot: Slot = None,
) -> FileView:
    found = await target(platform, person, Action.FILES, project, environment, stack, service=service, slot=slot)
    stat = await found.stat(path)
    if stat is None:
        raise NotFound(
            f"There is no file {path} in {found.name}.", path=path, container=found.name, service=found.service, slot=found.slot
        )
    return FileView(
        container=found.name,
        service=found.service,
        slot=found.slot,
        name=stat.name,
        size=stat.size,
        mode=stat.mode,
        kind=stat.kind,
        target=stat.target,
    )
