"""What images say of themselves, as rules see it; silent where nothing is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from spin.model.finding import Finding
from spin.model.image import ImageFacts
from spin.policy.case import Known
from spin.site import Site
from support.compose import findings

IMAGE = "localhost:5000/lab/x:1"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def found(
    rule: str, facts: ImageFacts | None, keys: str = "init: true", image: str = IMAGE, site: Site | None = None
) -> list[Finding]:
    text = f"services:\n  app:\n    image: {image}\n" + "".join(f"    {line}\n" for line in keys.splitlines())
    full = image if image.count("/") > 1 else f"docker.io/library/{image}"
    known = Known(images={} if facts is None else {full: facts}, now=NOW)
    return [f for f in findings(text, known=known, site=site) if f.rule == rule]


@pytest.mark.parametrize("user", ["", "0", "root", "0:0", "root:root", "0:1000"])
def test_an_image_that_runs_as_root_is_told(user):
    (finding,) = found("image-root", ImageFacts(user=user))
    assert finding.key == "services.app.image"
    assert 'user: "1000:1000"' in finding.instead


@pytest.mark.parametrize(
    ("facts", "keys", "image"),
    [
        (ImageFacts(user="1000"), "init: true", IMAGE),
        (ImageFacts(user="app:app"), "init: true", IMAGE),
        (ImageFacts(), "user: '1000:1000'", IMAGE),
        (ImageFacts(), "user: root", IMAGE),
        (ImageFacts(environment=(("GOSU_VERSION", "1.17"),)), "init: true", IMAGE),
        (ImageFacts(), "init: true", "postgres:16"),
        (ImageFacts(), "init: true", "nginx:1.27"),
        (None, "init: true", IMAGE),
    ],
)
def test_other_users_and_images_that_change_the_user_are_left_alone(facts, keys, image):
    assert found("image-root", facts, keys, image) == []


def test_a_web_service_without_any_health_check_is_told_with_its_port():
    (finding,) = found("image-health", ImageFacts(), "x-spin: {http: 8080}")
    assert "http://localhost:8080/" in finding.instead


@pytest.mark.parametrize(
    ("facts", "keys"),
    [
        (ImageFacts(healthcheck=("CMD", "true")), "x-spin: {http: 80}"),
        (ImageFacts(), "x-spin: {http: 80}\nhealthcheck: {test: [CMD, 'true']}"),
        (ImageFacts(), "x-spin: {http: 80}\nhealthcheck: {disable: true}"),
        (ImageFacts(), "init: true"),
        (None, "x-spin: {http: 80}"),
    ],
)
def test_health_checks_of_file_or_image_and_other_services_are_left_alone(facts, keys):
    assert found("image-health", facts, keys) == []


def test_size_is_told_from_the_sites_limit_on():
    (finding,) = found("image-size", ImageFacts(size_bytes=5 * 10**9, layers=12))
    assert "5.0 GB in 12 layers" in finding.message
    assert found("image-size", ImageFacts(size_bytes=5 * 10**9 - 1)) == []
    assert found("image-size", ImageFacts()) == []
    assert len(found("image-size", ImageFacts(size_bytes=10**9), site=Site(rules={"image-size": {"gigabytes": 0.5}}))) == 1


def test_age_is_told_from_the_sites_days_on():
    old, young = (ImageFacts(created=NOW - timedelta(days=days)) for days in (366, 364))
    (finding,) = found("image-age", old)
    assert "built on 2024-12-31, 366 days ago" in finding.message
    assert found("image-age", young) == []
    assert found("image-age", ImageFacts()) == []
    assert len(found("image-age", young, site=Site(rules={"image-age": {"days": 30}}))) == 1
    assert found("image-age", old, site=Site(rules={"image-age": {"days": 10**12}})) == []


def test_without_a_clock_nothing_is_old():
    old = ImageFacts(created=datetime(2001, 1, 1, tzinfo=UTC))
    text = f"services: {{app: {{image: '{IMAGE}'}}}}"
    assert [f for f in findings(text, known=Known(images={IMAGE: old})) if f.rule == "image-age"] == []


def test_a_tag_that_was_another_image_is_told_with_the_revision():
    text = f"services: {{app: {{image: '{IMAGE}'}}, web: {{image: 'nginx:latest'}}}}"
    known = Known(reused={IMAGE: 7, "docker.io/library/nginx:latest": 7})
    (finding,) = [f for f in findings(text, known=known) if f.rule == "tag-reused"]
    assert finding.service == "app"
    assert "in revision 7" in finding.message
