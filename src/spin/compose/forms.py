"""The small languages inside Compose values: durations, sizes, ports, volumes, paths, signals, host names.

Every function takes a text and returns a value, or raises ValueError with a sentence that says what to write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from spin.kit.text import quoted
from spin.model.stack import Protocol

MOST_BYTES = 2**53
"""Largest size: what JSON carries exactly."""
MOST_MS = 366 * 24 * 3600 * 1000
"""Longest duration: a year."""
MOST_PORTS = 1024
"""Most ports of one service: a range is one line, but every port of it is a rule in the host's tables."""

MOST_WORDS = 2000
"""Most words of a command line."""

_MS = {
    "ns": Fraction(1, 10**6),
    "us": Fraction(1, 1000),
    "µs": Fraction(1, 1000),
    "μs": Fraction(1, 1000),
    "ms": Fraction(1),
    "s": Fraction(1000),
    "m": Fraction(60_000),
    "h": Fraction(3_600_000),
    "d": Fraction(86_400_000),
    "w": Fraction(604_800_000),
}
_DURATION_PART = re.compile(r"([0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})(ns|us|µs|μs|ms|s|m|h|d|w)")
_SIZE = re.compile(r"([0-9]{1,16}(?:\.[0-9]{1,16})?(?:e\+[0-9]{1,2})?|\.[0-9]{1,16}) ?([kmgtp]?)(i?b)?", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_INNER_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_SIGNAL = re.compile(
    r"(?:SIG)?(?:HUP|INT|QUIT|ILL|TRAP|ABRT|IOT|BUS|FPE|KILL|USR[12]|SEGV|PIPE|ALRM|TERM|STKFLT|CHLD|CLD|CONT|STOP|TSTP|TTIN|TTOU|URG|XCPU"
    r"|XFSZ|VTALRM|PROF|WINCH|IO|POLL|PWR|SYS|RTMIN(?:\+[0-9]{1,2})?|RTMAX(?:-[0-9]{1,2})?)|[1-9]|[1-5][0-9]|6[0-4]",
    re.ASCII,
)
"""Names and numbers that the engine knows (signal(7))."""
_WORD_PART = re.compile(
    r"""(?P<space>[ \t\r\n]+)|'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|\\(?P<escaped>.)"""
    r"""|(?P<bare>\$\([^()'"\\`]*\)|`[^'"\\`]*`|\$|[^ \t\r\n'"\\$`]+)""",
    re.DOTALL,
)
_IN_DOUBLE = re.compile(r"\\(.)", re.DOTALL)
_HOST_PATH = re.compile(r"[/.~\\]|[A-Za-z]:[\\/]")
_DRIVE = re.compile(r"[A-Za-z]:(?:\\|/[^:]*:/)")
"""The start of `C:\\data:/data` and `C:/data:/data`; in `c:/data:ro`, `c` is a volume."""


def duration_ms(text: str) -> int:
    """Milliseconds in `1h30m`, `1m30s`, `500ms`, `1.5s`; what is shorter than a millisecond but not nothing becomes one."""
    total, at = Fraction(0), 0
    for part in _DURATION_PART.finditer(text):
        if part.start() != at:
            break
        total += Fraction(part[1].rstrip(".")) * _MS[part[2]]
        at = part.end()
    if text != "0" and (not at or at != len(text)):
        raise ValueError(f"{quoted(text)} is not a duration; write a number with a unit, such as 30s, 1m30s or 500ms.")
    if total > MOST_MS:
        raise ValueError(f"{quoted(text)} is longer than a year; write a shorter duration.")
    return -(-total.numerator // total.denominator)


def size_bytes(text: str) -> int:
    """Bytes in `512m`, `1.5g`, `64kb`, `1024`; units are powers of 1024, as Docker has them."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{quoted(text)} is not a size; write bytes or a number with a unit, such as 64kb, 512m or 1.5g.")
    size = int(Fraction(match[1]) * 1024 ** " kmgtp".index(match[2].lower() or " "))
    if size > MOST_BYTES:
        raise ValueError(f"{quoted(text)} is too large; write a smaller size.")
    return size


def words(text: str) -> tuple[str, ...]:
    """A command line as its words, quotes and backslashes as in a shell; no other thing a shell does is done. What stands in backquotes
    or `$( )` belongs together and is kept as it is, for a shell that the command starts.

    Within double quotes a backslash stands for the character after it whatever that is, as Docker Compose has it: `"\\d"` is `d`,
    where a shell would keep the backslash.
    """
    found: list[str] = []
    word: str | None = None
    at = 0
    while match := _WORD_PART.match(text, at):
        at = match.end()
        if match["space"]:
            if word is not None:
                found.append(word)
            if len(found) > MOST_WORDS:
                raise ValueError(f"the command has more than {MOST_WORDS} words; put it into a script in the image.")
            word = None
            continue
        double = match["double"]
        part = _IN_DOUBLE.sub(r"\1", double) if double is not None else match["single"] or match["escaped"] or match["bare"] or ""
        word = (word or "") + part
    if at != len(text):
        raise ValueError(
            "the command has a quote or backquote that is not closed, or ends in a backslash; close it, or write the command as a list."
        )
    return (*found, word) if word is not None else tuple(found)


def absolute_path(text: str) -> str:
    """A path in a container without `//`, `/./` and a last `/`."""
    if not text.startswith("/"):
        raise ValueError(f"{quoted(text)} is not an absolute path in the container; begin it with /.")
    steps = [step for step in text.split("/") if step not in ("", ".")]
    if ".." in steps:
        raise ValueError(f"{quoted(text)} contains `..`; write the path itself.")
    return "/" + "/".join(steps)


def host_name(text: str) -> str:
    """A DNS host name (RFC 1123)."""
    if not (text.isascii() and 1 <= len(text) <= 253) or not all(map(_LABEL.fullmatch, text.lower().split("."))):
        raise ValueError(
            f"{quoted(text)} is not a host name; write letters, digits and hyphens in parts of at most 63, joined by dots."
        )
    return text


def inner_host(text: str) -> str:
    """A host name inside of containers: with underscores too, which the kernel and resolvers take."""
    if not (text.isascii() and 1 <= len(text) <= 253) or not all(map(_INNER_LABEL.fullmatch, text.lower().split("."))):
        raise ValueError(
            f"{quoted(text)} is not a host name; write letters, digits, hyphens and underscores in parts of at most 63, joined by dots."
        )
    return text


def public_host(text: str) -> str:
    """A host name that people may own, in lower case: at least two parts, no wildcard, no port, no address."""
    if "*" in text:
        raise ValueError(f"{quoted(text)} holds a wildcard; name each host by itself.")
    if ":" in text or "/" in text:
        raise ValueError(f"{quoted(text)} is more than a host name; leave out the scheme, the port and the path.")
    name = host_name(text.removesuffix(".")).lower()
    if "." not in name or name.rpartition(".")[2].isdigit():
        raise ValueError(f"{quoted(text)} is not a full DNS name; write one such as data.example.org.")
    return name


def signal(text: str) -> str:
    """A signal's name (`SIGTERM`, `TERM`, `SIGRTMIN+3`) or number."""
    if not (text.isascii() and _SIGNAL.fullmatch(text.upper())):
        raise ValueError(f"{quoted(text)} is not a signal; write a name such as SIGTERM or SIGQUIT, or a number.")
    return text.upper()


@dataclass(frozen=True, slots=True)
class PortForm:
    """A `ports` entry as written: ranges are (first, last)."""

    target: tuple[int, int]
    published: tuple[int, int] | None
    protocol: Protocol
    address: str | None
    """The host's address that it names, if any."""

    @property
    def is_published(self) -> bool:
        """Whether it names a port of the host; 0 is any port that is free, as if it named none."""
        return self.published not in (None, _ANY)

    def pairs(self) -> list[tuple[int, int]]:
        """(published, target) of every port; only where something is published."""
        first = self.published[0] if self.published else 0
        return [(first + i, self.target[0] + i) for i in range(self.target[1] - self.target[0] + 1)]


def port_number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not 1 <= int(text) <= 65535:
        raise ValueError(f"{quoted(text)} is not a port; write a number from 1 to 65535.")
    return int(text)


_ANY = (0, 0)


def host_range(text: str) -> tuple[int, int]:
    """A port of the host, or a range of them; `0` for any that is free."""
    return _ANY if text == "0" else port_range(text)


def port_range(text: str) -> tuple[int, int]:
    """`8000` or `8000-8002` as (first, last)."""
    low, dash, high = text.partition("-")
    first, last = port_number(low), port_number(high if dash else low)
    if last < first:
        raise ValueError(f"{quoted(text)} ends before it begins; write the smaller port first.")
    if last - first >= MOST_PORTS:
        raise ValueError(f"{quoted(text)} has more than {MOST_PORTS} ports; publish fewer.")
    return first, last


def protocol(text: str) -> Protocol:
    if text.lower() not in ("tcp", "udp"):
        raise ValueError(f"{quoted(text)} is not a protocol that can be published; write tcp or udp.")
    return Protocol(text.lower())


def port(text: str) -> PortForm:
    """`8080`, `80:8080`, `8000-8002:8000-8002/udp`, `127.0.0.1:80:8080`, `[::1]:80:8080`."""
    body, _, kind = text.partition("/")
    rest, colon, target = body.rpartition(":")
    address: str | None = None
    if ":" in rest:
        address, _, rest = rest.rpartition(":")
    return match_ranges(
        PortForm(port_range(target), host_range(rest) if colon and rest else None, protocol(kind or "tcp"), address), text
    )


def match_ranges(form: PortForm, text: str) -> PortForm:
    """`form`, if its two ranges are equally long."""
    if form.published and form.published[1] - form.published[0] != form.target[1] - form.target[0]:
        raise ValueError(f"{quoted(text)}: both sides need the same number of ports; write for example 8000-8002:8000-8002.")
    return form


@dataclass(frozen=True, slots=True)
class VolumeForm:
    """A short `volumes` entry as written. `source` None is an anonymous volume."""

    source: str | None
    target: str
    options: tuple[str, ...] = ()

    @property
    def is_host_path(self) -> bool:
        return self.source is not None and is_host_path(self.source)


def is_host_path(source: str) -> bool:
    """Whether a volume's source is a path on the host rather than a volume's name."""
    return bool(_HOST_PATH.match(source))


def volume(text: str) -> VolumeForm:
    """`data:/var/lib/data:ro`, `./conf:/etc/conf`, `/cache`."""
    drive = text[:2] if _DRIVE.match(text) else ""
    parts = text[len(drive) :].split(":")
    parts[0] = drive + parts[0]
    if len(parts) == 1:
        return VolumeForm(None, parts[0])
    if len(parts) > 3 and not is_host_path(parts[0]):
        raise ValueError(f"{quoted(text)} has too many parts; write name:/path or name:/path:ro.")
    return VolumeForm(parts[0], parts[1], tuple(option for option in ",".join(parts[2:]).split(",") if option))


def tmpfs(text: str) -> tuple[str, dict[str, str]]:
    """`/run:size=64m,mode=1777` as path and options."""
    path, _, options = text.partition(":")
    found: dict[str, str] = {}
    for option in filter(None, options.split(",")):
        key, _, value = option.partition("=")
        found[key] = value
    return path, found


def octal_mode(text: str) -> int:
    """A file mode in octal digits."""
    if not re.fullmatch(r"(?:0o)?[0-7]{1,5}", text, re.ASCII):
        raise ValueError(f'{quoted(text)} is not a file mode; write octal digits in quotes, such as "0440".')
    return int(text.removeprefix("0o"), 8)
