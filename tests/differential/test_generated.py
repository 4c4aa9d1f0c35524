"""Files that nobody has written: keys in all their forms, several files merged, variables, profiles."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from support.differential import Case, compare, lowered_alike

WORDS = st.sampled_from(["a", "b-c", "x.y", "hello world", "1", "true", "no", "été", "a=b", "0755", " padded "])
VALUES = WORDS | st.sampled_from(
    ["${SET}", "${UNSET:-dflt}", "$$literal", "${EMPTY-x}", "${SET:+alt}", "pre-${UNSET-}-post", "100%"]
)
SCALARS = VALUES | st.integers(-5, 70_000) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
KEYS = st.sampled_from(["A", "B", "C_D", "com.example.k", "SET"])
PAIRS = st.dictionaries(KEYS, SCALARS | st.none(), max_size=4) | st.lists(
    st.tuples(KEYS, VALUES).map("=".join) | KEYS, max_size=4, unique_by=lambda text: text.split("=")[0]
)
DURATIONS = st.sampled_from(["10s", "1m30s", "500ms", "1h", "0s", "1.5s", "2h45m10s"])
SIZES = st.sampled_from(["64m", "1g", "1.5gb", "512000kb", "134217728", 134217728, "100MB"])
COMMANDS = st.lists(WORDS, max_size=3) | st.sampled_from(["run it", "sh -c 'a b'", 'x "y z" w', "one\ttwo", ""])
_SIGNS = ["a", "b", " ", "\n", "\t", "#", "=", "é", "$$"]
LINES_OF_COMMANDS = st.lists(st.sampled_from([*_SIGNS, "'", '"', "\\", "'a b'", '"a b"', "''"]), max_size=7) | st.lists(
    st.sampled_from([*_SIGNS, "$$(a b)", "`a b`"]), max_size=7
)
"""Quotes; or what a shell would run, with no quotes in it: of those Compose makes what nobody has written."""
BLANK = st.just("")
PORTS = st.lists(
    st.sampled_from(
        [
            "8081",
            8082,
            "0:94",
            {"target": 95, "published": "", "host_ip": ""},
            "8083:80",
            "8084-8086:84-86",
            "127.0.0.1:8087:87",
            "8088:88/udp",
            "[::1]:8089:89",
            "${PORT}:90",
            {"target": 91},
            {"target": 92, "published": 8092},
            {"target": 93, "published": "8093", "protocol": "udp", "mode": "host"},
        ]
    ),
    max_size=3,
)
VOLUMES = st.lists(
    st.sampled_from(
        [
            "data:/data",
            "data:/data:ro",
            "other:/data",
            "other:/o/",
            "./here:/here",
            "../up:/up:ro",
            "/abs:/abs:rw",
            "data:/nc:nocopy",
            {"type": "volume", "source": "data", "target": "/long", "read_only": True},
            {"type": "tmpfs", "target": "/scratch", "tmpfs": {"size": "10m"}},
            {"type": "bind", "source": "./b", "target": "/b", "bind": {"propagation": "rslave"}},
        ]
    ),
    max_size=3,
)
NETWORKS = st.sampled_from([["one"], ["one", "two"], {"one": None}, {"two": {"aliases": ["x"]}, "default": None}, []])
HEALTH = st.fixed_dictionaries(
    {"test": st.sampled_from([["CMD", "true"], "exit 0", ["CMD-SHELL", "x || y"], ["CMD-SHELL", "x", "-y"], ["NONE"]])},
    optional={"interval": DURATIONS, "timeout": DURATIONS, "retries": st.sampled_from([1, "3"]), "start_period": DURATIONS},
)
DEPLOY = st.fixed_dictionaries(
    {},
    optional={
        "replicas": st.sampled_from([0, 1, 3, "2"]),
        "labels": PAIRS,
        "resources": st.sampled_from(
            [
                {"limits": {"cpus": "0.5", "memory": "50M"}},
                {"limits": {"cpus": "0", "memory": "0"}, "reservations": {"cpus": 0}},
                {"limits": {"pids": 9}, "reservations": {"memory": "20m", "cpus": 0.25}},
            ]
        ),
        "update_config": st.fixed_dictionaries({}, optional={"parallelism": st.integers(0, 3), "delay": DURATIONS}),
    },
)
GRANTS = st.sampled_from([[], ["one"], [{"source": "one", "target": "two"}], [{"source": "one", "mode": 0o440, "uid": "7"}]])
SERVICE = st.fixed_dictionaries(
    {},
    optional={
        "command": COMMANDS,
        "entrypoint": COMMANDS,
        "environment": PAIRS,
        "labels": PAIRS,
        "annotations": st.dictionaries(st.sampled_from(["k", "l"]), WORDS, max_size=2),
        "ports": PORTS,
        "volumes": VOLUMES,
        "networks": NETWORKS,
        "healthcheck": HEALTH,
        "deploy": DEPLOY,
        "secrets": GRANTS,
        "configs": GRANTS,
        "user": BLANK | st.sampled_from(["1000", "1000:1000", "root"]),
        "restart": BLANK | st.sampled_from(["no", "always", "on-failure:3", "unless-stopped"]),
        "stop_grace_period": DURATIONS,
        "init": st.booleans() | st.just("true"),
        "read_only": st.booleans() | st.sampled_from(["false", "${TRUE}"]),
        "tmpfs": st.sampled_from(["/run", ["/run", "/tmp:size=1m"], ["/scratch:exec,uid=5,gid=6,mode=700"]]),
        "cap_drop": st.just(["ALL"]),
        "cap_add": st.lists(st.sampled_from(["CHOWN", "KILL"]), max_size=2),
        "expose": st.lists(st.sampled_from(["80", 81, "82"]), max_size=2, unique=True),
        "extra_hosts": st.sampled_from([["h:1.2.3.4"], {"h": "1.2.3.4", "i": "::1"}, ["i=::1"]]),
        "dns": st.sampled_from(["1.1.1.1", ["1.1.1.1", "8.8.8.8"]]),
        "sysctls": st.sampled_from([{"net.core.somaxconn": 1024}, ["net.core.somaxconn=1024"]]),
        "ulimits": st.sampled_from([{"nproc": 5}, {"nofile": {"soft": 1, "hard": 2}}]),
        "shm_size": SIZES,
        "logging": st.sampled_from([{"driver": "json-file", "options": {"max-size": "1m"}}, {"driver": "syslog"}]),
        "build": st.sampled_from([".", "./sub", {"context": "sub", "args": ["V=1"]}, {"target": "t", "args": {"V": 2}}]),
        "working_dir": BLANK | st.just("/w"),
        "hostname": BLANK | st.sampled_from(["host", "node_1", "a.b_c.example"]),
        "pull_policy": st.sampled_from(["always", "if_not_present", "missing"]),
        "scale": st.sampled_from([0, 2]),
        "network_mode": st.sampled_from(["none", "host", "service:base"]),
        "depends_on": st.sampled_from([["base"], {"base": {"condition": "service_healthy"}}]),
        "env_file": st.sampled_from(["e.env", ["e.env", {"path": "gone.env", "required": False}]]),
        "profiles": st.sampled_from([[], ["p"], ["q"], ["p", "q"]]),
        "tty": st.booleans(),
        "privileged": st.booleans(),
        "x-mine": SCALARS,
    },
)
BASE: dict[str, Any] = {
    "services": {"base": {"image": "base", "healthcheck": {"test": ["CMD", "x"]}, "profiles": []}},
    "networks": {"one": None, "two": {"internal": True}},
    "volumes": {"data": None, "other": {"labels": ["l=1"]}},
    "secrets": {"one": {"environment": "SET"}},
    "configs": {"one": {"content": "c ${SET}"}},
}
ENV = "E=file\nA=${SET}\nQ='q $SET'\n"
LINES = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "export "]),
    st.sampled_from(["E", "F", "SET", "a.b"]),
    st.sampled_from(["=", "=", " = ", ": "]),
    st.lists(
        st.sampled_from(["k", " ", "'", '"', "\\", " #", "#", "$SET", "${UNSET:-d}", "$$", "\\n", "\t", "é", "=", "{", "}"]),
        max_size=5,
    ).map("".join),
)


def files(services: list[dict[str, Any]], extending: bool) -> list[dict[str, Any]]:
    """The first file is whole; the others say more of the same service. A port is published by one service only."""
    if extending:
        services = [{key: value for key, value in service.items() if key != "ports"} for service in services]
    first = {**BASE, "services": {**BASE["services"], "app": {"image": "app:${SET}", **services[0]}}}
    if extending:
        first["services"]["child"] = {"extends": "app", **services[-1]}
    return [first, *({"services": {"app": service}} for service in services[1:])]


def written(home: Path, contents: list[dict[str, Any]], way: str) -> tuple[str, ...]:
    """The contents as files in `home`, or as documents of one file, or as the files that one includes; the names to give."""
    texts = [json.dumps(content) for content in contents]
    if way == "documents":
        (home / "all.yaml").write_text("\n---\n".join(texts) + "\n...\n")
        return ("all.yaml",)
    names = [f"{number}.yaml" for number in range(len(texts))]
    below = home / "sub" if way == "included" else home
    below.mkdir(exist_ok=True)
    for name, text in zip(names, texts, strict=True):
        (below / name).write_text(text)
    (below / "e.env").write_text(ENV)
    if way == "included":
        (home / "all.yaml").write_text(json.dumps({"include": [{"path": [f"sub/{name}" for name in names]}]}))
        return ("all.yaml",)
    return tuple(names)


VARIABLES = {"SET": "set", "EMPTY": "", "PORT": "8099", "TRUE": "true"}


@pytest.mark.parametrize("seed", range(3))
def test_spin_makes_of_any_files_what_docker_compose_makes_of_them(seed: int, compose: list[str]) -> None:
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None, phases=[Phase.generate])
    @given(
        st.lists(SERVICE, min_size=1 if seed == 0 else 2, max_size=3),
        st.booleans() if seed == 2 else st.just(value=False),
        st.sampled_from([(), ("p",), ("*",)]),
        st.sampled_from(["files", "documents", "included"]),
    )
    def check(services: list[dict[str, Any]], extending: bool, profiles: tuple[str, ...], way: str) -> None:
        with TemporaryDirectory() as folder:
            home = Path(folder)
            (home / "e.env").write_text(ENV)
            case = Case(home, written(home, files(services, extending), way), profiles=profiles, variables=VARIABLES)
            assert compare(case, compose) == {}
            ours, theirs = lowered_alike(case, compose)
            assert ours == theirs

    check()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None, phases=[Phase.generate])
@given(st.lists(LINES, min_size=1, max_size=4), st.booleans())
def test_spin_reads_any_lines_of_variables_as_docker_compose_does(compose: list[str], lines: list[str], is_dotenv: bool) -> None:
    with TemporaryDirectory() as folder:
        home = Path(folder)
        (home / ".env" if is_dotenv else home / "e.env").write_text("\n".join(lines) + "\n")
        taken = {"environment": ["E", "F", "SET", "A=${E} $F"]} if is_dotenv else {"env_file": "e.env"}
        (home / "compose.yaml").write_text(json.dumps({"services": {"a": {"image": "a", **taken}}}))
        found = compare(Case(home, variables=VARIABLES), compose)
        # Compose takes no notice of what follows a closing quote: see env-after-quote in the kept list.
        assert found == {} or "text follows the closing quote" in str(found.get("!spin"))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None, phases=[Phase.generate])
@given(LINES_OF_COMMANDS.map("".join))
def test_spin_splits_any_command_line_as_docker_compose_does(compose: list[str], line: str) -> None:
    with TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "compose.yaml").write_text(json.dumps({"services": {"a": {"image": "a", "command": line}}}))
        assert compare(Case(home), compose) == {}
