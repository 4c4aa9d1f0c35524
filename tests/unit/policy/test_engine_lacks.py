"""What an engine cannot do is refused for environments on that engine."""

from __future__ import annotations

import pytest

from spin.model.feature import Feature
from spin.model.finding import Finding, Severity
from spin.policy import audit_features
from spin.site import Site
from support.compose import loaded, lowered, service_text

ASKING = {
    Feature.DNS: "dns_search: example.org",
    Feature.DOMAINNAME: "domainname: example.org",
    Feature.EXTRA_HOSTS: "extra_hosts: {a.example.org: 192.0.2.7}",
    Feature.GROUP_ADD: "group_add: [nginx]",
    Feature.INIT: "init: true",
    Feature.RESTART_LIMIT: "restart: on-failure:3",
    Feature.SHM_SIZE: "shm_size: 64m",
    Feature.STOP_SIGNAL: "stop_signal: SIGQUIT",
    Feature.SYSCTLS: "sysctls: {net.core.somaxconn: 9}",
    Feature.TTY: "tty: true",
    Feature.ULIMITS: "ulimits: {nofile: 9}",
}


def found(keys: str, *lacks: Feature, platform: str = "") -> list[Finding]:
    submission = loaded(service_text(keys))
    spec = lowered(submission)
    return list(audit_features(spec, Site(), submission.positions, kind="cluster", lacks=lacks, platform=platform))


@pytest.mark.parametrize("feature", Feature)
def test_a_service_that_asks_for_what_the_engine_lacks_is_refused(feature: Feature) -> None:
    (finding,) = found(ASKING[feature], *Feature)
    assert (finding.rule, finding.severity) == ("engine-lacks", Severity.REFUSE)
    assert finding.key == f"services.app.{feature.value}"
    assert f"`{feature.value}`" in finding.message
    assert "cluster" in finding.message
    assert finding.instead
    assert finding.position is not None


@pytest.mark.parametrize("feature", Feature)
def test_an_engine_that_can_is_fine_and_so_is_a_service_that_does_not_ask(feature: Feature) -> None:
    assert found(ASKING[feature]) == []
    assert found("", feature) == []


@pytest.mark.parametrize(
    ("wanted", "there", "fits"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux", "linux/amd64", True),
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64", "linux/amd64", False),
        ("windows/amd64", "linux/amd64", False),
        ("windows", "linux/amd64", False),
        ("linux/arm64", "", True),
    ],
)
def test_the_platform_must_be_the_engines_where_it_says(wanted: str, there: str, fits: bool) -> None:
    assert [f.key for f in found(f"platform: {wanted}", platform=there)] == ([] if fits else ["services.app.platform"])
