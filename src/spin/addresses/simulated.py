"""Service addresses in memory, for tests and trials. They can be taken away and given back, and lost as by a flush of the host's rules."""

from __future__ import annotations

from spin.addresses.render import checked, refuse_clashes
from spin.errors import AddressesUnavailable
from spin.model.observed import ServiceAddress


class SimulatedAddresses:
    """Implements `spin.ports.addresses.Addresses`; `applied` keeps everything that was set, oldest first."""

    def __init__(self) -> None:
        self.applied: list[tuple[str, tuple[ServiceAddress, ...]]] = []
        self.reachable = True
        self._owners: dict[str, tuple[ServiceAddress, ...]] = {}

    async def entries(self, owner: str) -> tuple[ServiceAddress, ...]:
        self._answer()
        return self._owners.get(owner, ())

    async def set_entries(self, owner: str, entries: tuple[ServiceAddress, ...]) -> None:
        self._answer()
        mine = checked(owner, entries)
        refuse_clashes((*(kept for other, kept in self._owners.items() if other != owner), mine))
        self._owners[owner] = mine
        self.applied.append((owner, self._owners[owner]))

    def flush(self) -> None:
        """What is left when somebody empties the host's rules and nobody repairs them."""
        self._owners = {}

    def _answer(self) -> None:
        if not self.reachable:
            raise AddressesUnavailable("The table of service addresses cannot be read.")
