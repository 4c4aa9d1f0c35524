"""Passwords, tokens and keys in text: by the name that they have, and by their form. Never their value in what is told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

MOST_TEXT = 16384
"""Most characters of one text that are looked at."""
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN = re.compile(r"[^A-Za-z0-9]+")
_KINDS = {
    "PASSWORD": "password",
    "PASSWD": "password",
    "PASSPHRASE": "password",
    "PASS": "password",
    "PWD": "password",
    "REQUIREPASS": "password",
    "MASTERAUTH": "password",
    "SECRET": "secret",
    "TOKEN": "token",
    "APIKEY": "key",
    "CREDENTIAL": "secret",
    "CREDENTIALS": "secret",
}
_ENDS = ("PASSWORD", "PASSWD", "APIKEY", "SECRET")
"""Also as the end of a longer word: `PGPASSWORD`."""
_KEYS = frozenset(
    {
        *("API", "ACCESS", "PRIVATE", "SECRET", "ENCRYPTION", "SIGNING", "MASTER", "AUTH", "ACCOUNT", "SHARED", "STORAGE"),
        *("JWT", "HMAC", "AES", "FERNET"),
    }
)
"""Words before KEY that make it a secret one."""
_QUALIFIERS = frozenset(
    {"BASE", "OLD", "NEW", "CURRENT", "PREVIOUS", "PROD", "PRODUCTION", "DEV", "TEST", "STAGING", "VALUE", "STRING"}
)
_SHELL = frozenset({"PWD", "OLDPWD"})
_NOTHING = frozenset(
    {
        *(
            "",
            "-",
            "0",
            "1",
            "true",
            "false",
            "yes",
            "no",
            "on",
            "off",
            "y",
            "n",
            "none",
            "null",
            "nil",
            "undefined",
            "empty",
            "default",
        ),
        *("enabled", "disabled", "required", "optional", "auto", "random", "generate", "prompt", "ask"),
    }
)
_REFERENCE = re.compile(
    r"/[\w.-]+(?:/[\w.-]+)*|\.{1,2}/[\w./-]+|file://\S*|\$.*|\{\{.*|<.*>|\[.*\]|%.*%|[*x.•]+|`.*|(?:vault|secret|ssm|arn|env|op|sops):\S+",
    re.IGNORECASE | re.DOTALL,
)
"""Values that say where the value is, or that there is none yet."""
_FORMS = (
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----")),
    ("an AWS access key", re.compile(r"(?<![\w-])(?:AKIA|ASIA)[0-9A-Z]{16}(?!\w)")),
    ("a GitHub token", re.compile(r"(?<![\w-])(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22})")),
    ("a GitLab token", re.compile(r"(?<![\w-])gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[A-Za-z0-9_-]{20}")),
    ("a Slack token", re.compile(r"(?<![\w-])xox[abeoprs]-[A-Za-z0-9-]{10}")),
    ("a Slack webhook", re.compile(r"hooks\.slack\.com/services/T[A-Z0-9]{6,12}/B[A-Z0-9]{6,12}/[A-Za-z0-9]{16}")),
    ("a Google API key", re.compile(r"(?<![\w-])AIza[0-9A-Za-z_-]{35}\b")),
    ("a Stripe key", re.compile(r"(?<![\w-])[sr]k_(?:live|test)_[0-9A-Za-z]{16}")),
    ("an npm token", re.compile(r"(?<![\w-])npm_[A-Za-z0-9]{36}\b")),
    ("a PyPI token", re.compile(r"(?<![\w-])pypi-AgEI[A-Za-z0-9_-]{50}")),
    ("a Docker Hub token", re.compile(r"(?<![\w-])dckr_[op]at_[A-Za-z0-9_-]{20}")),
    ("a Hugging Face token", re.compile(r"(?<![\w-])hf_[A-Za-z0-9]{30}")),
    ("a SendGrid key", re.compile(r"(?<![\w-])SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b")),
    ("an API key of this platform", re.compile(r"(?<![\w-])spin_[0-9a-f]{12}_[0-9a-f]{64}\b")),
    ("a signed token (JWT)", re.compile(r"(?<![\w-])eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10}")),
)
"""The issuers' own prefixes, as they document them for secret scanning."""
_HINT = re.compile(
    r"-----B|AKIA|ASIA|gh[pousr]_|github_|gl[a-z]{2,4}-|xox|hooks\.|AIza|[sr]k_|npm_|pypi-|dckr_|hf_|SG\.|spin_|eyJ|://|[pP][aA][sS][sS]|[pP][wW][dD]"
)
"""Something that each of the forms below and above has; most texts have none of it."""
_IN_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s:/@?#]{0,200}:([^\s/@]{1,300})@[^\s/]")
_IN_DSN = re.compile(r"(?:^|[\s;&?])(?:password|passwd|pwd)\s?=\s?([^\s;&'\"]{1,300})", re.IGNORECASE)
_ASSIGNED = re.compile(r"(?:-{1,2})?([A-Za-z_][A-Za-z0-9_.-]{0,120})=(.*)", re.ASCII | re.DOTALL)
_FLAG = re.compile(r"--?([A-Za-z][A-Za-z0-9_.-]{0,120})", re.ASCII)


def named(name: str) -> str | None:
    """`password`, `token`, `key` or `secret`, where a variable of that name holds one; None for every other name."""
    return None if name in _SHELL else _kind(name[:200])


@lru_cache(maxsize=4096)
def _kind(name: str) -> str | None:
    words = [w.upper() for w in _BETWEEN.split(_HUMP.sub("_", name)) if w]
    while words and (words[-1] in _QUALIFIERS or words[-1].isdigit()):
        words.pop()
    if not words:
        return None
    last = words[-1]
    if last in _KINDS:
        return _KINDS[last]
    if last == "KEY" and len(words) > 1 and words[-2] in _KEYS:
        return "key"
    return next((_KINDS[end] for end in _ENDS if last.endswith(end)), None)


def is_value(text: str) -> bool:
    """Whether it would serve as a secret: no switch, no reference to where the secret is, no gap to be filled."""
    text = text.strip()
    return text.lower() not in _NOTHING and not _REFERENCE.fullmatch(text[:2000])


def in_text(text: str) -> str | None:
    """What is recognised by its form in `text`: such as `a GitHub token`, `a password in a URL`."""
    text = text[:MOST_TEXT]
    if not _HINT.search(text):
        return None
    for what, form in _FORMS:
        if form.search(text):
            return what
    if any(is_value(found[1]) for found in _IN_URL.finditer(text)):
        return "a password in a URL"
    if any(is_value(found[1]) for found in _IN_DSN.finditer(text)):
        return "a password in a connection string"
    return None


def in_variable(name: str, value: str) -> str | None:
    """What the variable holds in plain sight: by its form, else by its name."""
    found = in_text(value)
    if found is not None:
        return found
    kind = named(name)
    if kind is not None and is_value(value) and (kind == "password" or not value.isdigit()):
        return f"a {kind}"  # a token that is a number is a number of tokens
    if name == "NEO4J_AUTH" and "/" in value[1:]:
        return "a password"  # user/password
    return "a key" if _is_key(name) and _is_random(value) else None


def in_words(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(Name, what) of each secret in a command line: `--password=x`, `--token x`, `PGPASSWORD=x psql`, or a form."""
    for index, word in enumerate(words):
        text = word[:MOST_TEXT]
        assigned, flag = _ASSIGNED.fullmatch(text), _FLAG.fullmatch(text)
        if assigned is not None and named(assigned[1]) is not None and is_value(assigned[2]):
            yield assigned[1], f"a {named(assigned[1])}"
        elif flag is not None and named(flag[1]) is not None and index + 1 < len(words):
            following = words[index + 1][:MOST_TEXT]
            if is_value(following) and not following.startswith("-"):
                yield flag[1], f"a {named(flag[1])}"
        elif (what := in_text(text)) is not None:
            yield "", what


def _is_key(name: str) -> bool:
    """A key or salt of which the name alone does not say that it is secret."""
    words = [w.upper() for w in _BETWEEN.split(_HUMP.sub("_", name[:200])) if w]
    return bool(words) and words[-1] in ("KEY", "SALT") and "PUBLIC" not in words


def _is_random(value: str) -> bool:
    """Twenty characters or more without a space, letters and digits mixed, few of them twice: what a generator makes."""
    value = value.removeprefix("base64:")
    if not 20 <= len(value) <= 500 or value[0] in "/.$" or any(c.isspace() or c in ":.," for c in value):
        return False
    return any(c.isdigit() for c in value) and any(c.isalpha() for c in value) and len(set(value)) >= 12
