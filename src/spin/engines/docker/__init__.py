"""Docker Engine as an engine: steps become API calls with labels on everything, and what is there is read back from them."""

from spin.engines.docker.engine import DockerEngine
from spin.engines.docker.host import elsewhere

__all__ = ["DockerEngine", "elsewhere"]
