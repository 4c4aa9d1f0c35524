"""What each key of a service comes to, in every form it can be written in."""

from __future__ import annotations

from typing import Any

import pytest

from spin.errors import InvalidInput
from spin.model.stack import (
    Attachment,
    Condition,
    Dependency,
    FailureAction,
    Grant,
    Healthcheck,
    Http,
    Image,
    Mount,
    Port,
    Protocol,
    Resources,
    Restart,
    Tmpfs,
    Update,
    UpdateOrder,
)
from support.compose import complaint, loaded, of_document, service, service_text, stack

TCP, UDP = Protocol.TCP, Protocol.UDP


@pytest.mark.parametrize(
    ("keys", "field", "value"),
    [
        ("command: a 'b c'", "command", ("a", "b c")),
        ("command: [a, 1, true, '']", "command", ("a", "1", "true", "")),
        ("command: []", "command", ()),
        ("command: ''", "command", ()),
        ("command:", "command", None),
        ("command: >\n  a\n  b", "command", ("a", "b")),
        ('command: [sh, -c, "a\\nb"]', "command", ("sh", "-c", "a\nb")),
        ("entrypoint: /run.sh -v", "entrypoint", ("/run.sh", "-v")),
        ("environment: {B: 1, A: x}", "environment", (("A", "x"), ("B", "1"))),
        ("environment: {A: true, B: 1.5, C: '', D: null}", "environment", (("A", "true"), ("B", "1.5"), ("C", ""))),
        ("environment: [A=1, B=x=y, C=, D]", "environment", (("A", "1"), ("B", "x=y"), ("C", ""))),
        ('environment: {PEM: "a\\nb"}', "environment", (("PEM", "a\nb"),)),
        ("labels: {a.b: 1, c: null}", "labels", (("a.b", "1"), ("c", ""))),
        ("labels: [a=1, b]", "labels", (("a", "1"), ("b", ""))),
        ("user: 1000", "user", "1000"),
        ("user: 46311:75137", "user", "46311:75137"),
        ("user: '1000:'", "user", "1000"),
        ("user: www-data:adm", "user", "www-data:adm"),
        ("group_add: [nginx, 100, '100']", "group_add", ("100", "nginx")),
        ("cap_add: [cap_kill, NET_BIND_SERVICE, KILL]", "cap_add", ("KILL", "NET_BIND_SERVICE")),
        ("cap_drop: [ALL]", "cap_add", ()),
        ("read_only: true", "read_only", True),
        ("read_only: 'yes'", "read_only", True),
        ("init: false", "init", False),
        ("working_dir: /a//b/", "working_dir", "/a/b"),
        ("hostname: DB-1.internal", "hostname", "DB-1.internal"),
        ("hostname: es_node_1", "hostname", "es_node_1"),
        ('hostname: ""', "hostname", None),
        ('user: ""', "user", None),
        ('working_dir: ""', "working_dir", None),
        ('restart: ""', "restart", Restart.UNLESS_STOPPED),
        ("stop_signal: SIGQUIT", "stop_signal", "SIGQUIT"),
        ("stop_signal: 3", "stop_signal", "3"),
        ("stop_grace_period: 1m30s", "stop_grace_ms", 90_000),
        ("restart: always", "restart", Restart.ALWAYS),
        ("restart: 'no'", "restart", Restart.NO),
        ("restart: no", "restart", Restart.NO),
        ("restart: false", "restart", Restart.NO),
        ("restart: on-failure", "restart", Restart.ON_FAILURE),
        ("restart: on-failure:3", "restart_limit", 3),
        ("restart:", "restart", Restart.UNLESS_STOPPED),
        ("healthcheck: {test: curl -f x}", "healthcheck", Healthcheck(("CMD-SHELL", "curl -f x"))),
        ("healthcheck: {test: [CMD, a, b], retries: '5'}", "healthcheck", Healthcheck(("CMD", "a", "b"), retries=5)),
        ("healthcheck: {test: [CMD-SHELL, a, -b]}", "healthcheck", Healthcheck(("CMD-SHELL", "a", "-b"))),
        ("healthcheck: {test: [CMD-SHELL, a b]}", "healthcheck", Healthcheck(("CMD-SHELL", "a b"))),
        ("healthcheck: {test: [NONE]}", "healthcheck", Healthcheck(("NONE",))),
        ("healthcheck: {disable: true}", "healthcheck", Healthcheck(("NONE",))),
        (
            "healthcheck: {test: [CMD, a], interval: 1s, timeout: 2s, start_period: 1m, start_interval: 100ms}",
            "healthcheck",
            Healthcheck(("CMD", "a"), 1000, 2000, 3, 60_000, 100),
        ),
        ("healthcheck: {test: [CMD, a], interval: 0s, retries: 0}", "healthcheck", Healthcheck(("CMD", "a"))),
        ("healthcheck:", "healthcheck", None),
        ("ports: ['8081:81']", "ports", (Port(81, 8081),)),
        ("ports: ['60001:1/udp', '60000:1']", "ports", (Port(1, 60000), Port(1, 60001, UDP))),
        ("ports: ['8000-8001:9000-9001/udp']", "ports", (Port(9000, 8000, UDP), Port(9001, 8001, UDP))),
        ("ports: [{target: 80, published: '8080', mode: ingress}]", "ports", (Port(80, 8080),)),
        ("ports: [{target: 80, published: 8080, protocol: udp}]", "ports", (Port(80, 8080, UDP),)),
        ("ports: ['443:443/udp']", "ports", (Port(443, 443, UDP),)),
        ("ports: ['8081:81', '8081:81/tcp']", "ports", (Port(81, 8081),)),
        ("ports: [8080, '3000-3001', {target: 9}]", "expose", (9, 3000, 3001, 8080)),
        ("ports: [8080]", "ports", ()),
        ("expose: [80, '81', 90-91, 53/udp]", "expose", (53, 80, 81, 90, 91)),
        ("ports: ['80:8080']", "http", Http(8080)),
        ("ports: ['80:8080', '443:8080']", "http", Http(8080)),
        ("ports: [{target: 8080, published: 443}]", "http", Http(8080)),
        ("ports: ['80:8080']", "ports", ()),
        ("x-spin: {http: 3000}", "http", Http(3000)),
        ("x-spin: {http: '3000', hosts: [b.example.org, A.Example.org]}", "http", Http(3000, ("a.example.org", "b.example.org"))),
        ("x-spin: {hosts: [a.example.org]}\nports: ['80:3000']", "http", Http(3000, ("a.example.org",))),
        ("x-spin:", "http", None),
        ("tmpfs: /run", "tmpfs", (Tmpfs("/run"),)),
        ("tmpfs: ['/tmp:size=64m,mode=1777,noexec', /run/]", "tmpfs", (Tmpfs("/run"), Tmpfs("/tmp", 64 * 1024**2, 0o1777))),
        (
            "tmpfs: ['/a:mode=770,uid=1000,gid=0', '/b:exec']",
            "tmpfs",
            (Tmpfs("/a", None, 0o770, 1000, 0), Tmpfs("/b", executable=True)),
        ),
        ("volumes: [{type: tmpfs, target: /t, tmpfs: {size: 1024, mode: 0700}}]", "tmpfs", (Tmpfs("/t", 1024, 0o700),)),
        ("deploy: {replicas: 3}", "replicas", 3),
        ("scale: 0", "replicas", 0),
        ("scale: 2\ndeploy: {replicas: 2}", "replicas", 2),
        (
            "deploy: {resources: {limits: {cpus: '0.5', memory: 512m, pids: 100}, reservations: {cpus: 0.25, memory: 64mb}}}",
            "resources",
            Resources(0.5, 512 * 1024**2, 100, 0.25, 64 * 1024**2),
        ),
        ("deploy: {resources: {limits: {cpus: 2}}}", "resources", Resources(cpus=2.0)),
        ("deploy: {resources: {limits: {cpus: '0', memory: 0, pids: 0}, reservations: {memory: 0b}}}", "resources", Resources()),
        ("deploy: {update_config: }", "update", Update()),
        ("deploy: {update_config: {}}", "update", Update()),
        ("deploy: {update_config: {parallelism: 0, delay: 10s}}", "update", Update(parallelism=0, delay_ms=10_000)),
        ("deploy: {update_config: {parallelism: '2', delay: 0}}", "update", Update(parallelism=2)),
        ("deploy: {update_config: {parallelism: 3.0, monitor: 1m30s}}", "update", Update(parallelism=3, monitor_ms=90_000)),
        ("deploy: {update_config: {failure_action: pause}}", "update", Update(failure_action=FailureAction.PAUSE)),
        ("deploy: {update_config: {failure_action: continue}}", "update", Update(failure_action=FailureAction.CONTINUE)),
        ("deploy: {update_config: {failure_action: rollback}}", "update", Update(failure_action=FailureAction.ROLLBACK)),
        ("deploy: {update_config: {max_failure_ratio: 0.3}}", "update", Update(max_failure_ratio=0.3)),
        ("deploy: {update_config: {max_failure_ratio: '.5'}}", "update", Update(max_failure_ratio=0.5)),
        ("deploy: {update_config: {max_failure_ratio: 1}}", "update", Update(max_failure_ratio=1.0)),
        ("deploy: {update_config: {order: stop-first}}", "update", Update(order=UpdateOrder.STOP_FIRST)),
        ("deploy: {update_config: {order: start-first}}", "update", Update(order=UpdateOrder.START_FIRST)),
        ("deploy: {rollback_config: {order: stop-first, parallelism: 9}}", "update", Update()),
        ("retain_ip: true", "retain_ip", True),
        ("retain_ip: 'no'", "retain_ip", False),
        ("retain_ip:", "retain_ip", False),
    ],
)
def test_a_key_comes_to(keys: str, field: str, value: Any) -> None:
    assert getattr(service(keys), field) == value


WRITTEN = """
    deploy:
      update_config: {parallelism: 2, delay: 90s, failure_action: pause, monitor: 1500ms, max_failure_ratio: 0.1, order: start-first}
      rollback_config: {parallelism: 0, delay: 60s}
"""
AS_COMPOSE_PRINTS_IT = """
    deploy:
      update_config:
        parallelism: 2
        delay: 1m30s
        failure_action: pause
        monitor: 1.5s
        max_failure_ratio: 0.1
        order: start-first
      rollback_config:
        parallelism: 0
        delay: 1m0s
"""
AS_COMPOSE_PRINTS_JSON = {
    "update_config": {
        "parallelism": 2,
        "delay": "1m30s",
        "failure_action": "pause",
        "monitor": "1.5s",
        "max_failure_ratio": 0.1,
        "order": "start-first",
    },
    "rollback_config": {"parallelism": 0, "delay": "1m0s"},
    "resources": {},
}


def test_what_compose_makes_of_update_settings_means_the_same() -> None:
    update = Update(2, 90_000, FailureAction.PAUSE, 1500, 0.1, UpdateOrder.START_FIRST)
    assert service(WRITTEN).update == update
    assert service(AS_COMPOSE_PRINTS_IT).update == update
    printed = of_document({"services": {"app": {"image": "nginx:1.27", "deploy": AS_COMPOSE_PRINTS_JSON}}})
    assert printed.services[0].update == update


def test_update_settings_are_merged_key_by_key() -> None:
    first = service_text("deploy: {update_config: {parallelism: 2, delay: 5s}}")
    second = service_text("deploy: {update_config: {delay: 1s, order: stop-first}}")
    assert stack(first, second).services[0].update == Update(2, 1000, order=UpdateOrder.STOP_FIRST)
    third = service_text("deploy: {update_config: !override {order: start-first}}")
    assert stack(first, third).services[0].update == Update(order=UpdateOrder.START_FIRST)


VOLUMES = "\nvolumes: {data: , cache: }\n"


@pytest.mark.parametrize(
    ("entry", "mount"),
    [
        ("data:/x", Mount("data", "/x")),
        ("data:/x/:ro", Mount("data", "/x", read_only=True)),
        ("'data:/x:rw,nocopy'", Mount("data", "/x", nocopy=True)),
        ("{type: volume, source: data, target: /x}", Mount("data", "/x")),
        ("{type: volume, source: data, target: /x, read_only: true, volume: {nocopy: true}}", Mount("data", "/x", True, True)),
    ],
)
def test_named_volumes_are_mounted(entry: str, mount: Mount) -> None:
    assert stack(service_text(f"volumes: [{entry}]") + VOLUMES).services[0].mounts == (mount,)


SECRETS = "\nsecrets: {pw: {external: true}}\nconfigs: {conf: {content: x}}\n"


@pytest.mark.parametrize(
    ("keys", "grants"),
    [
        ("secrets: [pw]", [Grant("pw", "/run/secrets/pw")]),
        ("secrets: [{source: pw, target: other}]", [Grant("pw", "/run/secrets/other")]),
        ("secrets: [{source: pw, target: /etc/pw, uid: '5000', gid: 6, mode: 0440}]", [Grant("pw", "/etc/pw", 5000, 6, 0o440)]),
        ("secrets: [{source: pw, mode: '0400'}]", [Grant("pw", "/run/secrets/pw", mode=0o400)]),
        ("secrets: [pw, {source: pw, target: a}]", [Grant("pw", "/run/secrets/a"), Grant("pw", "/run/secrets/pw")]),
        ("configs: [conf]", [Grant("conf", "/conf")]),
        ("configs: [{source: conf, target: /etc//conf}]", [Grant("conf", "/etc/conf")]),
    ],
)
def test_secrets_and_configs_become_files(keys: str, grants: list[Grant]) -> None:
    found = stack(service_text(keys) + SECRETS).services[0]
    assert [*found.secrets, *found.configs] == grants


NETWORKS = "\nnetworks: {front: , back: {internal: true, labels: [a=b]}, default: }\n"


@pytest.mark.parametrize(
    ("keys", "joined"),
    [
        ("", (Attachment("default"),)),
        ("networks:", (Attachment("default"),)),
        ("networks: [front, back]", (Attachment("back"), Attachment("front"))),
        ("networks: {front: {aliases: [my_db, b, b]}, default: }", (Attachment("default"), Attachment("front", ("b", "my_db")))),
    ],
)
def test_networks_are_joined(keys: str, joined: tuple[Attachment, ...]) -> None:
    assert stack(service_text(keys) + NETWORKS).services[0].networks == joined


@pytest.mark.parametrize(
    ("keys", "dependencies"),
    [
        ("depends_on: [b, a]", (Dependency("a"), Dependency("b"))),
        ("depends_on: {a: }", (Dependency("a"),)),
        ("depends_on: {a: {condition: service_healthy}}", (Dependency("a", Condition.HEALTHY),)),
        (
            "depends_on: {a: {condition: service_completed_successfully, required: false}}",
            (Dependency("a", Condition.COMPLETED, required=False),),
        ),
        ("depends_on: {a: {required: true}, gone: {required: false}}", (Dependency("a"),)),
    ],
)
def test_services_wait_for_others(keys: str, dependencies: tuple[Dependency, ...]) -> None:
    found = stack(service_text(keys) + "\n  a: {image: x}\n  b: {image: x}\n").service("app")
    assert found is not None
    assert found.depends_on == dependencies


DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("keys", "image"),
    [
        ("image: mariadb:11", Image("docker.io/library/mariadb:11")),
        ("image: localhost:5000/other/web:1", Image("localhost:5000/other/web:1")),
        (f"image: mariadb:11@{DIGEST}", Image("docker.io/library/mariadb:11", DIGEST)),
        ("build: .", Image("localhost:5000/team/shop-app:latest")),
        ("build: {context: .}\nimage: web:1.0", Image("localhost:5000/team/web:1.0")),
        ("build: .\nimage: sub/web", Image("localhost:5000/team/sub/web:latest")),
        ("build: .\nimage: ghcr.io/a/web:1", Image("ghcr.io/a/web:1")),
        ("build: .\nimage: localhost:5000/team/web:1", Image("localhost:5000/team/web:1")),
    ],
)
def test_what_is_built_lives_in_the_project_and_what_is_not_is_read_as_docker_reads_it(keys: str, image: Image) -> None:
    text = "services:\n  app:\n    " + keys.replace("\n", "\n    ")
    assert stack(text).services[0].image == image


def test_the_project_registry_is_named_by_variables() -> None:
    text = "services: {app: {image: '${SPIN_REGISTRY}/${SPIN_PROJECT}/web:1'}}"
    found = stack(text, variables={"SPIN_REGISTRY": "localhost:5000", "SPIN_PROJECT": "team"})
    assert found.services[0].image == Image("localhost:5000/team/web:1")


@pytest.mark.parametrize(
    ("keys", "key", "says"),
    [
        ('command: "a \'b"', "command", "not closed"),
        ("command: {a: b}", "command", "list is expected"),
        ("command: [[a]]", "command[0]", "single value"),
        ("command: [null]", "command[0]", "not nothing"),
        ('command: ["a\\0"]', "command[0]", "control character"),
        ("environment: 3", "environment", "list is expected"),
        ("environment: {A: [b]}", "environment.A", "not a list"),
        ("environment: ['=x']", "environment[0]", "cannot be a name"),
        ("environment: {'A=B': x}", "environment.A=B", "cannot be a name"),
        ('environment: {"A\\e[0m": x}', "environment", "not plain text"),
        ('environment: {A: "\\e[31m"}', "environment.A", "control character"),
        ("user: 'a b'", "user", "UID:GID"),
        ("user: ':'", "user", "UID:GID"),
        ("group_add: ['a b']", "group_add[0]", "not a group"),
        ("cap_add: [42]", "cap_add[0]", "not a capability"),
        ("cap_add: KILL", "cap_add", "list is expected"),
        ("cap_drop: [{}]", "cap_drop[0]", "single value"),
        ("read_only: maybe", "read_only", "true or false"),
        ("init: 3", "init", "true or false"),
        ("working_dir: app", "working_dir", "begin it with /"),
        ("hostname: a_b-", "hostname", "host name"),
        ("stop_signal: now", "stop_signal", "SIGTERM"),
        ("stop_grace_period: 10", "stop_grace_period", "with a unit"),
        ("restart: sometimes", "restart", "not a restart policy"),
        ("restart: always:3", "restart", "not a restart policy"),
        ("restart: on-failure:x", "restart", "not a restart policy"),
        ("healthcheck: {test: [curl, x]}", "healthcheck.test", "[CMD, program"),
        ("healthcheck: {test: [CMD]}", "healthcheck.test", "[CMD, program"),
        ("healthcheck: {test: ' '}", "healthcheck.test", "blank"),
        ("healthcheck: {test: a, retries: -1}", "healthcheck.retries", "whole number"),
        ("healthcheck: [a]", "healthcheck", "mapping is expected"),
        ("ports: 80", "ports", "list is expected"),
        ("ports: ['a']", "ports[0]", "1 to 65535"),
        ("ports: ['8000-8001:80']", "ports[0]", "same number"),
        ("ports: [{published: 80}]", "ports[0]", "no `target`"),
        ("ports: [{target: 1, published: 8000-8001}]", "ports[0].published", "same number"),
        ("ports: [{target: 1, mode: x}]", "ports[0].mode", "not a mode"),
        ("ports: ['8080:80', '8080:81']", "ports[1]", "published twice"),
        ("ports: ['1-1000:1-1000', '2001-3000:1-1000']", "ports[1]", "publish fewer"),
        ("ports: ['80:8080']\nx-spin: {http: 81}", "x-spin.http", "both named"),
        ("x-spin: {http: web}", "x-spin.http", "whole number"),
        ("x-spin: {hosts: [a.example.org]}", "x-spin.hosts", "add `http: PORT`"),
        ("x-spin: {http: 80, hosts: ['*.example.org']}", "x-spin.hosts[0]", "wildcard"),
        ("expose: [a]", "expose[0]", "1 to 65535"),
        ("tmpfs: ['run']", "tmpfs[0]", "begin it with /"),
        ("tmpfs: ['/']", "tmpfs[0]", "container's root"),
        ("tmpfs: ['/a:huge=always']", "tmpfs[0]", "tmpfs option 'huge'"),
        ("tmpfs: ['/a:uid=-3']", "tmpfs[0]", "whole number"),
        ("tmpfs: [/a, /a/]", "tmpfs", "'/a' is given twice"),
        ("volumes: ['data:/x:fast']", "volumes[0]", "mount option"),
        ("volumes: ['data:x']", "volumes[0]", "begin it with /"),
        ("volumes: ['da ta:/x']", "volumes[0]", "cannot be the name of a volume"),
        ("volumes: ['data:/x']", "volumes", "not declared"),
        ("volumes: [{source: data, target: /x}]", "volumes[0]", "no `type`"),
        ("volumes: [{type: disk, target: /x}]", "volumes[0].type", "not a type"),
        ("volumes: [{type: volume, source: data}]", "volumes[0]", "no `target`"),
        ("volumes: [{type: tmpfs, target: /x, source: data}]", "volumes[0].source", "means nothing"),
        ("secrets: [pw]", "secrets", "not declared; add `pw:` below `secrets:`"),
        ("secrets: [{target: a}]", "secrets[0]", "no `source`"),
        ("secrets: [{source: pw, mode: rw}]", "secrets[0].mode", "octal"),
        ("secrets: [{source: pw, mode: 99999}]", "secrets[0].mode", "whole number"),
        ("secrets: [{source: pw, uid: root}]", "secrets[0].uid", "whole number"),
        ("configs: [c]", "configs", "not declared"),
        ("networks: [front]", "networks", "not declared"),
        ("networks: front", "networks", "list is expected"),
        ("depends_on: [b]", "depends_on.b", "no service 'b'"),
        ("depends_on: {app: {condition: ready}}", "depends_on.app.condition", "service_healthy"),
        ("depends_on: [app]", "depends_on", "app -> app"),
        ("scale: 2\ndeploy: {replicas: 3}", "scale", "keep one of them"),
        ("scale: -1", "scale", "whole number"),
        ("scale: 1.5", "scale", "whole number"),
        ("deploy: {resources: {limits: {memory: 1m}}}", "deploy.resources.limits.memory", "6 MiB"),
        ("deploy: {resources: {limits: {cpus: 0.001}}}", "deploy.resources.limits.cpus", "a number from"),
        ("deploy: {resources: {limits: {cpus: .nan}}}", "deploy.resources.limits.cpus", "a number from"),
        ("deploy: {resources: {limits: {pids: -2}}}", "deploy.resources.limits.pids", "whole number"),
        ("deploy: {resources: {limits: {cpus: 1}, reservations: {cpus: 2}}}", "deploy.resources", "more CPUs"),
        ("deploy: {resources: {limits: {memory: 8m}, reservations: {memory: 9m}}}", "deploy.resources", "more memory"),
        ("deploy: {update_config: [parallelism]}", "deploy.update_config", "mapping is expected"),
        ("deploy: {update_config: {parallelism: -1}}", "deploy.update_config.parallelism", "whole number from 0 to 10000"),
        ("deploy: {update_config: {parallelism: 10001}}", "deploy.update_config.parallelism", "whole number from 0 to 10000"),
        ("deploy: {update_config: {parallelism: 50%}}", "deploy.update_config.parallelism", "whole number"),
        ("deploy: {update_config: {delay: 10}}", "deploy.update_config.delay", "with a unit"),
        ("deploy: {update_config: {monitor: 367d}}", "deploy.update_config.monitor", "longer than a year"),
        ("deploy: {update_config: {failure_action: stop}}", "deploy.update_config.failure_action", "pause, continue, rollback"),
        ("deploy: {update_config: {max_failure_ratio: 1.1}}", "deploy.update_config.max_failure_ratio", "a number from 0 to 1"),
        ("deploy: {update_config: {max_failure_ratio: .nan}}", "deploy.update_config.max_failure_ratio", "a number from 0 to 1"),
        ("deploy: {update_config: {max_failure_ratio: 10%}}", "deploy.update_config.max_failure_ratio", "a number from 0 to 1"),
        ("deploy: {update_config: {order: [a]}}", "deploy.update_config.order", "write one of start-first, stop-first"),
        ("deploy: {update_config: {order: START-FIRST}}", "deploy.update_config.order", "write one of start-first, stop-first"),
        ("deploy: {rollback_config: {delay: soon}}", "deploy.rollback_config.delay", "with a unit"),
        ("retain_ip: 10.0.0.1", "retain_ip", "true or false"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_place_and_key(keys: str, key: str, says: str) -> None:
    message = complaint(service_text(keys))
    assert message.startswith("compose.yaml:")
    place, _, rest = message.partition(": ")
    assert place.count(":") == 2
    assert rest.startswith(f"services.app.{key}: ")
    assert says in rest
    assert "\n" not in message


def test_a_service_needs_an_image_or_a_build() -> None:
    assert "neither `image` nor `build`" in complaint("services: {app: {user: a}}")
    assert "mapping is expected" in complaint("services: {app: }")


def test_a_built_image_cannot_be_named_by_digest() -> None:
    assert "name it by a tag" in complaint(f"services: {{app: {{build: ., image: 'a@{DIGEST}'}}}}")


def test_two_things_at_one_path_are_refused() -> None:
    text = service_text("volumes: ['data:/run/secrets/pw']\nsecrets: [pw]") + VOLUMES + SECRETS
    assert "given by `volumes` and `secrets`" in complaint(text)


def test_the_server_knows_lines_where_the_client_sent_them() -> None:
    document = {"services": {"app": {"image": "A"}}}
    with pytest.raises(InvalidInput, match=r"^c\.yaml:3: services\.app\.image: ") as caught:
        of_document(document, positions={"services.app": "c.yaml:3"})
    assert caught.value.fields == {"key": "services.app.image", "file": "c.yaml", "line": 3}
    with pytest.raises(InvalidInput, match=r"^services\.app\.image: "):
        of_document(document, positions={"services.app": "\x1b[31m:3"})


def test_a_document_whose_files_were_not_read_in_is_refused() -> None:
    with pytest.raises(InvalidInput, match="only the workstation has"):
        of_document({"services": {"app": {"image": "a", "env_file": "x.env"}}})
    assert "env_file" not in loaded(service_text("env_file: x"), files={"x": b""}).document["services"]["app"]


def test_keys_that_the_audit_refuses_are_passed_over() -> None:
    keys = "privileged: true\nnetwork_mode: host\nvolumes: [./x:/y, /z, {type: bind, source: /a, target: /b}]\nnonsense: {}\n"
    found = service(keys)
    assert found.mounts == ()
    assert found.networks == (Attachment("default"),)


def test_a_health_check_without_a_test_is_the_images_own_at_other_times() -> None:
    assert service("healthcheck: {interval: 5s, retries: 2}").healthcheck == Healthcheck((), 5_000, 0, 2)
    assert service("healthcheck: {start_period: 1m}").healthcheck == Healthcheck((), 0, 0, 0, 60_000)
    assert service("healthcheck: {}").healthcheck is None


def test_the_edge_ends_tls_so_of_ports_80_and_443_the_first_speaks_http() -> None:
    found = service("ports: ['80:8080', '443:8443']")
    assert (found.http, found.expose, found.ports) == (Http(8080), (8443,), ())
    assert service("ports: ['443:8443']").http == Http(8443)
