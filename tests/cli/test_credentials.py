"""The credentials file: for its owner only, a key for each platform, whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from spin.cli import credentials
from spin.cli.credentials import Credentials, Login, dump, masked, parse
from spin.errors import Failed, InvalidInput

TWO = (
    Credentials()
    .with_login("http://a:1", Login("spin_a_1", user="maria", project="demo", registry="a:5000", created=True))
    .with_login("https://b", Login("spin_b_2"))
)


def test_what_is_written_reads_back_the_same() -> None:
    odd = TWO.with_login("http://ü", Login('quote" back\\slash\nline\x7f', user="ß"))
    assert parse(dump(odd), "x") == odd


def test_the_last_login_is_current_and_signing_out_falls_back_to_another() -> None:
    assert TWO.current == "https://b"
    assert TWO.without("https://b").current == "http://a:1"
    assert TWO.without("https://b").without("http://a:1") == Credentials()
    assert TWO.without("http://a:1").current == "https://b"


def test_only_the_owner_can_read_it(home: Path) -> None:
    credentials.save(TWO)
    assert stat.S_IMODE(credentials.path().stat().st_mode) == 0o600
    assert stat.S_IMODE(credentials.directory().stat().st_mode) == 0o700
    assert [p.name for p in credentials.directory().iterdir()] == ["credentials.toml"]
    credentials.path().chmod(0o644)
    assert credentials.load() == TWO
    assert stat.S_IMODE(credentials.path().stat().st_mode) == 0o600


def test_no_file_means_not_signed_in(home: Path) -> None:
    assert credentials.load() == Credentials()


@pytest.mark.parametrize("text", ["current = ", 'sites = "x"', '[sites."u"]\nuser = "no key"'])
def test_a_broken_file_is_said_so(text: str) -> None:
    with pytest.raises(InvalidInput, match="sign in again"):
        parse(text, "credentials.toml")


def test_a_place_that_cannot_be_written_is_said_so(home: Path) -> None:
    credentials.directory().parent.mkdir()
    credentials.directory().write_text("a file where the directory should be")
    with pytest.raises(Failed, match="cannot be written"):
        credentials.save(TWO)


def test_a_key_is_shown_without_its_secret() -> None:
    assert masked("spin_k1_verysecret") == "spin_k1_…"
    assert masked("something else") == "…"
    assert masked(None) == "…"
