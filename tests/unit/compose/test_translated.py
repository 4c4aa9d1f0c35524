"""Keys of older files and of other platforms come to what Spin has another word for."""

from __future__ import annotations

import pytest

from spin.model.stack import Condition, Dependency, Resources, Restart, UpdateOrder
from support.compose import complaint, findings, refused, service, service_text, stack

MIB = 1024**2


@pytest.mark.parametrize(
    ("keys", "resources"),
    [
        ("mem_limit: 64m", Resources(memory_bytes=64 * MIB)),
        ("mem_limit: 0", Resources()),
        ("mem_limit: -1", Resources()),
        ("mem_reservation: 32m", Resources(reserved_memory_bytes=32 * MIB)),
        ("mem_limit: 64m\nmem_reservation: 32m", Resources(memory_bytes=64 * MIB, reserved_memory_bytes=32 * MIB)),
        ("cpus: 0.5", Resources(cpus=0.5)),
        ("cpus: '1.5'", Resources(cpus=1.5)),
        ("cpus: 0", Resources()),
        ("pids_limit: 100", Resources(pids=100)),
        ("pids_limit: -1", Resources()),
        ("cpu_quota: 50000", Resources(cpus=0.5)),
        ("cpu_quota: 50000\ncpu_period: 25000", Resources(cpus=2.0)),
        ("cpu_quota: -1", Resources()),
        ("cpu_shares: 512", Resources(reserved_cpus=0.5)),
        ("cpu_shares: 2048\ncpus: 0.5", Resources(cpus=0.5, reserved_cpus=0.5)),
        ("mem_limit: 64m\ndeploy: {resources: {limits: {memory: 64M}}}", Resources(memory_bytes=64 * MIB)),
    ],
)
def test_limits_of_version_2_are_limits(keys: str, resources: Resources) -> None:
    assert service(keys).resources == resources


@pytest.mark.parametrize(
    "keys",
    [
        "mem_limit: 64m\ndeploy: {resources: {limits: {memory: 65m}}}",
        "cpus: 1\ndeploy: {resources: {limits: {cpus: 2}}}",
        "pids_limit: 1\ndeploy: {resources: {limits: {pids: 2}}}",
        "mem_reservation: 64m\ndeploy: {resources: {reservations: {memory: 65m}}}",
    ],
)
def test_two_keys_for_one_limit_must_agree(keys: str) -> None:
    assert "keep one of them" in complaint(service_text(keys))


@pytest.mark.parametrize(
    ("keys", "restart"),
    [
        ("deploy: {restart_policy: {condition: none}}", (Restart.NO, 0)),
        ("deploy: {restart_policy: {condition: on-failure, max_attempts: 3}}", (Restart.ON_FAILURE, 3)),
        ("deploy: {restart_policy: {condition: any, max_attempts: 3}}", (Restart.ALWAYS, 0)),
        ("deploy: {restart_policy: {}}", (Restart.ALWAYS, 0)),
        ("deploy: {restart_policy: {delay: 5s}}", (Restart.ALWAYS, 0)),
        ("restart: always\ndeploy: {restart_policy: {condition: none}}", (Restart.NO, 0)),
        ("deploy: {mode: replicated-job}", (Restart.NO, 0)),
        ("restart: always\nlabels: {io.rancher.container.start_once: true}", (Restart.NO, 0)),
        ("labels: ['io.rancher.container.start_once=true']", (Restart.NO, 0)),
        ("labels: ['io.rancher.container.start_once=false']", (Restart.UNLESS_STOPPED, 0)),
    ],
)
def test_what_is_restarted(keys: str, restart: tuple[Restart, int]) -> None:
    found = service(keys)
    assert (found.restart, found.restart_limit) == restart


def test_labels_of_deploy_are_labels_below_the_services_own() -> None:
    found = service("labels: {a: 1}\ndeploy: {labels: {a: 2, b: 3}}")
    assert found.labels == (("a", "1"), ("b", "3"))


def test_a_containers_name_is_one_more_name_of_the_service() -> None:
    text = service_text("container_name: frontend\nnetworks: {n: {aliases: [www]}}") + "\nnetworks: {n: }"
    (app,) = stack(text).services
    assert app.networks[0].aliases == ("frontend", "www")
    assert refused(text) == []
    assert [f.rule for f in findings(text) if f.key == "services.app.container_name"] == ["translated-key"]


LINKED = """
services:
  app: {{image: "x:1", links: [{link}]}}
  db: {{image: "x:1"}}
  cache: {{image: "x:1"}}
"""


def test_a_link_is_an_alias_and_a_dependency() -> None:
    found = stack(LINKED.format(link="'db:database', db, cache"))
    app, db = found.service("app"), found.service("db")
    assert app
    assert db
    assert db.networks[0].aliases == ("database",)
    assert app.networks[0].aliases == ()
    assert app.depends_on == (Dependency("cache", Condition.STARTED), Dependency("db", Condition.STARTED))


@pytest.mark.parametrize(
    ("link", "words"), [("nothing", "no other service"), ("app", "no other service"), ("'db:cache'", "name")]
)
def test_a_link_that_leads_nowhere_is_said(link: str, words: str) -> None:
    assert words in complaint(LINKED.format(link=link))


def test_a_container_without_networks() -> None:
    assert service("network_mode: none").networks == ()
    assert refused(service_text("network_mode: none")) == []
    assert refused(service_text("network_mode: bridge")) == []
    assert "keep one" in complaint(service_text("network_mode: none\nnetworks: [n]") + "\nnetworks: {n: }")


def test_keys_of_rancher_compose() -> None:
    found = service(
        "start_on_create: false\nscale: 3\nupgrade_strategy: {start_first: true, batch_size: 2, interval_millis: 500}"
    )
    assert found.replicas == 0
    assert (found.update.order, found.update.parallelism, found.update.delay_ms) == (UpdateOrder.START_FIRST, 2, 500)
    assert service("start_on_create: true\nscale: 3").replicas == 3


def test_an_external_secret_named_as_in_version_2() -> None:
    text = service_text("secrets: [key]") + "\nsecrets: {key: {external: {name: db.shop.key}}}"
    assert stack(text).secrets[0].stored == "db.shop.key"


def test_what_many_files_hold_and_means_what_happens_anyway_is_passed_in_silence() -> None:
    text = service_text("labels: {io.rancher.container.pull_image: always}\npull_policy: always\nnetworks: [n]")
    assert [f.rule for f in findings(text + "\nnetworks: {n: {driver: bridge}}") if f.rule.endswith("-key")] == []


def test_a_port_on_the_hosts_own_address_is_open_to_the_stack_alone() -> None:
    text = service_text("ports: ['127.0.0.1:8080:80', '[::1]:8081:81', '0.0.0.0:8443:443', '127.0.0.1:80:9090']")
    (app,) = stack(text).services
    assert [p.published for p in app.ports] == [8443]
    assert app.expose == (80, 81, 9090)
    assert app.http is None, "what was for the workstation alone does not go through the proxy either"
    assert [f.key for f in findings(text) if f.rule == "loopback-port"] == [f"services.app.ports[{n}]" for n in (0, 1, 3)]


def test_an_external_volume_of_another_driver_is_the_stacks_own() -> None:
    text = service_text("volumes: ['db.shop:/data']") + "\nvolumes: {db.shop: {driver: rancher-nfs, external: true}}"
    spec = stack(text)
    assert [v.name for v in spec.volumes] == ["db.shop"]
    assert refused(text) == []
    assert [(f.rule, f.key) for f in findings(text) if f.rule.endswith("-key")] == [
        ("ignored-key", "volumes.db.shop.driver"),
        ("translated-key", "volumes.db.shop.external"),
    ]
