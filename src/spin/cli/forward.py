"""`spin port-forward`."""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import threading
from dataclasses import dataclass
from typing import Annotated

import typer

from spin.cli.failures import describe
from spin.cli.options import EnvironmentOption, ProjectOption
from spin.cli.output import message
from spin.cli.refs import Ref, parse_ref
from spin.cli.session import Session
from spin.client import Client
from spin.errors import Conflict, InvalidInput, SpinError
from spin.model.streams import STDOUT

_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Forward:
    local: int
    """0: any that is free."""
    remote: int


@dataclass(frozen=True, slots=True)
class _Place:
    """What is reached, for connections that each have a client of their own."""

    url: str
    token: str | None
    project: str
    environment: str
    ref: Ref


def port_forward(
    *,
    target: Annotated[str, typer.Argument(metavar="STACK[/SERVICE[/N]]")],
    ports: Annotated[list[str], typer.Argument(metavar="[LOCAL:]REMOTE")],
    address: Annotated[str, typer.Option("--address", metavar="ADDRESS", help="Where to listen on this machine.")] = "127.0.0.1",
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
) -> None:
    """Reach a container's port at a port of this machine.

    Nothing is published: each connection goes through the platform, with your rights, until Ctrl-C. After an upgrade new
    connections reach the new container. LOCAL 0, or `:REMOTE`: any port that is free.
    """
    ref = parse_ref(target)
    wanted = [parse_forward(text) for text in ports]
    with Session(environment=environment, project=project) as session, contextlib.ExitStack() as opened:
        place = _Place(session.url, session.token, session.project, session.environment, ref)
        _reachable(session.client, place, wanted[0].remote)
        listeners = [(opened.enter_context(_listen(address, forward.local)), forward) for forward in wanted]
        for listener, forward in listeners:
            host, port = listener.getsockname()[:2]
            message(f"{host}:{port} → {ref}, port {forward.remote}")
        signal.signal(signal.SIGTERM, lambda number, _: (_ for _ in ()).throw(SystemExit(128 + number)))
        with contextlib.suppress(KeyboardInterrupt):
            _accept(place, listeners)


def parse_forward(text: str) -> Forward:
    """`[LOCAL:]REMOTE`. Raises InvalidInput."""
    local, colon, remote = text.rpartition(":")
    local = (local or "0") if colon else remote
    if not (local.isdecimal() and remote.isdecimal() and int(local) <= 65535 and 0 < int(remote) <= 65535):
        raise InvalidInput(f"{text!r}: write LOCAL:REMOTE, two TCP ports, or one that is both.")
    return Forward(int(local), int(remote))


def _reachable(client: Client, place: _Place, port: int) -> None:
    """Rights and names are told at once, not with the first connection; whether anything answers on the port is left to that."""
    stack = client.stack(place.project, place.environment, place.ref.stack)
    with stack.forward(port, service=place.ref.service, slot=place.ref.slot):
        pass


def _listen(address: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as error:
        raise Conflict(f"Port {port} of {address} cannot be listened on: {(error.strerror or str(error)).lower()}.") from None
    listener.setblocking(False)  # noqa: FBT003 - the standard library's own form
    return listener


def _accept(place: _Place, listeners: list[tuple[socket.socket, Forward]]) -> None:
    """A thread a connection, for ever. Whoever ends this process ends them."""
    with selectors.DefaultSelector() as selector:
        for pair in listeners:
            selector.register(pair[0], selectors.EVENT_READ, pair)
        while True:
            for key, _ in selector.select():
                listener, forward = key.data
                with contextlib.suppress(OSError):  # the one who knocked has gone again
                    connection, _ = listener.accept()
                    connection.setblocking(True)  # noqa: FBT003 - the standard library's own form
                    threading.Thread(target=_connection, args=(place, connection, forward), daemon=True).start()


def _connection(place: _Place, connection: socket.socket, forward: Forward) -> None:
    def over() -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)

    try:
        with connection, Client(place.url, place.token) as client:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stack = client.stack(place.project, place.environment, place.ref.stack)
            with stack.forward(forward.remote, service=place.ref.service, slot=place.ref.slot) as stream:
                stream.begin()
                stream.carry(connection.fileno(), {STDOUT: connection.fileno()}, ended=over)
    except SpinError as error:
        for line in describe(error):
            message(line)
    except OSError:
        pass  # the program on this side has closed the connection
