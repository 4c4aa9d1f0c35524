"""A shell is process 1, and the program does not get its signals."""

from __future__ import annotations

from collections.abc import Iterator

from spin.dockerfile.model import Instruction
from spin.dockerfile.rule import Case, Rule, Spot
from spin.dockerfile.shell import commands
from spin.model.finding import Severity


def _find(case: Case) -> Iterator[Spot]:
    for name in ("ENTRYPOINT", "CMD"):
        i = case.dockerfile.last(name)
        if i is not None and _hides_the_program(i):
            yield Spot(i.line, {"name": name})


def _hides_the_program(i: Instruction) -> bool:
    script = i.script.strip()
    last = max(script.rfind(separator) for separator in ("&&", ";", "\n", "||"))
    command = script[last + 1 :].lstrip("& |;\n") if last >= 0 else script
    return bool(script) and not command.startswith("exec ") and not _gives_way(i)


def _gives_way(i: Instruction) -> bool:
    """bash runs a single command in its own place; dash, which is Debian's `sh`, and others do not (tried with dash 0.5.12)."""
    return i.exec_form and i.words[0].rpartition("/")[2] == "bash" and len(commands(i.script)) == 1


RULE = Rule(
    code="dockerfile-shell-entrypoint",
    severity=Severity.WARN,
    title="The program is started without a shell between",
    message="{name} starts a shell, and the program as its child: it gets no signal when the container is to stop.",
    instead='Write the command as a list, `{name} ["program", "argument"]`, or begin the shell\'s last command with `exec`.',
    why="Whoever stops a container sends SIGTERM to process 1. A shell there does not pass it on, so the program writes nothing down, "
    "closes nothing, and is killed when the grace period is over: each upgrade takes ten seconds longer, and connections are cut. "
    "A shell-form ENTRYPOINT also ignores CMD and the Compose file's `command`.",
    example="""
        FROM python:3.13-slim
        USER 10001
        CMD python3 /app.py --port 8080
    """,
    fixed="""
        FROM python:3.13-slim
        USER 10001
        CMD ["python3", "/app.py", "--port", "8080"]
    """,
    find=_find,
)
