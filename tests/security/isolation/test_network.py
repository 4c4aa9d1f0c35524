"""From inside a container: what can be reached of other stacks, of the platform and of the machine that carries it."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from security.isolation.conftest import Scene, containers, host_addresses
from spin.addresses.guard import guard_name
from support.docker import tiny_image
from support.platform import docker, eventually

GET = r"GET / HTTP/1.0\r\n\r\n"


@pytest.fixture
def listener() -> Iterator[int]:
    """A service of the host's own on all its addresses, TCP and UDP on one port, that answers everybody."""
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("0.0.0.0", 0), backlog=64))
        port = tcp.getsockname()[1]
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("0.0.0.0", port))

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    visitor, _ = tcp.accept()
                    with visitor:
                        visitor.sendall(b"host\n")

        def echo() -> None:
            with contextlib.suppress(OSError):
                while True:
                    _, address = udp.recvfrom(4096)
                    udp.sendto(b"host\n", address)

        for target in (serve, echo):
            threading.Thread(target=target, daemon=True).start()
        stack.callback(tcp.shutdown, socket.SHUT_RDWR)
        yield port


def test_the_hosts_own_services_answer_other_containers_and_none_of_spins(scene: Scene, listener: int) -> None:
    hosts = host_addresses()
    connect = (
        f'my $s = IO::Socket::INET->new(PeerAddr => "{hosts[0]}", PeerPort => {listener}, Timeout => 5) or die $!; print <$s>'
    )
    control = docker("run", "--rm", "--cap-drop", "ALL", tiny_image(), "perl", "-MIO::Socket::INET", "-e", connect)
    assert control.strip() == "host", "a container that is not Spin's reaches it: what stops the others is Spin's"
    found = scene.probe([(host, listener, kind, "x") for host in hosts for kind in ("tcp", "udp")])
    assert len(found) == 2 * len(hosts)
    assert {answer for (_, _, kind), answer in found.items() if kind == "tcp"} == {"no: Connection refused"}
    assert not [where for where, answer in found.items() if answer.startswith("open")], found


def test_the_engine_is_nowhere(scene: Scene) -> None:
    found = scene.probe([(host, port, "tcp", GET) for host in host_addresses() for port in (2375, 2376, 2377, 4243, 22)])
    assert not [where for where, answer in found.items() if answer.startswith("open")], found
    assert scene.inside("sh", "-c", "ls /var/run/docker.sock /run/docker.sock /run/containerd 2>/dev/null; echo").split() == []


def test_the_api_says_nothing_without_a_key_and_the_registry_nothing_without_a_token(scene: Scene) -> None:
    hosts = host_addresses()
    api = scene.probe([(h, scene.platform.api_port, "tcp", r"GET /api/v1/projects HTTP/1.0\r\n\r\n") for h in hosts])
    assert {re.sub(r"HTTP/1\.\d", "HTTP", answer) for answer in api.values()} == {"open: HTTP 401 Unauthorized"}, api
    for path in ("/v2/", "/v2/_catalog", "/v2/demo/attacker/manifests/1", "/v2/demo/attacker/tags/list"):
        registry = scene.probe([(h, scene.platform.registry_port, "tcp", rf"GET {path} HTTP/1.0\r\n\r\n") for h in hosts])
        assert {re.sub(r"HTTP/1\.\d", "HTTP", answer) for answer in registry.values()} == {"open: HTTP 401 Unauthorized"}, (
            registry
        )
    for path in ("/debug/vars", "/debug/pprof/", "/metrics", "/debug/health"):
        registry = scene.probe([(hosts[0], scene.platform.registry_port, "tcp", rf"GET {path} HTTP/1.0\r\n\r\n")])
        assert "404" in " ".join(registry.values()), (path, registry)


def test_the_edges_admin_is_a_socket_that_is_not_in_the_container(scene: Scene) -> None:
    found = scene.probe([(host, 2019, "tcp", r"GET /config/ HTTP/1.0\r\n\r\n") for host in ("127.0.0.1", *host_addresses())])
    assert not [where for where, answer in found.items() if answer.startswith("open")], found
    edge = (host_addresses()[0], scene.platform.edge_port)
    for request in (r"GET /config/ HTTP/1.0\r\nHost: localhost\r\n\r\n", r"POST /load HTTP/1.0\r\nHost: 127.0.0.1:2019\r\n\r\n"):
        (answer,) = scene.probe([(*edge, "tcp", request)]).values()
        assert "404" in answer, answer


def test_a_forged_host_leads_only_where_every_visitor_gets(scene: Scene) -> None:
    """The names of web services are public. What has no such name has none by way of the edge either."""
    edge = (host_addresses()[0], scene.platform.edge_port, "tcp")
    (db, web) = (containers(scene.platform, "victim")[name]["NetworkSettings"]["Networks"] for name in ("db", "web"))
    inner = [next(iter(networks.values()))["IPAddress"] for networks in (db, web)]
    names = [
        "db.victim.development.spin.localhost",
        "db",
        "victim-db-1",
        *inner,
        f"{inner[0]}:8080",
        "localhost",
        "unix/soon.sock",
    ]
    for name in names:
        (answer,) = scene.probe([(*edge, rf"GET / HTTP/1.0\r\nHost: {name}\r\n\r\n")]).values()
        assert "404" in answer or "400" in answer, (name, answer)
    (answer,) = scene.probe([(*edge, rf"GET http://{inner[0]}:8080/ HTTP/1.1\r\nHost: {inner[0]}:8080\r\n\r\n")]).values()
    assert "404" in answer, answer


def test_no_container_of_another_stack_is_reached_by_any_address_or_name(scene: Scene) -> None:
    targets: list[tuple[str, int, str, str]] = []
    for service, container in containers(scene.platform, "victim").items():
        networks = container["NetworkSettings"]["Networks"].values()
        targets += [(network["IPAddress"], 8080, "tcp", GET) for network in networks]
        names = {service, f"victim-{service}-1", f"{service}.victim", container["Name"].removeprefix("/"), container["Id"][:12]}
        targets += [(name, 8080, "tcp", GET) for name in sorted(names)]
    db = str(containers(scene.platform, "victim")["web"]["Id"])
    stable = [line.split()[0] for line in docker("exec", db, "cat", "/etc/hosts").splitlines() if line.split()[1:2] == ["db"]]
    targets += [(address, 8080, "tcp", GET) for address in stable]
    assert len(targets) >= 12
    found = scene.probe(targets)
    assert len(found) == len(targets)
    assert not [where for where, answer in found.items() if "victim" in answer or answer.startswith("open")], found
    inside = docker(
        "exec", "-i", db, "perl", "/probe.pl", stdin=b"".join(f"{a} 8080 tcp {GET}\n".encode() for a in (*stable, "db"))
    )
    assert inside.count("open: HTTP/1.0 200 OK") == len(stable) + 1, "within the stack all of them answer"


def test_a_published_port_is_not_reached_by_way_of_the_host(scene: Scene) -> None:
    outside = eventually(lambda: _first_line("127.0.0.1", scene.published), within=10, what="the victim's published port")
    assert "200" in outside
    found = scene.probe([(host, scene.published, "tcp", GET) for host in host_addresses()])
    assert not [where for where, answer in found.items() if answer.startswith("open")], found


def test_metadata_and_link_local_addresses_are_refused_at_once(scene: Scene) -> None:
    there = "169.254.77.77"  # like a cloud's metadata service: the host has a way there
    subprocess.run(["ip", "route", "add", there, "dev", "docker0"], check=True)
    try:
        found = scene.probe([(there, 80, "tcp", GET), (there, 443, "tcp", GET)])
    finally:
        subprocess.run(["ip", "route", "del", there, "dev", "docker0"], check=True)
    assert set(found.values()) == {"no: Connection refused"}, found
    found = scene.probe([("169.254.169.254", 80, "tcp", GET)])
    assert not [answer for answer in found.values() if answer.startswith("open")], found


def test_there_is_no_way_around_by_ipv6(scene: Scene) -> None:
    assert scene.inside("sh", "-c", "cat /proc/net/if_inet6 2>/dev/null; echo").strip() in ("", _loopback_only(scene))


def test_where_a_stack_switches_ipv6_on_the_host_is_closed_all_the_same(scene: Scene) -> None:
    """Each bridge has a link-local address, at which whatever listens on all addresses of the host would answer."""
    heard: list[bytes] = []
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("::", 0), family=socket.AF_INET6, backlog=16))
        port = tcp.getsockname()[1]
        udp = stack.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
        udp.bind(("::", port))

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    visitor, _ = tcp.accept()
                    with visitor:
                        visitor.sendall(b"host\n")

        def listen() -> None:
            with contextlib.suppress(OSError):
                while heard.append(udp.recv(100)) is None:
                    pass

        for target in (serve, listen):
            threading.Thread(target=target, daemon=True).start()
        stack.callback(tcp.shutdown, socket.SHUT_RDWR)
        stack.callback(udp.close)
        attacker = containers(scene.platform, "attacker")["util-six"]
        known = docker("exec", str(attacker["Id"]), "cat", "/proc/net/if_inet6")
        assert [line for line in known.splitlines() if not line.endswith(" lo")], "it has IPv6"
        said = docker("exec", str(attacker["Id"]), "perl", "/neighbour.pl", link_local(bridge_of(attacker)), str(port))
    assert said.startswith(("no: ", "silent")), said
    assert not heard


def bridge_of(container: dict[str, Any]) -> str:
    (network,) = container["NetworkSettings"]["Networks"].values()
    (found,) = json.loads(docker("network", "inspect", network["NetworkID"]))
    return str(found["Options"]["com.docker.network.bridge.name"])


def link_local(bridge: str) -> str:
    told = subprocess.run(["ip", "-j", "-6", "address", "show", "dev", bridge], capture_output=True, check=True, text=True).stdout
    return next(info["local"] for link in json.loads(told) for info in link["addr_info"] if info["local"].startswith("fe80"))


def _loopback_only(scene: Scene) -> str:
    told = scene.inside("sh", "-c", "cat /proc/net/if_inet6 2>/dev/null; echo").strip()
    return told if all(line.endswith(" lo") for line in told.splitlines()) else "none but the loopback has IPv6"


def test_who_removes_the_guard_sees_it_come_back(scene: Scene, listener: int) -> None:
    table = guard_name(scene.platform.site_id)
    subprocess.run(["nft", "delete", "table", "inet", table], check=True, capture_output=True)
    eventually(lambda: "jump host" in _listed(table), within=10, what="the table, made anew")
    subprocess.run(["nft", "flush", "chain", "inet", table, "host"], check=True, capture_output=True)
    eventually(lambda: "reject with tcp reset" in _listed(table), within=10, what="the rules, made anew")
    found = scene.probe([(host, listener, "tcp", "x") for host in host_addresses()])
    assert set(found.values()) == {"no: Connection refused"}


def _listed(table: str) -> str:
    return subprocess.run(["nft", "list", "table", "inet", table], check=False, capture_output=True, text=True).stdout


def _first_line(host: str, port: int) -> str:
    with socket.create_connection((host, port), timeout=5) as visitor:
        visitor.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return visitor.recv(4096).decode().partition("\r\n")[0]
