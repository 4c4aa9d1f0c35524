"""What is written as text comes back as the value it was."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import spin.model
from spin.kit.canonical import canonical_json, digest
from spin.model.revision import Revision, ServiceWish
from spin.model.stack import Config, Image, Resources, ServiceSpec, StackSpec
from spin.store.codec import decode, decode_kept, encode
from support.samples import values_of


def _dataclasses_of_the_model() -> list[Any]:
    """Those that are values. What changes (where a follower of logs stands) is never stored, and has a text form of its own."""
    modules = [importlib.import_module(f"spin.model.{found.name}") for found in pkgutil.iter_modules(spin.model.__path__)]
    found = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    values = (v for v in found if dataclasses.is_dataclass(v) and v.__dataclass_params__.frozen)
    return sorted(values, key=lambda value: value.__qualname__)


@pytest.mark.parametrize("kind", _dataclasses_of_the_model(), ids=lambda kind: kind.__qualname__)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_value_of_the_model_survives_and_keeps_its_digest(kind: Any, data: st.DataObject) -> None:
    value = data.draw(values_of(kind))
    again = decode(kind, encode(value))
    assert again == value
    assert digest(again) == digest(value)


def test_every_byte_survives() -> None:
    config = Config("all", bytes(range(256)) * 3)
    assert decode(Config, encode(config)) == config


def test_a_text_of_an_older_version_gets_the_defaults_of_new_fields() -> None:
    text = json.loads(encode(ServiceSpec("web", Image("web:1"))))
    for name in [f.name for f in dataclasses.fields(ServiceSpec) if f.name not in ("name", "image")]:
        del text[0][name]
    assert decode(ServiceSpec, json.dumps(text)) == ServiceSpec("web", Image("web:1"))


def test_a_field_that_is_gone_is_passed_over() -> None:
    text = json.loads(encode(ServiceWish("web")))
    text[0]["of_old"] = 1
    assert decode(ServiceWish, json.dumps(text)) == ServiceWish("web")


def test_a_number_is_not_taken_for_a_text() -> None:
    with pytest.raises(ValidationError):
        decode(ServiceWish, canonical_json([{"service": 7}]))


def test_tuples_of_values_are_kinds_too() -> None:
    wishes = (ServiceWish("a", stopped=True), ServiceWish("b"))
    assert decode(tuple[ServiceWish, ...], encode(wishes)) == wishes


def test_what_is_kept_is_told_apart_by_kind_and_text() -> None:
    one, other = (encode((ServiceWish("a", stopped=stopped),)) for stopped in (True, False))
    kept = decode_kept(tuple[ServiceWish, ...], one)
    assert kept == decode(tuple[ServiceWish, ...], one)
    assert decode_kept(tuple[ServiceWish, ...], one) is kept
    assert decode_kept(tuple[ServiceWish, ...], other) == (ServiceWish("a"),)
    assert decode_kept(tuple[str, ...], encode(())) == decode_kept(tuple[ServiceWish, ...], encode(())) == ()
    with pytest.raises(ValidationError):
        decode_kept(tuple[str, ...], one)


def test_a_whole_number_of_cores_reads_back_as_a_fraction() -> None:
    # Revisions hold what the loader made: limits as floats. An integer would be equal, yet have another digest.
    spec = StackSpec((ServiceSpec("web", Image("web:1"), resources=Resources(cpus=2)),))
    read = decode(StackSpec, encode(spec)).services[0].resources.cpus
    assert isinstance(read, float)
    assert read == 2


def test_the_text_of_a_revision_does_not_depend_on_the_order_of_fields() -> None:
    text = encode(ServiceWish("web"))
    assert list(json.loads(text)[0]) == sorted(json.loads(text)[0])
    assert Revision.__name__ not in text
