"""The API's client: the standard library's HTTP, because a command line must start at once.

`Client` has a method for every endpoint; `client.stack(project, environment, name)` is one stack. Answers are plain JSON
(`spin.client.shapes` types them), failures are the errors of `spin.errors`.
"""

from spin.client.api import Client
from spin.client.stack import Stack
from spin.client.transport import DEFAULT_URL, normalise_url

__all__ = ["DEFAULT_URL", "Client", "Stack", "normalise_url"]
