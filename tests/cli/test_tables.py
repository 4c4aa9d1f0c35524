"""Tables: aligned, cut to the terminal, safe against what containers print."""

from __future__ import annotations

import pytest

from spin.cli.output import for_programs, message
from spin.cli.tables import Cell, clean, cut, image, short, state, table, width_of


def test_columns_are_aligned_and_lines_end_without_spaces() -> None:
    assert table(("A", "LONG"), [("xyz", "1"), ("x", "")]) == ["A    LONG", "xyz  1", "x"]


def test_a_column_that_is_empty_in_every_row_is_left_out() -> None:
    assert table(("A", "B", "C"), [("1", "", "3")]) == ["A  C", "1  3"]


def test_output_to_a_pipe_is_never_cut() -> None:
    assert table(("A",), [("x" * 500,)])[1] == "x" * 500


def test_on_a_terminal_flexible_columns_are_cut_until_the_lines_fit() -> None:
    lines = table(("NAME", "IMAGE"), [("shop/web", "registry.example.org/demo/web:1.0")], width=30, flexible=("IMAGE",))
    assert lines == ["NAME      IMAGE", "shop/web  registry.example.or…"]
    assert all(width_of(line) <= 30 for line in lines)


def test_the_widest_flexible_column_is_cut_first_and_each_keeps_twelve_columns() -> None:
    assert table(("A", "B"), [("x" * 20, "y" * 30)], width=42, flexible=("A", "B"))[1] == "x" * 20 + "  " + "y" * 19 + "…"
    assert table(("A", "B"), [("x" * 20, "y" * 20)], width=10, flexible=("A", "B"))[1] == "x" * 11 + "…  " + "y" * 11 + "…"


def test_names_and_addresses_are_never_cut() -> None:
    assert (
        table(("ENDPOINTS", "DETAIL"), [("u" * 40, "d" * 40)], width=20, flexible=("DETAIL",))[1]
        == "u" * 40 + "  " + "d" * 11 + "…"
    )


def test_images_are_shown_as_people_write_them_and_cut_at_the_front() -> None:
    assert image("docker.io/library/nginx:1").text == "nginx:1"
    assert image("docker.io/grafana/loki:3").text == "grafana/loki:3"
    cell = image("localhost:5000/demo/web:1")
    assert table(("IMAGE",), [(cell,)], width=12, flexible=("IMAGE",))[1] == "…/demo/web:1"


def test_colours_do_not_disturb_the_alignment() -> None:
    lines = table(("STATE", "N"), [(state("healthy"), "1"), (state("failed"), "2")], colours=True)
    assert lines[1] == "\x1b[32mhealthy\x1b[0m  1"
    assert lines[2] == "\x1b[31mfailed\x1b[0m   2"


def test_wide_characters_count_twice_and_combining_ones_not_at_all() -> None:
    assert width_of("日本") == 4
    assert width_of("e\u0301") == 1
    assert cut("日本語", 5) == "日本…"
    assert table(("A", "B"), [("日本", "x"), ("abcd", "y")])[1:] == ["日本  x", "abcd  y"]


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert clean("a\x1b[31mred\x1b[0m\nb\x07\x9bc") == "ared bc"
    assert table(("A",), [(Cell("x\x1b]0;title\x07y"),)])[1] == "x]0;titley"


def test_the_direction_of_writing_is_not_turned() -> None:
    assert clean("invoice\u202efdp.exe\u2066\u2028\ud800") == "invoicefdp.exe"


def test_what_is_said_to_a_person_keeps_its_colours_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    message("\x1b[1mbold\x1b[0m\ttab\nnext \x1b]0;title\x07\x1b[2J\x9b5m\u202ex")
    assert capsys.readouterr().err == "\x1b[1mbold\x1b[0m\ttab\nnext \\x1b]0;title\\x07\\x1b[2J\\x9b5m\\u202ex\n"


def test_data_is_harmless_on_a_terminal_and_as_it_is_elsewhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    value = {"log": "\x9b2J\x1b[2J"}
    assert for_programs(value, json=False, template="{{.log}}")
    assert capsys.readouterr().out == "\x9b2J\x1b[2J\n"
    monkeypatch.setattr("spin.cli.output.is_terminal", lambda _: True)
    assert for_programs(value, json=False, template="{{.log}}")
    assert for_programs(value, json=True, template=None)
    assert capsys.readouterr().out == '\\x9b2J\\x1b[2J\n{\n  "log": "\\x9b2J\\u001b[2J"\n}\n'


def test_ids_are_short_and_digests_lose_their_algorithm() -> None:
    assert short("0123456789abcdef") == "0123456789ab"
    assert short("sha256:0123456789abcdef") == "0123456789ab"
    assert short(None) == ""
