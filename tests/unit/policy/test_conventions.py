"""Tags that a site asks for, and the conventions of names."""

from __future__ import annotations

import pytest

from spin.model.finding import Severity
from spin.rules import read_site
from support.compose import findings

SERVICE = "services: {web: {image: 'x:1'}}\n"
TWO = """
services:
  web: {{image: 'x:1', volumes: ['{a}:/a', '{b}:/b']}}
  db: {{image: 'x:1', volumes: ['{a}:/a:ro']}}
volumes: {{'{a}': , '{b}': }}
"""


def tags(text: str, site: str) -> list[tuple[str | None, str]]:
    found = findings(SERVICE + f"x-spin: {{tags: {text}}}", site=read_site(site))
    assert {f.rule for f in found} <= {"stack-tags"}
    return [(f.key, f.message) for f in found]


def test_a_site_asks_for_tags_by_name() -> None:
    site = '[rules.stack-tags]\nrequired = ["owner", "staff_owner", "cost_centre"]'
    assert tags("{}", site) == [
        ("x-spin.tags", "The tag `staff_owner` is missing, and this site asks for it."),
        ("x-spin.tags", "The tag `cost_centre` is missing, and this site asks for it."),
    ]
    assert tags("{staff_owner: ben, cost_centre: 7}", site) == []


def test_without_a_word_from_the_site_no_tag_is_missed() -> None:
    assert tags("{}", "") == []
    assert tags("{fqdn: a.b, group: g, requires: r, staff_group: s, staff_owner: t, owner: o}", "") == []


def test_a_tag_that_nobody_knows_is_refused() -> None:
    assert tags("{onwer: ann}", "") == [("x-spin.tags.onwer", "'onwer' is not a tag here.")]
    assert tags("{onwer: ann}", '[rules.stack-tags]\nfurther = ["onwer"]') == []


@pytest.mark.parametrize(
    ("a", "b", "named"),
    [
        ("db", "web", []),
        ("db.shop", "web.shop", []),
        ("db-data", "web_cache", []),
        ("data", "cache", ["data", "cache"]),
        ("webdata", "web-cache", ["webdata"]),
    ],
)
def test_of_several_volumes_each_is_named_for_a_service_that_mounts_it(a: str, b: str, named: list[str]) -> None:
    found = [f for f in findings(TWO.format(a=a, b=b)) if f.rule == "volume-names"]
    assert sorted(str(f.key) for f in found) == sorted(f"volumes.{name}" for name in named)
    assert {f.severity for f in found} <= {Severity.ADVISE}
    assert all("empty volume" in f.instead for f in found)


def test_a_volume_may_have_the_name_of_the_software() -> None:
    text = """
        services:
          web-grafana: {image: 'x:1', volumes: ['grafana:/d']}
          db-influx: {image: 'x:1', volumes: ['influx.shop:/d']}
          db: {image: 'x:1', volumes: ['other:/d']}
        volumes: {grafana: , influx.shop: , other: }
    """
    assert [f.key for f in findings(text) if f.rule == "volume-names"] == ["volumes.other"]


def test_a_stacks_only_volume_may_have_any_name() -> None:
    assert findings("services: {db: {image: 'x:1', volumes: ['data:/d']}}\nvolumes: {data: }") == ()


@pytest.mark.parametrize(
    ("secret", "named"),
    [
        ("{external: true}", False),
        ("{external: true, name: shop.password}", False),
        ("{external: true, name: db.shop.password}", False),
        ("{external: true, name: password}", True),
        ("{external: true, name: shop.}", True),
    ],
)
def test_a_stored_secret_is_named_for_its_stack(secret: str, named: bool) -> None:
    text = f"services: {{web: {{image: 'x:1', secrets: [password]}}}}\nsecrets: {{password: {secret}}}"
    assert [f.rule for f in findings(text)] == (["secret-names"] if named else [])
