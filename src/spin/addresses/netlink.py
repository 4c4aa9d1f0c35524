"""The few words of netlink that Spin speaks with the kernel: messages, attributes, a request and its answers."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

NETFILTER: Final = 12
"""NETLINK_NETFILTER."""
ROUTES: Final = 0
"""NETLINK_ROUTE."""
IPV4: Final = 2
"""NFPROTO_IPV4, AF_INET."""
INET: Final = 1
"""NFPROTO_INET: tables for both versions of IP."""
REQUEST: Final = 1
ACKNOWLEDGE: Final = 4
DUMP: Final = 0x300

_HEADER = struct.Struct("=LHHLL")  # length, type, flags, sequence, port
_HEAD = 4  # bytes: the family, and three that mean something else for each subsystem
_ATTRIBUTE = struct.Struct("=HH")
_NUMBER = struct.Struct("=i")
_ERROR, _DONE = 2, 3
_NESTED, _TYPE_MASK = 0x8000, 0x3FFF
_BODY = _HEADER.size + _HEAD
_LARGEST = 1 << 17  # bytes of one answer


class Message(NamedTuple):
    type: int
    """Subsystem in the upper byte, kind in the lower."""
    head: memoryview
    body: memoryview
    """Its attributes, for netfilter."""

    @property
    def family(self) -> int:
        return self.head[0] if self.head else 0


def messages(data: bytes) -> Iterator[Message]:
    """The messages of one datagram."""
    view, at = memoryview(data), 0
    while at + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            return
        yield Message(kind, view[at + _HEADER.size : min(at + _BODY, at + length)], view[at + _BODY : at + length])
        at += (length + 3) & ~3


def attributes(body: memoryview) -> dict[int, memoryview]:
    """Its attributes by type."""
    found: dict[int, memoryview] = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _TYPE_MASK] = body[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return found


def attribute(type: int, content: bytes | memoryview, *, nested: bool = False) -> bytes:
    """One attribute; `nested` if it holds attributes."""
    padding = bytes(-len(content) % 4)
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(content), type | (_NESTED if nested else 0)) + bytes(content) + padding


def text(value: memoryview) -> str:
    return bytes(value).rstrip(b"\0").decode(errors="replace")


def ask(type: int, flags: int, body: bytes = b"", *, whom: int = NETFILTER, head: bytes = b"\0\0\0") -> list[Message]:
    """Send one request about IPv4 to that part of the kernel and gather its answers. Raises OSError with the kernel's reason.

    `head`: what stands between the family and the body.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, whom) as asking:
        asking.settimeout(10)
        asking.bind((0, 0))
        length = _BODY + len(body)
        asking.send(_HEADER.pack(length, type, REQUEST | flags, 1, 0) + bytes([IPV4]) + head + body)
        answers: list[Message] = []
        while True:
            data = asking.recv(_LARGEST)
            for message in messages(data):
                if message.type == _DONE:
                    return answers
                if message.type == _ERROR:
                    (number,) = _NUMBER.unpack_from(data, _HEADER.size)
                    if number:
                        raise OSError(-number, os.strerror(-number))
                    return answers
                answers.append(message)
