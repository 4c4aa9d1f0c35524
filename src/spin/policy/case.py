"""What a rule sees, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar, cast

from spin.kit.text import plain, quoted
from spin.model.finding import OFF, SEVERITY, Description, Finding, Severity
from spin.model.image import ImageFacts
from spin.model.stack import ServiceSpec, StackSpec
from spin.model.submission import locate
from spin.policy.ground import NOTHING_KNOWN, Ground
from spin.site import Site

T = TypeVar("T", int, float, str, bool, tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Parameter(Generic[T]):
    """A number, text or list of a rule that operators choose: `[rules.<code>] <name> = …`. Its type is that of its default."""

    name: str
    default: T
    meaning: str
    """One sentence, for the reference of the site file, with the unit."""
    within: tuple[str, ...] | None = None
    """Of a list: all that it may hold, where more would weaken what protects the host or other people's stacks."""

    def of(self, case: Case) -> T:
        """What it is for the rule that is being judged: the site's, else the default."""
        return cast("T", case.settings.get(self.name, self.default))


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the document. Nothing of it where no registry and no store could be asked: rules about it are silent then."""

    images: Mapping[str, ImageFacts] = field(default_factory=dict)
    """By reference, as it stands in the stack."""
    reused: Mapping[str, int] = field(default_factory=dict)
    """References that named another image earlier, and the number of the newest revision of this stack in which they did."""
    now: datetime | None = None
    reviewed: bool = False
    """What is for the operators to look at is refused: the environment is reviewed, and it is no operator who asks."""


NOTHING = Known()


@dataclass(frozen=True, slots=True)
class Case:
    """A stack before admission: the document as sent (untrusted; lowering it has succeeded), what it comes to, and the site."""

    document: Mapping[str, Any]
    spec: StackSpec
    site: Site
    known: Known = NOTHING
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The site's settings of the rule that is being judged; `Parameter.of` reads them."""
    ground: Ground = NOTHING_KNOWN

    def judged_by(self, code: str) -> Case:
        """The same case with the site's settings of the rule `code`."""
        settings = self.site.rules.get(code, {})
        return replace(self, settings=settings) if settings or self.settings else self

    def facts(self, service: ServiceSpec) -> ImageFacts | None:
        """What the image of `service` says of itself, where that is known."""
        return self.known.images.get(service.image.reference)

    def services(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Name and mapping of each service of the document."""
        yield from entries(self.document.get("services"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule is broken. `values` fill the gaps in the rule's message and advice."""

    path: str
    service: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    instead: str | None = None
    """In the place of the rule's own advice, where this place has a better one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Description):
    """One rule. `message` says what is wrong and `instead` what to write; both may have gaps such as `{port}`."""

    adjustable: ClassVar[bool] = True

    message: str
    instead: str
    find: Callable[[Case], Iterable[Place]]
    parameters: tuple[Parameter[Any], ...] = ()
    known: Known = NOTHING
    """What is known of `example` and `fixed` beside the documents."""
    review: bool = False
    """For the operators to look at: refused in an environment that the site marks as `reviewed`, unless an operator asks, or the site
    file says how severe it is."""

    def findings(self, case: Case, positions: Mapping[str, str]) -> Iterator[Finding]:
        """What it finds, by the site's settings."""
        case = case.judged_by(self.code)
        usual = Severity.REFUSE if self.review and case.known.reviewed else self.severity
        severity = case.settings.get(SEVERITY, usual.value)
        if severity == OFF:
            return
        for place in self.find(case):
            values = {key: plain(str(value), 800) for key, value in place.values.items()}
            yield self.finding(
                self.message.format(**values),
                (self.instead if place.instead is None else place.instead).format(**values),
                service=place.service,
                key=plain(place.path),
                position=locate(positions, place.path),
                severity=Severity(severity),
            )


def entries(section: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The entries of a section that are mappings."""
    if isinstance(section, Mapping):
        for name, entry in section.items():
            if isinstance(name, str) and isinstance(entry, Mapping):
                yield name, entry


def items(value: Any) -> Iterator[tuple[int, Any]]:
    """Index and item of a list; nothing for anything else."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        yield from enumerate(value)


def is_said(value: Any) -> bool:
    """Whether a key asks for anything: false, empty and null ask for nothing."""
    if isinstance(value, str):
        return value.strip().lower() not in ("", "false", "no", "off", "n", "0")
    return bool(value)


def keys_said(case: Case, *keys: str) -> Iterator[Place]:
    """The places where a service sets one of `keys` to something."""
    for service, content in case.services():
        for key in keys:
            if is_said(content.get(key)):
                values = {"key": key, "value": quoted(content[key])}
                yield Place(f"services.{service}.{key}", service, values)
