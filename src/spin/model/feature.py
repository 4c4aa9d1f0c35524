"""What not every engine can do, and which services ask for it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from spin.model.stack import Restart, ServiceSpec


class Feature(Enum):
    """By the key of a service that asks for it."""

    DNS = "dns"
    DOMAINNAME = "domainname"
    EXTRA_HOSTS = "extra_hosts"
    GROUP_ADD = "group_add"
    INIT = "init"
    RESTART_LIMIT = "restart"
    SHM_SIZE = "shm_size"
    STOP_SIGNAL = "stop_signal"
    SYSCTLS = "sysctls"
    TTY = "tty"
    ULIMITS = "ulimits"


_ASKS: dict[Feature, Callable[[ServiceSpec], bool]] = {
    Feature.DNS: lambda s: bool(s.dns.servers or s.dns.search or s.dns.options),
    Feature.DOMAINNAME: lambda s: s.domainname is not None,
    Feature.EXTRA_HOSTS: lambda s: bool(s.extra_hosts),
    Feature.GROUP_ADD: lambda s: any(not group.isdigit() for group in s.group_add),
    Feature.INIT: lambda s: s.init,
    Feature.RESTART_LIMIT: lambda s: s.restart is Restart.ON_FAILURE and s.restart_limit > 0,
    Feature.SHM_SIZE: lambda s: s.shm_bytes is not None,
    Feature.STOP_SIGNAL: lambda s: s.stop_signal is not None,
    Feature.SYSCTLS: lambda s: bool(s.sysctls),
    Feature.TTY: lambda s: s.tty or s.stdin_open,
    Feature.ULIMITS: lambda s: bool(s.ulimits),
}


def asks(service: ServiceSpec, feature: Feature) -> bool:
    """Whether `service` cannot do without `feature`. (`group_add` with numbers needs nothing of the engine; names of the image do.)"""
    return _ASKS[feature](service)
