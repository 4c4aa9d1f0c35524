"""What the engine is asked to create, as a function of the spec. Checked against real containers in tests/contract/engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from spin.engines.docker.containers import create_body, hostname
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.stack import (
    Attachment,
    Bind,
    Grant,
    Healthcheck,
    Http,
    Image,
    Mount,
    Port,
    Protocol,
    Resolver,
    Resources,
    Restart,
    ServiceSpec,
    Ulimit,
)
from spin.model.steps import Create
from spin.site import Site

KEY = DeploymentKey(ProjectName("research"), EnvironmentName("development"), StackName("shop"))
DIGEST = "d" * 64
WEB = ServiceSpec("web", Image("localhost:5000/research/web:1.0", "sha256:" + "a" * 64))
NETWORKS = {"default": "net-id", "front": "front-id", "back": "back-id"}


def body(
    spec: ServiceSpec, *, api: tuple[int, int] = (1, 41), cpus: int = 8, image_interval: int = 0, **files: str
) -> dict[str, Any]:
    paths = {target.replace("_", "/"): path for target, path in files.items()}
    return create_body(
        Site(id="demo"),
        KEY,
        Create(spec, DIGEST, 2, 1, "test"),
        networks=NETWORKS,
        files=paths,
        api=api,
        cpus=cpus,
        image_interval=image_interval,
    )


def test_a_path_of_a_filesystem_is_mounted_where_its_links_end() -> None:
    spec = replace(WEB, binds=(Bind("/cfs/now", "/data", True), Bind("/cfs/out", "/out")))
    sources = {"/cfs/now": "/cfs/2026", "/cfs/out": "/cfs/out"}
    step = Create(spec, DIGEST, 2, 1, "test")
    made = create_body(Site(), KEY, step, networks=NETWORKS, files={}, api=(1, 41), cpus=8, sources=sources)
    mounts = [(m["Type"], m["Source"], m["Target"], m["ReadOnly"], m["BindOptions"]) for m in made["HostConfig"]["Mounts"]]
    alone = {"Propagation": "private", "NonRecursive": True}
    assert mounts == [("bind", "/cfs/2026", "/data", True, alone), ("bind", "/cfs/out", "/out", False, alone)]


def test_the_image_is_pinned_and_the_name_people_see_is_the_host_name() -> None:
    made = body(WEB)
    assert made["Image"] == "localhost:5000/research/web@sha256:" + "a" * 64
    assert made["Hostname"] == "shop-web-2"
    assert body(replace(WEB, hostname="front"))["Hostname"] == "front"


def test_what_the_spec_does_not_say_is_left_to_the_image() -> None:
    made = body(WEB)
    assert not {"Cmd", "Entrypoint", "User", "WorkingDir", "StopSignal", "Healthcheck"} & made.keys()


def test_an_empty_entrypoint_takes_the_images_away() -> None:
    assert body(replace(WEB, entrypoint=()))["Entrypoint"] == [""]
    assert (
        body(replace(WEB, entrypoint=("run",), command=("a", "b"))).items() >= {"Entrypoint": ["run"], "Cmd": ["a", "b"]}.items()
    )


def test_everything_is_dropped_before_anything_is_added() -> None:
    host = body(replace(WEB, cap_add=("CHOWN",)))["HostConfig"]
    assert (host["CapDrop"], host["CapAdd"], host["SecurityOpt"]) == (["ALL"], ["CHOWN"], ["no-new-privileges:true"])


def test_labels_say_what_it_is_and_users_labels_cannot_say_otherwise() -> None:
    marks = body(replace(WEB, labels=(("owner", "ada"), ("spin.project", "other")), http=Http(8080)))["Labels"]
    assert marks == {
        "owner": "ada",
        "spin.site": "demo",
        "spin.project": "research",
        "spin.environment": "development",
        "spin.stack": "shop",
        "spin.kind": "container",
        "spin.service": "web",
        "spin.slot": "2",
        "spin.attempt": "1",
        "spin.digest": DIGEST,
        "spin.http": "8080",
        "spin.binds": "",
        "spin.tty": "",
        "spin.addresses": "{}",
        "spin.networks": '[["default", ["web", "shop-web-2"]]]',
        "spin.limits": '{"RestartPolicy": "unless-stopped", "Memory": 2147483648, "MemoryReservation": 0, '
        '"NanoCpus": 2000000000, "CpuShares": 0, "PidsLimit": 512}',
    }


@pytest.mark.parametrize(
    ("resources", "cpus", "memory", "nano", "pids"),
    [
        (Resources(), 8, 2 * 1024**3, 2_000_000_000, 512),
        (Resources(cpus=0.5, memory_bytes=64 * 2**20, pids=9), 8, 64 * 2**20, 500_000_000, 9),
        (Resources(cpus=4.0), 1, 2 * 1024**3, 1_000_000_000, 512),
    ],
    ids=["the site's defaults", "the service's own", "no more cores than there are"],
)
def test_limits(resources: Resources, cpus: int, memory: int, nano: int, pids: int) -> None:
    host = body(replace(WEB, resources=resources), cpus=cpus)["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"], host["PidsLimit"]) == (memory, memory, nano, pids)


def test_reservations_are_bounded_by_the_limit() -> None:
    asked = Resources(memory_bytes=100 * 2**20, reserved_memory_bytes=200 * 2**20, reserved_cpus=0.5)
    host = body(replace(WEB, resources=asked))["HostConfig"]
    assert (host["MemoryReservation"], host["CpuShares"]) == (100 * 2**20, 512)


def test_ports_are_published_on_the_address_of_their_class_and_exposed() -> None:
    spec = replace(WEB, ports=(Port(80, 8080), Port(53, 50000, Protocol.UDP)), expose=(9000,), http=Http(8000))
    made = body(spec)
    assert made["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
        "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "50000"}],
    }
    assert set(made["ExposedPorts"]) == {"80/tcp", "53/udp", "9000/tcp", "8000/tcp"}


def test_volumes_are_named_and_files_are_bound_one_by_one_read_only() -> None:
    spec = replace(WEB, mounts=(Mount("data", "/data", nocopy=True),), secrets=(Grant("key", "/run/key"),))
    mounts = body(spec, _run_key="/v/abc")["HostConfig"]["Mounts"]
    assert mounts == [
        {
            "Type": "volume",
            "Source": "spin-demo_development_shop_data",
            "Target": "/data",
            "ReadOnly": False,
            "VolumeOptions": {"NoCopy": True},
        },
        {"Type": "bind", "Source": "/v/abc", "Target": "/run/key", "ReadOnly": True},
    ]


def test_engines_before_1_44_are_asked_for_the_first_network_only() -> None:
    spec = replace(WEB, networks=(Attachment("front"), Attachment("back", ("store",))))
    assert set(body(spec)["NetworkingConfig"]["EndpointsConfig"]) == {"front-id"}
    both = body(spec, api=(1, 44))["NetworkingConfig"]["EndpointsConfig"]
    assert both["back-id"] == {"Aliases": ["web", "shop-web-2", "store"]}
    assert body(spec)["HostConfig"]["NetworkMode"] == "front-id"


def test_a_service_on_no_network_gets_none() -> None:
    made = body(replace(WEB, networks=()))
    assert made["HostConfig"]["NetworkMode"] == "none"
    assert "NetworkingConfig" not in made


@pytest.mark.parametrize(
    ("check", "api", "interval"),
    [
        (Healthcheck(("CMD", "true"), start_period_ms=1000), (1, 41), None),
        (Healthcheck(("CMD", "true"), start_period_ms=1000), (1, 44), 150_000_000),
        (Healthcheck(("CMD", "true"), start_period_ms=1000, start_interval_ms=2000), (1, 44), 2_000_000_000),
        (Healthcheck(("CMD", "true")), (1, 44), None),
    ],
    ids=["engine too old", "Spin's own", "as the service says", "no start period"],
)
def test_a_start_interval_is_asked_for_where_the_engine_has_it(
    check: Healthcheck, api: tuple[int, int], interval: int | None
) -> None:
    made = body(replace(WEB, healthcheck=check), api=api)["Healthcheck"]
    assert made.get("StartInterval") == interval
    assert made["Interval"] == 30_000_000_000


def test_restart_policy_and_stop() -> None:
    made = body(replace(WEB, restart=Restart.ON_FAILURE, restart_limit=3, stop_grace_ms=1500, stop_signal="SIGUSR1"))
    assert made["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert (made["StopTimeout"], made["StopSignal"]) == (2, "SIGUSR1")


def test_a_long_host_name_is_shortened_and_keeps_its_number() -> None:
    long = hostname("s" * 40, "w" * 60, 12)
    assert len(long) == 63
    assert long.endswith("w-12")


def test_a_health_check_runs_once_a_second_at_most_whoever_asks_for_more() -> None:
    often = replace(WEB, healthcheck=Healthcheck(("CMD", "true"), interval_ms=1))
    assert body(often)["Healthcheck"]["Interval"] == 1_000_000_000
    assert body(WEB, image_interval=1_000_000)["Healthcheck"] == {"Interval": 1_000_000_000}
    assert "Healthcheck" not in body(WEB, image_interval=30_000_000_000)
    assert "Healthcheck" not in body(WEB)


def test_what_a_service_asks_of_the_kernel_and_of_name_resolution() -> None:
    made = body(
        replace(
            WEB,
            tty=True,
            stdin_open=True,
            domainname="example.org",
            shm_bytes=2**27,
            ulimits=(Ulimit("nofile", 1024, 4096),),
            sysctls=(("net.core.somaxconn", "1024"),),
            extra_hosts=(("archive", "192.0.2.7"),),
            dns=Resolver(("192.0.2.53",), ("example.org",), ("ndots:2",)),
        )
    )
    assert (made["Tty"], made["OpenStdin"], made["Domainname"], made["Labels"]["spin.tty"]) == (True, True, "example.org", "true")
    host = made["HostConfig"]
    assert host["ShmSize"] == 2**27
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 1024, "Hard": 4096}]
    assert host["Sysctls"] == {"net.core.somaxconn": "1024"}
    assert host["ExtraHosts"] == ["archive:192.0.2.7"]
    assert (host["Dns"], host["DnsSearch"], host["DnsOptions"]) == (["192.0.2.53"], ["example.org"], ["ndots:2"])


def test_what_a_service_does_not_ask_for_is_not_said() -> None:
    made = body(WEB)
    asked = {"Tty", "OpenStdin", "Domainname", "ShmSize", "Ulimits", "Sysctls", "Dns", "DnsSearch", "DnsOptions", "ExtraHosts"}
    assert not asked & {*made, *made["HostConfig"]}
    assert made["Labels"]["spin.tty"] == "", "else the engine would take one of that name from the image"
