"""Fit: what does not run here, what the operators look at first, and what is welcome. Databases and limits."""

from __future__ import annotations

import json

import pytest

from spin.model.finding import Severity
from spin.model.image import ImageFacts
from spin.policy import audit
from spin.policy.case import Known
from spin.site import Site
from support.compose import findings, loaded, lowered

CODES = {"login-service", "identity-service", "heavy-compute"}
SITE = Site(image_sources=("docker.io", "quay.io", "ghcr.io"))


def told(
    keys: str, image: str = "localhost:5000/lab/x:1", known: Known | None = None, site: Site = SITE
) -> list[tuple[str, str]]:
    text = f"services:\n  app:\n    image: {image}\n" + "".join(f"    {line}\n" for line in keys.splitlines())
    found = findings(text, site=site, known=known or Known())
    return [(f.rule, f.severity.value) for f in found if f.rule in CODES]


def command(*words: str) -> str:
    return f"command: {json.dumps(words)}"


@pytest.mark.parametrize(
    "words",
    [
        ("/usr/sbin/sshd", "-D"),
        ("sh", "-c", "service ssh start && exec app"),
        ("sh", "-c", "/usr/sbin/sshd; exec app"),
        ("dropbear", "-F"),
        ("telnetd", "-F"),
        ("xrdp", "--nodaemon"),
        ("ttyd", "-W", "bash"),
    ],
)
def test_login_services_are_refused(words):
    assert told(command(*words)) == [("login-service", "refuse")]


@pytest.mark.parametrize(
    "image", ["linuxserver/openssh-server:9", "quay.io/panubo/sshd:1", "localhost:5000/lab/jumphost:1", "guacamole/guacamole:1"]
)
def test_login_services_are_known_by_their_images(image):
    assert told("init: true", image) == [("login-service", "refuse")]


@pytest.mark.parametrize(
    ("keys", "image"),
    [
        (command("ssh", "-N", "-L", "5432:db:5432", "host"), "localhost:5000/lab/tunnel:1"),
        (command("jupyterhub"), "quay.io/jupyterhub/jupyterhub:5"),
        ("init: true", "rocker/rstudio:4"),
        ("init: true", "codercom/code-server:4"),
        ("init: true", "localhost:5000/lab/sshfs-browser:1"),
        (command("echo", "sshd"), "localhost:5000/lab/x:1"),
    ],
)
def test_what_people_work_with_in_a_browser_is_welcome(keys, image):
    assert told(keys, image) == []


def test_the_sentence_is_what_a_colleague_would_write():
    (finding,) = [f for f in findings("services: {util: {image: 'x:1', command: [sshd, -D]}}") if f.rule == "login-service"]
    assert finding.message.startswith("util is a login service (sshd). Those do not run here:")
    assert "login nodes" in finding.instead
    assert "operators" in finding.instead
    assert finding.key == "services.util.command"


def test_a_site_may_allow_login_services_or_name_others():
    site = Site(rules={"login-service": {"severity": "warn", "programs": ("shelly",)}})
    assert told(command("shelly"), site=site) == [("login-service", "warn")]
    assert told(command("sshd"), site=site) == []


@pytest.mark.parametrize(
    ("keys", "image"),
    [
        ("init: true", "osixia/openldap:1.5"),
        ("init: true", "quay.io/keycloak/keycloak:26.0"),
        ("init: true", "freeradius/freeradius-server:3"),
        ("init: true", "quay.io/freeipa/freeipa-server:rocky-9"),
        ("init: true", "ghcr.io/goauthentik/server:2025.1"),
        ("init: true", "hashicorp/vault:1.18"),
        ("init: true", "localhost:5000/lab/krb5-kdc:1"),
        (command("slapd", "-d", "0"), "localhost:5000/lab/x:1"),
        (command("krb5kdc", "-n"), "localhost:5000/lab/x:1"),
        (command("radiusd", "-f"), "localhost:5000/lab/x:1"),
        (command("vault", "server", "-dev"), "localhost:5000/lab/x:1"),
    ],
)
def test_authentication_services_are_for_the_operators_to_see(keys, image):
    assert told(keys, image) == [("identity-service", "warn")]
    assert told(keys, image, Known(reviewed=True)) == [("identity-service", "refuse")]


@pytest.mark.parametrize(
    ("keys", "image"),
    [
        (command("vault", "agent"), "localhost:5000/lab/x:1"),
        ("init: true", "quay.io/oauth2-proxy/oauth2-proxy:v7"),
        ("init: true", "vaultwarden/server:1"),
        ("init: true", "tomcatling/openldap-exporter:1"),
        ("init: true", "osixia/phpldapadmin:1"),
        ("init: true", "localhost:5000/lab/index-server:1"),
        ("environment: {LDAP_URL: 'ldap://ldap.example.org'}", "localhost:5000/lab/x:1"),
    ],
)
def test_what_only_uses_them_is_left_alone(keys, image):
    assert told(keys, image) == []


def test_the_site_says_how_severe_review_is():
    site = Site(rules={"identity-service": {"severity": "advise"}}, image_sources=("quay.io",))
    assert told("init: true", "quay.io/keycloak/keycloak:26", Known(reviewed=True), site) == [("identity-service", "advise")]


@pytest.mark.parametrize(
    "words",
    [
        ("mpirun", "-n", "64", "solve"),
        ("sh", "-c", "cd /work && exec srun solve"),
        ("slurmd", "-D"),
        ("slurmctld", "-D"),
        ("dask", "worker", "tcp://app:8786"),
        ("dask-worker", "tcp://app:8786"),
        ("ray", "start", "--address=app:6379", "--block"),
        ("torchrun", "--nproc-per-node=8", "train.py"),
        ("python3", "-m", "torch.distributed.run", "train.py"),
        ("/opt/spark/bin/spark-class", "org.apache.spark.deploy.worker.Worker", "spark://app:7077"),
    ],
)
def test_heavy_computation_is_for_the_operators_to_see(words):
    assert told(command(*words)) == [("heavy-compute", "warn")]
    assert told(command(*words), known=Known(reviewed=True)) == [("heavy-compute", "refuse")]


@pytest.mark.parametrize(
    ("keys", "is_told"),
    [
        ("deploy: {resources: {limits: {cpus: '17'}}}", True),
        ("deploy: {replicas: 5, resources: {limits: {cpus: '4'}}}", True),
        ("deploy: {resources: {limits: {cpus: '16'}}}", False),
        ("deploy: {replicas: 20}", False),
    ],
)
def test_many_processors_are_heavy_computation(keys, is_told):
    assert told(keys) == ([("heavy-compute", "warn")] if is_told else [])
    assert told(keys, site=Site(rules={"heavy-compute": {"cpus": 100.0}})) == []


@pytest.mark.parametrize(
    "words",
    [
        ("dask", "scheduler"),
        ("ray", "status"),
        ("python", "-m", "http.server"),
        ("python", "-m"),
        ("nextflow", "run", "x"),
        ("gmx",),
    ],
)
def test_gateways_and_workflow_managers_are_welcome(words):
    assert told(command(*words)) == []


# ---- Ports of images -------------------------------------------------------------------------------------------------------


def of_ports(*ports: int, image: str = "localhost:5000/lab/x:1", keys: str = "init: true") -> list[str]:
    text = f"services:\n  app:\n    image: {image}\n    {keys}\n"
    known = Known(images={image if "/" in image else f"docker.io/library/{image}": ImageFacts(exposed=ports, user="1")})
    return [f.rule for f in findings(text, known=known, site=SITE)]


@pytest.mark.parametrize("port", [22, 88, 389, 636, 1812])
def test_an_image_that_listens_for_logins_is_told(port):
    assert of_ports(port, 8080) == ["image-ports"]


def test_it_is_told_once():
    assert of_ports(22, keys="command: [sshd, -D]") == ["login-service"]
    assert of_ports(389, 636, keys="command: [slapd]") == ["identity-service"]


def test_git_over_ssh_is_no_login():
    assert of_ports(22, 3000, image="localhost:5000/lab/gitea:1") == []
    assert of_ports(80, 443) == []


# ---- Databases -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "image"),
    [("db", "x:1"), ("db-main", "x:1"), ("kv", "x:1"), ("app", "postgres:16"), ("app", "bitnami/postgresql:16")],
)
def test_a_database_does_not_run_twice_on_one_volume(name, image):
    text = f"services: {{{name}: {{image: '{image}', scale: 2, volumes: ['d:/d']}}}}\nvolumes: {{d: }}"
    (finding,) = [f for f in findings(text) if f.severity is Severity.REFUSE]
    assert (finding.rule, finding.key) == ("database-scaled", f"services.{name}.volumes")
    assert f"2 replicas of the database {name}" in finding.message


@pytest.mark.parametrize(
    "text",
    [
        "services: {db: {image: 'postgres:16', scale: 2, volumes: ['d:/d:ro']}}\nvolumes: {d: }",
        "services: {db: {image: 'postgres:16', scale: 2}}",
        "services: {db: {image: 'postgres:16', volumes: ['d:/d']}}\nvolumes: {d: }",
        "services: {db: {image: 'postgres:16', volumes: ['d:/d']}, app: {image: 'x:1', volumes: ['d:/d']}}\nvolumes: {d: }",
        "services: {db-a: {image: 'postgres:16', volumes: ['a:/d']}, db-b: {image: 'postgres:16', volumes: ['b:/d']}}\nvolumes: {a: , b: }",
    ],
)
def test_databases_that_do_not_share_are_left_alone(text):
    assert [f.rule for f in findings(text) if f.rule in ("database-scaled", "shared-volume")] == []


def test_two_databases_do_not_share_a_volume_either():
    text = "services: {db-a: {image: 'mysql:8', volumes: ['d:/d']}, db-b: {image: 'mysql:8', volumes: ['d:/d']}}\nvolumes: {d: }"
    (finding,) = findings(text)
    assert finding.rule == "database-scaled"
    assert "The databases db-a and db-b" in finding.message


def test_a_site_that_allows_shared_volumes_still_protects_databases():
    site = Site(rules={"shared-volume": {"severity": "off"}})
    text = "services: {db: {image: 'x:1', scale: 2, volumes: ['d:/d']}, "
    text += "app: {image: 'x:1', scale: 2, volumes: ['e:/e']}}\nvolumes: {d: , e: }"
    refused = [(f.rule, f.service) for f in findings(text, site=site) if f.severity is Severity.REFUSE]
    assert refused == [("database-scaled", "db")]


# ---- Limits ----------------------------------------------------------------------------------------------------------------


def limits(text: str) -> list[tuple[str | None, str]]:
    submission = loaded(text)
    return [(f.service, f.message) for f in audit(submission, lowered(submission), Site()) if f.rule == "no-limits"]


def test_services_without_limits_are_told_in_one_finding_with_what_they_get():
    ((service, message),) = limits("services: {web: {image: 'x:1'}, db: {image: 'x:1'}}")
    assert service is None
    assert message == "db, web say no limits: each container gets the site's 2 GiB of memory, 2 CPUs and 512 processes at most."
    ((service, _),) = limits("services: {web: {image: 'x:1'}}")
    assert service == "web"


def test_services_with_limits_are_left_alone():
    assert limits("services: {web: {image: 'x:1', deploy: {resources: {limits: {memory: 1g}}}}}") == []
    assert limits("services: {web: {image: 'x:1', deploy: {resources: {limits: {cpus: '1'}}}}}") == []
