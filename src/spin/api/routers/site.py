"""The site itself, and who one is there."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter

import spin
from spin.api.context import PREFIX, Person, ThePlatform
from spin.model.principal import Identity
from spin.usecases.environments import EnvironmentView, list_environments
from spin.usecases.projects import Membership

router = APIRouter(prefix=PREFIX, tags=["site"])


@dataclass(frozen=True, slots=True)
class EnvironmentName:
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class PortClassView:
    """A class of ports that may be published outside a stack."""

    name: str
    reach: str
    """Who can reach it."""
    ports: tuple[str, ...]
    """Single ports and ranges."""


@dataclass(frozen=True, slots=True)
class SiteView:
    version: str
    domain: str
    registry: str
    edge_port: int
    environments: tuple[EnvironmentName, ...]
    port_classes: tuple[PortClassView, ...]


@dataclass(frozen=True, slots=True)
class WhoAmI:
    user: str
    operator: bool
    projects: tuple[Membership, ...]
    key: str | None
    """Identifier of the API key that signed the request; null for a password."""
    identity: Identity | None
    """On the site's filesystems; null for who has none."""


@router.get("/site", summary="The site, for clients that are not signed in yet")
async def get_site(platform: ThePlatform) -> SiteView:
    site = platform.site
    environments = tuple(EnvironmentName(e.name, e.description) for e in site.environments)
    classes = tuple(PortClassView(c.name, c.reach, c.ports) for c in site.port_classes)
    return SiteView(spin.__version__, site.domain, site.registry_host, site.edge_port, environments, classes)


@router.get("/whoami", summary="Who is signed in, and the projects they are a member of")
async def get_whoami(person: Person) -> WhoAmI:
    projects = tuple(Membership(name, role) for name, role in sorted(person.memberships))
    return WhoAmI(person.user, person.operator, projects, person.key, person.identity)


@router.get("/environments", summary="The environments, and whether their engines answer")
async def get_environments(platform: ThePlatform, person: Person) -> tuple[EnvironmentView, ...]:
    return await list_environments(platform, person)
