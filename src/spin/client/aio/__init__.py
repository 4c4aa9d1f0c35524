"""The client for asyncio. `api` and `stack` are made from the synchronous modules of the same names by scripts/reference.py."""

from spin.client.aio.api import AsyncClient
from spin.client.aio.stack import AsyncStack

__all__ = ["AsyncClient", "AsyncStack"]
