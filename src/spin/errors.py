"""The error tree. Every failure that a person can meet is one of these; a traceback reaching a user is a bug.

    SpinError
    ├── InvalidInput        the input is wrong in itself: YAML, a key, a variable, an option     exit 2
    ├── Refused             the input is well-formed, and a rule of the site forbids it          exit 3
    ├── NotSignedIn         no credentials, or credentials that are not (or no longer) valid     exit 4
    ├── NotAllowed          signed in, without the right                                         exit 4
    ├── NotFound            no such thing, or not one of yours                                   exit 5
    ├── Conflict            the thing exists already, changed meanwhile, or is in use            exit 1
    ├── Unavailable         a part of the platform does not answer; trying again may help        exit 1
    │   ├── EngineUnavailable
    │   ├── EdgeUnavailable
    │   └── RegistryUnavailable
    └── Failed              the work was tried and did not succeed                               exit 1

Each carries one sentence for the person who asked, and `fields`: the values that matter, JSON-able, for programs.
`code` is stable: programs may compare it. HTTP statuses are the API's business (`spin.api.problems`), not known here.
"""

from __future__ import annotations

from typing import Any, ClassVar


class SpinError(Exception):
    """Root of the tree; never raised itself."""

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields: dict[str, Any] = fields


class InvalidInput(SpinError):
    """The input is wrong in itself. Fields `file`, `line`, `column`, `key` where they are known."""

    code = "invalid-input"
    exit_status = 2


class Refused(SpinError):
    """A rule forbids it. Field `findings`: every finding, as the JSON form of `spin.model.finding.Finding`."""

    code = "refused"
    exit_status = 3


class NotSignedIn(SpinError):
    code = "not-signed-in"
    exit_status = 4


class NotAllowed(SpinError):
    code = "not-allowed"
    exit_status = 4


class NotFound(SpinError):
    """No such thing, or not one of yours: the two are answered alike, so that existence does not leak."""

    code = "not-found"
    exit_status = 5


class Conflict(SpinError):
    code = "conflict"


class Unavailable(SpinError):
    code = "unavailable"


class EngineUnavailable(Unavailable):
    """The engine does not answer. Never to be read as "nothing runs": unknown is not dead."""

    code = "engine-unavailable"


class EdgeUnavailable(Unavailable):
    code = "edge-unavailable"


class AddressesUnavailable(Unavailable):
    """The table of service addresses cannot be read or changed."""

    code = "addresses-unavailable"


class RegistryUnavailable(Unavailable):
    code = "registry-unavailable"


class Failed(SpinError):
    code = "failed"


def _tree(root: type[SpinError]) -> dict[str, type[SpinError]]:
    found = {root.code: root}
    for child in root.__subclasses__():
        found.update(_tree(child))
    return found


def from_code(code: str, message: str, fields: dict[str, Any]) -> SpinError:
    """The error that an API answer stands for; an unknown code becomes `Failed`, so that old clients meet new servers."""
    return _tree(SpinError).get(code, Failed)(message, **fields)
