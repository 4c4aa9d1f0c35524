"""Moments at the ends of the calendar, wherever the API takes one: an answer, and never a failure of the platform's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spin.api import document
from support.api import new_world

ENDS = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "1969-12-31T23:59:59Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59.999999-23:59",
    "0",
    "-62135596800",
    "253402300799",
    "253402300800",
    "1e18",
    "NaN",
)


def places() -> Iterator[tuple[str, str]]:
    """(address, name) of every parameter that is a moment."""
    for address, operations in document()["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", ()):
            schemas = [parameter["schema"], *parameter["schema"].get("anyOf", ())]
            if any(schema.get("format") == "date-time" for schema in schemas):
                yield address, parameter["name"]


PLACES = sorted(places())


def test_all_of_them_are_found() -> None:
    assert len(PLACES) >= 9


@pytest.mark.parametrize(("address", "name"), PLACES)
async def test_the_ends_of_the_calendar(tmp_path: Path, address: str, name: str) -> None:
    parts = {"project": "lab", "environment": "development", "stack": "shop", "service": "web", "number": 1}
    async with new_world(tmp_path) as world:
        assert (await world.up()).status_code == 200
        for moment in ENDS:
            person = world.as_("root")
            answer = await person.get(address.removeprefix("/api/v1").format(**parts), params={name: moment})
            assert answer.status_code in (200, 404, 409, 422), (moment, answer.text)
