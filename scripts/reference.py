"""Writes anew what is made from the code: `.venv/bin/python scripts/reference.py`. With --check it only says what is out of date.

That is docs/reference/ with the API's OpenAPI document, docs/rules/, and the asynchronous client.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeAlias

import async_client
import reference_json

from spin import rules as pages
from spin import site
from spin.api import document
from spin.cli import commands, entry
from spin.cli.lazy import Noun, Row
from spin.main import SERVE
from spin.model.finding import Description
from spin.policy import RULES, WITHOUT_ADDRESSES, Rule, keys, settings

EXTRA = {"serve": SERVE}
DOCS = Path(__file__).resolve().parent.parent / "docs"
REFERENCE = DOCS / "reference"
RULES_FOLDER = DOCS / "rules"
MADE = "<!-- Made from the code by scripts/reference.py; edit the docstrings there. -->\n"


def cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


# ---- The command line --------------------------------------------------------------------------------------------------------


def cli() -> str:
    """One section a command, in the order of `spin --help`."""
    root = entry.root(EXTRA)
    lines = [f"# The command line\n\n{MADE}", inspect.cleandoc(root.help or ""), "", GENERAL]
    for title, section in commands.table(EXTRA).sections.items():
        lines.append(f"## {title}\n")
        for path, command in walk(root, section):
            lines += [f"### `{path}`\n", *describe(path, command)]
    return "\n".join(lines)


GENERAL = """Data goes to stdout, messages for people to stderr. Reading commands have `--json`. Every command has `--help`.

| exit status | meaning |
| --- | --- |
| 0 | done |
| 1 | tried, and it failed; or the thing exists, changed meanwhile, or is in use; or a part of the platform does not answer |
| 2 | wrong usage, or input that is wrong in itself |
| 3 | refused by a rule of the site |
| 4 | not signed in, or not allowed |
| 5 | no such thing, or not one of yours |

| variable | meaning |
| --- | --- |
| `SPIN_URL` | the platform, instead of the one that `spin login` has kept |
| `SPIN_TOKEN` | an API key, instead of the one that `spin login` has kept |
| `SPIN_PROJECT` | the project (`--project`) |
| `SPIN_ENVIRONMENT` | the environment (`--environment`) |
| `SPIN_STACK` | the stack's name (`--stack`) |
| `SPIN_REGISTRY` | the registry's host, where it must be known without asking the platform |
| `SPIN_DEBUG` | not empty: show where in the program an error arose |
| `NO_COLOR` | not empty: no colours |
"""


def walk(group: Any, rows: Mapping[str, Row], prefix: str = "spin") -> Iterator[tuple[str, Any]]:
    for name, row in rows.items():
        command = group.get_command(None, name)
        if isinstance(row, Noun):
            yield from walk(command, row.commands, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def describe(path: str, command: Any) -> Iterator[str]:
    shown = [p for p in command.params if not getattr(p, "hidden", False) and p.name != "help"]
    arguments = [p for p in shown if p.param_type_name == "argument"]
    options = [p for p in shown if p.param_type_name == "option"]
    words = [metavar(argument) for argument in arguments]
    usage = " ".join([path, *(["[OPTIONS]"] if options else []), *words])
    yield f"```\n{usage}\n```\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    table = [(f"`{word}`", argument.help) for word, argument in zip(words, arguments, strict=True) if argument.help]
    for option in options:
        value = "" if option.is_flag else f" {metavar(option)}"
        variable = f" (`{option.envvar}`)" if option.envvar else ""
        table.append((f"`{', '.join([*option.opts, *option.secondary_opts])}{value}`", f"{option.help or ''}{variable}"))
    if table:
        yield "| | |\n| --- | --- |"
        yield from (f"| {cell(left)} | {cell(right)} |" for left, right in table)
        yield ""


def metavar(parameter: Any) -> str:
    """How help calls the value: an argument that may be left out stands in brackets."""
    word = str(parameter.metavar or parameter.name.upper())
    optional = parameter.param_type_name == "argument" and not parameter.required and not word.startswith("[")
    return f"[{word}]" if optional else word


# ---- The site file -----------------------------------------------------------------------------------------------------------


def site_file() -> str:
    """One section a table of the file, from the dataclasses of `spin.site` and the docstrings below their fields."""
    source = ast.parse(inspect.getsource(site))
    lines = [f"# The site file, `spin.toml`\n\n{MADE}", SITE_INTRODUCTION]
    for kind, heading in (
        (site.Site, "## Top level"),
        (site.Environment, "## `[[environments]]`"),
        (site.PortClass, "## `[[port_classes]]`"),
        (site.Filesystem, "## `[[filesystems]]`"),
        (site.Limits, "## `[limits]`"),
        (site.Retention, "## `[retention]`"),
    ):
        docstrings = attribute_docstrings(source, kind.__name__)
        lines += [f"{heading}\n", f"{inspect.getdoc(kind)}\n", "| key | default | meaning |", "| --- | --- | --- |"]
        lines += [f"| `{f.name}` | {default(f)} | {cell(docstrings[f.name])} |" for f in fields(kind)]
        lines.append("")
        given: Any = {site.Environment: site.Site().environments, site.PortClass: site.Site().port_classes}.get(kind, ())
        if given:
            lines += ["By default:\n", "```toml", "\n\n".join(table(heading.strip("# `"), item) for item in given), "```\n"]
    return "\n".join([*lines, *rule_settings()])


def rule_settings() -> Iterator[str]:
    """What `[rules.<code>]` may hold: the rules whose severity may be chosen, and the parameters of each."""
    found = [rule for rule in pages.catalogue().values() if rule.adjustable]
    yield f"## `[rules.<code>]`\n\n{RULE_SETTINGS_INTRODUCTION}"
    yield from ("| rule | severity | may be |", "| --- | --- | --- |")
    for rule in found:
        if len(settings.severities(rule)) > 1:
            others = [name for name in settings.severities(rule) if name != rule.severity.value]
            yield f"| [`{rule.code}`](../rules/{rule.code}.md) | {rule.severity.value} | {', '.join(others)} |"
    yield "\nWhat rules go by:\n"
    yield from ("| rule | key | default | meaning |", "| --- | --- | --- | --- |")
    for rule in found:
        for parameter in rule.parameters if isinstance(rule, Rule) else ():
            beyond = f" At most: {codes(list(parameter.within))}." if parameter.within else ""
            link = f"[`{rule.code}`](../rules/{rule.code}.md)"
            yield f"| {link} | `{parameter.name}` | {toml(parameter.default)} | {cell(parameter.meaning)}{beyond} |"
    yield ""


def table(heading: str, item: Any) -> str:
    """A table of the file that says what `item` is, as far as it is not the default."""
    written = [(f.name, getattr(item, f.name), f.default) for f in fields(item)]
    return "\n".join([heading, *(f"{name} = {toml(value).strip('`')}" for name, value, usual in written if value != usual)])


RULE_SETTINGS_INTRODUCTION = """How severe a rule is, and the numbers and lists that it goes by, by its [code](../rules/README.md).
`off` is a severity too: the rule is not looked at. A refusal that protects the host or other people's stacks cannot be made
weaker; the platform does not start with a file that tries. Rules about Dockerfiles (`dockerfile-…`) go by this file, too: `spin check`
asks the platform how severe they are, and ends with status 3 where one refuses. No change is stopped, as the platform sees images only.

```toml
[rules.latest]
severity = "refuse"

[rules.service-names]
kinds = ["api", "db", "web", "worker"]
```
"""

SITE_INTRODUCTION = """The operators' rules, in TOML. `spin serve --config FILE` reads it. Every key has a default, so that no file at
all is a working site; a key that is not on this page is an error. A list that is given replaces the default list as a whole.

```toml
id = "physics"
domain = "spin.physics.example"

[[environments]]
name = "development"

[[environments]]
name = "production"
description = "reviewed by the operators"

[limits]
memory_bytes = 4294967296
```
"""


def attribute_docstrings(source: ast.Module, name: str) -> dict[str, str]:
    """Field → the string that stands below it."""
    kind = next(node for node in source.body if isinstance(node, ast.ClassDef) and node.name == name)
    found = {}
    for before, after in zip(kind.body, kind.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(after, ast.Expr):
            found[before.target.id] = ast.literal_eval(after.value)
    return found


def default(field: Field[Any]) -> str:
    if field.default_factory is not MISSING:
        return "see below"
    if field.default is MISSING:
        return "required"
    return toml(field.default)


def toml(value: Any) -> str:
    if isinstance(value, tuple):
        if any(is_dataclass(item) for item in value):
            return ", ".join(f"`{item.name}`" for item in value)
        return f"`[{', '.join(quote(item) for item in value)}]`"
    return f"`{quote(value)}`"


def quote(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


# ---- Compose files and the site's rules --------------------------------------------------------------------------------------


def compose() -> str:
    """The table of keys of `spin.policy.keys`, section by section of a Compose file, and the rules."""
    lines = [f"# Compose files\n\n{MADE}", COMPOSE_INTRODUCTION]
    for heading, shape in (
        ("Top level", keys.FILE),
        ("Services", keys.SERVICE),
        ("Networks", keys.NETWORK),
        ("Volumes", keys.VOLUME),
        ("Configs", keys.CONFIG),
        ("Secrets", keys.SECRET),
    ):
        rows = list(entries(shape))
        lines += [f"## {heading}\n", supported([key for key, verdict in rows if isinstance(verdict, keys.Supported)])]
        for title, words in VERDICTS:
            told = together((key, words(verdict)) for key, verdict in rows)
            if told:
                lines += [
                    "",
                    title,
                    "| --- | --- | --- |",
                    *(f"| {codes(names)} | {cell(what)} | {cell(then)} |" for (what, then), names in told),
                ]
        lines.append("")
    lines += ["## Rules\n", RULES_INTRODUCTION, *rules(RULES), "", WITHOUT_ADDRESSES_INTRODUCTION, *rules(WITHOUT_ADDRESSES), ""]
    return "\n".join(lines)


def rules(shown: tuple[Rule, ...]) -> Iterator[str]:
    yield from ("| rule | | what it says | instead |", "| --- | --- | --- | --- |")
    for rule in shown:
        message, instead = (cell(pages.shown(text)) for text in (rule.message, rule.instead))
        yield f"| [`{rule.code}`](../rules/{rule.code}.md) | {rule.severity.value} | {message} | {instead} |"


def codes(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def supported(names: list[str]) -> str:
    """The keys, each with the keys below it."""
    if not any("." in name for name in names):
        return f"Supported: {codes(names)}."
    lines = ["| supported | with |", "| --- | --- |"]
    plain = [name for name in names if "." not in name]
    below = {name: [other.removeprefix(f"{name}.") for other in names if other.startswith(f"{name}.")] for name in plain}
    lines += [f"| `{name}` | {codes(inner)} |" for name, inner in below.items() if inner]
    lines += [f"| {codes([name for name, inner in below.items() if not inner])} | |"]
    return "\n".join(lines)


COMPOSE_INTRODUCTION = """Spin's contract is the Compose file, as the
[Compose Specification](https://compose-spec.io) has it: short and long forms,
`${VARIABLE}` in all its forms, `.env`, several files with `-f` that are merged (`!reset`, `!override`), `include`, `extends`, profiles
(`--profile`, `COMPOSE_PROFILES`), anchors, `x-…` keys. What a key means is what it means to Docker Compose, and a test holds Spin to that:
more than seventy files, and generated ones, are given to both. A `rancher-compose.yml` beside the file is read too. A bind of a small
file of the project's directory (`./site.conf:/etc/site.conf`) travels along as a config; a directory does not, and is refused with advice.
This page gives the verdict on every key of the specification, of version 2 and 3 files and of
`rancher-compose.yml`: supported, translated into something that Spin has another word for, ignored with a warning where that is
harmless, or refused. What is said of a key holds for all that is below it. Any other key is refused by name; none is dropped in silence.

One extension, on a service and at the top level: `x-spin`.

```yaml
x-spin:
  confirm_after: 30m                # an upgrade that has been healthy for so long is confirmed; left out or 0: as the site says
  tags:                             # whose the stack is and what it needs; `spin inspect` and `spin stack ls` show it
    owner: ann                      # left out: whoever brings the stack up first
    staff_owner: ben                # also group, staff_group, fqdn, and those that the site adds
    requires: [archive]
services:
  web:
    image: web:1.0
    x-spin:
      http: 8080                    # the port on which the containers speak HTTP: reached through the edge
      hosts: [www.physics.example]  # further host names, beside <service>.<stack>.<environment>.<domain>
```

A service with a schedule is a job: it has no containers between its runs, and one for each run.

```yaml
services:
  backup:
    image: backup:1.0
    volumes: ["data:/data:ro"]
    x-spin:
      schedule: "15 3 * * *"        # minute, hour, day of the month, month, day of the week, as cron has them, in UTC; or @daily, …
      overlap: skip                 # while a run goes on, the next one is skipped (left out); replace ends it; allow lets both run
      timeout: 1h                   # a run that takes longer is ended; left out: it may take as long as it likes
      keep: 3                       # the containers of so many ended runs stay for a look (3, at most 20)
```

A run that was missed, as the platform was down, is made up for when it is at most 10 minutes late, and is else recorded as missed; no
time of the schedule gets two runs. A run is not repeated when it fails, unless the file says `restart: on-failure:3`. A new revision
applies from the next run on; one that goes on is left to end. `spin stop` ends it, and no further ones begin until `spin start`. A job
has no ports, no `http` and no replicas, and nothing can depend on it; it may itself depend on services, and its runs wait for them.

A published port 80 or 443 (`"80:8080"`) means the same as `http`: through the edge to port 8080 of the containers, not a port of the host.

An image without a registry's host, of a service with `build`, is the project's own: `image: web:1.0` is `web:1.0` in the project of the
site's registry. To use such an image without `build` write `${SPIN_REGISTRY}/${SPIN_PROJECT}/web:1.0`; `spin` sets both
variables, and `SPIN_ENVIRONMENT`.

`deploy.update_config` says how containers are replaced; every key of it may be left out:

```yaml
deploy:
  update_config:
    parallelism: 1          # so many at a time (1); 0 is all at once
    delay: 0s               # between one group and the next (0s)
    order: start-first      # or stop-first; left out, start-first wherever two copies may run at once
    monitor: 0s             # how long a new container is watched after it has become ready, before it counts (0s)
    max_failure_ratio: 0    # up to this part of the containers, from 0 to 1, may fail without the upgrade failing (0)
    failure_action: pause   # or continue, or rollback; left out, as the environment or whoever runs `spin up` says
```

Where `order` is left out, Compose says stop-first; Spin stops first only where it must: for a service that writes to a volume or publishes
a port of the host, and there whatever `order` says. A rollback goes by `update_config` too: `rollback_config` is read, and a warning says
what in it is not carried out. A change of `update_config` alone replaces
no container.

`retain_ip: true` on a service keeps the address at which other services of the stack reach it while its containers change. On an engine
with service addresses every service keeps its address, and the key changes nothing; elsewhere the new container takes over the old one's
address, so that the old one has to stop first.

A secret is stored as `<stack>.<key>`. With `file:` or `environment:` its content travels with `spin up`; with `external: true` it must be
there before: `spin secret create <stack>.<key> FILE`.
"""

RULES_INTRODUCTION = """Checked on the server before anything is created, on every way to a new revision; all findings come at once. What is
marked *refuse* stops the change. `spin check` shows the findings and changes nothing. [Each rule has a page](../rules/README.md) with its
reason and an example; there are also the findings that come from images, secrets, ports and the file itself.
"""


WITHOUT_ADDRESSES_INTRODUCTION = """Where the engine of the environment gives services no stable addresses:
"""


def entries(table: keys.Supported, prefix: str = "") -> Iterator[tuple[str, Judged]]:
    """Every key with its verdict; keys of keys as `build.context`, values as `deploy.mode: global`. What people name themselves is
    left to its own section.
    """
    for key, verdict in sorted((table.keys or {}).items()):
        if isinstance(verdict, keys.ByValue):
            yield from ((f"{prefix}{key}: {value}", each) for value, each in verdict.values.items())
            plain = not isinstance(verdict.other, keys.Supported) or verdict.other.keys
            yield f"{prefix}{key}" if not plain else f"{prefix}{key}: …", verdict.other
            continue
        yield f"{prefix}{key}", verdict
        below = verdict.below if isinstance(verdict, keys.Translated) else verdict
        if isinstance(below, keys.Supported):
            named = below.named if prefix or table is not keys.FILE else None
            for inner in (below, below.items, named):
                if isinstance(inner, keys.Supported):
                    yield from entries(inner, f"{prefix}{key}.")


Judged: TypeAlias = keys.Supported | keys.Translated | keys.Ignored | keys.Refused | keys.Ruled
Words: TypeAlias = tuple[str, str] | None


def translated_words(verdict: Judged) -> Words:
    return (verdict.how, verdict.tell) if isinstance(verdict, keys.Translated) else None


def ignored_words(verdict: Judged) -> Words:
    return (verdict.why, verdict.instead) if isinstance(verdict, keys.Ignored) else None


def refused_words(verdict: Judged) -> Words:
    if isinstance(verdict, keys.Ruled):
        return f"as the rule `{verdict.rule}` says", "see below"
    return (verdict.reason, verdict.instead) if isinstance(verdict, keys.Refused) else None


VERDICTS: tuple[tuple[str, Callable[[Judged], Words]], ...] = (
    ("| translated | how | advice (`translated-key`) |", translated_words),
    ("| ignored, with a warning (`ignored-key`) | why that is harmless | instead |", ignored_words),
    ("| refused (`refused-key`) | why | instead |", refused_words),
)


def together(rows: Iterable[tuple[str, Words]]) -> list[tuple[tuple[str, str], list[str]]]:
    """Keys of which the same is said, on one line."""
    found: dict[tuple[str, str], list[str]] = {}
    for key, words in rows:
        if words is not None:
            found.setdefault(words, []).append(key)
    return list(found.items())


# ---- The rules, a page each ---------------------------------------------------------------------------------------------------


def rule_page(what: Description) -> str:
    heading, body = pages.page(what).split("\n", 1)
    return f"{heading}\n\n{MADE}{body}\n[All rules](README.md)\n"


def rules_index() -> str:
    lines = [f"# Rules\n\n{MADE}", RULES_INDEX_INTRODUCTION, "| code | severity | the rule |", "| --- | --- | --- |"]
    for code, what in pages.catalogue().items():
        lines.append(f"| [`{code}`]({code}.md) | {what.severity.value} | {cell(what.title)} |")
    return "\n".join([*lines, ""])


RULES_INDEX_INTRODUCTION = """Everything that `spin check`, `spin up` and every other way to a new revision can find, by the code that
stands in the finding. Each page has the reason, a file that breaks the rule and the same file mended; `spin check --explain CODE`
prints it.

*Refuse* stops the change, before anything is created; *warn* and *advise* are shown and stored with the revision. Codes that begin
with `dockerfile-` are about Dockerfiles: `spin check` shows them, and nothing is stopped.
"""


def json_page() -> str:
    return reference_json.page(MADE)


def openapi() -> str:
    return json.dumps(document(), ensure_ascii=False, indent=1) + "\n"


# ---- All of them -------------------------------------------------------------------------------------------------------------

PAGES = {"cli.md": cli, "compose.md": compose, "site-file.md": site_file, "json.md": json_page, "openapi.json": openapi}


def made() -> dict[Path, str]:
    """Every file that is made here, with its text."""
    texts = {REFERENCE / name: make() for name, make in PAGES.items()}
    texts |= {RULES_FOLDER / f"{code}.md": rule_page(what) for code, what in pages.catalogue().items()}
    return texts | {RULES_FOLDER / "README.md": rules_index()} | async_client.made()


def leftovers() -> list[Path]:
    """Pages of rules that are no more."""
    return sorted(set(RULES_FOLDER.glob("*.md")) - set(made()))


def main() -> int:
    texts = made()
    if "--check" in sys.argv[1:]:
        stale = [path for path, text in texts.items() if not path.exists() or path.read_text() != text] + leftovers()
        for path in stale:
            print(f"{path.relative_to(DOCS.parent)} is out of date: run scripts/reference.py")
        return 1 if stale else 0
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for path in leftovers():
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
