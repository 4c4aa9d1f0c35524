"""Bytes of files as text."""

from __future__ import annotations

import pytest

from spin.kit.text import decoded


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_of_windows_are_read_as_they_are_meant(encoding: str) -> None:
    assert decoded("services: # Übersicht\n".encode(encoding)) == "services: # Übersicht\n"


@pytest.mark.parametrize("data", [b"caf\xe9", b"\xff\xfea"])
def test_what_is_no_text_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        decoded(data)
