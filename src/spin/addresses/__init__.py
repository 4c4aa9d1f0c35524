"""Stable addresses of services, spread over their containers by the host's nftables.

`render` is pure: the entries of all owners as one table of nftables, and back. `NftAddresses` is the port's adapter, `unusable` says
whether this host lets it work. `simulated` keeps entries in memory. `held` tells the ranges that any
site's table on this host still has. `HostGuard` keeps containers off what listens on their host.
"""

from spin.addresses.guard import HostGuard
from spin.addresses.nft import NftAddresses, held, unusable

__all__ = ["HostGuard", "NftAddresses", "held", "unusable"]
