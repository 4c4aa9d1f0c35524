"""What a real container is allowed, what it writes, and which ports are taken."""

from __future__ import annotations

import re
import socket
from dataclasses import replace

from spin.model.log import Line, Span
from spin.model.observed import Phase
from spin.model.stack import Mount, Port, Protocol, Resolver, Resources, Tmpfs, Ulimit, Volume
from spin.model.steps import EnsureVolume, Remove, Stop
from spin.model.streams import STDOUT
from support.docker import engine_site, inside, inspect, things_of
from support.engines import Bench
from support.platform import docker, free_ports


async def running(bench: Bench, **more: object) -> str:
    return (await bench.run(bench.service(**more))).id


def status(container: str) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in inside(container, "cat", "/proc/1/status").stdout.splitlines())


async def test_a_container_has_no_capabilities_and_cannot_gain_any(docker_bench: Bench) -> None:
    container = await running(docker_bench)
    seen = status(container)
    assert {seen[c] for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert seen["NoNewPrivs"] == "1"


async def test_a_container_has_the_capabilities_that_were_added_and_no_more(docker_bench: Bench) -> None:
    container = await running(docker_bench, cap_add=("CHOWN",))
    assert int(status(container)["CapBnd"], 16) == 1 << 0, "CAP_CHOWN is number 0 (linux/capability.h)"


async def test_limits_hold_also_where_the_service_names_none(docker_bench: Bench) -> None:
    docker_bench.site = replace(docker_bench.site, limits=replace(docker_bench.site.limits, memory_bytes=64 * 2**20, pids=50))
    async with docker_bench.second() as engine:
        docker_bench.engine = engine
        made = await docker_bench.create(docker_bench.service())
    host = inspect(made.id)["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (64 * 2**20, 64 * 2**20, 50)
    assert host["NanoCpus"] > 0
    assert host["LogConfig"] == {"Type": "local", "Config": {"max-size": str(10 * 2**20), "max-file": "3"}}
    assert not host["Privileged"]


async def test_more_processes_than_allowed_are_refused_by_the_kernel(docker_bench: Bench) -> None:
    container = await running(docker_bench, resources=Resources(pids=8))
    forking = inside(container, "perl", "-e", "for (1..20) { my $p = fork; defined $p or exit 7; $p or sleep 5, exit }")
    assert forking.returncode == 7


async def test_user_groups_tmpfs_volume_and_read_only_root(docker_bench: Bench) -> None:
    await docker_bench.engine.execute(docker_bench.key, EnsureVolume(Volume("data"), "test"))
    container = await running(
        docker_bench,
        user="1234:2345",
        group_add=("3456",),
        read_only=True,
        tmpfs=(Tmpfs("/own", mode=0o700, uid=1234, gid=2345, executable=True), Tmpfs("/scratch", size_bytes=65536, mode=0o1777)),
        mounts=(Mount("data", "/data", read_only=True),),
        hostname="front",
    )
    assert inside(container, "sh", "-c", "id -u; id -g; id -G; hostname || cat /proc/sys/kernel/hostname").stdout.split() == [
        *("1234", "2345", "2345", "3456"),
        "front",
    ]
    assert inside(container, "touch", "/scratch/x").returncode == 0
    assert inside(container, "touch", "/tmp/x").returncode != 0
    assert inside(container, "touch", "/data/x").returncode != 0
    assert inside(container, "stat", "-c", "%a", "/scratch").stdout.strip() == "1777"
    assert inside(container, "stat", "-c", "%a %u:%g", "/own").stdout.strip() == "700 1234:2345"
    for place, allowed in (("/own", True), ("/scratch", False)):
        assert inside(container, "sh", "-c", f"echo '#!/bin/sh' > {place}/run; chmod 755 {place}/run").returncode == 0
        assert (inside(container, f"{place}/run").returncode == 0) is allowed


async def test_a_tmpfs_is_fresh_and_writable_after_a_restart_and_goes_with_its_container(docker_bench: Bench) -> None:
    made = await docker_bench.run(docker_bench.service(user="1234:2345", read_only=True, tmpfs=(Tmpfs("/scratch"),)))
    assert inside(made.id, "touch", "/scratch/x").returncode == 0
    docker("restart", "-t", "0", made.id)
    assert inside(made.id, "ls", "/scratch").stdout == ""
    assert inside(made.id, "touch", "/scratch/y").returncode == 0
    for step in (Stop(made.id, made.name, 0, "test"), Remove(made.id, made.name, "test")):
        await docker_bench.engine.execute(docker_bench.key, step)
    [network] = things_of(docker_bench.site.id)
    assert network.endswith("_default")


async def test_users_labels_are_there_and_cannot_pass_for_spins(docker_bench: Bench) -> None:
    made = await docker_bench.create(docker_bench.service(labels=(("owner", "ada"), ("spin.site", "x"), ("spin.other", "y"))))
    marks = inspect(made.id)["Config"]["Labels"]
    assert marks["owner"] == "ada"
    assert marks["spin.site"] == docker_bench.site.id
    assert "spin.other" not in marks


async def test_a_container_that_ends_by_its_signal_is_not_killed(docker_bench: Bench) -> None:
    trap = ("sh", "-c", "trap 'exit 42' USR1; while :; do sleep 0.05; done")
    made = await docker_bench.run(docker_bench.service(command=trap, init=False, stop_signal="SIGUSR1"))
    await docker_bench.until_phase(made, Phase.READY)
    await docker_bench.engine.execute(docker_bench.key, Stop(made.id, made.name, 15_000, "test"))
    assert (await docker_bench.engine.observe(docker_bench.key)).instances[0].exit_code == 42


async def test_a_published_port_is_on_the_address_of_its_class(docker_bench: Bench) -> None:
    number = free_ports(1)[0]
    made = await docker_bench.run(docker_bench.service(ports=(Port(80, number),)))
    assert inspect(made.id)["NetworkSettings"]["Ports"]["80/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(number)}]


async def test_ports_that_cannot_be_published_are_said_to_be_whose(docker_bench: Bench) -> None:
    mine, other, stranger, process, free = free_ports(5)
    upstairs = docker_bench.another("blog", environment="production")
    for number, key in ((mine, docker_bench.key), (other, upstairs)):
        await docker_bench.run(docker_bench.service(ports=(Port(80, number),)), key=key)
    wanted = tuple(Port(80, number) for number in (mine, other, stranger, process, free))
    container = docker("run", "--detach", "--rm", "--publish", f"127.0.0.1:{stranger}:80", docker_bench.image.pinned).strip()
    try:
        with socket.socket() as held:
            held.bind(("127.0.0.1", process))
            held.listen()
            answer = await docker_bench.engine.taken_ports(docker_bench.key, wanted)
    finally:
        docker("rm", "--force", container)
    assert answer == (
        (wanted[1], "the stack production/blog"),
        (wanted[2], "another container"),
        (wanted[3], "a process on the engine's host"),
    )
    assert await docker_bench.engine.taken_ports(docker_bench.key, ()) == ()


async def test_the_stacks_of_another_site_are_not_named(docker_bench: Bench) -> None:
    number = free_ports(1)[0]
    await docker_bench.run(docker_bench.service(ports=(Port(53, number, Protocol.UDP),)))
    with engine_site() as name:
        async with docker_bench.second(replace(docker_bench.site, id=name)) as other:
            port = Port(53, number, Protocol.UDP)
            assert await other.taken_ports(docker_bench.key, (port, replace(port, protocol=Protocol.TCP))) == (
                (port, "another container"),
            )


async def test_what_a_service_asks_of_the_kernel_and_of_name_resolution_is_so_inside(docker_bench: Bench) -> None:
    container = await running(
        docker_bench,
        shm_bytes=32 * 2**20,
        ulimits=(Ulimit("core", 0, 0), Ulimit("nofile", 512, 1024)),
        sysctls=(("net.core.somaxconn", "777"),),
        extra_hosts=(("archive.example.org", "192.0.2.7"), ("archive.example.org", "2001:db8::7")),
        dns=Resolver(("192.0.2.53",), ("example.org",), ("ndots:2",)),
        hostname="front",
        domainname="lab.example.org",
        stdin_open=True,
        tty=True,
    )
    limits = inside(container, "cat", "/proc/1/limits").stdout
    assert re.search(r"Max open files +512 +1024", limits)
    assert re.search(r"Max core file size +0 +0", limits)
    assert inside(container, "cat", "/proc/sys/net/core/somaxconn").stdout.strip() == "777"
    assert re.search(r" /dev/shm tmpfs .*size=32768k", inside(container, "cat", "/proc/mounts").stdout)
    hosts = inside(container, "cat", "/etc/hosts").stdout
    assert "192.0.2.7\tarchive.example.org" in hosts
    assert "2001:db8::7\tarchive.example.org" in hosts
    assert "front.lab.example.org" in hosts
    resolver = inside(container, "cat", "/etc/resolv.conf").stdout
    assert "search example.org" in resolver
    assert "ndots:2" in resolver
    made = inspect(container)
    assert made["HostConfig"]["Dns"] == ["192.0.2.53"]
    assert (made["Config"]["Tty"], made["Config"]["OpenStdin"]) == (True, True)


async def test_the_log_of_a_container_with_a_terminal_is_read_line_by_line(docker_bench: Bench) -> None:
    command = ("sh", "-c", "echo one; echo two >&2; printf 'three\\n'; exec sleep 60")
    made = await docker_bench.run(docker_bench.service(command=command, tty=True))
    lines: list[Line] = []
    while len(lines) < 3:
        lines = [line async for some in docker_bench.engine.log(docker_bench.key, made.id, Span()) for line in some]
    assert [(stream, text) for _, stream, text in lines] == [(STDOUT, b"one"), (STDOUT, b"two"), (STDOUT, b"three")]


async def test_the_engine_says_what_it_runs_images_for(docker_bench: Bench) -> None:
    said = docker("version", "--format", "{{.Server.Os}}/{{.Server.Arch}}").strip()
    assert (await docker_bench.engine.health()).platform == said
