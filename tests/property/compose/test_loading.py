"""What holds of every text: a value or one InvalidInput comes out, never anything else."""

from __future__ import annotations

import re
import shlex
from contextlib import suppress

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spin.compose import forms, load
from spin.compose.envfile import parse_env
from spin.compose.interpolate import Scope, TemplateError, interpolate, substitute
from spin.compose.merge import merge
from spin.compose.nodes import Node
from spin.compose.parse import parse
from spin.errors import InvalidInput
from support.stacks import outcome

FEW = settings(max_examples=30, deadline=None)
QUICK = settings(max_examples=60, deadline=None)
TEMPLATES = st.text("AB$${}}:-?+ x", max_size=30)
YAML = st.text("ab:-[]{}&*!|>'\"\\#%@`,?<\n\t ~1\x00é", max_size=40)
VARIABLES = st.dictionaries(st.sampled_from(["A", "B"]), st.text(max_size=5))


@QUICK
@given(TEMPLATES, VARIABLES)
def test_interpolation_gives_text_or_a_sentence(text: str, variables: dict[str, str]) -> None:
    with suppress(TemplateError):
        assert isinstance(substitute(text, variables.get, lambda _: None), str)


@QUICK
@given(st.text(max_size=30))
def test_doubling_every_dollar_gives_the_text_back(text: str) -> None:
    assert substitute(text.replace("$", "$$"), {}.get, lambda _: None) == text


@QUICK
@given(st.text(max_size=40) | st.text("A=B'\"\\$#{} \n:export", max_size=40), st.booleans())
def test_env_files_give_variables_or_a_sentence(text: str, raw: bool) -> None:
    found = outcome(lambda: parse_env(text, ".env", Scope({"A": "x"}), raw=raw))
    if isinstance(found, InvalidInput):
        assert found.message.startswith(".env:")
    else:
        assert all(isinstance(value, str) for value in found.values())


@QUICK
@given(st.text(max_size=40).filter(lambda text: "\0" not in text and "\r" not in text))
def test_any_text_can_be_written_in_an_env_file(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    assert parse_env(f'A="{escaped}"', ".env", Scope({})) == {"A": text}


@QUICK
@given(YAML)
def test_any_text_is_a_document_or_an_error_with_a_place(text: str) -> None:
    found = outcome(lambda: parse(text, "c.yaml"))
    if isinstance(found, InvalidInput):
        assert found.message.startswith("c.yaml:")
        assert found.fields["line"] >= 1
    else:
        assert found
        assert all(isinstance(document.value, dict) for document in found)


@QUICK
@given(st.lists(YAML.map("services: {{a: {{image: x, {}}}}}".format) | YAML, min_size=1, max_size=2))
def test_loading_any_text_gives_a_submission_or_a_sentence(texts: list[str]) -> None:
    def read(path: str) -> bytes:
        raise FileNotFoundError(path)

    found = outcome(lambda: load([("c.yaml", text) for text in texts], {}, read))
    assert not isinstance(found, InvalidInput) or "\n" not in found.message


@QUICK
@given(st.text("ab '\"\\\n$#", max_size=20))
def test_command_lines_are_split_as_the_standard_library_splits_them(text: str) -> None:
    # In double quotes Compose takes a backslash away where the library, as a shell does, keeps it.
    assume('"' not in text or not re.search(r'\\(?!["\\])', re.sub(r'\\["\\]', "", text)))
    try:
        expected = tuple(shlex.split(text))
    except ValueError:
        expected = None
    try:
        found = forms.words(text)
    except ValueError:
        found = None
    assert found == expected


@QUICK
@given(st.integers(0, forms.MOST_MS))
def test_durations_read_back(milliseconds: int) -> None:
    hours, rest = divmod(milliseconds, 3_600_000)
    assert forms.duration_ms(f"{hours}h{rest}ms") == forms.duration_ms(f"{milliseconds / 1000:.3f}s") == milliseconds


# Merging.

PAIRS = st.dictionaries(st.sampled_from("ABC"), st.integers(0, 3), max_size=3)
FRAGMENTS = {
    "user": st.sampled_from(["a", "b", "null"]),
    "command": st.sampled_from(["[a]", "b c"]),
    "environment": PAIRS.map(str) | PAIRS.map(lambda d: str([f"{k}={v}" for k, v in d.items()])),
    "labels": PAIRS.map(lambda d: str({k: str(v) for k, v in d.items()})),
    "expose": st.lists(st.integers(1, 4), max_size=3).map(str),
    "ports": st.lists(st.sampled_from(["8080:80", "8081:81", "8080:80/tcp"]), max_size=2).map(str),
    "volumes": st.lists(st.sampled_from(["d:/x", "d:/x:ro", "e:/x", "e:/y:nocopy"]), max_size=2).map(str),
    "networks": st.sampled_from(["[m]", "[m, n]", "{n: {aliases: [x]}}", "{n: {aliases: [y]}, m: }"]),
    "depends_on": st.sampled_from(["[b]", "{b: {condition: service_healthy}}", "{b: {required: false}}"]),
    "secrets": st.sampled_from(["[s]", "[{source: t, target: s}]", "[s, t]"]),
    "tmpfs": st.sampled_from(["/t", "['/t:size=1k', /u]"]),
    "deploy": st.sampled_from(["{replicas: 2}", "{resources: {limits: {pids: 3}}}", "null"]),
    "healthcheck": st.sampled_from(["{test: a}", "{test: [CMD, b], retries: 2}", "{retries: 3}"]),
    "build": st.sampled_from([".", "{args: [A=1]}", "{args: {A: 2}, target: x}"]),
    "x-spin": st.sampled_from(["{http: 80}", "{hosts: [a]}", "{hosts: [b], http: 81}"]),
}
FILES = st.fixed_dictionaries({}, optional=FRAGMENTS).map(
    lambda keys: "services:\n  a:\n    image: x\n" + "".join(f"    {key}: {text}\n" for key, text in keys.items())
)


def tree(text: str) -> Node:
    return interpolate(parse(text, "c.yaml")[0], Scope({}))


def plain(node: Node) -> object:
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    return [plain(child) for child in node.value] if isinstance(node.value, list) else node.value


@FEW
@given(FILES, FILES, FILES)
def test_merging_is_associative(one: str, two: str, three: str) -> None:
    left = merge([merge([tree(one), tree(two)]), tree(three)])
    right = merge([tree(one), merge([tree(two), tree(three)])])
    assert plain(left) == plain(right) == plain(merge([tree(one), tree(two), tree(three)]))


@FEW
@given(FILES)
def test_merging_with_an_empty_file_changes_nothing(text: str) -> None:
    assert plain(merge([tree(text), tree("services: {a: }")])) == plain(merge([tree(text)]))
