"""The site's image registry: CNCF Distribution does the work, Spin says who may (token authentication) and looks images up.

`process` runs Debian's `docker-registry`, `container` the official image where no such program is installed; `router` answers
token requests of `docker login`, `push` and `pull`; `RegistryImages` and `PullTokens` are the platform's own access.
"""

from spin.registry.container import ContainerRegistry
from spin.registry.images import RegistryImages
from spin.registry.keys import SigningKey
from spin.registry.process import registry_child, registry_program
from spin.registry.router import router
from spin.registry.tokens import PullTokens, RegistryTokens

__all__ = [
    "ContainerRegistry",
    "PullTokens",
    "RegistryImages",
    "RegistryTokens",
    "SigningKey",
    "registry_child",
    "registry_program",
    "router",
]
