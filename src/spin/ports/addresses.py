"""What Spin asks of the host that spreads the calls between a stack's own services: the same shape as the edge."""

from __future__ import annotations

from typing import Protocol

from spin.model.observed import ServiceAddress


class Addresses(Protocol):
    """The table of stable service addresses. Every method raises AddressesUnavailable when the host does not let Spin change it."""

    async def entries(self, owner: str) -> tuple[ServiceAddress, ...]:
        """The owner's entries in force now, sorted by network and service. Costs the same however many others there are."""
        ...

    async def set_entries(self, owner: str, entries: tuple[ServiceAddress, ...]) -> None:
        """Make exactly `entries` the owner's, in one step. Connections that exist are not disturbed.

        When this returns, no new connection goes to a target that is no longer named.
        """
        ...
