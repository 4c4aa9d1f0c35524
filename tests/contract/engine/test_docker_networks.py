"""Stacks and sites beside each other on one Docker Engine."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
from dataclasses import replace

import pytest

from spin.engines.docker import labels
from spin.errors import Failed
from spin.model.names import DeploymentKey, container_name
from spin.model.observed import Instance, Phase
from spin.model.stack import Attachment, Http, Network, Volume
from spin.model.steps import Create, EnsureNetwork, EnsureVolume, Peer, Remove, RemoveNetwork, Stop
from spin.model.subnets import halves
from support.docker import engine_site, inside, inspect, perl_server
from support.engines import Bench, digest_of, docker_engine
from support.platform import docker

PORT = 7000


def reaches(container: str, host: str | None, *, within: float = 10) -> bool:
    """A connection from inside the container; a name that does not resolve or a packet that is dropped is a no."""
    program = f'exit(IO::Socket::INET->new(PeerAddr => "{host}", PeerPort => {PORT}, Timeout => {within}) ? 0 : 1)'
    return inside(container, "perl", "-MIO::Socket::INET", "-e", program).returncode == 0


def is_cut_off(container: str, host: str | None) -> bool:
    """No connection within a second, where a connection that is allowed takes milliseconds."""
    return not reaches(container, host, within=1)


async def serving(
    bench: Bench, name: str, *, key: DeploymentKey | None = None, internal: bool = False, **more: object
) -> Instance:
    made = await bench.run(bench.service(name, command=perl_server(PORT), http=Http(PORT), **more), key=key, internal=internal)
    seen = await bench.until_phase(made, Phase.READY, key=key)
    assert seen.address is not None
    return seen


async def test_a_stack_reaches_its_own_services_by_name_and_no_other_stack_at_all(docker_bench: Bench) -> None:
    web = await serving(docker_bench, "web")
    api = await serving(docker_bench, "api")
    foreign = await serving(docker_bench, "db", key=docker_bench.another("blog"))
    assert reaches(web.id, "api")
    assert reaches(web.id, container_name("shop", "api", 1))
    assert reaches(web.id, api.address)
    assert is_cut_off(web.id, "db")
    assert is_cut_off(web.id, foreign.address)
    assert is_cut_off(foreign.id, web.address)


async def test_a_service_is_found_on_all_its_networks_under_its_aliases_there(docker_bench: Bench) -> None:
    both = await serving(docker_bench, "db", networks=(Attachment("front"), Attachment("back", ("store",))))
    front = await serving(docker_bench, "web", networks=(Attachment("front"),))
    back = await serving(docker_bench, "api", networks=(Attachment("back"),))
    assert reaches(front.id, "db")
    assert reaches(back.id, "db")
    assert reaches(back.id, "store")
    assert is_cut_off(front.id, "store")
    assert is_cut_off(front.id, back.address)
    assert reaches(both.id, "web")
    assert reaches(both.id, "api")


async def test_an_internal_network_is_one_and_stays_one(docker_bench: Bench) -> None:
    key = docker_bench.key
    await docker_bench.engine.execute(key, EnsureNetwork(Network("vault", internal=True), "test"))
    made = await serving(docker_bench, "web", networks=(Attachment("vault"),), internal=True)
    assert made.address is not None, "the edge reaches it all the same"
    assert inspect(labels.network(docker_bench.site.id, key, "vault"))["Internal"]
    with pytest.raises(Failed, match="internal"):
        await docker_bench.engine.execute(key, EnsureNetwork(Network("vault", internal=False), "test"))


async def test_two_sites_share_an_engine_and_see_nothing_of_each_other(docker_bench: Bench) -> None:
    mine = await docker_bench.run(docker_bench.service())
    with engine_site() as name:
        async with docker_bench.second(replace(docker_bench.site, id=name)) as other:
            assert await other.keys() == frozenset()
            assert (await other.observe(docker_bench.key)).instances == ()
            for step in (Stop(mine.id, mine.name, 0, "test"), Remove(mine.id, mine.name, "test")):
                with pytest.raises(Failed, match="belongs to something else"):
                    await other.execute(docker_bench.key, step)
            await other.execute(docker_bench.key, RemoveNetwork("default", "test"))
            await other.execute(docker_bench.key, EnsureNetwork(Network("default"), "test"))
            await other.execute(docker_bench.key, Create(docker_bench.service(), digest_of("web"), 1, 1, "test"))
            assert [i.phase for i in (await other.observe(docker_bench.key)).instances] == [Phase.CREATED]
    assert [i.alive for i in (await docker_bench.engine.observe(docker_bench.key)).instances] == [True]


async def test_a_container_of_nobody_is_not_touched(docker_bench: Bench) -> None:
    stranger = docker("run", "--detach", "--rm", docker_bench.image.pinned).strip()
    try:
        for step in (Stop(stranger, "x", 0, "test"), Remove(stranger, "x", "test")):
            with pytest.raises(Failed, match="belongs to something else"):
                await docker_bench.engine.execute(docker_bench.key, step)
        assert inspect(stranger)["State"]["Running"]
    finally:
        docker("rm", "--force", stranger)


async def test_names_that_are_taken_by_something_foreign_are_refused(docker_bench: Bench) -> None:
    site, key = docker_bench.site.id, docker_bench.key
    volume, network = labels.volume(site, key, "data"), labels.network(site, key, "default")
    container = labels.container(site, key, "web", 1, digest_of("web"), 1)
    docker("volume", "create", volume)
    docker("network", "create", "--subnet", "198.18.77.0/28", network)
    try:
        with pytest.raises(Failed, match=f"volume {volume}"):
            await docker_bench.engine.execute(key, EnsureVolume(Volume("data"), "test"))
        with pytest.raises(Failed, match=f"network {network}"):
            await docker_bench.engine.execute(key, EnsureNetwork(Network("default"), "test"))
    finally:
        docker("volume", "rm", volume)
        docker("network", "rm", network)
    await docker_bench.engine.execute(key, EnsureNetwork(Network("default"), "test"))
    docker("create", "--name", container, docker_bench.image.pinned)
    try:
        with pytest.raises(Failed, match=f"container {container}"):
            await docker_bench.engine.execute(key, Create(docker_bench.service(), digest_of("web"), 1, 1, "test"))
    finally:
        docker("rm", container)


async def test_a_volume_that_an_earlier_owner_of_the_name_left_behind_is_not_handed_on(docker_bench: Bench) -> None:
    await docker_bench.engine.execute(docker_bench.key, EnsureVolume(Volume("data"), "test"))
    heir = docker_bench.another("shop", project="teaching")
    assert (await docker_bench.engine.observe(heir)).volumes == ()
    with pytest.raises(Failed, match="belongs to something else"):
        await docker_bench.engine.execute(heir, EnsureVolume(Volume("data"), "test"))


async def test_more_networks_than_docker_has_subnets_for(docker_bench: Bench) -> None:
    keys = [docker_bench.another(f"stack-{n}") for n in range(40)]
    await asyncio.gather(*(docker_bench.engine.execute(k, EnsureNetwork(Network("default"), "test")) for k in keys))
    assert await docker_bench.engine.keys() == frozenset(keys)
    listed = docker("network", "ls", "--quiet", "--filter", f"label=spin.site={docker_bench.site.id}").split()
    subnets = docker("network", "inspect", "--format", "{{range .IPAM.Config}}{{.Subnet}}{{end}}", *listed).split()
    assert len(set(subnets)) == 40
    pool = ipaddress.IPv4Network(docker_bench.site.subnets)
    assert all(ipaddress.IPv4Network(s).subnet_of(pool) for s in subnets)


async def test_two_platforms_allocating_from_one_range_at_once_both_succeed(docker_bench: Bench) -> None:
    with engine_site() as name:
        async with docker_bench.second(replace(docker_bench.site, id=name)) as other:
            await asyncio.gather(
                *(
                    engine.execute(docker_bench.another(f"stack-{n}"), EnsureNetwork(Network("default"), "test"))
                    for n in range(6)
                    for engine in (docker_bench.engine, other)
                )
            )
            assert len(await other.keys()) == len(await docker_bench.engine.keys()) == 6


async def test_when_no_subnet_is_left_it_is_said(docker_bench: Bench) -> None:
    small = replace(docker_bench.site, subnets="198.18.78.0/28", subnet_prefix=29)
    async with docker_bench.second(small) as engine:
        for stack in ("a", "b"):
            await engine.execute(docker_bench.another(stack), EnsureNetwork(Network("default"), "test"))
        with pytest.raises(Failed, match=r"No subnet is free.*198\.18\.78\.0/28"):
            await engine.execute(docker_bench.another("c"), EnsureNetwork(Network("default"), "test"))


async def test_of_two_networks_that_were_made_at_the_same_moment_the_older_stays(docker_bench: Bench) -> None:
    key = docker_bench.key
    await docker_bench.engine.execute(key, EnsureNetwork(Network("default"), "test"))
    name = labels.network(docker_bench.site.id, key, "default")
    first = inspect(name)
    marks = [f"--label={n}={v}" for n, v in first["Labels"].items()]
    # The engine refuses a name twice to those who ask it to check; this is what two who ask at once get.
    docker("network", "create", "--subnet", "198.18.79.0/28", *marks, f"{name}-twin")
    await docker_bench.engine.execute(key, EnsureNetwork(Network("default"), "test"))
    left = docker("network", "ls", "--quiet", "--no-trunc", "--filter", f"label=spin.site={docker_bench.site.id}").split()
    assert left == [first["Id"]]


async def test_containers_find_the_other_services_by_their_stable_addresses(docker_bench: Bench) -> None:
    key, site = docker_bench.key, docker_bench.site
    networks = (Attachment("front"), Attachment("back"))
    peers = (
        Peer("back", ("db", "store"), 7),
        Peer("front", ("api", "shop-api-1"), 3),
        Peer("back", ("api",), 3),
        Peer("vault", ("safe",), 4),
        Peer("front", ("nowhere",), 10_000),
    )
    async with docker_engine(site, docker_bench.secrets, docker_bench.access, service_addresses=True) as engine:
        assert engine.capabilities.service_addresses
        for attachment in networks:
            await engine.execute(key, EnsureNetwork(Network(attachment.network), "test"))
        spec = docker_bench.service(networks=networks, retain_ip=True)
        await engine.execute(key, Create(spec, digest_of("web"), 1, 1, "test", peers))
        seen = await engine.observe(key)
    links = {link.network: link for link in seen.links}
    made = inspect(seen.instances[0].id)
    assert made["HostConfig"]["ExtraHosts"] == [
        f"api:{links['front'].service_address(3)}",
        f"shop-api-1:{links['front'].service_address(3)}",
        f"db:{links['back'].service_address(7)}",
        f"store:{links['back'].service_address(7)}",
    ]
    assert json.loads(made["Config"]["Labels"][labels.ADDRESSES]) == {}, "with stable addresses no container keeps its own"
    await docker_bench.engine.execute(key, Create(spec, digest_of("web"), 2, 1, "test", peers))
    plain = (await docker_bench.engine.observe(key)).instances[1]
    assert not inspect(plain.id)["HostConfig"]["ExtraHosts"], "an engine without them tells no addresses"
    kept = json.loads(inspect(plain.id)["Config"]["Labels"][labels.ADDRESSES])
    for network, address in kept.items():
        assert ipaddress.IPv4Address(address) in halves(ipaddress.IPv4Network(links[network].subnet))[0], (
            "addresses that are kept are none of a service"
        )


async def test_a_network_that_was_made_without_a_half_for_services_has_no_stable_addresses(docker_bench: Bench) -> None:
    key, site = docker_bench.key, docker_bench.site
    await docker_bench.engine.execute(key, EnsureNetwork(Network("old"), "test"))
    async with docker_engine(site, docker_bench.secrets, docker_bench.access, service_addresses=True) as engine:
        await engine.execute(key, EnsureNetwork(Network("old"), "test"))
        await engine.execute(key, EnsureNetwork(Network("new", internal=True), "test"))
        spec = docker_bench.service(networks=(Attachment("old"), Attachment("new")))
        peers = (Peer("old", ("api",), 1), Peer("new", ("api",), 1))
        await engine.execute(key, Create(spec, digest_of("web"), 1, 1, "test", peers))
        seen = await engine.observe(key)
    new, old = seen.links
    assert (old.network, old.services, old.service_address(1)) == ("old", "", None)
    assert ipaddress.IPv4Network(new.services) == halves(ipaddress.IPv4Network(new.subnet))[1]
    assert inspect(seen.instances[0].id)["HostConfig"]["ExtraHosts"] == [f"api:{new.service_address(1)}"]


async def test_the_bridges_of_networks_are_named_as_the_host_has_them(docker_bench: Bench) -> None:
    key, site = docker_bench.key, docker_bench.site
    await docker_bench.engine.execute(key, EnsureNetwork(Network("default"), "test"))
    marks = {**labels.labels_for(site.id, key, labels.Kind.NETWORK), labels.NAME: "named"}
    bridge = f"s-{site.id[:10]}"
    docker(
        *("network", "create", "--subnet", "198.18.77.0/28", "--opt", f"com.docker.network.bridge.name={bridge}"),
        *(f"--label={n}={v}" for n, v in marks.items()),
        labels.network(site.id, key, "named"),
    )
    links = (await docker_bench.engine.observe(key)).links
    assert [link.network for link in links] == ["default", "named"]
    assert links[1].interface == bridge
    bridges = {name for _, name in socket.if_nameindex()}
    assert {link.interface for link in links} <= bridges
