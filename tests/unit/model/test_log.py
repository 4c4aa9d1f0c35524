"""How far a log has been read."""

from __future__ import annotations

import base64
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spin.errors import InvalidInput
from spin.model.log import Cursor, Line, Numbers, Position, known_by, read_cursor
from spin.model.streams import STDERR, STDOUT


def at(second: int, stream: int = STDOUT, text: bytes = b"x") -> Line:
    return (b"2030-05-01T12:00:%02d.000000000Z" % second, stream, text)


@st.composite
def logs(draw: st.DrawFn) -> list[Line]:
    """A log as Docker writes it: the times of each stream do not go back, those of two may cross a little."""
    lines: list[Line] = []
    times = {STDOUT: 10, STDERR: 10}
    for number in range(draw(st.integers(0, 30))):
        stream = draw(st.sampled_from([STDOUT, STDERR]))
        newest = max(times.values())
        times[stream] = max(times[stream], newest - 2, min(59, times[stream] + draw(st.integers(0, 2))))
        lines.append(at(times[stream], stream, b"%d" % number))
    return lines


@given(logs(), st.data())
def test_a_log_that_is_read_in_parts_is_read_once(log: list[Line], data: st.DataObject) -> None:
    """Each part begins at `since`, as an engine would, and may end anywhere; the position travels in a cursor in between."""
    got: list[Line] = []
    position = Position()
    for end in [*sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=4))), len(log)]:
        numbers, since = Numbers(), position.since()
        got += [line for line in log[:end] if (since is None or line[0] >= since) and position.passes(line, numbers.of(line))]
        cursor = Cursor(at(0)[0], positions={known_by("a" * 64): position})
        position = read_cursor(cursor.text()).positions[known_by("a" * 64)]
    assert got == log


def test_what_was_cut_before_the_first_line_stays_cut() -> None:
    position = Position(floor=at(5)[0])
    numbers = Numbers()
    log = [at(3), at(4, STDERR), at(5), at(6, STDERR)]
    assert [line for line in log if position.passes(line, numbers.of(line))] == log[2:]
    assert position.since() == at(5)[0]


@pytest.mark.parametrize("text", ["", "x", "a" * 100_000, "eJwDAAAAAAE=", "eJyLrlbKVrJSMlSqBQAN4QKk"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_cursor(text)


@given(st.binary(max_size=200))
def test_nothing_else_comes_of_a_cursor_that_was_made_up(data: bytes) -> None:

    for content in (data, zlib.compress(data)):
        with suppress(InvalidInput):
            read_cursor(base64.urlsafe_b64encode(content).decode())
