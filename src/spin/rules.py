"""The pages of the rules: one for each code that a finding can have. Made here once, for `--explain`, the API and docs/rules. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from spin import compose, dockerfile, policy
from spin.errors import NotFound
from spin.kit.text import plain, quoted
from spin.model.finding import SEVERITY, Description, Severity
from spin.policy import Rule
from spin.policy.settings import checked, severities
from spin.site import Site, parse_site

FOLDER = "docs/rules"
"""Where the pages are, in the repository."""


def catalogue() -> dict[str, Description]:
    """Every code that a finding can have, sorted."""
    found = (*policy.DESCRIPTIONS, *compose.NOTICES, *dockerfile.DESCRIPTIONS)
    return {description.code: description for description in sorted(found, key=lambda d: d.code)}


def read_site(text: str, source: str = "spin.toml") -> Site:
    """The site described by TOML `text`, its rules too. Raises InvalidInput naming the key and `source`."""
    site = parse_site(text, source)
    checked(site, catalogue().values(), source)
    return site


def described(code: str) -> Description:
    """The description of `code`. Raises NotFound, naming codes that look like it."""
    known = catalogue()
    if code not in known:
        close = get_close_matches(code[:100], known, 3)
        hint = f"Did you mean {' or '.join(close)}?" if close else f"Codes are {', '.join(known)}."
        raise NotFound(f"No rule has the code {quoted(code)}. {hint}", rule=plain(code))
    return known[code]


def severity_on(site: Site, description: Description) -> str:
    """How severe a rule is on the site: refuse, warn, advise or off."""
    return str(site.rules.get(description.code, {}).get(SEVERITY, description.severity.value))


def severities_on(site: Site) -> dict[str, str]:
    """How severe each rule is on the site, by code."""
    return {code: severity_on(site, description) for code, description in catalogue().items()}


def page_name(code: str) -> str:
    """Name of the rule's page, from the top of the repository."""
    return f"{FOLDER}/{code}.md"


def page(description: Description) -> str:
    """The rule's page as Markdown: what it says, why, and a file that breaks it and keeps it."""
    return "\n".join([f"# `{description.code}`: {description.title}\n", *_body(description)])


def _body(description: Description) -> Iterator[str]:
    yield f"{_consequence(description)}\n"
    yield f"{description.why}\n"
    if isinstance(description, Rule | dockerfile.Rule):
        yield f"> {shown(description.message)}\n>\n> {shown(description.instead)}\n"
    yield from _settings(description)
    if description.site:
        yield f"With this in the site file:\n\n```toml\n{description.site}```\n"
    if description.example == description.fixed:
        yield f"Such as for this file, in which nothing is wrong:\n\n```{description.language}\n{description.example}```\n"
    else:
        yield f"## What it finds\n\n```{description.language}\n{description.example}```\n"
        yield f"## What to write\n\n```{description.language}\n{description.fixed}```\n"


def _settings(rule: Description) -> Iterator[str]:
    """What a site may choose."""
    may_be = [f"`{name}`" for name in severities(rule) if name != rule.severity.value]
    refusal = " With `refuse`, `spin check` ends with status 3." if rule.language == "dockerfile" else ""
    lines = [f"- `severity`: may also be {', '.join(may_be)}.{refusal}"] if may_be else []
    for parameter in rule.parameters if isinstance(rule, Rule) else ():
        default = (
            ", ".join(f"`{item}`" for item in parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        )
        lines.append(f"- `{parameter.name}`: {parameter.meaning} Default: {default or 'none'}.")
    if lines:
        yield "\n".join([f"In the site file, `[rules.{rule.code}]`:\n", *lines, ""])


def _consequence(description: Description) -> str:
    if description.language == "dockerfile":
        word = "A convention; `spin check` shows it" if description.severity is Severity.ADVISE else "`spin check` shows it"
        return f"Severity: **{description.severity.value}**. {word}. A Dockerfile stops no change: the platform judges images."
    match description.severity:
        case Severity.REFUSE:
            return "Severity: **refuse**. It stops the change; nothing is created."
        case Severity.WARN:
            return "Severity: **warn**. It is shown, and stored with the revision."
        case Severity.ADVISE:
            return "Severity: **advise**. A convention; it is shown, and stored with the revision."


class _Placeholders(dict[str, str]):
    """For showing a message without its values: `{count}` becomes COUNT."""

    def __missing__(self, key: str) -> str:
        return key.upper()


def shown(text: str) -> str:
    """A message or advice with capitals in its gaps."""
    return text.format_map(_Placeholders())
