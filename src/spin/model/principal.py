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
class Identity:
    """Who somebody is on the site's filesystems: the numbers that the operators gave them there."""

    uid: int
    gid: int
    gids: tuple[int, ...] = ()
    """Further groups, sorted."""

    @property
    def groups(self) -> frozenset[int]:
        """All of its groups."""
        return frozenset({self.gid, *self.gids})


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in person, with the memberships that were in force when the request came in."""

    user: str
    operator: bool = False
    memberships: tuple[tuple[ProjectName, Role], ...] = ()
    key: str | None = None
    """Identifier of the API key that signed this request; None for a password."""
    identity: Identity | None = None
    """None: they have no account on the site's filesystems, as far as Spin knows."""

    def role_in(self, project: str) -> Role | None:
        return next((role for name, role in self.memberships if name == project), None)
