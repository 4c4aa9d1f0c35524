"""A stream to and from something in a container: a command, a file, a port."""

from __future__ import annotations

from typing import Protocol

from spin.model.streams import Size


class Stream(Protocol):
    """Pulled and pushed by one task a direction. Nothing is read ahead, so whoever reads slowly slows the writer.

    Every method raises EngineUnavailable when the connection to the engine breaks, and Failed with the engine's reason.
    """

    async def read(self) -> tuple[int, bytes] | None:
        """The next bytes and their channel (`spin.model.streams`); None when there will be no more."""
        ...

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Returns when the other side has room for more. What arrives when nobody reads any more is dropped, as by a closed pipe."""
        ...

    async def end(self) -> None:
        """There is no more to write: the other side sees the end of its input, and goes on with its output."""
        ...

    async def resize(self, size: Size) -> None:
        """Of the terminal; nothing where there is none."""
        ...

    async def wait(self) -> int:
        """The exit status, once it has ended; to be asked when `read` has returned None."""
        ...
