"""The engine's counters, in the words of both kinds of control groups."""

from __future__ import annotations

from typing import Any

from spin.engines.docker import labels
from spin.engines.docker.checks import command, probed
from spin.engines.docker.meters import limits, sample, working_set

LISTED = {
    "Id": "c1",
    "Labels": {
        labels.PROJECT: "lab",
        labels.ENVIRONMENT: "dev",
        labels.STACK: "shop",
        labels.SERVICE: "web",
        labels.SLOT: "2",
    },
}
COUNTED: dict[str, Any] = {
    "read": "2026-11-25T01:12:48.003335271Z",
    "pids_stats": {"current": 3},
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"op": "Read", "value": 5},
            {"op": "read", "value": 6},
            {"op": "write", "value": 7},
            {"op": "Total", "value": 18},
        ]
    },
    "cpu_stats": {
        "cpu_usage": {"total_usage": 123},
        "online_cpus": 4,
        "throttling_data": {"periods": 10, "throttled_periods": 4},
    },
    "memory_stats": {"usage": 100, "stats": {"inactive_file": 30}},
    "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
}


def test_a_sample_has_all_of_the_engines_counters() -> None:
    found = sample(LISTED, COUNTED, (0.5, 4096))
    assert found is not None
    assert (found.container, found.slot, found.cpu_ns, found.cpus) == ("shop-web-2", 2, 123, 0.5)
    assert (found.memory, found.memory_limit, found.pids) == (70, 4096, 3)
    assert (found.received, found.sent, found.read, found.written) == (11, 22, 11, 7)
    assert (found.periods, found.throttled) == (10, 4)


def test_without_a_limit_it_is_the_hosts_cores() -> None:
    found = sample(LISTED, COUNTED, (0.0, 0))
    assert found is not None
    assert (found.cpus, found.memory_limit) == (4, 0)


def test_a_container_without_networks_disks_and_memory_stats_counts_all_the_same() -> None:
    found = sample(LISTED, {"read": COUNTED["read"], "blkio_stats": {"io_service_bytes_recursive": None}}, (1, 1))
    assert found is not None
    assert (found.memory, found.received, found.read) == (0, 0, 0)


def test_one_that_has_ended_meanwhile_is_none() -> None:
    assert sample(LISTED, {"read": "0001-01-01T00:00:00Z"}, (1, 1)) is None


def test_memory_is_what_cannot_be_taken_back() -> None:
    assert working_set({"usage": 100, "stats": {"inactive_file": 5, "total_inactive_file": 40}}) == 60  # cgroup v1
    assert working_set({"usage": 100, "stats": {"inactive_file": 40}}) == 60  # v2
    assert working_set({"usage": 10, "stats": {"inactive_file": 40}}) == 10
    assert working_set({}) == 0


def test_limits_are_those_of_the_containers_configuration() -> None:
    assert limits({"NanoCpus": 1_500_000_000, "Memory": 64}) == (1.5, 64)
    assert limits({"CpuQuota": 50_000, "CpuPeriod": 0, "Memory": 0}) == (0.5, 0)
    assert limits({"CpuQuota": -1}) == (0, 0)


def test_a_health_check_and_its_last_answers() -> None:
    log = [{"End": "2026-01-01T00:00:00Z", "ExitCode": 7, "Output": "x" * 600 + "refused\n"}]
    config = {"Labels": LISTED["Labels"], "Healthcheck": {"Test": ["CMD", "curl", "-f", "a b"]}}
    found = probed({"Id": "c1", "Config": config, "State": {"Health": {"Log": log}}})
    assert found is not None
    assert (found.container, found.test) == ("shop-web-2", "curl -f 'a b'")
    assert (found.answers[0].exit_code, len(found.answers[0].output)) == (7, 500)
    assert found.answers[0].output.endswith("refused")
    assert probed({"Id": "c1", "Config": {"Labels": LISTED["Labels"]}, "State": {}}) is None


def test_the_command_of_a_health_check_as_people_write_it() -> None:
    assert command(["CMD-SHELL", "curl -f x || exit 1"]) == "curl -f x || exit 1"
    assert command(["NONE"]) == command([]) == ""
