"""What use cases work with: the ports, bound by `spin.main`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from spin.errors import NotFound
from spin.kit.clock import Clock
from spin.model.names import DeploymentKey
from spin.ports.engine import Engine
from spin.ports.images import Images
from spin.ports.passwords import Passwords
from spin.ports.store import Store
from spin.site import Environment, Site


@dataclass(frozen=True, slots=True)
class Platform:
    site: Site
    store: Store
    engines: Mapping[str, Engine]
    """By kind, as named in `Environment.engine`."""
    images: Images
    passwords: Passwords
    clock: Clock
    wake: Callable[[DeploymentKey], None]
    """Tell the controller that this deployment's desired state has changed. Only a hint; call it after the commit."""

    def environment(self, name: str) -> Environment:
        """Raises NotFound, naming the environments there are."""
        found = self.site.environment(name)
        if found is None:
            known = ", ".join(e.name for e in self.site.environments)
            raise NotFound(f"There is no environment {name!r} here. There are: {known}.", environment=name)
        return found

    def engine(self, environment: str) -> Engine:
        """The engine that carries the environment. Raises NotFound."""
        return self.engines[self.environment(environment).engine]
