"""Which programs a container starts, as far as its command line says: what the rules about manners and fit look at.

A shell's script is read as people write it (`a && b`, `a & b`, `exec a`, `x > y`), not as a shell would run it: functions, loops and
variables are words like any other. What it does not understand it leaves out, so a rule finds less, and nothing wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from spin.model.image import ImageFacts
from spin.model.stack import ServiceSpec

MOST_TEXT = 8192
"""Most characters of a command line that are looked at."""
MOST_ARGUMENTS = 256
"""Most arguments of a program that are looked at."""
_SHORT = 2048
"""Characters of a command line that is remembered for a while."""
_DEPTH = 3
"""Shells within shells."""
_SHELLS = frozenset({"sh", "bash", "ash", "dash", "zsh", "ksh"})
_WRAPPERS = {
    "busybox": 0,
    "catatonit": 0,
    "chpst": 0,
    "chroot": 1,
    "docker-entrypoint.sh": 0,
    "dumb-init": 0,
    "entrypoint.sh": 0,
    "env": 0,
    "exec": 0,
    "gosu": 1,
    "ionice": 0,
    "nice": 0,
    "nohup": 0,
    "setpriv": 0,
    "setsid": 0,
    "stdbuf": 0,
    "su-exec": 1,
    "sudo": 0,
    "time": 0,
    "timeout": 1,
    "tini": 0,
    "tini-static": 0,
}
"""Programs that start another one, and how many words stand before it beside options."""
_KEYWORDS = frozenset({"!", "do", "done", "else", "elif", "fi", "if", "then", "until", "while", "{", "}", "("})
_TOKEN = re.compile(
    r"""(?P<word>(?:[^\s'"\\;&|()<>]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+)|(?P<into>[0-9&]?>>?&?|<)|(?P<end>&&|\|\||[;&|()\n])""",
    re.DOTALL,
)
_QUOTED = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)""", re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=", re.ASCII)
_COMMENT = re.compile(r"(?:^|(?<=[\s;]))#[^\n]*")


@dataclass(frozen=True, slots=True)
class Process:
    """One program of a command line."""

    program: str
    """Its name without the directory; of `service nginx start` it is `nginx`."""
    arguments: tuple[str, ...] = field(default=(), repr=False)
    background: bool = False
    """It is started beside what follows: `&`, `nohup`, `service NAME start`."""
    outputs: tuple[str, ...] = ()
    """Files into which its output is led."""
    managed: bool = False
    """Started as a service of an init system: `service NAME start`, `/etc/init.d/NAME start`, `systemctl start NAME`."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What a service's containers run: the file's words where it has some, else the image's."""

    words: tuple[str, ...] = field(repr=False)
    key: str
    """The service's key that says so: `command`, `entrypoint` or `image`."""
    processes: tuple[Process, ...]
    """In the order in which they are started; the last one is the main process, unless it is in the background."""

    @property
    def main(self) -> Process | None:
        return self.processes[-1] if self.processes else None


def command_line(service: ServiceSpec, image: ImageFacts | None) -> CommandLine:
    """As Docker puts it together: an entrypoint in the file takes the image's command away, too."""
    entrypoint = service.entrypoint if service.entrypoint is not None else image.entrypoint if image else ()
    command = service.command
    if command is None:
        command = image.command if image and service.entrypoint is None else ()
    said = "command" if service.command else "entrypoint" if service.entrypoint else "image"
    words = (*entrypoint, *command)
    few = sum(map(len, words)) < _SHORT
    return CommandLine(words, said, _remembered(words) if few else tuple(processes(words)))


@lru_cache(maxsize=256)
def _remembered(words: tuple[str, ...]) -> tuple[Process, ...]:
    """Several rules look at the same command line, one after the other."""
    return tuple(processes(words))


def processes(words: Sequence[str], depth: int = _DEPTH) -> Iterator[Process]:
    """The programs that an argument list starts."""
    words, wrappers = _unwrapped(words)
    if not words:
        return
    program, arguments = _name(words[0]), tuple(words[1 : MOST_ARGUMENTS + 1])
    script = _script(program, arguments) if depth else None
    if script is not None:
        yield from _of_script(script[:MOST_TEXT], depth - 1)
        return
    service = _managed(program, words[0], arguments)
    if service is not None:
        yield Process(service, (), background=True, managed=True)
    else:
        yield Process(program, arguments, background="nohup" in wrappers)


def script_words(words: Sequence[str]) -> Iterator[str]:
    """All words of an argument list, those of a shell's script one by one, without quotes."""
    shell = script = False
    for word in words:
        if script:
            yield from (_plain(found["word"]) for found in _TOKEN.finditer(word[:MOST_TEXT]) if found["word"] is not None)
        else:
            yield word
        script = shell and not script and word.startswith("-") and word.endswith("c")
        shell = shell or _name(word) in _SHELLS


def _of_script(script: str, depth: int) -> Iterator[Process]:
    words: list[str] = []
    outputs: list[str] = []
    into = ""
    for found in (*_TOKEN.finditer(_COMMENT.sub("", script.replace("\\\n", " "))), None):
        if found is not None and found["word"] is not None:
            if ">" in into:
                outputs.append(_plain(found["word"]))
            elif not into:
                words.append(_plain(found["word"]))
            into = ""
        elif found is not None and found["into"] is not None:
            into = found["into"]
            if words and words[-1].isdigit():
                words.pop()  # the number in `2>`
        else:
            end = None if found is None else found["end"]
            started = [*processes(words, depth)]
            for process in started:
                behind = process.background or (end == "&" and process is started[-1])
                yield Process(process.program, process.arguments, behind, (*process.outputs, *outputs), process.managed)
            words, outputs, into = [], [], ""


def _unwrapped(words: Sequence[str]) -> tuple[Sequence[str], list[str]]:
    """The words from the program on that does the work, and the wrappers before it."""
    wrappers: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if word in _KEYWORDS or _ASSIGNMENT.match(word):
            at += 1
            continue
        name = _name(word)
        if name not in _WRAPPERS or at + 1 >= len(words):
            break
        wrappers.append(name)
        at += 1
        own = _WRAPPERS[name]
        while at < len(words) and (words[at].startswith("-") or own > 0):
            own -= not words[at].startswith("-")
            at += 1
    return words[at:], wrappers


def _script(program: str, arguments: tuple[str, ...]) -> str | None:
    """The script after a shell's `-c` (also `-ec`, `-lc`, …)."""
    if program not in _SHELLS:
        return None
    for index, argument in enumerate(arguments[:-1]):
        if argument.startswith("-") and not argument.startswith("--") and argument.endswith("c"):
            return arguments[index + 1]
        if not argument.startswith("-"):
            return None
    return None


def _managed(program: str, path: str, arguments: tuple[str, ...]) -> str | None:
    """The service that an init system is asked to start."""
    match (program, *arguments):
        case ("service" | "rc-service", name, "start" | "restart", *_):
            return _name(name)
        case ("systemctl", "start" | "restart", name, *_):
            return _name(name).removesuffix(".service")
        case (name, "start" | "restart", *_) if "/init.d/" in path:
            return name
    return None


def _name(word: str) -> str:
    return word.rpartition("/")[2][:100]


def _plain(word: str) -> str:
    """A shell's word without its quotes."""
    return _QUOTED.sub(lambda found: found[1] or found[2] or found[3] or "", word)
