"""The table of hosts as Caddy's JSON, and back. Pure.

Hosts are in groups: one route of Caddy's each, with a map from the host to its upstreams and one proxy for all of them. An upstream is a
placeholder for a small file (`spin.edge.targets`), so where it leads is not in the configuration. Each mapping is marked by `@id`
with owner and host, and the first route with the table's marker, so that the table is read back from the configuration in force.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spin.edge import visits
from spin.edge.table import Host, Table

SERVER = "spin"
"""Name of the server in Caddy's configuration."""
ROUTES = f"/config/apps/http/servers/{SERVER}/routes"
"""Path of the routes in Caddy's admin API."""
MARKER = f"{ROUTES}/0/@id"
"""Path of the table's marker: a few bytes instead of the whole table."""
LISTENER = "SPIN_EDGE_LISTENER"
"""Environment variable with the file descriptor on which Caddy accepts visitors."""
FOLDER = "targets"
"""Where the files are that upstreams are read from, in Caddy's working directory, which is the edge's own."""
NOBODY = "unix/none.sock"
"""Target of a host without containers: a listener of Caddy's own, also in its working directory."""
SOON = "unix/soon.sock"
"""Target of a host that is about to have a container: nothing listens there, so Caddy tries again, and reads the file again."""

GROUP = 120
"""Hosts in a group. Caddy finds a host in a list of more than 100 by binary search, and then its mapping one by one. A route with a
proxy of its own for each host, in a tree of small groups, took a fifth more processor time for a request with 1,000 hosts, twice
the memory, and twice as long to be in force (docs/benchmarks.md has today's figures)."""

# A failed dial is tried again, on any upstream, and the files are read again: a container that Docker restarts is back within these
# seconds, and an address that nobody has any more is out of the files. Targets are not marked as failed: an upstream's file may name
# another one by then.
_TRY_FOR, _TRY_EVERY, _DIAL = "5s", "50ms", "500ms"
# How long a connection to a target is kept for the next request. Shorter than any common server's own limit (gunicorn's is 2 s, most
# have 5 s and more), so that a request is not sent on a connection that is just being closed; and a target that has left is free of
# connections that nothing is going on in.
_IDLE = "1500ms"
# Below what a person notices. A negative value would flush at once, but keep requests running whose visitors have left.
_FLUSH = "20ms"
# Each new configuration ends the proxy of the one before. Its open WebSockets may go on for as long as this.
_STREAMS = "24h"

_TEXT = {"Content-Type": ["text/plain; charset=utf-8"], "X-Content-Type-Options": ["nosniff"], "Cache-Control": ["no-store"]}
_RETRY = {"Retry-After": ["5"]}
# What a visitor may not tell of themselves; the proxy sets X-Forwarded-For, -Host and -Proto.
_UNTRUSTED = ["X-Forwarded-*", "Forwarded", "X-Real-Ip", "True-Client-Ip"]
_TELLING = ["Server", "Via"]


def admin_socket(directory: Path) -> Path:
    """Where Caddy's admin API is, when `directory` is the edge's own: only its owner can reach it, and no container."""
    return directory / "admin.sock"


def render(table: Table) -> list[dict[str, Any]]:
    """The server's list of routes, for `ROUTES`."""
    clean = {"handler": "headers", "request": {"delete": _UNTRUSTED}, "response": {"delete": _TELLING, "deferred": True}}
    nobody = _answer(404, "There is no such stack here.\n")
    groups = [_group(hosts) for hosts in _groups(table)]
    return [{"@id": _mark(table), "handle": [clean]}, *groups, {"handle": [nobody]}]


def read(config: Any) -> Table:
    """The table that a list of routes stands for; what `render` has not made is passed over.

    Raises KeyError, TypeError or AttributeError for what is no list of Caddy's routes.
    """
    maps = (handler for route in config or () for handler in route["handle"] if handler["handler"] == "map")
    return Table(tuple(sorted((_host(mapping) for found in maps for mapping in found["mappings"]), key=lambda h: h.name)))


def is_marked(marker: Any, table: Table) -> bool:
    """Whether what is at `MARKER` is the table's."""
    return bool(marker == _mark(table))


def configuration(directory: Path, table: Table) -> str:
    """Caddy's whole configuration, as text. `directory` is the edge's own."""
    away = _answer(
        "{http.error.status_code}", "The service behind this name does not answer. Try again in a few seconds.\n", _RETRY
    )
    not_ready = _answer(
        503, "{http.request.host} is known here, but no container of it is ready. Try again in a few seconds.\n", _RETRY
    )
    common = {"protocols": ["h1"], "automatic_https": {"disable": True}, "read_header_timeout": "30s", "idle_timeout": "2m"}
    visitors = {
        "listen": [f"fd/{{env.{LISTENER}}}"],
        "routes": render(table),
        "logs": {"default_logger_name": visits.LOGGER},
        "errors": {
            "routes": [{"match": [{"vars": {"{http.error.status_code}": ["502", "503", "504"]}}], "handle": [away]}],
        },
    }
    own = {"listen": [f"unix/{directory / NOBODY.removeprefix('unix/')}|0600"], "routes": [{"handle": [not_ready]}]}
    whole = {
        "admin": {"listen": f"unix/{admin_socket(directory)}|0600", "config": {"persist": False}},
        "storage": {"module": "file_system", "root": str(directory / "storage")},
        # The admin endpoint warns at each change that a unix socket has no host to check. The proxy's logger would describe every
        # request as JSON only to throw it away, which is 9 % of its processor time; its errors are logged by the server.
        "logging": {
            "logs": {
                "default": {
                    "level": "WARN",
                    "exclude": ["admin", "http.handlers.reverse_proxy", f"http.log.access.{visits.LOGGER}"],
                },
                visits.LOGGER: visits.logging(),
            }
        },
        # No grace period: a new configuration must never cut an answer short. At the end the supervisor sees to it.
        "apps": {"http": {"grace_period": 0, "servers": {SERVER: common | visitors, "nobody": common | own}}},
    }
    return json.dumps(whole, separators=(",", ":"))


def stored(text: str) -> Table:
    """The table in a text that `configuration` has made; an empty one for any other."""
    try:
        return read(json.loads(text)["apps"]["http"]["servers"][SERVER]["routes"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return Table()


def _mark(table: Table) -> str:
    return f"table {table.marker}"


def _groups(table: Table) -> Iterator[tuple[Host, ...]]:
    """Hosts of a group have equally many upstreams and equally many labels, as one map needs."""

    def kind(host: Host) -> tuple[int, int]:
        return host.slots, host.name.count(".")

    for _, alike in itertools.groupby(sorted(table.hosts, key=kind), key=kind):
        hosts = tuple(alike)
        for start in range(0, len(hosts), GROUP):
            yield hosts[start : start + GROUP]


def _group(hosts: tuple[Host, ...]) -> dict[str, Any]:
    labels = hosts[0].name.count(".") + 1
    upstreams = [f"{{spin.{slot}}}" for slot in range(hosts[0].slots)]
    leads_to = {
        "handler": "map",
        # The host as the visitor wrote it, but in lower case: Caddy gives that label by label only, the last one first.
        "source": ".".join(f"{{http.request.host.labels.{label}}}" for label in reversed(range(labels))),
        "destinations": upstreams,
        "mappings": [_mapping(host) for host in hosts],
    }
    return {"match": [{"host": [host.name for host in hosts]}], "handle": [leads_to, _proxy(upstreams)], "terminal": True}


def _mapping(host: Host) -> dict[str, Any]:
    outputs = [f"{{file.{FOLDER}/{host.name}/{slot}}}" for slot in range(host.slots)]
    return {"@id": f"{host.owner} {host.name}", "input": host.name, "outputs": outputs}


def _host(mapping: Any) -> Host:
    owner, _, name = mapping["@id"].rpartition(" ")
    return Host(name, owner, len(mapping["outputs"]))


def _proxy(upstreams: list[str]) -> dict[str, Any]:
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": upstream} for upstream in upstreams],
        # By chance and not in turn: all hosts of a group share the turn, so two that are asked alternately would each
        # meet only every second of their targets.
        "load_balancing": {"selection_policy": {"policy": "random"}, "try_duration": _TRY_FOR, "try_interval": _TRY_EVERY},
        "flush_interval": _FLUSH,
        "stream_close_delay": _STREAMS,
        "transport": {
            "protocol": "http",
            "dial_timeout": _DIAL,
            "keep_alive": {"max_idle_conns_per_host": 32, "idle_timeout": _IDLE},
        },
    }


def _answer(status: int | str, body: str, headers: dict[str, list[str]] | None = None) -> dict[str, Any]:
    return {"handler": "static_response", "status_code": status, "headers": _TEXT | (headers or {}), "body": body}
