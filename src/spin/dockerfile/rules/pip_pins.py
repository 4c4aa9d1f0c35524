"""pip installs whatever is newest."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spin.dockerfile.rule import Case, Rule, Spot
from spin.dockerfile.shell import commands, program
from spin.kit.text import plain
from spin.model.finding import Severity

_PIP = re.compile(r"pip[0-9.]*")
_PYTHON = re.compile(r"python[0-9.]*")
_WITH_VALUE = frozenset(
    {
        "-r",
        "--requirement",
        "-c",
        "--constraint",
        "-i",
        "--index-url",
        "--extra-index-url",
        "-f",
        "--find-links",
        "-t",
        "--target",
        "--prefix",
        "--root",
        "--platform",
        "--python-version",
        "--proxy",
        "--timeout",
        "--retries",
        "--trusted-host",
        "--cache-dir",
        "--only-binary",
        "--no-binary",
        "--progress-bar",
        "--root-user-action",
        "--src",
        "--config-settings",
        "-C",
        "--upgrade-strategy",
        "--cert",
        "--index-strategy",
        "--python",
        "-p",
        "-e",
        "--editable",
    }
)


def installs(script: str) -> Iterator[tuple[str, ...]]:
    """The words after `install` of each call of pip, also as `python -m pip` and `uv pip`."""
    for words in commands(script):
        name = program(words)
        rest = words[1:]
        if _PYTHON.fullmatch(name) and rest[:2] == ("-m", "pip"):
            rest = rest[2:]
        elif name == "uv" and rest[:1] == ("pip",):
            rest = rest[1:]
        elif not _PIP.fullmatch(name):
            continue
        if "install" in rest:
            yield rest[rest.index("install") + 1 :]


def _find(case: Case) -> Iterator[Spot]:
    for i in case.dockerfile.everywhere("RUN"):
        loose = [
            name for words in installs(i.script) if not _is_constrained(words) for name in _packages(words) if _is_loose(name)
        ]
        if loose:
            yield Spot(i.line, {"names": ", ".join(plain(name, 40) for name in loose[:5])})


def _is_constrained(words: tuple[str, ...]) -> bool:
    return any(word in ("-c", "--constraint") or word.startswith("--constraint=") for word in words)


def _packages(words: tuple[str, ...]) -> Iterator[str]:
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in _WITH_VALUE:
            skip = True
        elif not word.startswith("-"):
            yield word


def _is_loose(word: str) -> bool:
    """A name without a version. Files, folders, addresses, variables, and pip's own tools are not meant."""
    if re.search(r"==|===|~=|@|[/$<>]|\.whl|\.tar\.gz|^\.", word):
        return False
    return word.partition("[")[0].lower() not in ("pip", "setuptools", "wheel", "uv")


RULE = Rule(
    code="dockerfile-pip-pins",
    severity=Severity.ADVISE,
    title="Python packages have versions",
    message="pip installs whatever is newest of: {names}.",
    instead="Write the versions, `name==1.2`, or install from a file that has them: `pip install -r requirements.txt`.",
    why="A build that works today is to work in a year. Without versions an image that was built for a small change brings new major "
    "versions of everything else.",
    example="""
        FROM python:3.13-slim
        RUN pip install --no-cache-dir flask gunicorn
        USER 10001
        CMD ["gunicorn", "app:app"]
    """,
    fixed="""
        FROM python:3.13-slim
        RUN pip install --no-cache-dir flask==3.1.0 gunicorn==23.0.0
        USER 10001
        CMD ["gunicorn", "app:app"]
    """,
    find=_find,
)
