"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from spin.model.names import ProjectName


class Role(Enum):
    """A person's role in a project, from least to most."""

    VIEWER = "viewer"
    DEVELOPER = "developer"
    OWNER = "owner"


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in person, with the memberships that were in force when the request came in."""

    user: str
    operator: bool = False
    memberships: tuple[tuple[ProjectName, Role], ...] = ()
    key: str | None = None
    """Identifier of the API key that signed this request; None for a password."""

    def role_in(self, project: str) -> Role | None:
        return next((role for name, role in self.memberships if name == project), None)
