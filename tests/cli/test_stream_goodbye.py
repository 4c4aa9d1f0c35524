"""A command may be over before its client has said a second word: everything then comes at once, the goodbye included."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator

import pytest
from websockets.protocol import Protocol, Side

from spin.client.streams import Stream
from spin.model.streams import STDOUT


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    mine, theirs = socket.socketpair()
    with mine, theirs:
        yield mine, theirs


def test_what_comes_together_with_the_goodbye_is_heard(pair: tuple[socket.socket, socket.socket]) -> None:
    mine, theirs = pair
    server = Protocol(Side.SERVER)
    server.send_text(json.dumps({"type": "ready", "window": 1 << 20, "container": "shop-web-1", "others": 0}).encode())
    server.send_binary(bytes((STDOUT,)) + b"all of it")
    server.send_text(json.dumps({"type": "exit", "status": 7, "stdin": 0, "stdout": 9, "stderr": 0}).encode())
    server.send_close(1000)
    theirs.sendall(b"".join(server.data_to_send()))
    read, write = os.pipe()
    with Stream(mine) as stream, os.fdopen(read, "rb") as heard:
        with os.fdopen(write, "wb") as sink:
            stream.begin(command=["true"])
            assert stream.carry(None, {STDOUT: sink.fileno()}) == 7
        assert heard.read() == b"all of it"
