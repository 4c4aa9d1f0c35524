"""What a whole file comes to: names, references between services, what is left out, what contradicts itself."""

from __future__ import annotations

import pytest

from spin.errors import InvalidInput
from spin.model.stack import Config, Network, SecretRef, Volume
from support.compose import complaint, loaded, lowered, of_document, stack


def test_services_come_sorted_by_name() -> None:
    assert [s.name for s in stack("services: {b: {image: x}, a: {image: x}}").services] == ["a", "b"]


def test_only_what_services_use_is_part_of_the_stack() -> None:
    text = """
        services:
          app: {image: x, networks: [front], volumes: ["data:/d"], configs: [c], secrets: [s]}
        networks: {front: {internal: true, labels: {a: b}}, back: }
        volumes: {data: {labels: [a=b]}, other: }
        configs: {c: {content: hello}, d: {file: not-there}}
        secrets: {s: {environment: PW}, t: {file: not-there}}
    """
    found = stack(text, variables={"PW": "x"})
    assert found.networks == (Network("front", internal=True, labels=(("a", "b"),)),)
    assert found.volumes == (Volume("data", (("a", "b"),)),)
    assert found.configs == (Config("c", b"hello"),)
    assert found.secrets == (SecretRef("s", "shop.s"),)


@pytest.mark.parametrize(
    ("written", "after_ms"),
    [
        ("{confirm_after: 30m}", 1_800_000),
        ("{confirm_after: 0s}", None),
        ("{confirm_after: 0}", None),
        ("{confirm_after: }", None),
    ],
)
def test_a_stack_may_say_when_its_upgrades_are_confirmed(written: str, after_ms: int | None) -> None:
    assert stack(f"x-spin: {written}\nservices: {{a: {{image: x}}}}").confirm_after_ms == after_ms


def test_a_later_file_may_say_when_upgrades_are_confirmed() -> None:
    first = "x-spin: {confirm_after: 1h}\nservices: {a: {image: x}}"
    assert stack(first, "x-spin: {confirm_after: 5s}").confirm_after_ms == 5000
    assert stack(first, "x-spin: !reset").confirm_after_ms is None


@pytest.mark.parametrize(
    ("written", "says"), [("{confirm_after: 30}", "with a unit"), ("[confirm_after]", "mapping is expected")]
)
def test_a_time_for_confirming_that_is_none_is_refused(written: str, says: str) -> None:
    message = complaint(f"x-spin: {written}\nservices: {{a: {{image: x}}}}")
    assert "x-spin" in message
    assert says in message


def test_the_default_network_can_be_declared() -> None:
    assert stack("services: {a: {image: x}}\nnetworks: {default: {internal: true}}").networks == (
        Network("default", internal=True),
    )


@pytest.mark.parametrize(
    ("declared", "stored", "external"),
    [
        ("pw: {file: ./pw}", "shop.pw", False),
        ("pw: {environment: PW}", "shop.pw", False),
        ("pw: {external: true}", "shop.pw", True),
        ("pw: {external: true, name: other.thing}", "other.thing", True),
        ("shop.pw: {file: ./pw}", "shop.pw", False),
        ("shop.pw: {external: true}", "shop.pw", True),
        ("web.shop.pw: {external: true}", "web.shop.pw", True),
        ("web.shop.pw: {file: ./pw}", "shop.web.shop.pw", False),
    ],
)
def test_a_secret_is_stored_under_the_stacks_name_or_as_it_says(declared: str, stored: str, external: bool) -> None:
    name = declared.partition(":")[0]
    text = f"services: {{a: {{image: x, secrets: [{name}]}}}}\nsecrets: {{{declared}}}"
    found = stack(text, variables={"PW": "x"}, files={"./pw": b"x"})
    assert found.secrets == (SecretRef(name, stored, external),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("services: {}", "no services"),
        ("name: x", "no services"),
        ("services: [a]", "mapping is expected"),
        ("services: {a b: {image: x}}", "cannot be the name of a service"),
        ("services: {a: {image: x}}\nvolumes: {'-': }", "cannot be the name of a volume"),
        (
            "services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [c]}, c: {image: x, depends_on: [a]}}",
            "a -> b -> c -> a",
        ),
        ("services: {z: {image: x, depends_on: [b]}, b: {image: x, depends_on: [b]}}", "b -> b"),
        ("services: {a: {image: x, ports: ['8080:1']}, b: {image: x, ports: ['8080:2']}}", "published by 'a' too"),
        ("services: {a.b: {image: x, x-spin: {http: 1}}, a-b: {image: x, x-spin: {http: 1}}}", "same host name as 'a-b'"),
        (
            "services: {a: {image: x, x-spin: &x {http: 1, hosts: [h.example.org]}}, b: {image: x, x-spin: *x}}",
            "h.example.org belongs to 'a' already",
        ),
        ("services: {a: {image: x, configs: [c]}}\nconfigs: {c: }", "no content here"),
        ("services: {a: {image: x, configs: [c]}}\nconfigs: {c: {external: false}}", "no content here"),
        ("service: {a: {image: x}}", "no services (it has 'service')"),
        (
            "web: {image: x}\ndb: {image: y}",
            "compose.yaml:1:1: web: a service stands at the top of the file, as in version 1; write",
        ),
        (
            "services:\nweb:\n  image: x",
            "compose.yaml:2:1: web: a service stands at the top of the file, as in version 1; indent it",
        ),
        (
            "services:\n  web:\n    image: x\n  ports: {}",
            "services.ports: the service has neither `image` nor `build`; indent it",
        ),
        ("services: {a: {image: x, configs: [c]}}\nconfigs: {c: {file: f, content: x}}", "given twice"),
        ("services: {a: {image: x, secrets: [s]}}\nsecrets: {s: }", "where the secret comes from"),
        ("services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {}}", "where the secret comes from"),
        ("services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {file: f, external: true}}", "keep one of them"),
        ("services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {file: f, name: n}}", "only an external secret has a `name`"),
        ("services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {external: true, name: a b}}", "cannot be a secret's name"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(text: str, says: str) -> None:
    message = complaint(text, files={"f": b"x"})
    assert says in message
    assert "\n" not in message


def test_services_without_http_may_share_a_host_label() -> None:
    assert len(stack("services: {a.b: {image: x, x-spin: {http: 1}}, a-b: {image: x}}").services) == 2


def test_two_protocols_may_share_a_port() -> None:
    assert len(stack("services: {a: {image: x, ports: ['8080:1']}, b: {image: x, ports: ['8080:2/udp']}}").services) == 2


def test_a_long_chain_of_dependencies_is_read_without_trouble() -> None:
    services = {f"s{n}": {"image": "x", "depends_on": [f"s{n + 1}"]} for n in range(1500)}
    services["s1500"] = {"image": "x"}
    assert len(of_document({"services": services}).services) == 1501
    services["s1500"] = {"image": "x", "depends_on": ["s0"]}
    with pytest.raises(InvalidInput, match="s0 -> s1 -> "):
        of_document({"services": services})


def test_large_configs_and_secrets_are_refused() -> None:
    text = "services: {a: {image: x, %s: [c]}}\n%s: {c: {file: f}}"
    for section in ("configs", "secrets"):
        assert "1024 KiB" in complaint(text % (section, section), files={"f": b"x" * (1024 * 1024 + 1)})


def test_a_digest_of_the_stack_does_not_depend_on_how_it_was_written() -> None:
    one = "services: {a: {image: nginx, environment: [B=1, A=2], command: a b, ports: ['8081:80']}}"
    two = "services:\n  a:\n    image: docker.io/library/nginx:latest\n    environment: {A: 2, B: 1}\n    command: [a, b]\n"
    assert stack(one).digest == lowered(loaded(two + "    ports: [{target: 80, published: 8081}]\n")).digest
