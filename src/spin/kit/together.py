"""A question that all who ask it at the same time ask together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Together(Generic[T]):
    """However many ask, the answer is looked for once at a time."""

    def __init__(self) -> None:
        self._task: asyncio.Task[T] | None = None

    async def ask(self, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The answer that is being looked for, or a new one. Whoever gives up waiting takes it from nobody else."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(question())
        return await asyncio.shield(self._task)
