"""What a site may make of the rules, in its file's `[rules.<code>]`: how severe they are, and the numbers and lists that they go by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

from spin.errors import InvalidInput
from spin.kit.text import plain, quoted
from spin.model.finding import OFF, SEVERITY, Description, Severity
from spin.policy.case import Parameter, Rule
from spin.site import Site

SEVERITIES = (*(s.value for s in Severity), OFF)
_KINDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list of texts",
}


def severities(description: Description) -> tuple[str, ...]:
    """What a site may write as the severity of a rule: a refusal that protects the host or other people stays one."""
    if not description.adjustable:
        return (description.severity.value,)
    if description.severity is Severity.REFUSE and not description.optional:
        return (Severity.REFUSE.value,)
    return SEVERITIES


def checked(site: Site, descriptions: Iterable[Description], source: str) -> None:
    """Looks at the rules of a site file. Raises InvalidInput naming the key and `source`."""
    known = {d.code: d for d in descriptions}
    for code, settings in site.rules.items():
        where = f"rules.{plain(code)}"
        if code not in known:
            close = get_close_matches(code[:100], known, 1)
            _fail(source, where, f"no such rule; did you mean {close[0]}?" if close else f"no such rule; {', '.join(known)}")
        for name, value in settings.items():
            if name == SEVERITY:
                _check_severity(known[code], value, source, f"{where}.{name}")
            else:
                _check_parameter(known[code], name, value, source, where)


def _check_severity(description: Description, value: Any, source: str, where: str) -> None:
    if value not in SEVERITIES:
        _fail(source, where, f"one of {', '.join(SEVERITIES)} expected, not {quoted(value)}")
    if value in severities(description):
        return
    if description.adjustable:
        _fail(
            source, where, "this rule protects the host or other people's stacks and is never weaker than `refuse`; leave it out"
        )
    _fail(source, where, "this is a fact, not a rule, and is always told; leave it out")


def _check_parameter(description: Description, name: str, value: Any, source: str, where: str) -> None:
    parameters = {p.name: p for p in (description.parameters if isinstance(description, Rule) else ())}
    if name not in parameters:
        _fail(source, f"{where}.{plain(name)}", f"unknown key; known here: {', '.join(sorted([SEVERITY, *parameters]))}")
    parameter = parameters[name]
    where = f"{where}.{name}"
    if not _fits(parameter, value):
        _fail(source, where, f"{_KINDS[type(parameter.default)]} expected, not {quoted(value)}")
    if isinstance(value, int | float) and value < 0:
        _fail(source, where, "a number below 0 means nothing here")
    if parameter.within is not None:
        beyond = [item for item in value if item not in parameter.within]
        if beyond:
            _fail(source, where, f"{quoted(beyond[0])} cannot be chosen; these can: {', '.join(parameter.within)}")


def _fits(parameter: Parameter[Any], value: Any) -> bool:
    match parameter.default:
        case bool():
            return isinstance(value, bool)
        case float():
            return isinstance(value, int | float) and not isinstance(value, bool)
        case tuple():
            return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
        case default:
            return isinstance(value, type(default)) and not isinstance(value, bool)


def _fail(source: str, where: str, sentence: str) -> NoReturn:
    raise InvalidInput(f"{source}: {where}: {sentence}.", file=source, key=where)
