"""The page on JSON, from the shapes that the client has of the API's answers."""

from __future__ import annotations

import ast
import inspect

from spin.client import shapes

SHOWN = {
    "StackView": "`spin inspect STACK`, each of `spin stack ls --json`",
    "ServiceView": "`spin inspect STACK/SERVICE` (with `stack` and `containers`), each of `spin ps --json` (with `stack`)",
    "ContainerView": "`spin inspect STACK/SERVICE/N` (with `stack`), each of `spin ps -c --json` (with `stack`)",
    "UpgradeView": "`upgrade` of a stack",
    "FailureView": "`failed` of an upgrade",
    "RevisionView": "`spin inspect --type revision STACK/N`, each of `spin revisions --json`",
    "DifferenceView": "`spin diff --json`",
    "Preview": "`spin plan --json`",
    "ChangesView": "`changes`",
    "Change": "each of the `services` in `changes`",
    "PartChange": "each of the `networks` and `volumes` in `changes`",
    "KeyChange": "each of the `keys` of a change",
    "FindingView": "each finding of `spin check --json`, `spin plan --json`",
    "EventView": "each of `spin events --json` (one a line) and `spin audit --json`",
    "CallerView": "`caller` of an event",
    "SecretView": "`spin inspect --type secret NAME`, each of `spin secret ls --json`",
    "VolumeView": "`spin inspect --type volume STACK/NAME`, each of `spin volume ls --json`",
    "EnvironmentView": "`spin inspect --type environment NAME`, each of `spin environment ls --json`",
    "ProjectView": "`spin inspect --type project NAME` (with `members` and `accounts`)",
    "MemberView": "each of `spin project member ls --json`",
    "AccountView": "each of `spin project account ls --json`",
    "UserView": "`spin inspect --type user NAME`, each of `spin user ls --json`",
    "IdentityView": "`identity` of a user or account",
    "KeyView": "`spin inspect --type key ID`, each of `spin key ls --json`",
    "WhoAmI": "`spin whoami --json` (with `url`)",
    "ExplanationView": "`spin why --json`",
    "EntryView": "`change` and each of the `timeline` of an explanation",
    "StatsView": "each of `spin stats --json`",
    "UsageView": "each of `spin stats --history --json`",
    "AdviceView": "each of `spin stats --advice --json`",
    "MisfitView": "each of the `misfits` of advice",
    "JobView": "each of `spin job ls --json`",
    "RunView": "each of `spin job history --json`, `spin job run --json`",
    "LogLineView": "each line of `spin logs --json`",
}
"""The shapes that commands print, in the order of the page, and where."""

INTRODUCTION = """Reading commands print JSON with `--json`, and each thing by a template with `--format`: Jinja's language, whose
variables are the keys below. Docker's leading dot may stay, the whole thing is `.` or `it`, and there is a filter `json`:

    spin ps --format '{{stack}}/{{name}} {{state}}'
    spin inspect shop --format '{{.services | map(attribute="name") | join(" ")}}'

The API answers the same forms. They are stable: a key keeps its name and meaning; new ones may come. Times are RFC 3339. A key
whose type is given with `None` is `null` where there is nothing to say.
"""


def page(made: str) -> str:
    """The page, with the remark `made` below its title."""
    source = ast.parse(inspect.getsource(shapes))
    kinds = {node.name: node for node in source.body if isinstance(node, ast.ClassDef)}
    lines = [f"# JSON\n\n{made}", INTRODUCTION]
    for name, where in SHOWN.items():
        lines += [f"## {name}\n", f"{where}.\n", "| key | type | |", "| --- | --- | --- |"]
        lines += [f"| `{key}` | `{kind}` | {said} |" for key, kind, said in _fields(kinds[name])]
        lines.append("")
    return "\n".join(lines)


def _fields(kind: ast.ClassDef) -> list[tuple[str, str, str]]:
    found = []
    for node, after in zip(kind.body, [*kind.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            said = ast.literal_eval(after.value) if isinstance(after, ast.Expr) else ""
            found.append((node.target.id, ast.unparse(node.annotation).replace("|", "or"), " ".join(str(said).split())))
    return found
