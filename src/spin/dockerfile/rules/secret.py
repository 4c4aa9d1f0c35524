"""A secret that becomes part of the image."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spin.dockerfile.model import Instruction
from spin.dockerfile.rule import Case, Rule, Spot
from spin.model.finding import Severity

_NAME = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|PWD|SECRET|SECRETS|TOKEN|API_?KEY|APIKEY|PRIVATE_?KEY|ACCESS_?KEY|SECRET_?KEY|"
    r"CREDENTIALS?|AUTH)(?:_[0-9]+)?$"
)
_HARMLESS = re.compile(r"^(?:OLD)?PWD$")
_FORM = re.compile(
    r"AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40}|glpat-[A-Za-z0-9_-]{20}|xox[abprs]-[A-Za-z0-9-]{10}|"
    r"npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50}|AIza[0-9A-Za-z_-]{35}|spin_k[0-9]_[A-Za-z0-9_-]{8}|"
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY|[a-z][a-z0-9+]{1,20}://[^\s/:@$]{1,64}:[^\s/@$]{1,128}@"
)
"""Keys as their issuers form them, private keys, and passwords in addresses."""
_FILES = frozenset(
    {
        ".env",
        ".npmrc",
        ".pypirc",
        ".netrc",
        ".pgpass",
        ".git-credentials",
        ".htpasswd",
        "id_rsa",
        "id_ecdsa",
        "id_ed25519",
        "credentials.json",
        ".dockercfg",
    }
)


def _find(case: Case) -> Iterator[Spot]:
    for i in case.dockerfile.everywhere("ENV", "ARG", "LABEL"):
        for name, value in i.pairs():
            if i.name != "LABEL" and _is_named_so(i, name, value):
                yield Spot(i.line, {"what": f"{i.name} {name} looks like a secret by its name"})
            elif value and _FORM.search(value):
                yield Spot(i.line, {"what": f"the value of {i.name} {name} has the form of a key or password"})
    for i in case.dockerfile.everywhere("RUN", "CMD", "ENTRYPOINT", "COPY", "ADD"):
        if any(_FORM.search(text) for text in (*i.words, *i.heredocs)):
            yield Spot(i.line, {"what": f"this {i.name} has a key or password in it"})
    for i in case.dockerfile.everywhere("COPY", "ADD"):
        if not any(flag.startswith("--from") for flag in i.flags):
            for word in i.words[:-1]:
                if (file := word.rpartition("/")[2]) in _FILES:
                    yield Spot(i.line, {"what": f"{i.name} puts `{file}` into a layer, and such files hold keys"})


def _is_named_so(i: Instruction, name: str, value: str | None) -> bool:
    if not _NAME.search(name.upper()) or _HARMLESS.match(name.upper()):
        return False
    return i.name == "ARG" or bool(value)


RULE = Rule(
    code="dockerfile-secret",
    severity=Severity.WARN,
    title="No secret is part of the image",
    message="Whoever can pull the image can read it: {what}.",
    instead="While building use `RUN --mount=type=secret,id=NAME`; while running, `secrets:` in the Compose file and `spin secret create`.",
    why="Everything that a Dockerfile sets, copies or is given with `--build-arg` stays in the image: in its configuration, its history "
    "or a layer, also if a later step removes it. Images travel further than people think. Values are never shown in findings.",
    example="""
        FROM debian:13-slim
        ARG API_TOKEN
        RUN curl -fsS -H "Authorization: $API_TOKEN" -o /data.json https://data.example.org/
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    fixed="""
        FROM debian:13-slim
        RUN --mount=type=secret,id=api-token \\
            curl -fsS -H "Authorization: $(cat /run/secrets/api-token)" -o /data.json https://data.example.org/
        USER 10001
        CMD ["/usr/bin/app"]
    """,
    find=_find,
)
