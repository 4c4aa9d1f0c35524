"""How stacks, services and containers are named on the command line. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from spin.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Ref:
    """`STACK[/SERVICE[/N]]`."""

    stack: str
    service: str | None = None
    slot: int | None = None

    def __str__(self) -> str:
        return "/".join(str(part) for part in (self.stack, self.service, self.slot) if part is not None)


def parse_ref(text: str, *, depth: int = 3) -> Ref:
    """`text` as a reference of at most `depth` parts. Raises InvalidInput."""
    form = "/".join(["STACK", "SERVICE", "N"][:depth])
    parts = text.split("/")
    if not all(parts) or len(parts) > depth:
        raise InvalidInput(f"{text!r} does not name {'a stack' if depth == 1 else 'a stack or service'}; write {form}.")
    if len(parts) < 3:
        return Ref(parts[0], parts[1] if len(parts) == 2 else None)
    if not parts[2].isdecimal() or int(parts[2]) < 1:
        raise InvalidInput(f"{text!r}: the part after the service is a container's number, from 1.")
    return Ref(parts[0], parts[1], int(parts[2]))


def parse_scale(text: str) -> tuple[str, str, int]:
    """`STACK/SERVICE=N` as (stack, service, N). Raises InvalidInput: a number that is not said is never guessed."""
    target, equals, number = text.partition("=")
    if not equals or not number.isdecimal():
        raise InvalidInput(f"scale {text}: say how many: `spin scale {target or 'STACK/SERVICE'}=N`.")
    ref = parse_ref(target, depth=2)
    if ref.service is None:
        raise InvalidInput(f"scale {text}: which service of {ref.stack}? Write `spin scale {ref.stack}/SERVICE={number}`.")
    return ref.stack, ref.service, int(number)


def by_stack(texts: list[str]) -> dict[str, list[str]]:
    """References grouped: stack → services; an empty list means the whole stack."""
    found: dict[str, list[str]] = {}
    whole: set[str] = set()
    for ref in (parse_ref(text, depth=2) for text in texts):
        services = found.setdefault(ref.stack, [])
        if ref.service is None:
            whole.add(ref.stack)
        elif ref.service not in services:
            services.append(ref.service)
    return {stack: [] if stack in whole else services for stack, services in found.items()}
