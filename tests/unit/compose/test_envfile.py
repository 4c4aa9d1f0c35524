""".env and env_file, by Docker Compose's rules."""

from __future__ import annotations

import pytest

from spin.compose.envfile import parse_env
from spin.compose.interpolate import Scope
from spin.errors import InvalidInput

SHELL = {"SHELL_VAR": "shell", "SECRET": "s3"}


def read(text: str, *, raw: bool = False) -> dict[str, str]:
    return parse_env(text, ".env", Scope(SHELL), raw=raw)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=b", "b"),
        ("A=", ""),
        ("A = b ", "b"),
        ("  export A=b", "b"),
        ("A: b", "b"),
        ("A=b c", "b c"),
        ("A=b # comment", "b"),
        ("A=b#c", "b#c"),
        ("A=#c", "#c"),
        ("A= # c", "# c"),
        ("A=b\t#c", "b\t#c"),
        (r'A="a\a\0101\$B"', "a\aA$B"),
        ("A=$5", "$5"),
        ("A='b # c'", "b # c"),
        ("A='b' # c", "b"),
        ("A='$SHELL_VAR'", "$SHELL_VAR"),
        (r"A='it\'s'", "it's"),
        (r"A='a\nb'", r"a\nb"),
        ("A='two\nlines'", "two\nlines"),
        ('A="b # c"', "b # c"),
        (r'A="a\nb\tc\rd\\e\"f"', 'a\nb\tc\rd\\e"f'),
        (r'A="\$SHELL_VAR"', "$SHELL_VAR"),
        (r'A="\x"', r"\x"),
        ('A="two\nlines"', "two\nlines"),
        ('A="$SHELL_VAR"', "shell"),
        ("A=${SHELL_VAR}-x", "shell-x"),
        ("A=${NO:-d}", "d"),
        ("A=$$", "$"),
        ("A=x=y", "x=y"),
        ("\ufeffA=b\r\n", "b"),
    ],
)
def test_a_line_sets_a_variable(text: str, value: str) -> None:
    assert read(text) == {"A": value}


def test_names_may_be_of_other_scripts_and_two_quoted_settings_on_a_line() -> None:
    assert read("größe=1\n[k]=2\nA='x' B=y") == {"größe": "1", "[k]": "2", "A": "x", "B": "y"}


def test_comments_and_blank_lines_set_nothing() -> None:
    assert read("# one\n\n   # two\n\t\nA=1\n#end") == {"A": "1"}


def test_a_name_by_itself_takes_the_variable_of_the_environment_if_there_is_one() -> None:
    assert read("SECRET\nNO\nexport SHELL_VAR # from outside\n") == {"SECRET": "s3", "SHELL_VAR": "shell"}


def test_later_lines_win_and_may_use_earlier_ones_after_the_environment() -> None:
    assert read("A=1\nB=${A}2\nA=3\nSHELL_VAR=own\nC=$SHELL_VAR") == {"A": "3", "B": "12", "SHELL_VAR": "own", "C": "shell"}


def test_in_the_raw_format_quotes_and_dollars_mean_nothing() -> None:
    assert read('A="b" # c\nB=$SHELL_VAR\nSECRET\n', raw=True) == {"A": '"b" # c', "B": "$SHELL_VAR", "SECRET": "s3"}


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("A=1\n=b", "2:1", "write NAME=value"),
        ("A b", "1:1", "is not understood"),
        ("A='b", "1:3", "never closed"),
        ('X=1\nA="b', "2:3", "never closed"),
        ("A='b'c", "1:6", "follows the closing quote"),
        ("A=${1}", "1:3", "names no variable"),
        ("A=${NO:?set it}", "1:3", "set it"),
        ("A=\0", "1:1", "NUL"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_its_place(text: str, place: str, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(text)
    assert caught.value.message.startswith(f".env:{place}: ")
    assert says in caught.value.message
