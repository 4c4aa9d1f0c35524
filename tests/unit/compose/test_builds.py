"""What `spin build` is told."""

from __future__ import annotations

import pytest

from spin.compose import builds
from spin.errors import InvalidInput
from spin.model.submission import Build, Submission
from support.compose import PROJECT, REGISTRY, STACK, complaint, loaded, stack


def of(text: str) -> tuple[Build, ...]:
    return builds(loaded(text), stack=STACK, registry_host=REGISTRY, project=PROJECT)


def test_a_plain_build_is_its_context_and_services_without_one_are_not_built() -> None:
    text = "services: {web: {build: ./web}, api: {build: api, image: api:1}, db: {image: mariadb}}"
    assert of(text) == (
        Build("api", "localhost:5000/team/api:1", "api"),
        Build("web", "localhost:5000/team/shop-web:latest", "./web"),
    )


def test_the_long_form_is_carried_over() -> None:
    text = """
        services:
          web:
            build:
              context: ./web
              dockerfile: Dockerfile.prod
              args: [VERSION=1, TOKEN]
              target: run
              labels: {a: b}
              no_cache: true
              pull: true
    """
    args = (("TOKEN", None), ("VERSION", "1"))
    image = "localhost:5000/team/shop-web:latest"
    assert of(text) == (Build("web", image, "./web", "Dockerfile.prod", None, args, "run", (("a", "b"),), True, True),)


def test_a_dockerfile_can_stand_in_the_file_itself() -> None:
    (build,) = of('services: {web: {build: {dockerfile_inline: "FROM x\\nRUN y\\n"}}}')
    assert (build.context, build.dockerfile_inline) == (".", "FROM x\nRUN y\n")


def test_a_build_makes_the_image_that_the_service_runs() -> None:
    text = "services: {Web_1: {build: .}, api: {build: ., image: 'sub/api:2'}}"
    assert {b.service: b.image for b in of(text)} == {s.name: s.image.reference for s in stack(text).services}


def test_two_dockerfiles_are_refused() -> None:
    with pytest.raises(InvalidInput, match="exclude each other"):
        of("services: {web: {build: {dockerfile: a, dockerfile_inline: b}}}")


def test_a_service_whose_name_makes_no_image_name_needs_one() -> None:
    assert "give the service an `image:` name" in complaint("services: {a._b: {build: .}}")


def test_a_document_without_services_builds_nothing() -> None:
    assert builds(Submission({}), stack=STACK, registry_host=REGISTRY, project=PROJECT) == ()
