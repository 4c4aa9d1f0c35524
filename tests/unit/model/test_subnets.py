"""How a subnet is divided between containers and services."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from spin.model.subnets import halves, service_address


@pytest.mark.parametrize("prefix", range(16, 30))
def test_services_have_the_upper_half_but_for_the_broadcast_address(prefix: int) -> None:
    subnet = IPv4Network(("10.208.0.0", prefix))
    containers, services = halves(subnet)
    room = services.num_addresses - 1
    numbers = [1, 2, room] if room > 2 else [1, 2]
    found = [IPv4Address(str(service_address(str(services), n))) for n in numbers]
    assert found[:2] == [subnet[-2], subnet[-3]]
    assert all(a in services and a not in containers and a != subnet.broadcast_address for a in found)
    assert service_address(str(services), room + 1) is None
    assert service_address(str(services), 0) is None


def test_the_usual_subnet_has_room_for_63_services_and_the_smallest_for_three() -> None:
    def room(subnet: str) -> int:
        _, services = halves(IPv4Network(subnet))
        return sum(service_address(str(services), n) is not None for n in range(200))

    assert (room("10.208.0.0/25"), room("10.208.0.0/29")) == (63, 3)
