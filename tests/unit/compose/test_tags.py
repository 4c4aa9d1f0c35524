"""`x-spin: {tags: …}` at the top level: whose the stack is, and what it needs."""

from __future__ import annotations

import pytest

from spin.compose import render
from support.compose import complaint, loaded, lowered, stack

SERVICE = "services: {web: {image: 'x:1'}}\n"


def test_tags_are_texts_by_name_and_a_list_is_one_text() -> None:
    found = stack(SERVICE + "x-spin: {tags: {owner: ann, requires: [scratch, archive], group: 7}}")
    assert found.tags == (("group", "7"), ("owner", "ann"), ("requires", "scratch, archive"))


def test_tags_come_again_from_what_spin_renders() -> None:
    found = stack(SERVICE + "x-spin: {confirm_after: 1m, tags: {owner: 'a: #b'}}")
    assert lowered(loaded(render(found))) == found


def test_tags_do_not_change_containers() -> None:
    with_tags, without = stack(SERVICE + "x-spin: {tags: {owner: ann}}"), stack(SERVICE)
    assert with_tags.services == without.services


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ("[owner]", "a mapping is expected here"),
        ("{Owner: ann}", "cannot be a tag's name"),
        ("{staff-owner: ann}", "such as staff_owner"),
        ("{owner: ''}", "this is blank"),
        ("{owner: {a: b}}", "a single value is expected"),
        ('{owner: "a\\nb"}', "must be on one line"),
        ("{requires: []}", "from 1 to 200 characters"),
        (f"{{owner: {'a' * 201}}}", "from 1 to 200 characters"),
        ("{" + ", ".join(f"t{n}: x" for n in range(33)) + "}", "more than 32 tags"),
    ],
)
def test_what_is_no_tag_is_said_with_its_place(tags: str, words: str) -> None:
    message = complaint(SERVICE + f"x-spin:\n  tags: {tags}")
    assert message.startswith("compose.yaml:3:")
    assert words in message
