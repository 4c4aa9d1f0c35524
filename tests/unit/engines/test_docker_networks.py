"""Which subnet a new network gets, where the engine's list and the engine disagree."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any, cast

import pytest
from aiodocker.exceptions import DockerError

from spin.engines.docker.client import Client
from spin.engines.docker.networks import Networks
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.stack import Network
from spin.site import Site

KEY = DeploymentKey(ProjectName("research"), EnvironmentName("development"), StackName("shop"))
REFUSALS = (
    "Pool overlaps with other one on this address space",
    "cannot create network 0123 (sp1): conflicts with network 4567 (sp2): networks have overlapping IPv4",
)


class Disagreeing:
    """An engine that lists no network, and has some all the same: what Docker does for a moment while others come and go."""

    local = False

    def __init__(self, refusals: list[str]) -> None:
        self.refusals = refusals
        self.asked: list[str] = []

    async def get(self, *_: object, **__: object) -> list[dict[str, Any]]:
        return []

    async def post(self, _: str, body: dict[str, Any]) -> None:
        self.asked.append(body["IPAM"]["Config"][0]["Subnet"])
        if self.refusals:
            raise DockerError(403, self.refusals.pop(0))


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_subnet_that_is_taken_in_spite_of_the_list_is_passed_over(refusal: str) -> None:
    engine = Disagreeing([refusal, refusal])
    await Networks(cast("Client", engine), Site(), divided=False).ensure(KEY, Network("default"))
    assert engine.asked == ["10.208.0.0/25", "10.208.0.128/25", "10.208.1.0/25"]


async def test_a_subnet_is_not_free_while_a_table_of_the_host_has_a_part_of_it() -> None:
    async def held() -> list[IPv4Network]:
        return [IPv4Network("10.208.0.64/26")]

    engine = Disagreeing([])
    await Networks(cast("Client", engine), Site(), divided=True, held=held).ensure(KEY, Network("default"))
    assert engine.asked == ["10.208.0.128/25"]


async def test_another_refusal_is_one() -> None:
    engine = Disagreeing(["no more bridges"])
    with pytest.raises(DockerError, match="no more bridges"):
        await Networks(cast("Client", engine), Site(), divided=False).ensure(KEY, Network("default"))
    assert engine.asked == ["10.208.0.0/25"]
