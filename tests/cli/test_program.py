"""The program as a whole: its tree of commands, what it imports, signals, pipes and terminals. Each test starts it for real."""

from __future__ import annotations

import inspect
import json
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import pytest

from spin.cli import Command, commands, main
from spin.cli.lazy import Noun, Row
from support.fake_api import KEY, FakeApi, service, view

PROGRAM = [sys.executable, "-c", "from spin.cli import run; run()"]
HEAVY = (
    "httpx",
    "fastapi",
    "sqlalchemy",
    "pydantic",
    "rich",
    "yaml",
    "asyncio",
    "structlog",
    "uvicorn",
    "spin.compose",
    "spin.policy",
)


def every_command(rows: Mapping[str, Row], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    for name, row in rows.items():
        if isinstance(row, Noun):
            yield from every_command(row.commands, (*path, name))
        else:
            yield (*path, name), row


COMMANDS = dict(every_command(commands.table({}).rows()))


@pytest.fixture
def surroundings(home: Path, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("SPIN_URL", api.url)
    monkeypatch.setenv("SPIN_TOKEN", KEY)
    return dict(os.environ)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_a_help_that_begins_as_the_table_says(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    row = COMMANDS[path]
    module, _, name = row.source.partition(":")
    documentation = inspect.getdoc(getattr(import_module(module), name)) or ""
    assert documentation.splitlines()[0] == row.help
    assert main([*path, "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"Usage: spin {' '.join(path)} ")
    assert row.help.split(".")[0].split(";")[0] in " ".join(printed.split())


def test_every_reading_command_prints_json_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    reading = {"whoami", "check", "render", "plan", "ps", "logs", "inspect"} | {p for p in COMMANDS if p[-1] == "ls"}
    for path in reading:
        main([*([path] if isinstance(path, str) else path), "--help"])
        assert "--json" in capsys.readouterr().out


def test_help_is_printed_without_loading_a_single_command() -> None:
    done = imported(["--help"])
    assert done["status"] == 0
    assert not [m for m in done["modules"] if m.startswith(HEAVY)]
    modules = {row.source.partition(":")[0] for row in COMMANDS.values()}
    assert not modules & set(done["modules"])
    assert "http.client" not in done["modules"]


def test_looking_loads_nothing_but_the_client(surroundings) -> None:
    done = imported(["ps"])
    assert done["status"] == 0
    assert not [m for m in done["modules"] if m.startswith(HEAVY)]


def imported(arguments: list[str]) -> dict:
    """Exit status of a command line, and every module that it has loaded."""
    code = (
        "import sys, json\nfrom spin.cli import main\n"
        f"status = main({arguments!r})\n"
        "sys.stderr.write('\\n' + json.dumps({'status': status, 'modules': sorted(sys.modules)}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stderr.splitlines()[-1])


def test_a_command_from_above_is_a_row_like_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    extra = {"serve": Command("a.module.that.is:not_there", "Run the platform.")}
    assert main(["--help"], extra) == 0
    assert "  serve         Run the platform.\n" in capsys.readouterr().out
    assert main(["serve"], extra) == 1


def test_without_a_command_it_prints_the_help_as_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["secret"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Usage: spin secret" in captured.err


@pytest.mark.parametrize(
    ("words", "meant"),
    [("startt", "`spin start`"), ("down", "`spin rm`"), ("stacks", "`spin stack ls`"), ("secret lst", "`spin secret ls`")],
)
def test_an_unknown_command_suggests_the_one_that_was_meant(words: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    assert f"Did you mean {meant}" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["ps --no-such-option", "inspect", "logs shop --tail x", "frobnicate"])
def test_wrong_usage_is_two_lines_and_exit_status_two(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("spin: ")
    assert lines[1].endswith("--help`.")


@pytest.mark.parametrize("given", ["FOO", "=x"])
def test_a_variable_for_a_command_has_a_value_and_an_environment_is_named_as_environments_are(
    given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["exec", "-e", given, "shop/web", "true"]) == 2
    assert f"-e {given}: a variable is written NAME=VALUE" in capsys.readouterr().err


def test_the_version_is_printed() -> None:
    done = subprocess.run([*PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "spin"


def test_a_pipe_that_closes_early_is_no_error(api, surroundings) -> None:
    api.log_lines = [{"instance": "shop-web-1", "time": "t", "stream": "stdout", "text": "x" * 100}] * 5000
    process = subprocess.Popen([*PROGRAM, "logs", "shop"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=surroundings)
    assert process.stdout
    assert process.stderr
    with process.stdout, process.stderr:
        assert process.stdout.readline().startswith(b"shop-web-1 | x")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.wait(10) == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_that_the_shell_has_closed_are_no_fault(api, surroundings, closed: str) -> None:
    api.log_lines = [{"instance": "shop-web-1", "time": "2026-03-01T12:00:00.000000000Z", "stream": "stdout", "text": "x"}]
    command = shlex.join([*PROGRAM, "logs", "shop"])
    done = subprocess.run(["sh", "-c", f"{command} {closed}"], capture_output=True, text=True, env=surroundings, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("" if closed in (">&-", "<&- >&- 2>&-") else "shop-web-1 | x\n")


def test_a_full_disk_behind_the_output_is_a_failure(api, surroundings) -> None:
    api.log_lines = [{"instance": "shop-web-1", "time": "2026-03-01T12:00:00.000000000Z", "stream": "stdout", "text": "x"}]
    buffered = {name: value for name, value in surroundings.items() if name != "PYTHONUNBUFFERED"}
    for words in (["logs", "shop"], ["completion", "bash"]):
        with open("/dev/full", "w") as full:  # noqa: PTH123
            done = subprocess.run([*PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, text=True, env=buffered, check=False)
        assert (done.returncode, done.stderr) == (1, "spin: what is printed goes nowhere: No space left on device.\n")


def test_ctrl_c_detaches_and_says_that_the_stack_goes_on(api, surroundings) -> None:
    api.script["shop"] = [view(state="initializing", services=(service("web", "initializing", 0),))]
    process = subprocess.Popen([*PROGRAM, "restart", "shop"], stderr=subprocess.PIPE, text=True, env=surroundings)
    assert process.stderr
    with process.stderr:
        assert process.stderr.readline() == "[web] initializing 0/1\n"
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.wait(10) == 130
    assert "Detached. shop goes on in development" in rest
    assert "Traceback" not in rest


def test_on_a_terminal_progress_is_a_live_table_in_colour(api, surroundings) -> None:
    api.script["shop"] = [
        view(state="initializing", services=(service("web", "initializing", 0, detail="pulling"), service("db"))),
        view(services=(service("web"), service("db"))),
    ]
    shown = on_terminal(["restart", "shop"], surroundings)
    assert "SERVICE" in shown
    assert "pulling" in shown
    assert "\x1b[32mhealthy" in shown
    assert "[web]" not in shown
    assert "shop is " in shown.rstrip().splitlines()[-1]


def test_logs_on_a_terminal_have_a_coloured_prefix_and_steer_nothing(api, surroundings) -> None:
    text = "\x1b[31mred\x1b[0m \x1b[2J"
    api.log_lines = [{"instance": "shop-web-1", "time": "2026-03-01T12:00:00.000000000Z", "stream": "stdout", "text": text}]
    shown = on_terminal(["logs", "shop"], surroundings)
    assert "\x1b[36mshop-web-1 | \x1b[0m\x1b[31mred" in shown
    assert "\\x1b[2J" in shown
    assert "2026-03-01T12:00:00.000000000Z \x1b[31mred" in on_terminal(["logs", "-t", "shop"], surroundings)


def test_no_color_is_honoured_on_a_terminal(api, surroundings) -> None:
    api.script["shop"] = [view(services=(service("web"),))]
    assert "\x1b[32m" in on_terminal(["ps"], surroundings)
    assert "\x1b[3" not in on_terminal(["ps"], surroundings | {"NO_COLOR": "1"})
    assert "\x1b[32m" not in on_terminal(["restart", "shop"], surroundings | {"NO_COLOR": "1"})


def test_removing_data_is_asked_about_on_a_terminal(api, surroundings) -> None:
    api.script["shop"] = [view(state="removing")]
    shown = on_terminal(["rm", "shop", "-e", "production"], surroundings, answer="n\n")
    assert "Remove shop from production? [y/N]" in shown
    assert "nothing was done" in shown
    assert "DELETE" not in [s.method for s in api.seen]
    on_terminal(["rm", "shop", "-e", "production"], surroundings, answer="y\n")
    assert "DELETE" in [s.method for s in api.seen]


def test_passwords_are_asked_for_without_echo(api, surroundings) -> None:
    del surroundings["SPIN_TOKEN"]
    shown = on_terminal(["login", "--user", "maria"], surroundings, answer="trustno1\n", prompt="Password of maria")
    assert "trustno1" not in shown
    assert f"Signed in to {api.url} as maria, project demo." in shown


def on_terminal(arguments: list[str], environment: dict[str, str], *, answer: str = "", prompt: str = "?") -> str:
    """What a command shows on a terminal of 100 columns; `answer` is typed once `prompt` is there."""
    near, far = pty.openpty()
    environment = environment | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen([*PROGRAM, *arguments], stdin=far, stdout=far, stderr=far, env=environment, start_new_session=True)
    os.close(far)
    shown, deadline = b"", time.monotonic() + 20
    try:
        while time.monotonic() < deadline:
            if not select.select([near], [], [], 0.2)[0]:
                continue
            try:
                shown += os.read(near, 65536)
            except OSError:  # the other side is closed: the command has ended
                break
            if answer and prompt.encode() in shown:
                os.write(near, answer.encode())
                answer = ""
    finally:
        os.close(near)
        if process.poll() is None and time.monotonic() >= deadline:
            process.kill()
        process.wait(10)
    return shown.decode()
