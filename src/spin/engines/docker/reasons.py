"""What a Docker Engine says went wrong, as one sentence for people. Pure.

The engine's own texts wrap the cause in the names of the parts that passed it on ("failed to create shim task: OCI runtime create
failed: …") and end in ": unknown". The wrapping is cut off, the causes that users meet most are put in plain words, and anything
else is passed on as it is, on one line.
"""

from __future__ import annotations

import re
from collections.abc import Callable

LONGEST = 300
"""Characters of a reason; the rest is cut, so that a status line stays a line."""

_WRAPPING = re.compile(
    r"^(?:error response from daemon|failed to create (?:shim|task)(?: task)?(?: for container)?|oci runtime (?:create|exec|start) failed"
    r"|runc (?:create|exec) failed|exec failed|[a-z_]+\.go:\d+|starting container process caused|process_linux|container init caused"
    r"|unable to start container process|error during container init|invalid mount config for type \"\w+\")\b(?: caused)?:? +",
    re.IGNORECASE,
)
_KNOWN: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(r"Bind for (?:\[?[^\s\]]*\]?:)?(\d+) failed: port is already allocated"),
        lambda m: f"port {m[1]} of the engine's host is already in use by another container",
    ),
    (
        re.compile(r"listen \w+ \S*?:(\d+): bind: address already in use"),
        lambda m: f"port {m[1]} of the engine's host is already in use by a process there",
    ),
    (
        re.compile(r"listen \w+ (\S+):(\d+): bind: cannot assign requested address"),
        lambda m: f"port {m[2]} cannot be published: the engine's host has no address {m[1]}",
    ),
    (
        re.compile(r'exec: "([^"]*)": (?:executable file not found|stat [^:]*: no such file|no such file)'),
        lambda m: f'the command "{m[1]}" is not in the image',
    ),
    (re.compile(r'exec: "([^"]*)": permission denied'), lambda m: f'the command "{m[1]}" is not an executable file in the image'),
    (
        re.compile(r"exec (\S+): (?:no such file|exec format error)"),
        lambda m: f'the command "{m[1]}" cannot be run by the engine\'s host',
    ),
    (
        re.compile(r"unable to find user ([^:]*):"),
        lambda m: f'the image has no user "{m[1]}": give a number, or add the user to the image',
    ),
    (
        re.compile(r"[uU]nable to find group ([^:]*):"),
        lambda m: f'the image has no group "{m[1]}": give a number, or add the group to the image',
    ),
    (re.compile(r"No such image: (\S+)"), lambda m: f"the image {m[1]} is not on the engine"),
    (re.compile(r"manifest for (\S+) not found"), lambda m: f"there is no image {m[1]} in its registry"),
    (
        re.compile(r"pull access denied for (\S+?),? "),
        lambda m: f"the registry does not let Spin pull {m[1]}: there is no such image, or it is private",
    ),
    (re.compile(r"(?:unauthorized|denied): "), lambda _: "the registry does not let Spin pull this image"),
    (
        re.compile(r'Get "?https?://([^/"]+)/[^:]*: .*(?:refused|no such host|timeout|unreachable|deadline|EOF)'),
        lambda m: f"the registry {m[1]} does not answer the engine",
    ),
    (
        re.compile(r"Cannot mkdir: (\S+) is not a directory"),
        lambda m: f"the working directory {m[1]} is not a directory in the image",
    ),
    (re.compile(r"^Address already in use"), lambda _: "the address that it keeps is in use by another container"),
    (re.compile(r"Health check exceeded timeout \((.*)\)"), lambda m: f"no answer within {m[1]}"),
    (re.compile(r"no space left on device"), lambda _: "the engine's disk is full"),
)


_CODES = {
    126: ", a command that could not be run",
    127: ", a command that was not found",
    137: ", killed",
    139: ", a violation of memory",
}
"""What the shell's and the kernel's exit statuses stand for; programs that are alone in their container use them as well."""


def how_it_ended(code: int) -> str:
    return f"exited with {code}{_CODES.get(code, '')}"


def health_check(output: str, code: object) -> str:
    """What a health check that failed has put out; the engine's own words, where it could not even run, as a known reason."""
    ours = output.startswith(("OCI runtime exec failed", "Health check exceeded timeout"))
    return f"health check: {(clause(output) if ours else one_line(output)) or f'exited with {code}'}"


def one_line(text: str, longest: int = LONGEST) -> str:
    """`text` without line breaks and control characters, cut after `longest` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def sentence(reason: str) -> str:
    """The engine's `reason` as one sentence."""
    text = clause(reason)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "…")) else ".")


def clause(reason: str) -> str:
    """The engine's `reason` without its wrapping, in plain words where it is a known one; no capital, no full stop."""
    text = one_line(reason, 4 * LONGEST)
    for pattern, words in _KNOWN:
        found = pattern.search(text)
        if found:
            return one_line(words(found))
    while True:
        shorter = _WRAPPING.sub("", text)
        if shorter == text:
            break
        text = shorter
    return one_line(text.removesuffix(": unknown")).rstrip(".") or "the engine gives no reason"
