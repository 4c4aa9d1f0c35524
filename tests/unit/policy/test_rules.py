"""The audit: what each rule refuses, what it lets pass, and how a finding reads."""

from __future__ import annotations

import pytest

from spin.model.finding import Finding, Severity
from spin.model.stack import Http, Image, Mount, Port, ServiceSpec, StackSpec
from spin.model.submission import Submission
from spin.policy import RULES, WITHOUT_ADDRESSES, audit, audit_engine, refusals
from spin.policy.capabilities import ALLOWED
from spin.site import Limits, PortClass, Site
from support.compose import findings, loaded, lowered, refused, service_text

VOLUMES = "\nvolumes: {data: , x: }\n"
UPDATED = "services: {{app: {{image: 'x:1', {}, deploy: {{{}}}}}}}\nvolumes: {{d: }}"


@pytest.mark.parametrize(
    ("keys", "rule", "key"),
    [
        ("privileged: true", "privileged", "privileged"),
        ("privileged: 'yes'", "privileged", "privileged"),
        ("network_mode: host", "host-namespaces", "network_mode"),
        ("network_mode: 'container:x'", "host-namespaces", "network_mode"),
        ("network_mode: 'service:x'", "host-namespaces", "network_mode"),
        ("pid: host", "host-namespaces", "pid"),
        ("ipc: host", "host-namespaces", "ipc"),
        ("uts: host", "host-namespaces", "uts"),
        ("userns_mode: host", "host-namespaces", "userns_mode"),
        ("cgroup: host", "host-namespaces", "cgroup"),
        ("devices: [/dev/sda]", "devices", "devices"),
        ("device_cgroup_rules: ['c 1:3 mr']", "devices", "device_cgroup_rules"),
        ("gpus: all", "devices", "gpus"),
        ("runtime: nvidia", "devices", "runtime"),
        (
            "deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}",
            "devices",
            "deploy.resources.reservations.devices",
        ),
        ("volumes: [./x:/y]", "host-path", "volumes[0]"),
        ("volumes: [.:/y]", "host-path", "volumes[0]"),
        ("volumes: ['/:/y']", "host-path", "volumes[0]"),
        ("volumes: [data:/x, /x:/y:ro]", "host-path", "volumes[1]"),
        ("volumes: [~/x:/y]", "host-path", "volumes[0]"),
        ("volumes: ['../x:/y:z']", "host-path", "volumes[0]"),
        ("volumes: ['C:\\x:/y']", "host-path", "volumes[0]"),
        ("volumes: [/var/run/docker.sock:/var/run/docker.sock]", "host-path", "volumes[0]"),
        ("volumes: [{type: bind, source: /x, target: /y}]", "host-path", "volumes[0]"),
        ("volumes: [{type: npipe, source: x, target: /y}]", "host-path", "volumes[0]"),
        ("volumes: [{type: cluster, source: x, target: /y}]", "host-path", "volumes[0]"),
        ("volumes: [{type: image, source: x, target: /y}]", "host-path", "volumes[0]"),
        ("volumes: [{type: volume, source: data, target: /y, bind: {propagation: shared}}]", "host-path", "volumes[0]"),
        ("volumes: [/y]", "anonymous-volume", "volumes[0]"),
        ("volumes: [{type: volume, target: /y}]", "anonymous-volume", "volumes[0]"),
        ("cap_add: [SYS_ADMIN]", "capabilities", "cap_add"),
        ("cap_add: [all]", "capabilities", "cap_add"),
        ("cap_add: [CAP_NET_RAW]", "capabilities", "cap_add"),
        ("security_opt: ['seccomp:unconfined']", "security-opt", "security_opt"),
        ("security_opt: ['no-new-privileges:false']", "security-opt", "security_opt"),
        ("security_opt: ['no-new-privileges:true', 'label:disable']", "security-opt", "security_opt"),
        ("cgroup_parent: /x", "cgroup-parent", "cgroup_parent"),
        ("sysctls: {vm.overcommit_memory: 1}", "sysctls", "sysctls.vm.overcommit_memory"),
        ("sysctls: [net.ipv4.ip_forward=1]", "sysctls", "sysctls.net.ipv4.ip_forward"),
        ("ulimits: {memlock: -1}", "ulimits", "ulimits.memlock"),
        ("ulimits: {memlock: {soft: 1, hard: 3000000000}}", "ulimits", "ulimits.memlock"),
        ("ulimits: {nofile: 1048577}", "ulimits", "ulimits.nofile"),
        ("ulimits: {rtprio: 1}", "ulimits", "ulimits.rtprio"),
        ("ulimits: {msgqueue: -1}", "ulimits", "ulimits.msgqueue"),
        ("shm_size: 3g", "memory-files", "shm_size"),
        ("tmpfs: ['/x:size=3g']", "memory-files", "tmpfs"),
        ("shm_size: 65m\nmem_limit: 64m", "memory-files", "shm_size"),
        ("extra_hosts: ['host.docker.internal:host-gateway']", "extra-hosts", "extra_hosts"),
        ("extra_hosts: {metadata: 169.254.169.254}", "extra-hosts", "extra_hosts"),
        ("extra_hosts: ['m:[::ffff:169.254.169.254]']", "extra-hosts", "extra_hosts"),
        ("extra_hosts: ['m:fd00:ec2::254']", "extra-hosts", "extra_hosts"),
        ("extra_hosts: ['a:127.0.0.1']", "extra-hosts", "extra_hosts"),
        ("extra_hosts: ['a:0.0.0.0']", "extra-hosts", "extra_hosts"),
        ("extra_hosts: ['a=::1']", "extra-hosts", "extra_hosts"),
        ("extra_hosts: ['a:10.208.0.5']", "extra-hosts", "extra_hosts"),
        ("extra_hosts: ['app:192.0.2.7']", "extra-hosts", "extra_hosts"),
        ("extra_hosts: ['spin.localhost:192.0.2.7']", "extra-hosts", "extra_hosts"),
        ("extra_hosts: ['A.shop.production.spin.localhost:192.0.2.7']", "extra-hosts", "extra_hosts"),
        ("dns: 127.0.0.1", "dns", "dns"),
        ("dns: [192.0.2.53, 169.254.169.253]", "dns", "dns"),
        ("ports: ['22:22']", "published-ports", "ports"),
        ("ports: ['443:443/udp']", "published-ports", "ports"),
        ("ports: ['192.0.2.1:8080:80']", "host-address", "ports[0]"),
        ("image: ghcr.io/a/b:1", "image-source", "image"),
        ("image: localhost/a:1", "image-source", "image"),
        ("image: docker.io.example.org/a:1", "image-source", "image"),
        ("image: localhost:50000/a:1", "image-source", "image"),
        ("build: .\nimage: quay.io/a/b:1", "image-source", "image"),
        ("x-spin: {http: 80, hosts: [other.shop.production.spin.localhost]}", "own-hosts", "x-spin.hosts"),
        ("labels: {spin.project: other}", "reserved-labels", "labels.spin.project"),
        ("labels: {Spin.Site: other}", "reserved-labels", "labels.Spin.Site"),
        ("scale: 2\nports: ['8080:80']", "replicated-port", "ports"),
        ("scale: 21", "too-many-replicas", "deploy.replicas"),
    ],
)
def test_the_hard_floor(keys: str, rule: str, key: str) -> None:
    assert refused(service_text(keys) + VOLUMES) == [(rule, f"services.app.{key}")]


@pytest.mark.parametrize(
    "keys",
    [
        "privileged: false",
        "ipc: private\ncgroup: private\npid: ''\nuserns_mode:",
        "devices: []\nruntime:",
        "security_opt: ['no-new-privileges:true']",
        "ports: ['0.0.0.0:8080:80', '[::]:8081:81', '127.0.0.1:22:22', '[::1]:23:23', '127.0.0.1::80']",
        "ports: [{target: 80, published: 22, host_ip: 127.0.0.1}]",
        "sysctls: {}",
        "sysctls: {net.core.somaxconn: 1024, net.ipv4.ip_local_port_range: 1024 65000}",
        "ulimits: {nofile: {soft: 1024, hard: 1048576}, nproc: -1, memlock: 65536, core: 0}",
        "shm_size: 256m\ntmpfs: ['/x:size=1g', '/y']",
        "extra_hosts: {archive.example.org: [192.0.2.7, '2001:db8::7'], db: 10.1.2.3}",
        "dns: [192.0.2.53]\ndns_search: example.org\ndns_opt: ['ndots:2', use-vc]",
        "tty: true\nstdin_open: true\ndomainname: example.org\nplatform: linux/amd64",
        "volumes: ['data:/a', 'x:/b', {type: volume, source: data, target: /c}, {type: tmpfs, target: /d}]",
        f"cap_add: {list(ALLOWED.default)}\ncap_drop: [ALL]",
        "ports: ['80:3000', '8080:80', '60000-60003:1-4/udp', '5432:5432']",
        "ports: ['80', '81/udp', {target: 90}]",
        "x-spin: {http: 80, hosts: [spin.localhost.example.org, notspin.localhost]}",
        "labels: {org.example.spin: x, io.rancher.container.pull_image: always}",
        "scale: 3\nports: ['80:3000']",
        "scale: 20",
        "x-anything: {privileged: true}",
        "healthcheck: {test: x, x-note: y}",
    ],
)
def test_what_is_harmless_passes(keys: str) -> None:
    assert refused(service_text(keys) + VOLUMES) == []


@pytest.mark.parametrize(
    "image",
    ["nginx:1", "docker.io/library/nginx:1", "index.docker.io/a/b:1", "localhost:5000/team/web:1", "localhost:5000/others/web:1"],
)
def test_images_of_the_site_and_of_its_sources_pass(image: str) -> None:
    assert refused(f"services: {{app: {{image: '{image}'}}}}") == []


def test_a_source_may_be_a_part_of_a_registry() -> None:
    site = Site(image_sources=("ghcr.io/good/",))
    assert refused("services: {app: {image: ghcr.io/good/x:1}}", site=site) == []
    assert refused("services: {app: {image: ghcr.io/goodish/x:1}}", site=site) == [("image-source", "services.app.image")]


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("volumes: {data: {driver: local, driver_opts: {type: none, o: bind, device: /}}}", "volumes.data.driver_opts"),
    ],
)
def test_volumes_cannot_be_paths_of_the_host_in_disguise(section: str, key: str) -> None:
    assert refused(service_text("volumes: ['data:/x']\n") + section) == [("host-path", key)]
    assert refused(service_text("") + section) == [("host-path", key)]


def test_labels_of_networks_and_volumes_are_watched_too() -> None:
    text = (
        service_text("networks: [n]\nvolumes: ['v:/v']\n")
        + "networks: {n: {labels: [spin.a=b]}}\nvolumes: {v: {labels: {spin.c: d}}}"
    )
    assert refused(text) == [
        ("reserved-labels", "networks.n.labels.spin.a"),
        ("reserved-labels", "volumes.v.labels.spin.c"),
    ]


def test_the_site_decides_ports_and_numbers() -> None:
    site = Site(port_classes=(PortClass("public", "everyone", ("22",)),), limits=Limits(services=1, replicas=1))
    assert refused(service_text("ports: ['22:22']"), site=site) == []
    text = "services: {app: {image: 'a:1', scale: 2}, db: {image: 'a:1', ports: ['8080:80']}}"
    assert [rule for rule, _ in refused(text, site=site)] == ["published-ports", "too-many-services", "too-many-replicas"]


def test_all_findings_come_at_once_with_service_key_place_and_advice() -> None:
    text = """
services:
  web:
    image: quay.io/x/y:1
    privileged: true
    cap_add: [SYS_ADMIN, NET_ADMIN]
    colour: blue
  db:
    image: mariadb:11
    pid: host
"""
    found = refusals(findings(text))
    assert [(f.rule, f.service, f.key, f.position) for f in found] == [
        ("privileged", "web", "services.web.privileged", "compose.yaml:5:5"),
        ("host-namespaces", "db", "services.db.pid", "compose.yaml:10:5"),
        ("capabilities", "web", "services.web.cap_add", "compose.yaml:6:5"),
        ("capabilities", "web", "services.web.cap_add", "compose.yaml:6:5"),
        ("image-source", "web", "services.web.image", "compose.yaml:4:5"),
        ("unknown-key", "web", "services.web.colour", "compose.yaml:7:5"),
    ]
    assert all(f.message and f.instead for f in found)
    assert "quay.io" in found[4].message


def test_the_socket_gets_its_own_advice() -> None:
    (finding,) = refusals(findings(service_text("volumes: [/run/docker.sock:/s]")))
    assert "owns the host" in finding.instead


@pytest.mark.parametrize(
    ("text", "rule", "severity"),
    [
        ("services: {frontend: {image: 'x:1'}}", "service-names", Severity.ADVISE),
        ("services: {webs: {image: 'x:1'}}", "service-names", Severity.ADVISE),
        ("services: {app: {image: x}}", "latest", Severity.ADVISE),
        ("services: {app: {image: x:latest}}", "latest", Severity.ADVISE),
        ("services: {app: {build: .}}", "latest", Severity.ADVISE),
        ("services: {app: {image: 'x:1', scale: 2, volumes: ['d:/d']}}\nvolumes: {d: }", "shared-volume", Severity.REFUSE),
        (UPDATED.format("ports: ['8080:80']", "update_config: {order: start-first}"), "update-order", Severity.WARN),
        (UPDATED.format("volumes: ['d:/d']", "update_config: {order: start-first}"), "update-order", Severity.WARN),
        (UPDATED.format("init: true", "rollback_config: {order: stop-first}"), "rollback-config", Severity.WARN),
    ],
)
def test_advice_and_warnings_do_not_stop_anything(text: str, rule: str, severity: Severity) -> None:
    assert [(f.rule, f.severity) for f in findings(text)] == [(rule, severity)]


@pytest.mark.parametrize("name", ["api", "app", "db", "kv", "lb", "util", "web", "web-nginx", "db-mysql-8"])
def test_names_that_follow_the_convention_get_no_advice(name: str) -> None:
    assert findings(f"services: {{{name}: {{image: 'x:1'}}}}") == ()


@pytest.mark.parametrize(
    ("key", "deploy"),
    [
        ("volumes: ['d:/d:ro']", "update_config: {order: start-first}"),
        ("ports: ['80:80']", "update_config: {order: start-first}"),
        ("ports: ['8080:80']", "update_config: {order: stop-first}"),
        ("volumes: ['d:/d']", "update_config: {parallelism: 2}"),
        ("init: true", "update_config: {parallelism: 2, delay: 5s}, rollback_config: {parallelism: 2, delay: }"),
        ("init: true", "rollback_config: {}"),
    ],
)
def test_settings_of_updates_that_are_carried_out_get_no_finding(key: str, deploy: str) -> None:
    assert findings(UPDATED.format(key, deploy)) == ()


def test_what_is_done_in_the_place_of_start_first_is_said_with_the_reason_and_the_line() -> None:
    (finding,) = findings(service_text("volumes: ['data:/d']\ndeploy:\n  update_config:\n    order: start-first") + VOLUMES)
    assert "writes to the volume data" in finding.message
    assert (finding.key, finding.position) == ("services.app.deploy.update_config.order", "compose.yaml:7:9")


def test_settings_of_rollbacks_that_differ_are_named() -> None:
    deploy = "{update_config: {delay: 5s}, rollback_config: {delay: 5s, order: stop-first, monitor: 1m}}"
    (finding,) = findings(service_text(f"deploy: {deploy}"))
    assert "where order, monitor is not what" in finding.message
    assert finding.key == "services.app.deploy.rollback_config"


def on_engine(text: str, *, service_addresses: bool) -> list[Finding]:
    submission = loaded(text)
    return list(audit_engine(lowered(submission), Site(), submission.positions, service_addresses=service_addresses))


CALLS = (
    "services: {{web: {{image: 'x:1'}}, api: {{image: 'x:1', {}}}, db: {{image: 'x:1', volumes: ['d:/d']}}}}\nvolumes: {{d: }}"
)


def test_what_an_upgrade_may_lose_without_service_addresses_is_told_in_one_finding() -> None:
    (finding,) = on_engine(CALLS.format("init: true"), service_addresses=False)
    assert (finding.rule, finding.severity) == ("service-addresses", Severity.ADVISE)
    assert "looks up api, web only once" in finding.message
    assert "such as api" in finding.instead


@pytest.mark.parametrize("keys", ["retain_ip: true", "deploy: {update_config: {order: stop-first}}", "restart: 'no'"])
def test_services_that_keep_their_address_or_are_not_called_are_left_out(keys: str) -> None:
    (finding,) = on_engine(CALLS.format(keys), service_addresses=False)
    assert "looks up web only once" in finding.message


@pytest.mark.parametrize(
    "text",
    [
        "services: {app: {image: 'x:1'}}",
        "services: {app: {image: 'x:1', networks: [a]}, web: {image: 'x:1', networks: [b]}}\nnetworks: {a: , b: }",
    ],
)
def test_where_no_service_can_call_another_nothing_can_be_lost(text: str) -> None:
    assert on_engine(text, service_addresses=False) == []


def test_with_service_addresses_nothing_is_lost() -> None:
    assert on_engine(CALLS.format("init: true"), service_addresses=True) == []


def test_replicas_may_share_a_volume_that_they_only_read() -> None:
    assert findings("services: {app: {image: 'x:1', scale: 2, volumes: ['d:/d:ro']}}\nvolumes: {d: }") == ()


def test_a_stack_without_a_document_is_judged_by_what_it_is() -> None:
    service = ServiceSpec(
        "app",
        Image("evil.example/x:1"),
        cap_add=("SYS_ADMIN",),
        ports=(Port(22, 22),),
        mounts=(Mount("v", "/v"),),
        http=Http(80, ("a.spin.localhost",)),
        replicas=2,
    )
    rules = [f.rule for f in audit(Submission({}), StackSpec((service,)), Site())]
    assert rules == [
        "capabilities",
        "published-ports",
        "image-source",
        "own-hosts",
        "replicated-port",
        "shared-volume",
        "no-limits",
    ]


def test_codes_are_unique_and_every_rule_says_what_to_write_instead() -> None:
    rules = (*RULES, *WITHOUT_ADDRESSES)
    assert len({rule.code for rule in rules}) == len(rules)
    assert all(rule.message.endswith((".", "}.")) and rule.instead for rule in rules)


def test_the_findings_of_one_rule_are_bounded() -> None:
    document = {"services": {"app": {"image": "x:1", **{f"k{n}": 1 for n in range(1500)}}}}
    found = audit(Submission(document), lowered(Submission(document)), Site())
    assert [f.rule for f in found] == ["unknown-key"] * 200 + ["no-limits"]


def test_what_a_stranger_wrote_is_shown_without_control_characters() -> None:
    document = {"services": {"app": {"image": "x:1", "k\u202e\u2066": 1}}}
    finding, _ = audit(Submission(document, positions={"services.app": "\x1b]0;x\x07:1"}), lowered(Submission(document)), Site())
    assert finding.key == "services.app.k??"
    assert finding.position is None
