"""What a container gets when its file does not say."""

from __future__ import annotations

import pytest

from spin.model.stack import Image, Resources, ServiceSpec, StackSpec
from spin.policy import apply_defaults
from spin.site import Limits, Site

SITE = Site(limits=Limits(memory_bytes=1000, cpus=2.0, pids=10))


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (Resources(), Resources(2.0, 1000, 10)),
        (Resources(0.5, 5000, 99), Resources(0.5, 5000, 99)),
        (Resources(memory_bytes=7), Resources(2.0, 7, 10)),
        (Resources(reserved_cpus=4.0, reserved_memory_bytes=3000), Resources(4.0, 3000, 10, 4.0, 3000)),
        (Resources(reserved_cpus=1.0, reserved_memory_bytes=30), Resources(2.0, 1000, 10, 1.0, 30)),
    ],
)
def test_limits_are_filled_in_and_never_below_what_is_reserved(asked: Resources, given: Resources) -> None:
    spec = StackSpec((ServiceSpec("app", Image("a:1"), resources=asked),))
    assert apply_defaults(spec, SITE).services[0].resources == given


def test_defaults_applied_twice_are_the_same() -> None:
    spec = apply_defaults(StackSpec((ServiceSpec("app", Image("a:1")),)), SITE)
    assert apply_defaults(spec, SITE) == spec
