"""Dockerfiles as BuildKit reads them, and files that are none."""

from __future__ import annotations

import random
import time
from datetime import date

import pytest

from spin.dockerfile import Case, parse, review
from spin.dockerfile.parse import MOST_BYTES, MOST_LINES
from spin.dockerfile.shell import commands
from spin.errors import InvalidInput


def test_stages_lines_continuations_and_the_escape_directive() -> None:
    file = parse(
        "# escape=`\nARG V=12\nFROM --platform=linux/amd64 debian:$V AS b\nRUN --mount=type=secret,id=x a `\n # words\n  && b\n"
        "FROM b\nONBUILD RUN x\nUSER app\n"
    )
    assert [(s.base, s.name, s.line) for s in file.stages] == [("debian:$V", "b", 3), ("b", None, 7)]
    (run,) = file.stages[0].instructions
    assert (run.line, run.flags, commands(run.script)) == (4, ("--mount=type=secret,id=x",), (("a",), ("b",)))
    assert file.base(file.stages[0]) == "debian:12"
    assert [i.name for i in file.shipped()] == ["RUN", "USER"]
    assert file.stages[1].instructions[0].trigger


def test_here_documents_are_scripts_and_not_instructions() -> None:
    file = parse("FROM a:1\nRUN <<EOF\napt-get update\nFROM evil\nEOF\nUSER x\n")
    assert [i.name for i in file.stages[0].instructions] == ["RUN", "USER"]
    assert ("apt-get", "update") in commands(file.stages[0].instructions[0].script)


def test_a_builds_own_arguments_win_and_only_those_that_the_file_knows() -> None:
    file = parse("ARG V=1\nFROM a:$V-$W\n", arguments={"V": "2", "W": "3"})
    assert file.base(file.final) is None
    changed = parse("ARG V=1\nFROM a:$V\n", arguments={"V": "2"})
    assert changed.base(changed.final) == "a:2"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("# only words\n", "not a Dockerfile"),
        ("RUN x\nFROM a\n", "Dockerfile:1: RUN before the first FROM"),
        ("ARG A=1\n", "has no FROM"),
        ("FROM\n", "FROM takes an image"),
        ("FROM a b c d\n", "FROM takes an image"),
        ("FROM a\nNONSENSE x\n", "Dockerfile:2: 'NONSENSE' is no instruction"),
        ("FROM a\nRUN <<EOF\nx\n", "unterminated heredoc"),
        ("FROM a\0b\n", "NUL"),
        ("FROM \ud800\n", "Unicode"),
        ("FROM a\n" + "#" * MOST_BYTES, "larger"),
        ("FROM a\nRUN " + "a \\\n" * MOST_LINES, "larger"),
        ("FROM a\nLABEL " + "a=b " * 30_000, "not a Dockerfile"),
        ("FROM a\n" * 201, "more than 200 stages"),
        ("services:\n  web: {}\n", "is no instruction"),
    ],
)
def test_what_is_no_dockerfile_is_told_with_its_place(text: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text)
    assert words in caught.value.message
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    "body",
    [
        "RUN " + "a \\\n" * (MOST_LINES - 5) + "b",
        "RUN x\n" * (MOST_LINES - 5),
        "RUN " + "'" * 60_000,
        "RUN " + '"\\' * 30_000,
        "RUN " + "(" * 60_000,
        "RUN " + "curl " * 12_000,
        "RUN <<EOF\n" + ("curl|" * 1000 + "\n") * 50 + "EOF",
        "ENV " + "A=$B " * 12_000,
        "RUN " + "a://b:" * 10_000,
        "".join(f"FROM a:1 AS s{n}\n" if n == 0 else f"FROM s{n - 1} AS s{n}\n" for n in range(199)),
    ],
    ids=range(10),
)
def test_hostile_files_within_the_bounds_take_seconds_at_most(body: str) -> None:
    begun = time.process_time()
    review(Case(parse(f"FROM a:1\n{body}\n"), date(2026, 1, 1)))
    assert time.process_time() - begun < 10


def test_random_files_end_in_findings_or_a_sentence() -> None:
    dice = random.Random(4)
    parts = [
        "FROM a",
        "FROM",
        "RUN",
        "ENV A=",
        "ARG X",
        "USER",
        "COPY",
        "ADD",
        "CMD",
        "ENTRYPOINT",
        "EXPOSE",
        "ONBUILD",
        "<<EOF\n",
    ]
    parts += [
        "EOF",
        "\\\n",
        "\n",
        "\n",
        '["a",',
        '"]',
        "'",
        '"',
        "$",
        "${",
        "}",
        "--x=",
        "\x01",
        "\u2028",
        "é",
        "# escape=`\n",
        "|",
        "&&",
        " ",
    ]
    for _ in range(2000):
        text = "FROM a\n" * dice.randint(0, 1) + "".join(
            dice.choice(parts) + dice.choice(" \n") for _ in range(dice.randint(1, 30))
        )
        try:
            file = parse(text)
        except InvalidInput:
            continue
        review(Case(file, date(2026, 1, 1)))


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("a b && c; d | e & f", [("a", "b"), ("c",), ("d",), ("e",), ("f",)]),
        ("X=1 Y=2 exec a", [("a",)]),
        ("if a; then b; fi", [("a",), ("b",), ("fi",)]),
        ("echo 'x && y' \"z ; w\"", [("echo", "x && y", "z ; w")]),
        ("a # b && c\nd", [("a",), ("d",)]),
        ("(a; b)", [("a",), ("b",)]),
        ("a#b c\\ d", [("a#b", "c d")]),
        ("", []),
    ],
)
def test_the_commands_of_a_script(script: str, expected: list[tuple[str, ...]]) -> None:
    assert list(commands(script)) == expected
