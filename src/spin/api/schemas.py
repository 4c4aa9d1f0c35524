"""Bodies of requests, with their bounds. Answers are the views of the use cases."""

from __future__ import annotations

import base64
import binascii
import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from spin.kit.text import plain
from spin.model.finding import Finding, Severity
from spin.model.principal import Identity, Role
from spin.model.stack import FailureAction
from spin.model.submission import Submission, locate

DEEPEST = 32
"""Levels of nesting in a document: Compose needs 8."""
MOST_NODES = 200_000
"""Keys, values and list entries of a document."""


def _decode(value: Any) -> Any:
    """Strict base64; what is no text is left to the check for bytes."""
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not valid base64") from None


def _bounded(document: dict[str, Any]) -> dict[str, Any]:
    """A document that the rest of the platform can walk, store and digest without surprises."""
    nodes = 0
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for node in level:
            nodes += 1
            _check_leaf(node)
            if isinstance(node, dict):
                below.extend(node)
                below.extend(node.values())
            elif isinstance(node, list):
                below.extend(node)
        if nodes + len(below) > MOST_NODES:
            raise ValueError(f"the document has more than {MOST_NODES} entries")
        if not below:
            return document
        level = below
    raise ValueError(f"the document is nested more than {DEEPEST} levels deep")


def _check_leaf(node: Any) -> None:
    if isinstance(node, str):
        _text(node)
    elif isinstance(node, float):
        if not math.isfinite(node):
            raise ValueError("numbers must be finite")
    elif isinstance(node, int) and abs(node) >= 2**63:
        raise ValueError("numbers must fit into 64 bits")


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("text must not hold the character NUL")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("text must be valid Unicode") from None
    return value


def _line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("only printable characters are expected here")
    return value


Content = Annotated[bytes, BeforeValidator(_decode)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_line)]
Line = Annotated[str, StringConstraints(max_length=500), AfterValidator(_line)]
Text = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_text)]
Place = Annotated[str, StringConstraints(max_length=500), AfterValidator(_text)]

Generation = Annotated[
    Annotated[int, Field(ge=0, lt=2**31)] | None, Field(description="Refuse if the deployment is at another generation meanwhile")
]
Revision = Annotated[int, Field(ge=1, lt=2**31)]


class Body(BaseModel):
    """Unknown keys are an error: a misspelt option must not be dropped in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class NoticeIn(Body):
    """What the client noticed while it resolved the document. It cannot stop anything: only the server refuses."""

    rule: Name
    severity: Severity
    message: Text
    instead: Text = ""
    service: Name | None = None
    key: Place | None = None
    position: Place | None = None


class SubmissionIn(Body):
    """A resolved Compose document with the contents of its configs and secrets."""

    document: Annotated[dict[str, Any], AfterValidator(_bounded)]
    configs: Annotated[dict[Name, Content], Field(max_length=500)] = {}
    secrets: Annotated[dict[Name, Content], Field(max_length=500, repr=False)] = {}
    positions: Annotated[dict[Place, Place], Field(max_length=50_000)] = {}
    notices: Annotated[list[NoticeIn], Field(max_length=500)] = []

    def value(self) -> Submission:
        notices = tuple(
            Finding(
                n.rule,
                Severity.WARN if n.severity is Severity.REFUSE else n.severity,
                plain(n.message, 2000),
                plain(n.instead, 2000),
                n.service,
                None if n.key is None else plain(n.key, 500),
                None if n.position is None else locate({"here": n.position}, "here"),
            )
            for n in self.notices
        )
        return Submission(self.document, self.configs, self.secrets, self.positions, notices)


class CheckIn(Body):
    submission: SubmissionIn


class PlanIn(Body):
    submission: SubmissionIn
    force: bool = False
    """As for deploying."""


class DeployIn(Body):
    submission: SubmissionIn
    expect_generation: Generation = None
    """0: refuse if there is a deployment at all."""
    note: Line = ""
    force: bool = False
    """Replace every container, also where nothing has changed."""
    on_failure: FailureAction | None = None
    """What becomes of an upgrade that fails; null: as its services and the environment say."""


class ScaleIn(Body):
    replicas: Annotated[dict[Name, Annotated[int, Field(ge=0, le=10_000, strict=True)]], Field(min_length=1, max_length=500)]
    dry_run: bool = False
    expect_generation: Generation = None


class ServicesIn(Body):
    services: Annotated[list[Name], Field(max_length=500)] = []
    """Empty: all."""
    expect_generation: Generation = None


class ConfirmIn(Body):
    expect_generation: Generation = None


class RollbackIn(Body):
    to: Revision | None = None
    """Number of an earlier revision; null: the confirmed one, before the unconfirmed upgrade."""
    expect_generation: Generation = None
    note: Line = ""


class PromoteIn(Body):
    to: Name
    secrets: Annotated[dict[Name, Content], Field(max_length=500, repr=False)] = {}
    dry_run: bool = False
    expect_generation: Generation = None
    """Of the stack in the other environment."""


class SecretIn(Body):
    value: Annotated[Content, Field(repr=False)]


class UserIn(Body):
    name: Name
    password: Annotated[Annotated[str, StringConstraints(max_length=1024), AfterValidator(_text)] | None, Field(repr=False)] = (
        None
    )
    operator: bool = False


Id = Annotated[int, Field(ge=0, lt=2**31, strict=True)]


class IdentityIn(Body):
    """Numbers on the site's filesystems. The site has a smallest uid."""

    uid: Id
    gid: Id
    gids: Annotated[list[Id], Field(max_length=256)] = []
    """Further groups."""

    def value(self) -> Identity:
        return Identity(self.uid, self.gid, tuple(self.gids))


class ProjectIn(Body):
    name: Name


class MemberIn(Body):
    role: Role


class KeyIn(Body):
    name: Name
    expires_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    user: Name | None = None
    """Whose key it is to be; operators only."""
