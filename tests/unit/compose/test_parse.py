"""YAML as Docker Compose reads it, every fault with its place and what to do."""

from __future__ import annotations

import math
from typing import Any

import pytest

from spin.compose.nodes import Node
from spin.compose.parse import MAX_BYTES, MAX_DEPTH, parse
from spin.compose.scalars import as_text, resolve
from spin.errors import InvalidInput
from support.compose import complaint


def plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def read(text: str) -> Any:
    return plain(parse(text, "compose.yaml")[0])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("8080", 8080),
        ("-3", -3),
        ("+3", 3),
        ("1_000", 1000),
        ("0x1f", 31),
        ("0o17", 15),
        ("0440", 288),
        ("0b11", 3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        ("0x1ffffffffffffffff", "0x1ffffffffffffffff"),
        ("08", 8.0),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("22:22", "22:22"),
        ("2024-01-31", "2024-01-31"),
        ("1.2.3", "1.2.3"),
        ("512m", "512m"),
        ("-", "-"),
        ("9" * 70, "9" * 70),
    ],
)
def test_an_unquoted_scalar_means_what_it_means_to_compose(text: str, value: object) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (8080, "8080"),
        (1.5, "1.5"),
        (2.0, "2"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (100000.0, "100000"),
        (1e6, "1e+06"),
        (-1234567.5, "-1.2345675e+06"),
        (1.5e300, "1.5e+300"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
        ("x", "x"),
    ],
)
def test_a_scalar_becomes_text_as_compose_writes_it(value: str | float, text: str) -> None:
    assert as_text(value) == text


def test_anchors_and_merge_keys_are_written_out_and_the_nearer_key_wins() -> None:
    text = """
x-a: &a {one: 1, two: 1}
x-b: &b {two: 2, three: 2}
own: {<<: [*a, *b], three: 3}
single: {<<: *b}
"""
    assert read(text)["own"] == {"one": 1, "two": 1, "three": 3}
    assert read(text)["single"] == {"two": 2, "three": 2}


def test_quoted_scalars_are_text_and_a_quoted_merge_key_is_a_name() -> None:
    assert read("a: '8080'\nb: \"true\"\n'<<': x\n") == {"a": "8080", "b": "true", "<<": "x"}


def test_keys_are_text_as_written() -> None:
    assert read("080: a\ntrue: b\n") == {"080": "a", "true": "b"}


def test_standard_tags_are_followed() -> None:
    assert read('a: !!str 80\nb: !!int "80"\nc: !!binary aGk=\nd: !!binary /w==\n') == {
        "a": "80",
        "b": 80,
        "c": "hi",
        "d": b"\xff",
    }


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert read("\ufeffa: 1\n") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("", "1:1", "empty"),
        ("# nothing\n", "1:1", "empty"),
        ("- a\n", "1:1", "mapping"),
        ("a: 1\na: 2\n", "2:1", "again, first at line 1"),
        ("a: {b: 1, b: 2}\n", "1:11", "again"),
        ("a: b: c\n", "1:5", "':' is not allowed here"),
        ("a:\n\t- b\n", "2:1", "tab"),
        ("a: 'x\nb: c\n", "3:1", "quote that is opened at line 1 is never closed"),
        ("a: [1, 2\nb: c\n", "2:2", "bracket"),
        ("a:\n  b: 1\n c: 2\n", "3:2", "indentation"),
        ("a: *nope\n", "1:4", "*nope names no anchor"),
        ("a: &a [*a]\n", "1:8", "inside its own anchor"),
        ("a: @b\n", "1:4", "put the value in quotes"),
        ("a: - b\n", "1:4", "line of its own"),
        ("a: 1\n---\n- b\n", "3:1", "must hold a mapping"),
        ("--- {a: 1}\n" * 51, "51:1", "more than 50 documents"),
        ("a: \x01\n", "1:4", "control character"),
        ("a: !foo b\n", "1:4", "!foo"),
        ("a: !!set {b}\n", "1:4", "!!set"),
        ("a: !!int b\n", "1:4", "!!int"),
        ("a: !!binary '*'\n", "1:4", "base64"),
        ("? [a]\n: b\n", "1:3", "a key must be a name"),
        ("~: b\n", "1:1", "a key must be a name"),
        ("<<: 3\n", "1:1", "takes a mapping"),
        ("a:\n<<<<<<< HEAD\n  b: 1\n=======\n  b: 2\n>>>>>>> side\n", "2:1", "merge of Git"),
        ("a: {{ b }}\n", "1:5", "begins with `{{` in quotes"),
        ('a: "\\U99999999"\n', "1:7", "escape is not known"),
        ('a: "\\d+"\n', "1:5", "escape is not known"),
        ("a:\n  - é\n  - *\n", "3:6", "has no name"),
        ("a: ünï\nb: 'x' 'y'\n", "2:8", "indentation"),
        ("a: \ud800\n", "1:1", "UTF-8"),
    ],
)
def test_broken_yaml_is_one_sentence_with_its_place(text: str, place: str, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text, "compose.yaml")
    line, column = place.split(":")
    assert caught.value.message.startswith(f"compose.yaml:{place}: ")
    assert says in caught.value.message
    assert caught.value.message.count("\n") == 0
    assert (caught.value.fields["line"], caught.value.fields["column"]) == (int(line), int(column))


def test_a_text_that_is_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(InvalidInput, match="1024 KiB"):
        parse("a: " + "x" * MAX_BYTES, "compose.yaml")


@pytest.mark.parametrize("opening", ["[", "{a: "])
def test_nesting_is_bounded(opening: str) -> None:
    with pytest.raises(InvalidInput, match=f"more than {MAX_DEPTH} levels"):
        parse("a: " + opening * 10_000, "compose.yaml")


def test_aliases_cannot_grow_a_small_file_into_a_large_one() -> None:
    lines = ["x-0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    lines += [f"x-{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "compose.yaml:5:" in complaint("\n".join(lines))
    assert "use fewer aliases" in complaint("\n".join(lines))


def test_merge_keys_cannot_either() -> None:
    lines = ["x-0: &a0 {" + ", ".join(f"k{n}: 1" for n in range(100)) + "}"]
    lines += [f"x-{n}: &a{n} {{b: *a{n - 1}, <<: [{','.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 8)]
    assert "use fewer aliases" in complaint("\n".join(lines))


def test_each_document_of_a_file_is_read_and_anchors_hold_for_all() -> None:
    assert [plain(document) for document in parse("---\na: &x 1\n---\n# nothing\n---\nb: *x\n...\n", "compose.yaml")] == [
        {"a": 1},
        {"b": 1},
    ]
