"""Names on the command line."""

from __future__ import annotations

import pytest

from spin.cli.refs import Ref, by_stack, parse_ref, parse_scale
from spin.errors import InvalidInput


def test_a_reference_names_a_stack_a_service_or_a_container() -> None:
    assert parse_ref("shop") == Ref("shop")
    assert parse_ref("shop/web") == Ref("shop", "web")
    assert parse_ref("shop/web/2") == Ref("shop", "web", 2)
    assert str(parse_ref("shop/web/2")) == "shop/web/2"


@pytest.mark.parametrize("text", ["", "/", "shop/", "/web", "shop//2", "shop/web/x", "shop/web/0", "shop/web/1/2"])
def test_anything_else_is_a_usage_error(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_ref(text)


def test_a_command_about_stacks_takes_no_service() -> None:
    with pytest.raises(InvalidInput, match="write STACK"):
        parse_ref("shop/web", depth=1)


def test_scaling_takes_a_service_and_a_number() -> None:
    assert parse_scale("shop/web=3") == ("shop", "web", 3)
    assert parse_scale("shop/web=0") == ("shop", "web", 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shop/web", "shop/web=N"),
        ("shop/web=", "shop/web=N"),
        ("shop/web=x", "=N"),
        ("shop/web=-1", "=N"),
        ("shop=2", "shop/SERVICE=2"),
    ],
)
def test_scaling_never_guesses(text: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_scale(text)
    assert words in caught.value.message


def test_several_targets_of_one_stack_are_one_request_and_the_whole_stack_wins() -> None:
    assert by_stack(["shop/web", "shop/db", "shop/web", "wiki"]) == {"shop": ["web", "db"], "wiki": []}
    assert by_stack(["shop/web", "shop"]) == {"shop": []}
