"""What Spin asks of image registries."""

from __future__ import annotations

from typing import Protocol


class Images(Protocol):
    async def digest(self, reference: str) -> str | None:
        """The digest (`sha256:…`) that `reference` (host/repository:tag, or @digest) names now; None if there is no such image.

        Raises RegistryUnavailable when the registry does not answer.
        """
        ...
