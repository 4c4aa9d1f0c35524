"""What every adapter of the port does."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from spin.addresses.simulated import SimulatedAddresses
from spin.errors import AddressesUnavailable, Failed
from spin.model.observed import ServiceAddress
from spin.ports.addresses import Addresses

SHOP, BLOG = "research/development/shop", "research/development/blog"
API = ServiceAddress(SHOP, "default", "api", "10.208.0.126", "10.208.0.64/26", "br-none1", ("10.208.0.2", "10.208.0.3"))
DB = ServiceAddress(SHOP, "default", "db", "10.208.0.125", "10.208.0.64/26", "br-none1", (), hold=True)
WEB = ServiceAddress(BLOG, "default", "web", "10.208.0.254", "10.208.0.192/26", "br-none2", ())


async def test_an_owner_has_exactly_what_was_set_last_sorted(addresses: Addresses) -> None:
    assert await addresses.entries(SHOP) == ()
    await addresses.set_entries(SHOP, (DB, API))
    assert await addresses.entries(SHOP) == (API, DB)
    await addresses.set_entries(SHOP, (replace(API, targets=("10.208.0.4",)),))
    assert await addresses.entries(SHOP) == (replace(API, targets=("10.208.0.4",)),)
    await addresses.set_entries(SHOP, ())
    assert await addresses.entries(SHOP) == ()


async def test_owners_do_not_disturb_each_other_also_at_the_same_moment(addresses: Addresses) -> None:
    await asyncio.gather(addresses.set_entries(SHOP, (API,)), addresses.set_entries(BLOG, (WEB,)))
    assert (await addresses.entries(SHOP), await addresses.entries(BLOG)) == ((API,), (WEB,))
    await addresses.set_entries(SHOP, ())
    assert (await addresses.entries(SHOP), await addresses.entries(BLOG)) == ((), (WEB,))


async def test_what_cannot_be_a_rule_changes_nothing_for_anybody(addresses: Addresses) -> None:
    await addresses.set_entries(BLOG, (WEB,))
    with pytest.raises(Failed):
        await addresses.set_entries(SHOP, (API, replace(DB, interface="no such name for an interface")))
    assert (await addresses.entries(SHOP), await addresses.entries(BLOG)) == ((), (WEB,))


async def test_an_address_on_a_bridge_stays_with_the_owner_who_has_it(addresses: Addresses) -> None:
    await addresses.set_entries(BLOG, (WEB,))
    with pytest.raises(Failed, match="taken"):
        await addresses.set_entries(SHOP, (replace(WEB, owner=SHOP),))
    await addresses.set_entries(SHOP, (replace(WEB, owner=SHOP, interface="br-another"),))
    assert await addresses.entries(BLOG) == (WEB,)


async def test_simulated_addresses_can_be_taken_away_and_lost() -> None:
    addresses = SimulatedAddresses()
    await addresses.set_entries(SHOP, (API,))
    addresses.reachable = False
    with pytest.raises(AddressesUnavailable):
        await addresses.entries(SHOP)
    addresses.reachable = True
    addresses.flush()
    assert await addresses.entries(SHOP) == ()
    assert addresses.applied == [(SHOP, (API,))]
