"""The engine's frames as they come, and what it says of files."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path

import pytest

from spin.engines.docker.archives import file_stat
from spin.engines.docker.execs import members
from spin.engines.docker.wire import Demultiplexer
from spin.model.streams import FileStat


def frame(stream: int, content: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(content)) + content


def test_frames_in_one_piece_are_joined_by_stream() -> None:
    data = frame(1, b"ab") + frame(1, b"cd") + frame(2, b"ef") + frame(1, b"") + frame(1, b"gh")
    assert Demultiplexer().feed(data) == [(1, b"abcd"), (2, b"ef"), (1, b"gh")]


@pytest.mark.parametrize("size", range(1, 20))
def test_however_the_bytes_are_cut_none_is_lost_or_kept_back(size: int) -> None:
    data = frame(1, b"hello") + frame(2, b"error") + frame(1, b"x" * 50)
    demultiplexer = Demultiplexer()
    found = {1: b"", 2: b""}
    for at in range(0, len(data), size):
        for stream, content in demultiplexer.feed(data[at : at + size]):
            assert content
            found[stream] += content
    assert found == {1: b"hello" + b"x" * 50, 2: b"error"}


def test_a_part_of_a_frame_is_passed_on_at_once() -> None:
    demultiplexer = Demultiplexer()
    assert demultiplexer.feed(frame(1, b"hello")[:10]) == [(1, b"he")]
    assert demultiplexer.feed(b"llo") == [(1, b"llo")]


@pytest.mark.parametrize(
    ("mode", "kind", "bits"),
    [
        (0o644, "file", 0o644),
        (1 << 31 | 1 << 20 | 0o777, "directory", 0o1777),
        (1 << 27 | 0o777, "link", 0o777),
        (1 << 26, "other", 0),
        (1 << 23 | 0o755, "file", 0o4755),
    ],
)
def test_modes_are_told_as_go_has_them(mode: int, kind: str, bits: int) -> None:
    header = base64.b64encode(json.dumps({"name": "x", "size": 7, "mode": mode, "linkTarget": "y"}).encode()).decode()
    assert file_stat(header) == FileStat("x", 7, bits, kind, "y")


@pytest.mark.parametrize("header", ["", "?", "e30=", base64.b64encode(b"[]").decode()])
def test_a_header_that_cannot_be_read_is_none(header: str) -> None:
    assert file_stat(header) is None


def process(proc: Path, pid: int, *, session: int, cgroup: str, state: str = "S", environ: bytes = b"") -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "cgroup").write_text(f"0::/docker/{cgroup}\n")
    (folder / "stat").write_text(f"{pid} (a) b) {state} 1 1 {session} 0 0")
    (folder / "environ").write_bytes(environ)


def test_a_commands_processes_are_those_of_its_session_and_of_its_mark_in_its_container_only(tmp_path: Path) -> None:
    mark = b"A=b\0SPIN_SESSION=site.1\0"
    process(tmp_path, 10, session=10, cgroup="c1")
    process(tmp_path, 11, session=10, cgroup="c1")
    process(tmp_path, 12, session=12, cgroup="c1", environ=mark)
    process(tmp_path, 13, session=10, cgroup="c1", state="Z")
    process(tmp_path, 14, session=10, cgroup="c2")
    process(tmp_path, 15, session=15, cgroup="c2", environ=mark)
    process(tmp_path, 16, session=16, cgroup="c1", environ=b"SPIN_SESSION=site.11\0")
    (tmp_path / "self").mkdir()
    assert sorted(members(tmp_path, "c1", 10, "site.1") or ()) == [10, 11, 12]
    assert members(tmp_path, "c1", 0, "site.2") == []
    assert members(tmp_path, "c3", 10, "site.1") is None, "nothing of that container is to be seen"
