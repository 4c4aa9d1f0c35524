"""How long a platform that is away is asked again by who follows something: it may be about to be started again."""

from __future__ import annotations

import time

from spin.errors import Unavailable

PATIENCE = 120.0
"""Seconds for which a platform that is away is asked again."""
AGAIN = 0.5
"""Seconds between two tries."""


class Patience:
    """Of one who follows. What has never answered is not waited for: it may be no platform at all."""

    def __init__(self, *, heard: bool = False) -> None:
        self._heard = heard
        self._since: float | None = None

    def answered(self) -> None:
        self._heard, self._since = True, None

    def after(self, error: Unavailable) -> float:
        """Seconds until the next try; raises `error` where it has been tried for long enough."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
        if not self._heard or now - self._since > PATIENCE:
            raise error
        return AGAIN
