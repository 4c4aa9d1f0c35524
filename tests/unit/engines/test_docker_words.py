"""Reasons, names, subnets, frames and phases: the pure parts of the Docker engine."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from typing import Any

import pytest

from spin.engines.docker import labels
from spin.engines.docker.connections import count
from spin.engines.docker.frames import Frames
from spin.engines.docker.images import canonical
from spin.engines.docker.networks import free_subnets, routes, subnets_of
from spin.engines.docker.observe import NEVER, detail, moment, phase, probe_for
from spin.engines.docker.overview import status_words
from spin.engines.docker.probes import Command, Connect, Run
from spin.engines.docker.reasons import LONGEST, health_check, sentence
from spin.errors import Failed
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.observed import Phase

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def key(stack: str, environment: str = "dev", project: str = "p") -> DeploymentKey:
    return DeploymentKey(ProjectName(project), EnvironmentName(environment), StackName(stack))


@pytest.mark.parametrize(
    ("said", "clean"),
    [
        (
            (
                "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "
                'exec: "nosuch": executable file not found in $PATH: unknown'
            ),
            'The command "nosuch" is not in the image.',
        ),
        (
            "OCI runtime create failed: container_linux.go:380: starting container process caused: something odd: unknown",
            "Something odd.",
        ),
        (
            (
                "driver failed programming external connectivity on endpoint x (6b66): Bind for 127.0.0.1:8099 failed: "
                "port is already allocated"
            ),
            "Port 8099 of the engine's host is already in use by another container.",
        ),
        (
            (
                "driver failed programming external connectivity on endpoint x (6b66): Error starting userland proxy: "
                "listen tcp4 127.0.0.1:8099: bind: address already in use"
            ),
            "Port 8099 of the engine's host is already in use by a process there.",
        ),
        (
            "manifest for localhost:5000/a/b@sha256:00 not found: manifest unknown: manifest unknown",
            "There is no image localhost:5000/a/b@sha256:00 in its registry.",
        ),
        (
            'Get "http://localhost:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
            "The registry localhost:1 does not answer the engine.",
        ),
        ("write /x: no space left on device", "The engine's disk is full."),
        (
            "Unable to find group staff: no matching entries in group file",
            'The image has no group "staff": give a number, or add the group to the image.',
        ),
        ("Cannot mkdir: /etc/passwd is not a directory", "The working directory /etc/passwd is not a directory in the image."),
        ("Address already in use", "The address that it keeps is in use by another container."),
        ("Minimum memory limit allowed is 6MB", "Minimum memory limit allowed is 6MB."),
        ("two\nlines\x1b[31m of it", "Two lines [31m of it."),
        ("", "The engine gives no reason."),
    ],
)
def test_a_reason_is_one_clean_sentence(said: str, clean: str) -> None:
    assert sentence(said) == clean


def test_a_reason_of_any_length_fits_a_line() -> None:
    assert len(sentence("x" * 10_000)) == LONGEST


def test_no_two_things_have_one_name() -> None:
    assert labels.volume("s", key("shop"), "db-data") != labels.volume("s", key("shop-db"), "data")
    assert labels.network("s", key("a-b"), "c") != labels.network("s", key("a"), "b-c")
    assert labels.base("s", key("b-c", "a")) != labels.base("s", key("c", "a-b"))


def test_a_thing_with_other_labels_is_not_ours() -> None:
    ours = labels.labels_for("s", key("shop"), labels.Kind.VOLUME, {labels.NAME: "data"})
    labels.require("it", {"Labels": {**ours, "more": "x"}}, ours)
    for theirs in (None, {}, {**ours, labels.PROJECT: "q"}, {**ours, labels.SITE: "t"}, {**ours, labels.KIND: "files"}):
        with pytest.raises(Failed, match="belongs to something else"):
            labels.require("it", {"Labels": theirs}, ours)


def nets(*texts: str) -> list[ipaddress.IPv4Network]:
    return [ipaddress.ip_network(t) for t in texts]  # type: ignore[misc] # IPv4 texts


@pytest.mark.parametrize(
    ("taken", "free"),
    [
        ([], ["10.0.0.0/30", "10.0.0.4/30", "10.0.0.8/30", "10.0.0.12/30"]),
        (["10.0.0.0/30", "10.0.0.8/29"], ["10.0.0.4/30"]),
        (["10.0.0.5/32"], ["10.0.0.0/30", "10.0.0.8/30", "10.0.0.12/30"]),
        (["10.0.0.0/8"], []),
        (["0.0.0.0/0"], []),
        (["192.168.0.0/16", "10.0.0.12/30"], ["10.0.0.0/30", "10.0.0.4/30", "10.0.0.8/30"]),
        (["10.0.0.0/29", "10.0.0.0/30", "10.0.0.4/32"], ["10.0.0.8/30", "10.0.0.12/30"]),
    ],
)
def test_subnets_are_those_that_overlap_nothing_lowest_first(taken: list[str], free: list[str]) -> None:
    assert list(free_subnets(nets("10.0.0.0/28")[0], 30, nets(*taken))) == nets(*free)


def test_subnets_of_networks_are_read_whatever_else_stands_there() -> None:
    listed: list[dict[str, Any]] = [
        {"IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}, {"Subnet": "fd00::/64"}]}},
        {"IPAM": {"Config": None}},
        {"IPAM": {"Config": [{}]}},
        {},
    ]
    assert list(subnets_of(listed)) == nets("172.17.0.0/16")


def test_routes_of_the_host_are_read_and_the_default_route_is_none() -> None:
    table = (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    assert list(routes(table)) == nets("172.17.0.0/16")


def test_frames_are_found_however_the_bytes_arrive() -> None:
    data = b"\x01\0\0\0\0\0\0\x02hi\x02\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\x03err"
    for size in range(1, len(data) + 1):
        frames = Frames()
        found = [f for start in range(0, len(data), size) for f in frames.feed(data[start : start + size])]
        assert found == [("stdout", b"hi"), ("stderr", b""), ("stderr", b"err")]


def test_short_names_of_docker_hub_are_known_by_their_long_ones() -> None:
    assert canonical("mariadb@sha256:1") == "docker.io/library/mariadb@sha256:1"
    assert canonical("bitnami/redis@sha256:1") == "docker.io/bitnami/redis@sha256:1"
    assert canonical("localhost:5000/a@sha256:1") == "localhost:5000/a@sha256:1"


def test_times_are_utc_and_dockers_zero_is_never() -> None:
    assert moment("2026-01-01T01:00:00.123456789+01:00") == datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
    assert moment("0001-01-01T00:00:00Z") == moment("") == moment(None) == NEVER


def state(status: str, **more: Any) -> dict[str, Any]:
    return {"Status": status, "Error": "", "ExitCode": 0, "StartedAt": NOW.isoformat(), **more}


@pytest.mark.parametrize(
    ("seen", "up", "expected"),
    [
        (state("created"), False, Phase.CREATED),
        (state("created", Error="no such file", ExitCode=127), False, Phase.EXITED),
        (state("running"), False, Phase.STARTING),
        (state("running"), True, Phase.READY),
        (state("running", Health={"Status": "starting"}), False, Phase.STARTING),
        (state("running", Health={"Status": "starting"}), True, Phase.READY),
        (state("running", Health={"Status": "healthy"}), False, Phase.READY),
        (state("running", Health={"Status": "unhealthy"}), True, Phase.UNHEALTHY),
        (state("running", Health={"Status": "none"}), False, Phase.STARTING),
        (state("restarting", ExitCode=1), True, Phase.STARTING),
        (state("paused"), True, Phase.UNHEALTHY),
        (state("exited"), True, Phase.EXITED),
        (state("dead"), True, Phase.EXITED),
        (state("removing"), True, Phase.EXITED),
        (state("levitating"), True, Phase.UNKNOWN),
    ],
)
def test_phases(seen: dict[str, Any], up: bool, expected: Phase) -> None:
    assert phase(seen, up=up) is expected


def asked(health: str | None, **config: Any) -> dict[str, Any]:
    found = state("running")
    if health is not None:
        found["Health"] = {"Status": health}
    return {"State": found, "Config": {"Labels": {}, **config}}


@pytest.mark.parametrize(
    ("seen", "probe"),
    [
        (asked("starting", Healthcheck={"Test": ["CMD", "a", "b"], "Timeout": 2_000_000_000}), Command(("a", "b"), 2.0)),
        (asked("starting", Healthcheck={"Test": ["CMD-SHELL", "a b"]}), Command(("/bin/sh", "-c", "a b"), 30.0)),
        (asked("starting", Healthcheck={"Test": ["CMD-SHELL", "a"]}, Shell=["/bin/ash"]), Command(("/bin/ash", "a"), 30.0)),
        (asked("starting", Healthcheck={"Test": ["CMD", "a"], "StartInterval": 150_000_000}), None),
        (asked("starting", Healthcheck={"Test": ["CMD", "a"], "StartInterval": 5_000_000_000}), Command(("a",), 30.0)),
        (asked("healthy", Healthcheck={"Test": ["CMD", "a"]}), None),
        (asked("unhealthy", Healthcheck={"Test": ["CMD", "a"]}), None),
        (asked(None, Labels={labels.HTTP: "80"}), Connect("10.0.0.2", 80)),
        (asked("none", Healthcheck={"Test": ["NONE"]}), Run(1.0)),
        (asked(None), Run(1.0)),
    ],
)
def test_who_finds_out_whether_a_container_is_up_and_how(seen: dict[str, Any], probe: object) -> None:
    assert probe_for(seen, "10.0.0.2", NOW) == probe


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Up 3 minutes (healthy)", "Up (healthy)"),
        ("Up Less than a second (health: starting)", "Up (health: starting)"),
        ("Up About an hour (Paused)", "Up (Paused)"),
        ("Exited (137) 2 weeks ago", "Exited (137)"),
        ("Restarting (1) About a minute ago", "Restarting (1)"),
        ("Created", "Created"),
    ],
)
def test_the_engines_words_without_times(said: str, words: str) -> None:
    assert status_words(said) == words


ROW = "{n:4d}: {local}:{port} {peer}:9C40 {state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0"
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
ANY, MINE, THEIRS, SELF = "00000000", "0200D00A", "0100D00A", "0100007F"
ANY6, MAPPED, SELF6 = "0" * 32, "0000000000000000FFFF0000", "00000000000000000000000001000000"


def table(*rows: tuple[str, str, str, str]) -> str:
    lines = (ROW.format(n=n, local=a, port=p, peer=b, state=s) for n, (a, p, b, s) in enumerate(rows))
    return "\n".join((HEAD, *lines)) + "\n"


@pytest.mark.parametrize(
    ("v4", "v6", "number"),
    [
        ([(ANY, "1F90", ANY, "0A")], [], 0),
        ([(ANY, "1F90", ANY, "0A"), (MINE, "1F90", THEIRS, "01"), (MINE, "1F90", THEIRS, "01")], [], 2),
        ([(ANY, "1F90", ANY, "0A"), *((MINE, "1F90", THEIRS, s) for s in ("03", "04", "08", "09", "0B"))], [], 5),
        ([(ANY, "1F90", ANY, "0A"), *((MINE, "1F90", THEIRS, s) for s in ("02", "05", "06", "07"))], [], 0),
        ([(ANY, "1F90", ANY, "0A"), (MINE, "D431", THEIRS, "01")], [], 0),
        ([(ANY, "1F90", ANY, "0A"), (SELF, "1F90", SELF, "01")], [], 0),
        ([], [(ANY6, "1F90", ANY6, "0A"), (MAPPED + MINE, "1F90", MAPPED + THEIRS, "01")], 1),
        ([], [(ANY6, "1F90", ANY6, "0A"), (MAPPED + SELF, "1F90", MAPPED + SELF, "01"), (SELF6, "1F90", SELF6, "01")], 0),
        ([(MINE, "1F90", THEIRS, "01")], [(ANY6, "1F90", ANY6, "0A")], 1),
    ],
    ids=[
        "only listening",
        "established",
        "coming up, or not finished",
        "going out, peer done, over",
        "to another port: its own",
        "from itself",
        "IPv4 on an IPv6 socket",
        "from itself on an IPv6 socket",
        "tables together",
    ],
)
def test_open_connections_in_the_kernels_tables(
    v4: list[tuple[str, str, str, str]], v6: list[tuple[str, str, str, str]], number: int
) -> None:
    assert count([table(*v4), table(*v6)]) == number


@pytest.mark.parametrize(
    ("output", "code", "words"),
    [
        ("the database is away", 1, "health check: the database is away"),
        ("", 7, "health check: exited with 7"),
        ("Health check exceeded timeout (2s)", -1, "health check: no answer within 2s"),
        (
            (
                "OCI runtime exec failed: exec failed: unable to start container process: "
                'exec: "curl": executable file not found in $PATH: unknown'
            ),
            126,
            'health check: the command "curl" is not in the image',
        ),
    ],
)
def test_what_a_health_check_says(output: str, code: int, words: str) -> None:
    assert health_check(output, code) == words


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"ExitCode": 1}, "exited with 1"),
        ({"ExitCode": 127}, "exited with 127, a command that was not found"),
        ({"ExitCode": 137}, "exited with 137, killed"),
        ({"ExitCode": 137, "OOMKilled": True}, "killed: it needed more memory than its limit of 64 MiB"),
        (
            {"ExitCode": 128, "Error": "unable to find user x: gone"},
            'the image has no user "x": give a number, or add the user to the image',
        ),
    ],
)
def test_why_a_container_ended_also_while_it_is_being_restarted(more: dict[str, Any], words: str) -> None:
    for status, end in (("exited", ""), ("restarting", ", is being restarted")):
        seen = {"State": state(status, **{"OOMKilled": False, **more}), "HostConfig": {"Memory": 64 * 2**20}}
        assert detail(seen, phase(seen["State"], up=False), "") == words + end
