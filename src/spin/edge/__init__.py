"""The edge: Caddy in front of the stacks. Routes in, Caddy's JSON out, over its admin API on a unix socket.

`render` is pure: the table of routes as Caddy's configuration, and back. `CaddyEdge` is the port's adapter, `caddy_child` what the
supervisor runs. `simulated` keeps a table in memory.
"""

from spin.edge.caddy import CaddyEdge
from spin.edge.process import caddy_child

__all__ = ["CaddyEdge", "caddy_child"]
