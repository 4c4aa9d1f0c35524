"""The table that keeps containers off their host, and the file from which a boot brings it back; in a network namespace of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from spin.addresses import HostGuard
from spin.addresses.guard import guard_name
from spin.site import Site
from support.bridges import apart, run

pytestmark = pytest.mark.usefixtures("usable")

SITE = Site(id="apart", address="0.0.0.0")
TABLE = guard_name("apart")
OLD = "br-0123456789ab"
"""A bridge from before the names of bridges said whose they are."""


def bridges(*names: str) -> Callable[[], Any]:
    async def named() -> Iterable[str]:
        return names

    return named


def listed() -> list[Any]:
    """All that the kernel has of the table, but for the name of its writing and the handles."""
    found: list[dict[str, dict[str, Any]]] = json.loads(run("nft", "-j", "list", "ruleset"))["nftables"]
    parts = [(kind, {k: v for k, v in what.items() if k != "handle"}) for entry in found for kind, what in entry.items()]
    return [(kind, what) for kind, what in parts if kind != "metainfo" and not what.get("name", "").startswith("written/")]


class Kept:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.times = 0

    def __call__(self, text: str) -> None:
        self.times += 1
        if text:
            self.file.write_text(text)
        else:
            self.file.unlink()


def test_loading_the_kept_file_makes_the_same_table_as_the_guard(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "guard.nft")

    async def work() -> None:
        async with HostGuard(SITE, bridges(OLD), kept):
            there = listed()
            assert len(there) > 10
            text = kept.file.read_text()
        run("nft", "flush", "ruleset")
        run("nft", "-f", "-", stdin=text)
        assert listed() == there, "on a host that has no such bridge yet"
        run("nft", "-f", "-", stdin=text)
        assert listed() == there, "as often as one likes"
        async with HostGuard(SITE, bridges(OLD), kept):
            assert listed() == there, "the platform takes it over"

    apart(work)


def test_the_file_stays_with_the_table_and_goes_when_the_site_has_no_network(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "guard.nft")

    async def work() -> None:
        async with HostGuard(SITE, bridges("lo"), kept):  # a bridge that is there: it is needed
            pass
        assert kept.file.exists()
        assert TABLE in run("nft", "list", "tables")
        async with HostGuard(SITE, bridges(), kept):
            assert kept.file.exists()
        assert not kept.file.exists()
        assert TABLE not in run("nft", "list", "tables")

    apart(work)


def test_the_file_is_written_when_it_would_say_something_else_and_not_with_each_repair(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "guard.nft")

    async def work() -> None:
        names = ["lo"]

        async def named() -> Iterable[str]:
            return names

        guard = HostGuard(SITE, named, kept)
        async with guard:
            run("nft", "delete", "table", "inet", TABLE)
            await guard.look()
            assert TABLE in run("nft", "list", "tables")
            assert kept.times == 1
            names.append(OLD)
            await guard.look()
            assert kept.times == 2
            assert OLD in kept.file.read_text()

    apart(work)


def test_who_stops_before_the_engine_was_there_leaves_what_a_boot_has_loaded(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "guard.nft")
    kept.file.write_text("of before")

    async def silent() -> None:
        return None

    async def work() -> None:
        async with HostGuard(SITE, silent, kept):
            pass
        assert TABLE in run("nft", "list", "tables")
        assert kept.file.read_text() == "of before"

    apart(work)


def test_as_long_as_the_engine_does_not_say_which_bridges_there_are_the_file_of_before_stays(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "guard.nft")
    told: list[Iterable[str] | None] = [None]

    async def named() -> Iterable[str] | None:
        return told[-1]

    async def work() -> None:
        guard = HostGuard(SITE, named, kept)
        async with guard:
            assert TABLE in run("nft", "list", "tables")
            await guard.look()
            assert kept.times == 0
            told.append(("lo",))
            await guard.look()
            assert kept.times == 1

    apart(work)


def test_where_the_file_cannot_be_kept_the_host_is_protected_all_the_same() -> None:
    def full(_: str) -> None:
        raise OSError(28, "No space left on device")

    async def work() -> None:
        async with HostGuard(SITE, bridges("lo"), full):
            assert TABLE in run("nft", "list", "tables")

    with structlog.testing.capture_logs() as told:
        apart(work)
    assert [line["reason"] for line in told if line["log_level"] == "warning"] == ["No space left on device"]
