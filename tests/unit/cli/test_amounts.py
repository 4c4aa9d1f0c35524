"""Amounts for people."""

from __future__ import annotations

import pytest

from spin.cli.amounts import memory, percent, sparkline, traffic


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1536, "1.5KiB"),
        (62.1 * 2**20, "62.1MiB"),
        (512 * 2**20, "512MiB"),
        (1000 * 2**20, "1000MiB"),
        (3 * 2**30, "3GiB"),
        (5000 * 2**40, "5000TiB"),
    ],
)
def test_memory_is_written_as_docker_does(count: float, shown: str) -> None:
    assert memory(count) == shown


def test_traffic_is_in_powers_of_ten() -> None:
    assert [traffic(n) for n in (7, 1200, 3_400_000, 999_900_000)] == ["7B", "1.2kB", "3.4MB", "1000MB"]


def test_a_percentage_of_nothing_is_nothing() -> None:
    assert percent(0.5) == "50.0%"
    assert percent(0.25, 2) == "12.5%"
    assert percent(None) == percent(1, 0) == ""


def test_a_sparkline_has_a_bar_for_each_value_and_a_gap_for_none() -> None:
    assert sparkline([0, 4, None, 8], 8) == "▁▅ █"
    assert sparkline([0, 0], 0) == "▁▁"
    assert sparkline([20], 10) == "█"
