"""The table of routes as Caddy's JSON, and back. Pure.

One route of Caddy's a host, marked by `@id` with owner and host, so that the table is read back from the configuration in force and
nothing else has to be remembered. Hosts and targets that are not plain names and addresses are left out: Caddy would expand
`{placeholders}` and `*` in them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Any

from spin.model.observed import Route

SERVER = "spin"
"""Name of the server in Caddy's configuration."""
ROUTES = f"/config/apps/http/servers/{SERVER}/routes"
"""Path of the routes in Caddy's admin API."""
LISTENER = "SPIN_EDGE_LISTENER"
"""Environment variable with the file descriptor on which Caddy accepts visitors."""

LIST = 8
"""Routes that are tried one after another; a longer list becomes a tree."""
FANOUT = 4
"""Branches of the tree. Caddy tries routes in order and prepares a nested list anew for each request, so short lists win: with
1,000 hosts a tree of 4 took 1.17 times the processor time of a single route, one of 10 took 1.35, the plain list 2.4."""

# A failed dial is tried on the next target; a container that Docker restarts is back within these seconds.
_TRY_FOR, _TRY_EVERY, _DIAL = "5s", "100ms", "1s"
# How long a target is left out after a failed dial. Shorter than _TRY_FOR: a service all of whose targets failed is tried again.
_LEFT_OUT = "2s"
# Below what a person notices. A negative value would flush at once, but keep requests running whose visitors have left.
_FLUSH = "20ms"
# Each change of the table ends the proxy of the table before. Its open WebSockets may go on for as long as this.
_STREAMS = "24h"

_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*", re.ASCII)
_OWNER = re.compile(r"[^\s{}]+")
_TEXT = {"Content-Type": ["text/plain; charset=utf-8"], "X-Content-Type-Options": ["nosniff"], "Cache-Control": ["no-store"]}
_RETRY = {"Retry-After": ["5"]}
# What a visitor may not tell of themselves; the proxy sets X-Forwarded-For, -Host and -Proto.
_UNTRUSTED = ["X-Forwarded-*", "Forwarded", "X-Real-Ip", "True-Client-Ip"]
_TELLING = ["Server", "Via"]


def normalise(routes: Iterable[Route]) -> tuple[Route, ...]:
    """The table as it can be in force: by host, targets sorted and once; of two owners of one host the first has it."""
    table: dict[str, Route] = {}
    for route in sorted(routes, key=lambda r: (r.host, r.owner)):
        if _HOST.fullmatch(route.host) and _OWNER.fullmatch(route.owner) and route.host not in table:
            targets = tuple(sorted({t for t in route.targets if _is_target(t)}))
            table[route.host] = Route(route.host, route.owner, targets)
    return tuple(table.values())


def render(routes: Iterable[Route]) -> list[dict[str, Any]]:
    """The server's list of routes, for `ROUTES`."""
    clean = {"handler": "headers", "request": {"delete": _UNTRUSTED}, "response": {"delete": _TELLING, "deferred": True}}
    nobody = _answer(404, "There is no such stack here.\n")
    return [{"handle": [clean]}, *_tree([_leaf(route) for route in normalise(routes)]), {"handle": [nobody]}]


def read(config: Any) -> tuple[Route, ...]:
    """The table that a list of routes stands for, sorted by host; what `render` has not made is passed over.

    Raises KeyError, TypeError, IndexError or AttributeError for what is no list of Caddy's routes.
    """
    return tuple(sorted(_leaves(config), key=lambda r: r.host))


def configuration(admin: str, storage: str) -> dict[str, Any]:
    """Caddy's whole configuration at its start, with an empty table. `admin` is the path of its unix socket, `storage` a directory."""
    away = _answer(
        "{http.error.status_code}", "The service behind this name does not answer. Try again in a few seconds.\n", _RETRY
    )
    server = {
        "listen": [f"fd/{{env.{LISTENER}}}"],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        "read_header_timeout": "30s",
        "idle_timeout": "2m",
        "routes": render(()),
        "errors": {
            "routes": [{"match": [{"vars": {"{http.error.status_code}": ["502", "503", "504"]}}], "handle": [away]}],
        },
    }
    return {
        "admin": {"listen": f"unix/{admin}|0600", "config": {"persist": False}},
        "storage": {"module": "file_system", "root": storage},
        # The admin endpoint warns at each change that a unix socket has no host to check.
        "logging": {"logs": {"default": {"level": "WARN", "exclude": ["admin"]}}},
        # No grace period: a change of the table must never cut an answer short. At the end the supervisor sees to it.
        "apps": {"http": {"grace_period": 0, "servers": {SERVER: server}}},
    }


def _leaf(route: Route) -> dict[str, Any]:
    return {
        "@id": f"{route.owner} {route.host}",
        "match": [{"host": [route.host]}],
        "handle": [_proxy(route.targets) if route.targets else _not_ready(route.host)],
        "terminal": True,
    }


def _proxy(targets: tuple[str, ...]) -> dict[str, Any]:
    proxy: dict[str, Any] = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": target} for target in targets],
        "load_balancing": {
            "selection_policy": {"policy": "round_robin"},
            "try_duration": _TRY_FOR,
            "try_interval": _TRY_EVERY,
        },
        "flush_interval": _FLUSH,
        "stream_close_delay": _STREAMS,
        "transport": {"protocol": "http", "dial_timeout": _DIAL, "keep_alive": {"max_idle_conns_per_host": 32}},
    }
    if len(targets) > 1:  # leaving out the only one would help nobody
        proxy["health_checks"] = {"passive": {"fail_duration": _LEFT_OUT, "max_fails": 1}}
    return proxy


def _not_ready(host: str) -> dict[str, Any]:
    return _answer(503, f"{host} is known here, but no container of it is ready. Try again in a few seconds.\n", _RETRY)


def _answer(status: int | str, body: str, headers: dict[str, list[str]] | None = None) -> dict[str, Any]:
    return {"handler": "static_response", "status_code": status, "headers": _TEXT | (headers or {}), "body": body}


def _tree(routes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(routes) <= LIST:
        return routes
    size = -(-len(routes) // FANOUT)
    parts = [routes[start : start + size] for start in range(0, len(routes), size)]
    return [
        {
            "match": [{"host": [route["match"][0]["host"][0] for route in part]}],
            "handle": [{"handler": "subroute", "routes": _tree(part)}],
            "terminal": True,
        }
        for part in parts
    ]


def _leaves(routes: Any) -> Iterator[Route]:
    for route in routes or ():
        handler = route["handle"][0]
        if "@id" in route:
            owner, _, host = route["@id"].rpartition(" ")
            yield Route(host, owner, tuple(sorted(upstream["dial"] for upstream in handler.get("upstreams", ()))))
        elif handler["handler"] == "subroute":
            yield from _leaves(handler["routes"])


def _is_target(target: str) -> bool:
    """Whether it is `address:port`, an IPv6 address in brackets."""
    host, _, port = target.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        return False
    return bracketed == (address.version == 6) and "%" not in host and port.isascii() and port.isdigit() and 0 < int(port) < 65536
