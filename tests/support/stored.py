"""Small things to put into a store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from spin.model.finding import Finding, Severity
from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.revision import Deployment, Origin, Revision
from spin.model.stack import Config, Image, ServiceSpec, StackSpec
from spin.model.status import DeploymentStatus, InstanceStatus, ServiceStatus, State
from spin.ports.store import User
from spin.store import SqlStore

NOW = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
"""A moment that a clock in Berlin shows as 3:30: in the hour that is missing there."""
BERLIN = timezone(timedelta(hours=2))


def key(project: str = "physics", stack: str = "shop", environment: str = "development") -> DeploymentKey:
    return DeploymentKey(ProjectName(project), EnvironmentName(environment), StackName(stack))


def deployment(of: DeploymentKey | None = None, **changes: Any) -> Deployment:
    values: dict[str, Any] = {"generation": 1, "revision": 1, "created": NOW, "changed": NOW}
    return Deployment(of or key(), **values | changes)


def revision(number: int = 1, **changes: Any) -> Revision:
    spec = StackSpec(
        services=(ServiceSpec("web", Image("localhost:5000/physics/web:1", "sha256:" + "a" * 64), environment=(("A", "ä\n"),)),),
        configs=(Config("page", b"\x00\xff<html>"),),
    )
    values: dict[str, Any] = {
        "spec": spec,
        "secret_versions": (("shop.password", 2),),
        "author": "ann",
        "created": NOW,
        "origin": Origin.UP,
        "findings": (Finding("service-name", Severity.ADVISE, "Use one of …", service="web", position="compose.yaml:3"),),
        "note": "with \x00 and 🦋",
    }
    return Revision(number, **values | changes)


def status(generation: int = 1, **changes: Any) -> DeploymentStatus:
    instance = InstanceStatus("shop-web-1", "3f", "web", 1, "ready", NOW, current=True, routed=True, address="10.208.0.2")
    values: dict[str, Any] = {
        "state": State.HEALTHY,
        "services": (ServiceStatus("web", State.HEALTHY, 1, 1),),
        "instances": (instance,),
        "observed": NOW,
    }
    return DeploymentStatus(generation, **values | changes)


async def people_and_projects(store: SqlStore) -> None:
    """Ann and Bob; the projects physics and biology."""
    async with store.begin(write=True) as unit:
        for name in ("ann", "bob"):
            await unit.add_user(User(name, operator=False, created=NOW), None)
        for name in ("physics", "biology"):
            await unit.add_project(name, NOW)
