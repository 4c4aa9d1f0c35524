"""What the edge begins with, when it was there before."""

from __future__ import annotations

from pathlib import Path

import pytest

from spin.edge.caddy import store_configuration
from spin.edge.process import caddy_child
from spin.edge.table import Table, merge
from spin.edge.targets import TargetFiles
from spin.model.observed import Route
from spin.site import Site

BEFORE = Route("web.shop.spin.localhost", "shop", ("10.208.0.2:8080",))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """An edge's, as a platform has left it that was started on this boot of the machine."""
    caddy_child(Site(), tmp_path)
    table, _ = merge(Table(), {"shop": (BEFORE,)})
    store_configuration(tmp_path, table)
    TargetFiles(tmp_path).write(table.by_name[BEFORE.host], BEFORE)
    return tmp_path


def leads_to(directory: Path) -> Route:
    table, _ = merge(Table(), {"shop": (BEFORE,)})
    return TargetFiles(directory).read(table.by_name[BEFORE.host])


def test_a_platform_that_starts_again_leads_visitors_where_they_were_led_before(directory: Path) -> None:
    caddy_child(Site(), directory)
    assert leads_to(directory) == BEFORE


def test_after_a_boot_of_the_machine_visitors_wait_until_it_is_known_where_containers_are(directory: Path) -> None:
    (directory / "boot").write_text("another one")
    caddy_child(Site(), directory)
    assert leads_to(directory) == Route(BEFORE.host, "shop", (), hold=True)
    TargetFiles(directory).write(merge(Table(), {"shop": (BEFORE,)})[0].by_name[BEFORE.host], BEFORE)
    caddy_child(Site(), directory)
    assert leads_to(directory) == BEFORE, "once a boot"
