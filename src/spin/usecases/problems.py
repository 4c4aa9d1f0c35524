"""Everything that speaks against a change, gathered so that it can be said all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spin.errors import Conflict, NotFound, Refused, SpinError
from spin.kit.canonical import primitive
from spin.model.finding import Description, Finding


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding that stops the change, and the error it comes to if it is the only kind there is."""

    finding: Finding
    kind: type[Refused | NotFound | Conflict]


def refusal(
    kind: type[Refused | NotFound | Conflict],
    what: Description,
    message: str,
    instead: str = "",
    *,
    service: str | None = None,
    key: str | None = None,
    position: str | None = None,
) -> Problem:
    return Problem(what.finding(message, instead, service=service, key=key, position=position), kind)


def raise_if_any(problems: Sequence[Problem], others: Iterable[Finding] = ()) -> None:
    """Raise one error that tells all `problems`: their own kind if they are of one kind, else Refused.

    Field `findings` has every finding, the harmless ones (`others`) too.
    """
    if not problems:
        return
    kinds = {p.kind for p in problems}
    kind: type[SpinError] = kinds.pop() if len(kinds) == 1 else Refused
    stops = [p.finding for p in problems]
    raise kind(_sentences(stops), findings=primitive([*stops, *others]))


def _sentences(findings: Sequence[Finding]) -> str:
    """All messages as one text; each distinct piece of advice once, after them."""
    messages = dict.fromkeys(f.message for f in findings)
    advice = dict.fromkeys(f.instead for f in findings if f.instead)
    return " ".join([*messages, *advice])
