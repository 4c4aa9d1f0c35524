"""Streams over real WebSockets: rights, the protocol, windows, and what happens when somebody leaves or breaks the rules."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spin.api.app import NOUNS
from spin.client import Client, Stack
from spin.client.streams import Stream, hear_error
from spin.client.transport import Transport
from spin.errors import Conflict, Failed, InvalidInput, NotAllowed, NotFound, NotSignedIn, SpinError, Unavailable
from spin.model.streams import CHUNK, STDERR, STDOUT, SUBPROTOCOL, WINDOW, Size
from support.api import submission
from support.platform import eventually
from support.served_api import Served, served_api

KINDS: dict[str, Callable[[Stack], Stream]] = {
    "exec": lambda stack: stack.exec(),
    "run": lambda stack: stack.run("web"),
    "forward": lambda stack: stack.forward(80),
    "files/read": lambda stack: stack.read_files("/tmp"),
    "files/write": lambda stack: stack.write_files("/tmp"),
}
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The stack `shop` runs in the project `lab`."""
    with served_api(tmp_path_factory.mktemp("platform")) as platform:
        with Client(platform.url, platform.keys["dora"]) as client:
            stack = client.stack("lab", "development", "shop")
            stack.deploy(submission())
            eventually(lambda: stack.view()["state"] == "healthy")
        yield platform


def shop(client: Client, project: str = "lab") -> Stack:
    return client.stack(project, "development", "shop")


def as_(served: Served, person: str) -> Client:
    return Client(served.url, served.keys[person] if person else None)


def run(stream: Stream, *argv: str, stdin: bytes | None = None, **wanted: Any) -> tuple[int, bytes, bytes]:
    """Exit status, stdout and stderr of a small command."""
    pipes = {channel: os.pipe() for channel in (STDOUT, STDERR)}
    feed = None
    if stdin is not None:
        feed, write = os.pipe()
        threading.Thread(target=lambda: (os.write(write, stdin), os.close(write)), daemon=True).start()
    with stream:
        stream.begin(command=list(argv), stdin=stdin is not None, **wanted)
        status = stream.carry(feed, {channel: pipe[1] for channel, pipe in pipes.items()})
    for _, write in pipes.values():
        os.close(write)
    return status, os.read(pipes[STDOUT][0], 65536), os.read(pipes[STDERR][0], 65536)


def test_the_kinds_below_are_all_that_there_are() -> None:
    found = {r.path.rpartition("{stack}/")[2] for n in NOUNS for r in n.router.routes if type(r).__name__ == "APIWebSocketRoute"}
    assert found == set(KINDS)


@kinds
def test_viewers_may_not_and_strangers_see_nothing(served: Served, kind: str) -> None:
    with as_(served, "vera") as client, pytest.raises(NotAllowed, match="role developer"):
        KINDS[kind](shop(client))
    with as_(served, "sam") as client:
        with pytest.raises(NotFound) as foreign:
            KINDS[kind](shop(client))
        with pytest.raises(NotFound) as missing:
            KINDS[kind](shop(client, "bal"))
    assert foreign.value.message.replace("lab", "*") == missing.value.message.replace("bal", "*")
    with as_(served, "") as client, pytest.raises(NotSignedIn):
        KINDS[kind](shop(client))


@kinds
def test_without_the_upgrade_there_is_no_such_address(served: Served, kind: str) -> None:
    with as_(served, "dora") as client, pytest.raises(NotFound):
        client._transport.request("GET", f"/projects/lab/environments/development/stacks/shop/{kind}")


def test_a_command_has_its_output_its_errors_and_its_status(served: Served) -> None:
    with as_(served, "dora") as client:
        assert run(shop(client).exec(), "echo", "a", "b") == (0, b"a b\n", b"")
        assert run(shop(client).exec(service="web", slot=1), "exit", "7") == (7, b"", b"")
        assert run(shop(client).exec(), "nothing")[0] == 127
        assert run(shop(client).exec(), "cat", stdin=b"to and fro") == (0, b"to and fro", b"")
        assert run(shop(client).run("web"), "echo", "once") == (0, b"once\n", b"")
        assert run(shop(client).exec(), "size", tty=True, size={"rows": 20, "columns": 70}) == (0, b"20 70\n", b"")


def test_the_journal_says_who_did_what_and_who_was_refused_but_not_the_commands_words(served: Served) -> None:
    with as_(served, "dora") as client:
        run(shop(client).exec(), "echo", "--password=hunter2")
        for _ in range(3):
            shop(client).forward(7777).close()
    with as_(served, "vera") as client, pytest.raises(NotAllowed):
        shop(client).exec()
    with as_(served, "otto") as client:
        found = client._transport.request("GET", "/projects/lab/audit")
    texts = [(e["actor"], e["kind"], e["verb"], e["text"]) for e in found]
    assert ("dora", "accepted", "exec", "a command in shop-web-1") in texts
    assert ("vera", "refused", "exec", "exec was refused") in texts
    assert texts.count(("dora", "accepted", "forward", "a connection to port 7777 of shop-web-1")) == 1
    assert "hunter2" not in json.dumps(found)


def test_names_that_lead_nowhere_are_said_before_anything_is_opened(served: Served) -> None:
    with as_(served, "dora") as client:
        with pytest.raises(NotFound, match=r"no service 'nix'.*It has: web"):
            shop(client).exec(service="nix")
        with pytest.raises(NotFound, match=r"no container number 9. It has: 1"):
            shop(client).exec(slot=9)
        with pytest.raises(NotFound, match="no stack"):
            client.stack("lab", "development", "nix").exec()


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({}, "command"),
        ({"command": []}, "Which command"),
        ({"command": ["a\0b"]}, "command"),
        ({"command": "ls"}, "command"),
        ({"command": ["ls"], "privileged": True}, "privileged"),
        ({"command": ["ls"], "size": {"rows": -1, "columns": 5}}, "size.rows"),
        ({"command": ["ls"], "environment": {"A": 5}}, "environment"),
    ],
)
def test_an_opening_that_is_wrong_is_told_by_name(served: Served, wanted: dict[str, Any], said: str) -> None:
    with as_(served, "dora") as client, shop(client).exec() as stream, pytest.raises(InvalidInput, match=said):
        stream.begin(**wanted)


def test_another_protocol_is_refused(served: Served) -> None:
    transport = Transport(served.url, token=served.keys["dora"], basic=None, timeout=10)
    with pytest.raises(InvalidInput, match=SUBPROTOCOL):
        transport.upgrade("/projects/lab/environments/development/stacks/shop/exec", "spin.streams.v0", query={})


def raw(stream: Stream, *messages: bytes | dict[str, Any]) -> None:
    for message in messages:
        if isinstance(message, bytes):
            stream._protocol.send_binary(message)
        else:
            stream._protocol.send_text(json.dumps(message).encode())
        stream._flush()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x01no such channel upwards",
        b"\x00" + bytes(CHUNK + 1),
        {"type": "dance"},
        {"type": "credit", "bytes": -1},
        {"type": "credit", "bytes": "many"},
        {"type": "resize", "rows": 10**9, "columns": 1},
        {"no": "type"},
    ],
    ids=repr,
)
def test_a_client_that_breaks_the_rules_is_told_and_its_command_ended(served: Served, message: bytes | dict[str, Any]) -> None:
    with as_(served, "dora") as client, shop(client).exec() as stream:
        stream.begin(command=["sleep", "300"], stdin=True)
        raw(stream, message)
        with pytest.raises((InvalidInput, Unavailable)):
            stream.carry(None, {})
    eventually(lambda: not served.engine.open_streams)


def test_a_client_that_sends_more_than_the_window_is_cut_off(served: Served) -> None:
    """Nobody reads the output of `cat`, so it takes in no more than a little."""
    with as_(served, "dora") as client, shop(client).exec() as stream:
        stream._say("open", window=4096, command=["cat"], stdin=True)
        with pytest.raises(SpinError, match=r"window|broke off"):
            _flood(stream)
    eventually(lambda: not served.engine.open_streams)


def _flood(stream: Stream) -> None:
    raw(stream, *[b"\x00" + bytes(CHUNK)] * (3 * WINDOW // CHUNK + 8))
    while True:
        message = stream._next()
        if isinstance(message, str) and json.loads(message)["type"] == "error":
            hear_error(json.loads(message))


def test_whoever_leaves_ends_the_command(served: Served) -> None:
    with as_(served, "dora") as client:
        stream = shop(client).exec()
        stream.begin(command=["sleep", "300"], stdin=True)
        assert len(served.engine.open_streams) == 1
        stream._socket.shutdown(socket.SHUT_RDWR)
        eventually(lambda: not served.engine.open_streams)
        stream.close()


def test_a_resize_reaches_the_terminal(served: Served) -> None:
    with as_(served, "dora") as client, shop(client).exec() as stream:
        stream.begin(command=["sleep", "300"], tty=True, stdin=True)
        [held] = served.engine.open_streams
        raw(stream, {"type": "resize", "rows": 33, "columns": 99})
        eventually(lambda: held.size == Size(33, 99))


def test_much_data_arrives_whole_through_a_small_window(served: Served, tmp_path: Path) -> None:
    content = os.urandom(5 * WINDOW + 12_345)
    (tmp_path / "in").write_bytes(content)
    with as_(served, "dora") as client, shop(client).exec() as stream, (tmp_path / "in").open("rb") as source:
        stream.begin(command=["cat"], stdin=True)
        with (tmp_path / "out").open("wb") as sink:
            assert stream.carry(source.fileno(), {STDOUT: sink.fileno(), STDERR: sink.fileno()}) == 0
    assert (tmp_path / "out").read_bytes() == content


def test_a_reader_that_waits_keeps_pings_answered_and_loses_nothing(served: Served) -> None:
    """More than a window is on its way while nobody reads; the sender waits, and goes on when somebody does."""
    content = os.urandom(2 * WINDOW)
    read, write = os.pipe()
    feed, give = os.pipe()
    sent = threading.Thread(target=lambda: (_all(give, content), os.close(give)), daemon=True)
    sent.start()
    found = bytearray()

    def late() -> None:
        time.sleep(1)
        while piece := os.read(read, 65536):
            found.extend(piece)

    reader = threading.Thread(target=late)
    reader.start()
    with as_(served, "dora") as client, shop(client).exec() as stream:
        stream.begin(command=["cat"], stdin=True)
        assert stream.carry(feed, {STDOUT: write}) == 0
    os.close(write)
    reader.join()
    assert bytes(found) == content


def _all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def test_a_connection_is_forwarded_and_one_that_nobody_answers_says_so(served: Served) -> None:
    served.engine.answering.add(5432)
    with as_(served, "dora") as client:
        with shop(client).forward(5432) as stream:
            stream.begin()
            here, there = socket.socketpair()
            with here, there:
                here.sendall(b"SELECT 1")
                here.shutdown(socket.SHUT_WR)
                assert stream.carry(there.fileno(), {STDOUT: there.fileno()}, ended=lambda: there.shutdown(socket.SHUT_WR)) == 0
                assert here.recv(100) == b"SELECT 1"
                assert here.recv(100) == b""
        with shop(client).forward(5433) as stream, pytest.raises(Failed, match="Nothing answers on port 5433"):
            stream.begin()


def test_a_service_that_does_not_run_is_a_conflict(served: Served) -> None:
    with as_(served, "dora") as client:
        stack = client.stack("lab", "development", "idle")
        stack.deploy(submission())
        eventually(lambda: stack.view()["state"] == "healthy")
        stack.act("stop", ["web"])
        eventually(lambda: not any(c["phase"] == "ready" for c in stack.view()["containers"]))
        with pytest.raises(Conflict, match="No container of idle/web runs now"):
            stack.exec()
