"""One choke point after full expansion: however a file says it, the audit sees what comes of it; and what has no row is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spin.errors import InvalidInput
from spin.model.finding import Severity
from spin.model.submission import Submission
from spin.policy import audit
from spin.site import Site
from support.compose import loaded, lowered
from support.stacks import outcome

FORBIDDEN: tuple[tuple[str, Any, str], ...] = (
    ("privileged", True, "privileged"),
    ("pid", "host", "host-namespaces"),
    ("network_mode", "host", "host-namespaces"),
    ("ipc", "host", "host-namespaces"),
    ("userns_mode", "host", "host-namespaces"),
    ("devices", ["/dev/sda"], "devices"),
    ("cap_add", ["SYS_ADMIN"], "capabilities"),
    ("security_opt", ["seccomp:unconfined"], "security-opt"),
    ("cgroup_parent", "system.slice", "cgroup-parent"),
    ("sysctls", {"kernel.msgmax": "1"}, "sysctls"),
    ("volumes", ["/var/run/docker.sock:/s"], "host-path"),
    ("volumes", [{"type": "bind", "source": "/etc", "target": "/e"}], "host-path"),
    ("ports", ["22:22"], "published-ports"),
    ("labels", {"spin.site": "x"}, "reserved-labels"),
    ("colour", "blue", "unknown-key"),
)
"""Key of a service, value, and the rule that it breaks."""

Files = tuple[list[str], dict[str, str]]
"""Compose files and variables."""


def plainly(key: str, value: Any) -> Files:
    return [json.dumps({"services": {"app": {"image": "x:1", key: value}}})], {}


def by_anchor(key: str, value: Any) -> Files:
    return [f"x-a: &a {json.dumps(value)}\nservices:\n  app:\n    image: x:1\n    {key}: *a\n"], {}


def by_merge_key(key: str, value: Any) -> Files:
    return [f"x-a: &a\n  {key}: {json.dumps(value)}\nservices:\n  app:\n    <<: *a\n    image: x:1\n"], {}


def by_merge_of_several(key: str, value: Any) -> Files:
    return [
        f"x-a: &a {{init: true}}\nx-b: &b\n  {key}: {json.dumps(value)}\nservices:\n  app:\n    <<: [*a, *b]\n    image: x:1\n"
    ], {}


def by_another_service(key: str, value: Any) -> Files:
    # Not on the first service as it runs: two of them could not publish one port.
    return [
        f"services:\n  db: &db\n    image: x:1\n    {key}: {json.dumps(value)}\n  app:\n    <<: *db\n    image: y:1\n",
        f"services:\n  db:\n    {key}: !reset null\n",
    ], {}


def by_second_file(key: str, value: Any) -> Files:
    return ["services: {app: {image: 'x:1'}}", json.dumps({"services": {"app": {key: value}}})], {}


def by_overriding(key: str, value: Any) -> Files:
    return ["services: {app: {image: 'x:1'}}", f"services:\n  app:\n    {key}: !override {json.dumps(value)}\n"], {}


def by_variable(key: str, value: Any) -> Files:
    """Every text and flag of the value comes from a variable."""
    variables: dict[str, str] = {}

    def hide(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {name: hide(item) for name, item in part.items()}
        if isinstance(part, list):
            return [hide(item) for item in part]
        name = f"V{len(variables)}"
        variables[name] = str(part).lower() if isinstance(part, bool) else str(part)
        return f"${{{name}}}"

    return [json.dumps({"services": {"app": {"image": "x:1", key: hide(value)}}})], variables


def by_default_of_a_variable(key: str, value: Any) -> Files:
    if not isinstance(value, str | bool):
        return plainly(key, value)
    text = str(value).lower() if isinstance(value, bool) else value
    return [json.dumps({"services": {"app": {"image": "x:1", key: f"${{NOT_SET:-{text}}}"}}})], {}


WAYS: tuple[Callable[[str, Any], Files], ...] = (
    plainly,
    by_anchor,
    by_merge_key,
    by_merge_of_several,
    by_another_service,
    by_second_file,
    by_overriding,
    by_variable,
    by_default_of_a_variable,
)


def refused_rules(submission: Submission) -> set[str]:
    spec = lowered(submission)
    return {f.rule for f in audit(submission, spec, Site()) if f.severity is Severity.REFUSE}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize(("key", "value", "rule"), FORBIDDEN, ids=[f"{key}-{n}" for n, (key, _, _) in enumerate(FORBIDDEN)])
def test_however_it_is_said_it_is_refused(key: str, value: Any, rule: str, way: Callable[[str, Any], Files]) -> None:
    texts, variables = way(key, value)
    assert rule in refused_rules(loaded(*texts, variables=variables))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(FORBIDDEN), st.sampled_from(WAYS)), min_size=1, max_size=4))
def test_any_of_them_together_are_all_refused(chosen: list[tuple[tuple[str, Any, str], Callable[[str, Any], Files]]]) -> None:
    """Several files, each of which brings one forbidden thing in its own way; the last to set a single value wins."""
    texts: list[str] = []
    variables: dict[str, str] = {}
    wanted: dict[str, set[str]] = {}
    for number, ((key, value, rule), way) in enumerate(chosen):
        more, given_by = way(key, value)
        for name in given_by:
            more = [text.replace(f"${{{name}}}", f"${{N{number}_{name}}}") for text in more]
        texts += [text.replace("x-", f"x-{number}-") for text in more]
        variables |= {f"N{number}_{name}": text for name, text in given_by.items()}
        wanted.setdefault(key, set())
        if not isinstance(value, list | Mapping) or way is by_overriding:
            wanted[key].clear()
        wanted[key].add(rule)
    assert set().union(*wanted.values()) <= refused_rules(loaded(*texts, variables=variables))


DOCUMENT: dict[str, Any] = {
    "services": {
        "app": {
            "image": "x:1",
            "build": {"context": "."},
            "ports": [{"target": 80, "published": 8080}],
            "volumes": [{"type": "volume", "source": "d", "target": "/d", "volume": {"nocopy": True}}],
            "secrets": [{"source": "s"}],
            "configs": [{"source": "c"}],
            "networks": {"n": {"aliases": ["a"]}},
            "depends_on": {"db": {"condition": "service_started"}},
            "healthcheck": {"test": "true"},
            "deploy": {
                "resources": {"limits": {"memory": "1g"}, "reservations": {"memory": "1g"}},
                "update_config": {"parallelism": 1},
                "rollback_config": {"parallelism": 1},
            },
            "x-spin": {"http": 80},
        },
        "db": {"image": "y:1"},
    },
    "networks": {"n": {"internal": True}},
    "volumes": {"d": {"labels": {"a": "b"}}},
    "secrets": {"s": {"external": True}},
    "configs": {"c": {"content": "x"}},
    "x-spin": {"confirm_after": "1m"},
}
"""A file with every mapping whose keys mean something."""

FREE = {"services", "networks", "volumes", "secrets", "configs"}
"""Top-level keys whose entries people name themselves."""


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The ways to all mappings whose keys mean something."""
    if isinstance(value, Mapping):
        named_by_people = (len(path) == 1 and path[0] in FREE) or (path[-1:] and path[-1] in ("networks", "depends_on", "labels"))
        if not named_by_people:
            yield path
        for key, child in value.items():
            yield from places(child, (*path, key))
    if isinstance(value, list):
        for index, child in enumerate(value):
            yield from places(child, (*path, index))


PLACES = list(places(DOCUMENT))
known_to_nobody = st.text(st.sampled_from("abzXYZ0_-é. "), min_size=1, max_size=12).map("q{}".format)


def test_the_file_below_has_the_places_that_matter() -> None:
    assert {()} < set(PLACES)
    assert ("services", "app", "deploy", "resources", "limits") in PLACES
    assert ("services", "app", "volumes", 0, "volume") in PLACES
    assert refused_rules(Submission(DOCUMENT)) == set()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PLACES), known_to_nobody, st.sampled_from([True, None, "", 0, [], {}, {"a": 1}, "x"]))
def test_a_key_without_a_row_is_refused_wherever_it_stands_and_whatever_it_holds(
    place: tuple[str | int, ...], key: str, value: Any
) -> None:
    document = deepcopy(DOCUMENT)
    found: Any = document
    for step in place:
        found = found[step]
    found[key] = value
    submission = Submission(document)
    spec = outcome(lambda: lowered(submission))
    if isinstance(spec, InvalidInput):
        return
    said = [f for f in audit(submission, spec, Site()) if f.severity is Severity.REFUSE]
    assert [f.rule for f in said] == ["unknown-key"]
    assert str(said[0].key).endswith(key)
