"""The documentation says what is there: links lead somewhere, commands in examples exist, generated pages are current."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spin import compose, policy, rules
from spin.cli import commands
from spin.cli.entry import root
from spin.cli.lazy import Noun
from spin.diagram import Surroundings, mermaid, picture
from spin.main import SERVE
from spin.model.names import StackName
from spin.site import Site

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
PAGE_NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
pages = pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def anchors(text: str) -> set[str]:
    """The names by which headings can be linked, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pages
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if re.match(r"https?://|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page if not path else (page.parent / path).resolve()
        if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
            broken.append(target)
    assert broken == []


def code_of(text: str) -> Iterator[str]:
    """Lines of code blocks (fenced and indented), and inline code."""
    for block in re.findall(r"^```[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield from block.splitlines()
    rest = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    yield from re.findall(r"^(?: {4})(\S.*)$", rest, re.MULTILINE)
    yield from re.findall(r"`([^`\n]+)`", rest)


def spin_calls(text: str) -> Iterator[list[str]]:
    """The words of every call of `spin` in an example."""
    for line in code_of(text):
        for call in re.split(r"&&|\||;", line):
            words = call.strip().removeprefix("$ ").split()
            if words[:1] == ["spin"] and len(words) > 1:
                yield words[1:]


def resolve(words: list[str]) -> Any:
    """The row of the command that the words call, or None."""
    rows: Any = commands.table({"serve": SERVE}).rows()
    for word in words:
        row = rows.get(word)
        if not isinstance(row, Noun):
            return row
        rows = row.commands
    return rows


@pages
def test_commands_in_examples_exist(page: Path) -> None:
    # The picture in README and the table of contents of the architecture draw `spin build ─ docker build`: words all the same.
    unknown = [words for words in spin_calls(page.read_text()) if words[0][0] not in "-─…<" and resolve(words) is None]
    assert unknown == []


def options_of(words: list[str]) -> Iterator[tuple[str, set[str]]]:
    """Each option that the words give a command, in its parts (`-it` is two), with those that the command has."""
    command, rest = root({"serve": SERVE}), list(words)
    while hasattr(command, "get_command") and rest:
        command = command.get_command(None, rest.pop(0)) or command
    known = {"--help", "-h", *(word for p in command.params for word in (*p.opts, *p.secondary_opts))}
    takes_a_command = any(p.nargs == -1 and p.name == "command" for p in command.params)
    places = 0
    for word in rest:
        places += not word.startswith("-")
        if takes_a_command and places > 1:
            return  # from here on it is another program's
        given = word.strip("[](),.").partition("=")[0]
        if given.startswith("--") and given != "--":
            yield given, known
        elif given.startswith("-") and given not in ("-", "--"):
            yield from ((f"-{letter}", known) for letter in given[1:])


@pages
def test_options_in_examples_exist(page: Path) -> None:
    calls = [words for words in spin_calls(page.read_text()) if words[0][0] not in "-─…<"]
    assert [(words, option) for words in calls for option, known in options_of(words) if option not in known] == []


@pages
def test_verbs_of_the_run_script_in_examples_exist(page: Path) -> None:
    script = (ROOT / "run").read_text()
    verbs = set(re.findall(r"^    ([a-z]+)(?: \| [-a-z |]+)?\)", script, re.MULTILINE))
    called = {line.split()[1] for line in code_of(page.read_text()) if re.match(r"\./run [a-z]", line)}
    assert called <= verbs


def test_every_verb_of_the_run_script_is_in_its_help() -> None:
    shown = subprocess.run([ROOT / "run", "help"], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  ([a-z]+)\b", shown, re.MULTILINE)) == {"demo", "test", "fuzz", "lint", "bench", "serve", "help"}


def test_an_unknown_verb_is_a_usage_error() -> None:
    done = subprocess.run([ROOT / "run", "nonsense"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nonsense" in done.stderr


def test_the_generated_reference_is_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "reference.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_table_of_packages_is_the_import_rule() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [
        {name.strip() for name in line.split("|")} for line in next(c for c in contracts if c["type"] == "layers")["layers"]
    ]
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text[text.index("| package | what it is |") :].split("\n\n")[0]
    told = [set(re.findall(r"`(\w+)`", line.split("|")[1])) for line in table.splitlines()[2:]]
    assert told == layers


@pages
def test_site_files_in_examples_are_valid(page: Path) -> None:
    for block in re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        rules.read_site(block, page.name)


def test_the_picture_of_the_example_is_what_the_command_draws() -> None:
    folder = ROOT / "examples" / "three-tier"
    submission = compose.load(
        [("compose.yaml", (folder / "compose.yaml").read_text())], {}, lambda path: (folder / path).read_bytes(), dotenv=None
    )
    spec = compose.lower(submission, stack=StackName(folder.name), registry_host="localhost:5000", project="science")
    drawn = mermaid(picture(spec, Surroundings.of_site(folder.name, "development", Site())))
    assert f"```mermaid\n{drawn}```" in (ROOT / "docs" / "getting-started.md").read_text()


def test_the_example_breaks_no_rule_and_is_named_after_its_directory() -> None:
    folder = ROOT / "examples" / "three-tier"
    submission = compose.load(
        [("compose.yaml", (folder / "compose.yaml").read_text())], {}, lambda path: (folder / path).read_bytes(), dotenv=None
    )
    spec = compose.lower(submission, stack=StackName(folder.name), registry_host="localhost:5000", project="science")
    assert policy.audit(submission, spec, Site()) == ()
    assert [s.stored for s in spec.secrets] == ["three-tier.db-password"]


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[^\w.-]", r, maxsplit=1)[0].lower().replace("_", "-").replace(".", "-") for r in requirements}

    def locked(file: str) -> set[str]:
        return names(re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / file).read_text(), re.MULTILINE))

    wanted = names(project["project"]["dependencies"]) | names(project["build-system"]["requires"])
    assert wanted <= locked("run.txt")
    assert wanted | names(project["dependency-groups"]["dev"]) <= locked("dev.txt")


def test_no_tracked_file_names_a_package_registry() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "registry_addresses.py"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
