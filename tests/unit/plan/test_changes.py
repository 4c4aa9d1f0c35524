"""What is shown before something is changed."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import pytest

from spin.model.stack import (
    Attachment,
    Bind,
    Condition,
    Config,
    Dependency,
    FailureAction,
    Grant,
    Healthcheck,
    Http,
    Image,
    Mount,
    Network,
    Port,
    Protocol,
    Resolver,
    Resources,
    Restart,
    Schedule,
    SecretRef,
    ServiceSpec,
    StackSpec,
    Tmpfs,
    Ulimit,
    Update,
    UpdateOrder,
    Volume,
)
from spin.plan import Action, compare

A = "sha256:" + "a" * 64
B = "sha256:" + "b" * 64
API = ServiceSpec("api", Image("docker.io/library/api:1", A))


def keys(old: ServiceSpec, new: ServiceSpec, **parts: Any) -> list[tuple[str, str | None, str | None]]:
    (change,) = compare(StackSpec((old,), **parts), StackSpec((new,), **parts)).services
    return [(k.key, k.old, k.new) for k in change.keys]


def test_the_same_stack_changes_nothing() -> None:
    changes = compare(StackSpec((API,)), StackSpec((API,)))
    assert changes.empty
    assert [s.action for s in changes.services] == [Action.UNCHANGED]


def test_a_first_revision_adds_everything() -> None:
    changes = compare(None, StackSpec((API,), volumes=(Volume("data"),)))
    assert not changes.empty
    assert [p.action for p in (*changes.services, *changes.networks, *changes.volumes)] == [Action.ADD] * 3


def test_services_networks_and_volumes_come_and_go() -> None:
    web = replace(API, name="web")
    changes = compare(
        StackSpec((API,), networks=(Network("back"),)), StackSpec((web,), networks=(Network("front"),), volumes=(Volume("data"),))
    )
    assert [(s.name, s.action.value) for s in changes.services] == [("api", "remove"), ("web", "add")]
    assert [(n.name, n.action.value) for n in changes.networks] == [("back", "remove"), ("front", "add")]
    assert [(v.name, v.action.value) for v in changes.volumes] == [("data", "add")]


def test_replicas_alone_only_scale() -> None:
    change = compare(StackSpec((API,)), StackSpec((replace(API, replicas=3),))).service("api")
    assert change is not None
    assert (change.action, change.replaces, change.only_scales) == (Action.CHANGE, False, True)
    assert [(k.key, k.old, k.new) for k in change.keys] == [("replicas", "1", "3")]


def test_an_image_that_moved_under_its_tag_is_a_change_and_another_tag_for_the_same_image_is_none() -> None:
    moved = replace(API, image=Image("docker.io/library/api:1", B))
    assert keys(API, moved) == [
        ("image", "docker.io/library/api:1 (aaaaaaaaaaaa)", "docker.io/library/api:1 (bbbbbbbbbbbb)"),
    ]
    assert compare(StackSpec((API,)), StackSpec((replace(API, image=Image("docker.io/library/api:2", A)),))).empty


def test_images_without_a_digest_are_compared_by_reference() -> None:
    assert keys(replace(API, image=Image("api:1")), replace(API, image=Image("api:2"))) == [("image", "api:1", "api:2")]


def test_values_of_secret_smelling_names_are_masked_and_others_shown() -> None:
    old = replace(API, environment=(("DB_PASSWORD", "one"), ("LEVEL", "1"), ("OLD", "x")), labels=(("api-token", "t"),))
    new = replace(API, environment=(("DB_PASSWORD", "two"), ("LEVEL", "2"), ("URL", "mysql://u:pw@db/x")), labels=())
    assert keys(old, new) == [
        ("environment.DB_PASSWORD", "****", "****"),
        ("environment.LEVEL", "1", "2"),
        ("environment.OLD", "x", None),
        ("environment.URL", None, "mysql://u:****@db/x"),
        ("labels.api-token", "****", None),
    ]


def test_passwords_on_command_lines_are_masked() -> None:
    old, new = replace(API, command=("serve",)), replace(API, command=("serve", "--password=hunter2", "--port", "80"))
    assert keys(old, new) == [("command", "serve", "serve --password=**** --port 80")]


def test_another_version_of_a_secret_is_named_and_replaces_the_containers() -> None:
    service = replace(API, secrets=(Grant("password", "/run/secrets/password", mode=0o400),))
    spec = StackSpec((service,), secrets=(SecretRef("password", "shop.password"),))
    changes = compare(spec, spec, old_secrets=(("shop.password", 1),), new_secrets=(("shop.password", 2),))
    (change,) = changes.services
    assert change.replaces
    assert [(k.key, k.old, k.new) for k in change.keys] == [
        ("secrets./run/secrets/password", "shop.password, version 1, mode 0400", "shop.password, version 2, mode 0400")
    ]


def test_the_content_of_a_config_is_told_by_its_digest() -> None:
    service = replace(API, configs=(Grant("settings", "/settings"),))
    old, new = (StackSpec((service,), configs=(Config("settings", text),)) for text in (b"1", b"2"))
    (change,) = compare(old, new).services
    assert [k.key for k in change.keys] == ["configs./settings"]
    assert change.replaces


def test_a_network_that_changes_shows_in_the_network_and_in_its_services() -> None:
    changes = compare(StackSpec((API,)), StackSpec((API,), networks=(Network("default", internal=True),)))
    assert [(k.key, k.old, k.new) for k in changes.networks[0].keys] == [("internal", None, "true")]
    assert [k.key for k in changes.services[0].keys] == ["networks.default"]
    assert changes.services[0].replaces


def test_settings_of_updates_read_as_in_the_file_and_defaults_are_not_told() -> None:
    new = replace(API, update=Update(0, 1500, FailureAction.CONTINUE, 0, 0.5, UpdateOrder.START_FIRST))
    assert keys(API, new) == [
        ("deploy.update_config.delay", None, "1.5s"),
        ("deploy.update_config.failure_action", None, "continue"),
        ("deploy.update_config.max_failure_ratio", None, "0.5"),
        ("deploy.update_config.order", None, "start-first"),
        ("deploy.update_config.parallelism", None, "0"),
    ]


def test_the_time_after_which_upgrades_are_confirmed_is_a_change_of_the_stack() -> None:
    later = StackSpec((API,), confirm_after_ms=1_800_000)
    changes = compare(StackSpec((API,)), later)
    assert not changes.empty
    assert [(k.key, k.old, k.new) for k in changes.stack] == [("x-spin.confirm_after", None, "1800s")]
    assert [s.action for s in changes.services] == [Action.UNCHANGED]
    assert compare(later, later).empty
    assert compare(None, later).stack == ()


CHANGED: dict[str, tuple[Any, list[str]]] = {
    "image": (Image("api:2", B), ["image"]),
    "command": (("a",), ["command"]),
    "entrypoint": (("a",), ["entrypoint"]),
    "environment": ((("A", "1"),), ["environment.A"]),
    "labels": ((("a", "1"),), ["labels.a"]),
    "user": ("1000", ["user"]),
    "group_add": (("1",), ["group_add"]),
    "cap_add": (("CHOWN",), ["cap_add"]),
    "read_only": (True, ["read_only"]),
    "init": (True, ["init"]),
    "working_dir": ("/", ["working_dir"]),
    "hostname": ("h", ["hostname"]),
    "stop_signal": ("SIGINT", ["stop_signal"]),
    "stop_grace_ms": (1500, ["stop_grace_period"]),
    "restart": (Restart.ON_FAILURE, ["restart"]),
    "restart_limit": (3, ["restart"]),
    "healthcheck": (
        Healthcheck(("CMD", "true")),
        ["healthcheck." + k for k in ("interval", "retries", "start_period", "test", "timeout")],
    ),
    "ports": ((Port(80, 8080, Protocol.UDP),), ["ports.8080/udp"]),
    "expose": ((80,), ["expose"]),
    "http": (Http(80, ("a.example.org",)), ["x-spin.hosts", "x-spin.http"]),
    "mounts": ((Mount("data", "/data", read_only=True),), ["volumes./data"]),
    "tmpfs": ((Tmpfs("/tmp", 1),), ["tmpfs./tmp"]),
    "secrets": ((Grant("s", "/s"),), ["secrets./s"]),
    "configs": ((Grant("c", "/c"),), ["configs./c"]),
    "networks": ((Attachment("default", ("alias",)),), ["networks.default"]),
    "depends_on": ((Dependency("db", Condition.HEALTHY, required=False),), ["depends_on.db"]),
    "resources": (Resources(cpus=0.5, pids=7), ["deploy.resources.limits.cpus", "deploy.resources.limits.pids"]),
    "replicas": (2, ["replicas"]),
    "update": (
        Update(2, 5000, FailureAction.ROLLBACK, 1000, 0.25, UpdateOrder.STOP_FIRST),
        [
            "deploy.update_config." + k
            for k in ("delay", "failure_action", "max_failure_ratio", "monitor", "order", "parallelism")
        ],
    ),
    "retain_ip": (True, ["retain_ip"]),
    "binds": ((Bind("/global/cfs/x", "/x", True),), ["volumes./x"]),
    "tty": (True, ["tty"]),
    "stdin_open": (True, ["stdin_open"]),
    "domainname": ("d.example", ["domainname"]),
    "shm_bytes": (2**20, ["shm_size"]),
    "ulimits": ((Ulimit("nofile", 1, 2),), ["ulimits.nofile"]),
    "sysctls": ((("net.core.somaxconn", "9"),), ["sysctls.net.core.somaxconn"]),
    "extra_hosts": ((("a.example", "192.0.2.7"),), ["extra_hosts.a.example"]),
    "dns": (Resolver(("192.0.2.53",), ("example.org",), ("ndots:2",)), ["dns", "dns_opt", "dns_search"]),
    "platform": ("linux/amd64", ["platform"]),
    "schedule": (Schedule("15 3 * * *", timeout_ms=1000), ["x-spin.keep", "x-spin.overlap", "x-spin.schedule", "x-spin.timeout"]),
}
OUTSIDE_THE_CONTAINER = {"replicas", "depends_on", "update", "platform"}


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(ServiceSpec) if f.name != "name"])
def test_a_change_of_any_field_is_named_and_says_whether_containers_are_replaced(field: str) -> None:
    """A new field of ServiceSpec has no value here yet: add one, and words for it in spin.plan.wording."""
    value, expected = CHANGED[field]
    old = replace(API, restart=Restart.ON_FAILURE) if field == "restart_limit" else API
    (change,) = compare(StackSpec((old,)), StackSpec((replace(old, **{field: value}),))).services
    assert [k.key for k in change.keys] == expected
    assert change.replaces == (field not in OUTSIDE_THE_CONTAINER)


def test_a_change_of_a_job_exchanges_nothing_its_next_run_is_made_anew() -> None:
    job = replace(API, schedule=Schedule("15 3 * * *"))
    (change,) = compare(StackSpec((job,)), StackSpec((replace(job, user="7"),))).services
    assert (change.action, change.replaces, [k.key for k in change.keys]) == (Action.CHANGE, False, ["user"])
    (change,) = compare(StackSpec((API,)), StackSpec((job,))).services
    assert change.replaces
