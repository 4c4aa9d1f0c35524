"""Paths of the host in `volumes`: what they come to. Whether they may be mounted is the audit's business."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spin.compose import render
from spin.errors import InvalidInput
from spin.model.stack import Bind, Image, ServiceSpec, StackSpec, UpdateOrder, template_digest
from support.compose import loaded, lowered, service, service_text, stack

SPEC = ServiceSpec("web", Image("nginx:1", "sha256:" + "a" * 64))
BEFORE = "80c0e2339d334642"


def binds(entry: str) -> tuple[Bind, ...]:
    return service(f"volumes: [{entry}]").binds


@pytest.mark.parametrize(
    ("entry", "bind"),
    [
        ("'/global/cfs/x:/data'", Bind("/global/cfs/x", "/data")),
        ("'/global/cfs/x:/data:ro'", Bind("/global/cfs/x", "/data", read_only=True)),
        ("'/global/cfs/x:/data:ro,rprivate'", Bind("/global/cfs/x", "/data", read_only=True)),
        ("'/global/cfs/x:/data:cached'", Bind("/global/cfs/x", "/data")),
        ("'//global/./cfs/x//:/data/:ro'", Bind("/global/cfs/x", "/data", read_only=True)),
        ("{type: bind, source: /global/cfs/x, target: /data}", Bind("/global/cfs/x", "/data")),
        ("{type: bind, source: '/a:b', target: /data, read_only: true}", Bind("/a:b", "/data", read_only=True)),
    ],
)
def test_an_absolute_path_is_a_bind(entry: str, bind: Bind) -> None:
    assert binds(entry) == (bind,)


@pytest.mark.parametrize("entry", ["'~/x:/data'", "'/a/../x:/data'", "'C:\\x:/data'", "{type: bind, source: ../x, target: /d}"])
def test_any_other_path_is_left_to_the_audit(entry: str) -> None:
    assert lowered(loaded(service_text(f"volumes: [{entry}]"))).services[0].binds == ()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("'/x:/'", "over the container's root"),
        ("'/x:data'", "path"),
    ],
)
def test_what_cannot_be_mounted_so_is_refused_at_once(entry: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        lowered(loaded(service_text(f"volumes: [{entry}]")))


def test_it_is_rendered_as_it_was_meant() -> None:
    spec = stack(service_text("volumes: ['/global/cfs/x:/data:ro', '/global/cfs/y:/out']"))
    assert stack(render(spec)) == spec


def test_a_bind_shapes_the_container_and_its_absence_changes_no_digest() -> None:
    def digest(spec: ServiceSpec) -> str:
        return template_digest(StackSpec((spec,)), spec, ())

    bound = replace(SPEC, binds=(Bind("/x", "/y"),))
    assert len({digest(SPEC), digest(bound), digest(replace(SPEC, binds=(Bind("/x", "/y", read_only=True),)))}) == 3
    assert digest(SPEC)[:16] == BEFORE, "containers from before this field was known are still current"


def test_what_writes_to_a_shared_filesystem_is_stopped_first_unless_its_author_knows_better() -> None:
    writes, reads = replace(SPEC, binds=(Bind("/x", "/y"),)), replace(SPEC, binds=(Bind("/x", "/y", read_only=True),))
    first = replace(writes, update=replace(SPEC.update, order=UpdateOrder.START_FIRST))
    assert [s.update_order for s in (writes, reads, first)] == [
        UpdateOrder.STOP_FIRST,
        UpdateOrder.START_FIRST,
        UpdateOrder.START_FIRST,
    ]
