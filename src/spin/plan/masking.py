"""Keeping secrets out of what is shown. Better one value too many hidden than one too few: the file with the value is at hand."""

from __future__ import annotations

import re

MASK = "****"

_SMELL = re.compile(
    r"pass(?!ive|enger|age)|pwd|secret|token|credential|api_?key|(?:^|[_.-])key(?:$|[_.-])|(?:^|[_.-])auth(?:$|[_.-])"
    r"|private|salt|cookie|signature|(?:^|[_.-])dsn(?:$|[_.-])",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/@]+(?=@)", re.IGNORECASE)
_OPTION = re.compile(r"(?P<before>--?(?P<name>[A-Za-z][\w-]*)(?:=|\s+))(?P<value>'[^']*'|\"[^\"]*\"|\S+)")
_ASSIGNMENT = re.compile(r"(?P<before>\b(?P<name>[A-Za-z_]\w*)=)(?P<value>'[^']*'|\"[^\"]*\"|\S+)")


def smells_of_secret(name: str) -> bool:
    """Whether a variable, label or option of this name probably holds a secret.

    >>> smells_of_secret("MYSQL_ROOT_PASSWORD"), smells_of_secret("KEYBOARD"), smells_of_secret("API_KEY")
    (True, False, True)
    """
    return _SMELL.search(name) is not None


def masked(name: str, value: str) -> str:
    """`value` as it may be shown: hidden where `name` smells, without the password where it is a URL.

    >>> masked("DB_PASSWORD", "hunter2"), masked("DB", "mysql://app:hunter2@db/shop")
    ('****', 'mysql://app:****@db/shop')
    """
    return MASK if smells_of_secret(name) else masked_text(value)


def masked_text(text: str) -> str:
    """A command line as it may be shown.

    >>> masked_text("serve --port=80 --db-password=hunter2 --token abc")
    'serve --port=80 --db-password=**** --token ****'
    """

    def hide(found: re.Match[str]) -> str:
        return found["before"] + (MASK if smells_of_secret(found["name"]) else found["value"])

    text = _URL_PASSWORD.sub(lambda found: found["before"] + MASK, text)
    return _ASSIGNMENT.sub(hide, _OPTION.sub(hide, text))
