"""What people change by hand about a container or its network is seen, and hinted at."""

from __future__ import annotations

import asyncio

import pytest

from spin.engines.docker import labels
from spin.errors import Failed
from spin.model.observed import Instance, Phase
from spin.model.stack import Attachment, Network, Resources, Restart
from spin.model.steps import EnsureNetwork, Remove, RemoveNetwork, Start, Stop
from support.docker import inspect
from support.engines import Bench
from support.platform import docker

TWO = (Attachment("front"), Attachment("back", ("store",)))


async def altered(bench: Bench, made: Instance) -> Instance:
    """The container as soon as it is said to be altered."""
    seen = await bench.until(lambda s: any(i.id == made.id and i.altered for i in s.instances))
    return next(i for i in seen.instances if i.id == made.id)


def network(bench: Bench, name: str) -> str:
    return labels.network(bench.site.id, bench.key, name)


async def test_what_nobody_has_changed_is_as_it_was_created_whatever_it_was_asked_to_be(docker_bench: Bench) -> None:
    limited = Resources(cpus=0.5, memory_bytes=64 * 2**20, pids=50, reserved_cpus=0.1, reserved_memory_bytes=32 * 2**20)
    services = [
        docker_bench.service("plain"),
        docker_bench.service("limited", resources=limited, networks=TWO),
        docker_bench.service("patient", restart=Restart.ON_FAILURE, restart_limit=3),
        docker_bench.service("always", restart=Restart.ALWAYS),
        docker_bench.service("alone", networks=()),
    ]
    for spec in services:
        await docker_bench.run(spec)
    seen = await docker_bench.until(lambda s: all(i.phase is Phase.READY for i in s.instances))
    assert {i.service: i.altered for i in seen.instances} == {s.name: "" for s in services}


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("rename", "{id}", "{site}-mine"), "renamed to {site}-mine"),
        (("update", "--memory", "100m", "--memory-swap", "100m", "{id}"), "its memory limit was changed"),
        (("update", "--cpus", "0.7", "{id}"), "its CPU limit was changed"),
        (("update", "--pids-limit", "77", "{id}"), "its limit of processes was changed"),
        (("update", "--restart", "always", "{id}"), "its restart policy was changed from unless-stopped to always"),
        (("network", "disconnect", "{default}", "{id}"), "not on network default"),
        (("network", "connect", "bridge", "{id}"), "connected to network bridge by hand"),
    ],
    ids=["renamed", "memory", "processors", "processes", "restart policy", "taken off", "put on"],
)
async def test_a_change_by_hand_is_named(docker_bench: Bench, command: tuple[str, ...], reason: str) -> None:
    made = await docker_bench.run(docker_bench.service())
    await docker_bench.until_phase(made, Phase.READY)
    names = {"id": made.id, "site": docker_bench.site.id, "default": network(docker_bench, "default")}
    docker(*(part.format(**names) for part in command))
    seen = await altered(docker_bench, made)
    assert seen.altered == reason.format(**names)
    assert seen.phase is Phase.READY


async def test_a_container_that_somebody_is_removing_can_be_succeeded_at_once(docker_bench: Bench) -> None:
    made = await docker_bench.run(docker_bench.service())
    await docker_bench.until_phase(made, Phase.READY)
    removal = asyncio.create_task(asyncio.to_thread(docker, "rm", "--force", made.id))
    try:
        seen = await docker_bench.until(lambda s: not any(i.alive for i in s.instances))
        assert [(i.phase, i.altered) for i in seen.instances] in ([], [(Phase.EXITED, "being removed")])
        await docker_bench.engine.execute(docker_bench.key, Remove(made.id, made.name, "test"))
    finally:
        await removal


async def test_a_container_that_was_taken_off_its_only_network_has_no_address(docker_bench: Bench) -> None:
    made = await docker_bench.run(docker_bench.service())
    await docker_bench.until_phase(made, Phase.READY)
    docker("network", "disconnect", network(docker_bench, "default"), made.id)
    seen = await altered(docker_bench, made)
    assert (seen.address, seen.addresses) == (None, ())


async def test_a_network_that_somebody_removed_and_spin_made_again_is_another_one(docker_bench: Bench) -> None:
    made = await docker_bench.run(docker_bench.service(networks=TWO))
    name = network(docker_bench, "back")
    docker("network", "disconnect", "--force", name, made.id)
    docker("network", "rm", name)
    seen = await docker_bench.until(lambda s: s.networks == ("front",))
    assert seen.instances[0].altered == "not on network back"
    assert [link.network for link in seen.links] == ["front"]
    await docker_bench.engine.execute(docker_bench.key, EnsureNetwork(Network("back"), "test"))
    assert (await altered(docker_bench, made)).altered == "not on network back"


async def test_a_stopped_container_joins_its_networks_anew_when_they_were_made_again(docker_bench: Bench) -> None:
    key = docker_bench.key
    made = await docker_bench.run(docker_bench.service(networks=TWO))
    await docker_bench.engine.execute(key, Stop(made.id, made.name, 0, "test"))
    for name in ("front", "back"):
        await docker_bench.engine.execute(key, RemoveNetwork(name, "test"))
    docker("network", "connect", "bridge", made.id)
    with pytest.raises(Failed, match="no network front"):
        await docker_bench.engine.execute(key, Start(made.id, made.name, "test"))
    for name in ("back", "front"):
        await docker_bench.engine.execute(key, EnsureNetwork(Network(name), "test"))
    await docker_bench.engine.execute(key, Start(made.id, made.name, "test"))
    seen = await docker_bench.until_phase(made, Phase.READY)
    assert (seen.altered, [name for name, _ in seen.addresses]) == ("", ["front", "back"])
    assert "store" in inspect(made.id)["NetworkSettings"]["Networks"][network(docker_bench, "back")]["Aliases"]


async def test_a_network_that_was_made_again_between_creating_and_starting_does_not_matter(docker_bench: Bench) -> None:
    key = docker_bench.key
    made = await docker_bench.create(docker_bench.service(networks=TWO))
    for name in ("front", "back"):
        await docker_bench.engine.execute(key, RemoveNetwork(name, "test"))
        await docker_bench.engine.execute(key, EnsureNetwork(Network(name), "test"))
    await docker_bench.engine.execute(key, Start(made.id, made.name, "test"))
    seen = await docker_bench.until_phase(made, Phase.READY)
    assert (seen.altered, [name for name, _ in seen.addresses]) == ("", ["front", "back"])


async def test_what_is_stopped_stays_so_when_the_engine_is_restarted_and_gets_its_policy_back_with_its_start(
    docker_bench: Bench,
) -> None:
    key = docker_bench.key
    for restart, running, stopped in (
        (Restart.ALWAYS, "unless-stopped", "unless-stopped"),
        (Restart.UNLESS_STOPPED, "unless-stopped", "unless-stopped"),
        (Restart.ON_FAILURE, "on-failure", "no"),
    ):
        made = await docker_bench.run(docker_bench.service(restart.value, restart=restart, restart_limit=4))
        assert inspect(made.id)["HostConfig"]["RestartPolicy"]["Name"] == running
        await docker_bench.engine.execute(key, Stop(made.id, made.name, 0, "test"))
        assert inspect(made.id)["HostConfig"]["RestartPolicy"]["Name"] == stopped
        await docker_bench.engine.execute(key, Start(made.id, made.name, "test"))
        again = inspect(made.id)["HostConfig"]["RestartPolicy"]
        assert again == {"Name": running, "MaximumRetryCount": 4 if running == "on-failure" else 0}
        assert (await docker_bench.until_phase(made, Phase.READY)).altered == ""
