"""What every engine promises (spin.ports.engine)."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import suppress
from dataclasses import replace

import pytest

from spin.engines.simulated import SimulatedEngine
from spin.errors import Failed
from spin.model.names import InstanceId
from spin.model.observed import Instance, Phase, Snapshot
from spin.model.stack import Attachment, Config, Grant, Healthcheck, Mount, Network, Restart, Volume
from spin.model.steps import (
    Create,
    DeliverFiles,
    EnsureNetwork,
    EnsureVolume,
    PullImage,
    Remove,
    RemoveFiles,
    RemoveNetwork,
    RemoveVolume,
    Start,
    Stop,
)
from support.engines import Bench, digest_of


async def twice(bench: Bench, *steps: object) -> Snapshot:
    for step in steps:
        await bench.engine.execute(bench.key, step)
        await bench.engine.execute(bench.key, step)
    return await bench.engine.observe(bench.key)


def lines(snapshot: Snapshot) -> list[tuple[str, int, int]]:
    return [(i.service, i.slot, i.attempt) for i in snapshot.instances]


async def test_nothing_is_observed_of_a_deployment_that_was_never_there(bench: Bench) -> None:
    seen = await bench.engine.observe(bench.key)
    assert (seen.instances, seen.networks, seen.volumes, seen.files) == ((), (), (), ())
    assert await bench.engine.keys() == frozenset()


async def test_the_engine_says_that_it_answers(bench: Bench) -> None:
    health = await bench.engine.health()
    assert health.reachable
    assert health.version


async def test_a_container_goes_from_created_to_ready_to_exited_to_gone(bench: Bench) -> None:
    made = await bench.create(bench.service())
    assert (made.phase, made.service, made.slot, made.attempt, made.digest) == (Phase.CREATED, "web", 1, 1, digest_of("web"))
    assert made.address is None

    await bench.engine.execute(bench.key, Start(made.id, made.name, "test"))
    ready = await bench.until_phase(made, Phase.READY)
    assert ready.address is not None
    assert ready.alive

    await bench.engine.execute(bench.key, Stop(made.id, made.name, 1000, "test"))
    ended = await bench.until_phase(made, Phase.EXITED)
    assert ended.exit_code is not None
    assert ended.address is None
    assert ended.since >= ready.since

    await bench.engine.execute(bench.key, Remove(made.id, made.name, "test"))
    assert (await bench.engine.observe(bench.key)).instances == ()


async def test_pulling_twice_is_pulling_once(bench: Bench) -> None:
    seen = await twice(bench, PullImage(bench.image.pinned, "test"))
    assert bench.image.pinned in seen.images


async def test_networks_and_volumes_are_made_once_and_removed_once(bench: Bench) -> None:
    seen = await twice(
        bench,
        EnsureNetwork(Network("default"), "test"),
        EnsureNetwork(Network("back"), "test"),
        EnsureVolume(Volume("data"), "test"),
    )
    assert (seen.networks, seen.volumes) == (("back", "default"), ("data",))
    seen = await twice(bench, RemoveNetwork("back", "test"), RemoveVolume("data", "test"))
    assert (seen.networks, seen.volumes) == (("default",), ())


async def test_creating_starting_stopping_and_removing_twice_is_doing_it_once(bench: Bench) -> None:
    await bench.engine.execute(bench.key, EnsureNetwork(Network("default"), "test"))
    spec = bench.service()
    seen = await twice(bench, Create(spec, digest_of("web"), 1, 1, "test"), Create(spec, digest_of("web"), 2, 1, "test"))
    assert lines(seen) == [("web", 1, 1), ("web", 2, 1)]
    first = seen.instances[0]
    await twice(bench, Start(first.id, first.name, "test"))
    await bench.until_phase(first, Phase.READY)
    seen = await twice(bench, Stop(first.id, first.name, 0, "test"))
    assert seen.instances[0].phase is Phase.EXITED
    seen = await twice(bench, Remove(first.id, first.name, "test"))
    assert lines(seen) == [("web", 2, 1)]


async def test_the_next_attempt_stands_beside_the_last_one(bench: Bench) -> None:
    await bench.create(bench.service(), attempt=1)
    await bench.create(bench.service(), attempt=2)
    assert lines(await bench.engine.observe(bench.key)) == [("web", 1, 1), ("web", 1, 2)]


async def test_containers_of_two_templates_stand_side_by_side(bench: Bench) -> None:
    await bench.create(bench.service(), digest=digest_of("old"))
    await bench.create(bench.service(), digest=digest_of("new"))
    seen = await bench.engine.observe(bench.key)
    assert {i.digest for i in seen.instances} == {digest_of("old"), digest_of("new")}


async def test_stopping_or_removing_what_is_gone_is_done_and_starting_it_fails(bench: Bench) -> None:
    gone = InstanceId("0" * 64)
    await bench.engine.execute(bench.key, Stop(gone, "gone", 1000, "test"))
    await bench.engine.execute(bench.key, Remove(gone, "gone", "test"))
    await bench.engine.execute(bench.key, RemoveNetwork("gone", "test"))
    await bench.engine.execute(bench.key, RemoveVolume("gone", "test"))
    await bench.engine.execute(bench.key, RemoveFiles("gone", digest_of("gone"), "test"))
    with pytest.raises(Failed):
        await bench.engine.execute(bench.key, Start(gone, "gone", "test"))


async def test_a_running_container_is_not_removed(bench: Bench) -> None:
    made = await bench.run(bench.service())
    with pytest.raises(Failed):
        await bench.engine.execute(bench.key, Remove(made.id, made.name, "test"))


async def test_a_deployment_sees_only_its_own(bench: Bench) -> None:
    other = bench.another("blog")
    upstairs = bench.another("shop", environment="production")
    await bench.create(bench.service())
    await bench.create(bench.service("api"), key=other)
    await bench.engine.execute(upstairs, EnsureVolume(Volume("data"), "test"))
    assert lines(await bench.engine.observe(bench.key)) == [("web", 1, 1)]
    assert lines(await bench.engine.observe(other)) == [("api", 1, 1)]
    assert (await bench.engine.observe(upstairs)).instances == ()
    assert (await bench.engine.observe(bench.key)).volumes == ()
    assert await bench.engine.keys() == {bench.key, other}, "a volume alone keeps no deployment"


async def test_a_container_of_another_deployment_is_not_touched(bench: Bench) -> None:
    other = bench.another("blog")
    made = await bench.run(bench.service(), key=other)
    for step in (Stop(made.id, made.name, 0, "test"), Remove(made.id, made.name, "test")):
        with suppress(Failed):  # an engine may refuse, or find no such container in the deployment
            await bench.engine.execute(bench.key, step)
    with pytest.raises(Failed):
        await bench.engine.execute(bench.key, Start(made.id, made.name, "test"))
    assert (await bench.engine.observe(other)).instances[0].alive


async def test_files_are_there_once_delivered_and_until_removed(bench: Bench) -> None:
    bench.secrets.values["shop.key", 3] = b"hush"
    deliver = DeliverFiles(
        "web",
        digest_of("web"),
        bench.image.pinned,
        configs=((Grant("motd", "/etc/motd"), Config("motd", b"hello")),),
        secrets=((Grant("key", "/run/secrets/key"), "shop.key", 3),),
        cause="test",
    )
    seen = await twice(bench, deliver)
    assert seen.files == (("web", digest_of("web")),)
    assert seen.volumes == ()
    seen = await twice(bench, RemoveFiles("web", digest_of("web"), "test"))
    assert seen.files == ()


async def test_files_without_their_secret_are_not_delivered(bench: Bench) -> None:
    grant = Grant("key", "/run/secrets/key")
    deliver = DeliverFiles("web", digest_of("web"), bench.image.pinned, (), ((grant, "shop.key", 1),), "test")
    with pytest.raises(Failed, match=r"shop\.key"):
        await bench.engine.execute(bench.key, deliver)
    assert (await bench.engine.observe(bench.key)).files == ()


async def test_volumes_of_a_project_are_listed_with_who_uses_them_also_when_the_stack_is_gone(bench: Bench) -> None:
    foreign = bench.another("other", project="teaching")
    await bench.engine.execute(bench.key, EnsureVolume(Volume("data"), "test"))
    await bench.engine.execute(foreign, EnsureVolume(Volume("data"), "test"))
    made = await bench.create(bench.service(mounts=(Mount("data", "/data"),)))
    (volume,) = await bench.engine.volumes("research")
    assert (volume.key, volume.name, volume.used_by) == (bench.key, "data", ("web",))
    await bench.engine.execute(bench.key, Remove(made.id, made.name, "test"))
    await bench.engine.execute(bench.key, RemoveNetwork("default", "test"))
    (volume,) = await bench.engine.volumes("research")
    assert volume.used_by == ()
    assert await bench.engine.keys() == frozenset()


async def test_an_end_that_nobody_asked_for_is_hinted_at_and_seen(bench: Bench) -> None:
    made = await bench.run(bench.service(restart=Restart.NO))
    await bench.until_phase(made, Phase.READY)
    waiting = asyncio.create_task(bench.until_phase(made, Phase.EXITED))
    await bench.kill(made)
    ended: Instance = await waiting
    assert ended.exit_code not in (None, 0)


async def test_a_service_may_join_several_networks(bench: Bench) -> None:
    spec = bench.service(networks=(Attachment("front"), Attachment("back", ("store",))))
    made = await bench.run(spec)
    await bench.until_phase(made, Phase.READY)
    assert (await bench.engine.observe(bench.key)).networks == ("back", "front")


async def test_a_container_without_its_network_is_not_created(bench: Bench) -> None:
    with pytest.raises(Failed, match="default"):
        await bench.engine.execute(bench.key, Create(bench.service(), digest_of("web"), 1, 1, "test"))


async def test_another_image_that_is_missing_makes_creating_fail(bench: Bench) -> None:
    await bench.engine.execute(bench.key, EnsureNetwork(Network("default"), "test"))
    spec = replace(bench.service(), image=replace(bench.image, digest="sha256:" + "0" * 64))
    with pytest.raises(Failed):
        await bench.engine.execute(bench.key, Create(spec, digest_of("web"), 1, 1, "test"))


async def test_a_running_container_has_an_address_on_each_of_its_networks(bench: Bench) -> None:
    made = await bench.create(bench.service(networks=(Attachment("front"), Attachment("back"))))
    assert (made.addresses, made.altered) == ((), "")
    await bench.engine.execute(bench.key, Start(made.id, made.name, "test"))
    seen = await bench.until(lambda s: s.instances[0].phase is Phase.READY)
    (ready,) = seen.instances
    assert [name for name, _ in ready.addresses] == ["front", "back"]
    assert ready.address == ready.addresses[0][1]
    assert [link.network for link in seen.links] == ["back", "front"]
    subnets = {link.network: ipaddress.ip_network(link.subnet) for link in seen.links}
    assert all(ipaddress.ip_address(address) in subnets[name] for name, address in ready.addresses)
    assert len({link.interface for link in seen.links}) == 2


async def test_an_internal_network_is_said_to_be_one(bench: Bench) -> None:
    await bench.engine.execute(bench.key, EnsureNetwork(Network("vault", internal=True), "test"))
    await bench.engine.execute(bench.key, EnsureNetwork(Network("default"), "test"))
    assert [(link.network, link.internal) for link in (await bench.engine.observe(bench.key)).links] == [
        ("default", False),
        ("vault", True),
    ]


async def test_a_stopped_container_runs_again_as_itself(bench: Bench) -> None:
    made = await bench.run(bench.service())
    await bench.until_phase(made, Phase.READY)
    await bench.engine.execute(bench.key, Stop(made.id, made.name, 0, "test"))
    assert (await bench.engine.observe(bench.key)).instances[0].addresses == ()
    await bench.engine.execute(bench.key, Start(made.id, made.name, "test"))
    again = await bench.until_phase(made, Phase.READY)
    assert (again.name, again.attempt, again.exit_code, again.restarts) == (made.name, 1, None, 0)
    assert again.address is not None


async def test_nobody_is_connected_to_a_container_that_nobody_knows(bench: Bench) -> None:
    made = await bench.run(bench.service())
    await bench.until_phase(made, Phase.READY)
    assert (await bench.engine.observe(bench.key, draining={made.id})).instances[0].connections == 0


async def test_the_overview_changes_with_what_could_be_observed_and_only_then(bench: Bench) -> None:
    other = bench.another("blog")
    await bench.engine.execute(other, EnsureNetwork(Network("default"), "test"))
    seen = [await bench.engine.overview()]

    async def changed() -> bool:
        seen.append(await bench.engine.overview())
        assert seen[-1][other] == seen[0][other]
        return seen[-1].get(bench.key) != seen[-2].get(bench.key)

    assert not await changed()
    assert bench.key not in seen[-1]
    made = await bench.create(bench.service(restart=Restart.NO))
    assert await changed()
    assert not await changed()
    await bench.engine.execute(bench.key, Start(made.id, made.name, "test"))
    assert await changed()
    await bench.until_phase(made, Phase.READY)
    assert await changed()
    assert not await changed()
    await bench.kill(made)
    await bench.until_phase(made, Phase.EXITED)
    assert await changed()
    await bench.engine.execute(bench.key, EnsureVolume(Volume("data"), "test"))
    assert await changed()
    await bench.engine.execute(bench.key, Remove(made.id, made.name, "test"))
    assert await changed()
    assert seen[-1].keys() == await bench.engine.keys() == {bench.key, other}
    await bench.engine.execute(bench.key, RemoveNetwork("default", "test"))
    assert await changed()
    assert seen[-1].keys() == await bench.engine.keys() == {other}, "a volume alone keeps no deployment"


async def test_a_service_that_retains_its_address_keeps_it_for_each_slot(bench: Bench) -> None:
    spec = bench.service(retain_ip=True, networks=(Attachment("front"), Attachment("back")))
    old = [await bench.run(spec, slot=slot) for slot in (1, 2)]
    await bench.run(bench.service("other", networks=(Attachment("front"),)))
    seen = await bench.until(lambda s: all(i.phase is Phase.READY for i in s.instances))
    before = {(i.service, i.slot): i.addresses for i in seen.instances}
    assert len({a for addresses in before.values() for a in addresses}) == 5
    new = [await bench.create(spec, slot=slot, digest=digest_of("new")) for slot in (2, 1)]
    with pytest.raises(Failed, match="in use"):
        await bench.engine.execute(bench.key, Start(new[0].id, new[0].name, "test"))
    for made in old:
        await bench.engine.execute(bench.key, Stop(made.id, made.name, 0, "test"))
    for made in new:
        await bench.engine.execute(bench.key, Start(made.id, made.name, "test"))
    seen = await bench.until(lambda s: all(i.phase is Phase.READY for i in s.instances if i.digest == digest_of("new")))
    after = {(i.service, i.slot): i.addresses for i in seen.instances if i.digest == digest_of("new")}
    assert after == {place: addresses for place, addresses in before.items() if place[0] == "web"}


async def test_what_runs_is_measured_with_its_limits_and_counters_grow(bench: Bench) -> None:
    made = await bench.create(bench.service())
    await bench.engine.execute(bench.key, Start(made.id, made.name, "test"))
    await bench.until_phase(made, Phase.READY)
    names = (bench.key.project, bench.key.environment, bench.key.stack)
    (first,) = await bench.engine.stats(*names)
    (again,) = await bench.engine.stats(*names, over=0.1)
    assert (first.key, first.id, first.service, first.slot) == (bench.key, made.id, "web", 1)
    assert first.container == f"{bench.key.stack}-web-1"
    assert first.memory > 0
    assert first.cpus > 0
    assert first.pids > 0
    assert again.cpu_ns >= first.cpu_ns
    assert again.time >= first.time
    assert await bench.engine.stats("somebody-else") == ()
    await bench.engine.execute(bench.key, Stop(made.id, made.name, 1000, "test"))
    await bench.until_phase(made, Phase.EXITED)
    assert await bench.engine.stats(*names) == ()


async def test_a_health_check_tells_its_command_and_its_last_answers(bench: Bench) -> None:
    """The image has no such command, so the real engine's answer is a failure; the simulated one does not ask."""
    made = await bench.create(bench.service(healthcheck=Healthcheck(("CMD", "no-such-command"), interval_ms=500, retries=1)))
    await bench.engine.execute(bench.key, Start(made.id, made.name, "test"))
    simulated = isinstance(bench.engine, SimulatedEngine)
    await bench.until_phase(made, Phase.READY if simulated else Phase.UNHEALTHY)
    (found,) = await bench.engine.probes(bench.key)
    assert (found.id, found.service, found.test) == (made.id, "web", "no-such-command")
    assert {answer.exit_code == 0 for answer in found.answers} == {simulated}
