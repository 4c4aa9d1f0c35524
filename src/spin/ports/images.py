"""What Spin asks of image registries."""

from __future__ import annotations

from typing import Protocol

from spin.model.image import ImageFacts


class Images(Protocol):
    async def digest(self, reference: str) -> str | None:
        """The digest (`sha256:…`) that `reference` (host/repository:tag, or @digest) names now; None if there is no such image.

        Raises RegistryUnavailable when the registry does not answer.
        """
        ...

    async def facts(self, pinned: str) -> ImageFacts | None:
        """What the image `pinned` (host/repository@digest) says of itself; None if it is not there, or is nothing that Spin can read.

        An image never changes, so an answer may come from memory. Raises RegistryUnavailable.
        """
        ...
