"""The typed client of the API, synchronous and asynchronous. The command line is made with it.

`Client` has a method for every endpoint, and `client.stack(project, environment, name)` is a `Stack` with the methods for one stack.
Answers are plain JSON, typed by `spin.client.shapes`; failures are the errors of `spin.errors`, each with a stable `code`.

`AsyncClient` and `AsyncStack` have the same methods to await, and asynchronous iterators where those give iterators. They use httpx; the
synchronous ones use the standard library alone (and websockets for streams), because a command line must start at once, so httpx is not
imported before one of them is named.
"""

from typing import TYPE_CHECKING, Any

from spin.client.answers import DEFAULT_URL, normalise_url
from spin.client.api import Client
from spin.client.stack import Stack

if TYPE_CHECKING:
    from spin.client.aio import AsyncClient, AsyncStack

__all__ = ["DEFAULT_URL", "AsyncClient", "AsyncStack", "Client", "Stack", "normalise_url"]


def __getattr__(name: str) -> Any:
    if name not in ("AsyncClient", "AsyncStack"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from spin.client import aio  # noqa: PLC0415 - httpx costs a quarter of a second, and the command line needs none

    return getattr(aio, name)
