"""`ports`, `expose` and `x-spin` of a service.

A published port 80 or 443 is the edge's: it means the same as `x-spin: {http: TARGET}`. A port without a host port is only
exposed: Spin gives out no random ports. So is one on the host's own address (127.0.0.1), which nobody could reach there.
"""

from __future__ import annotations

from collections.abc import Iterator

from spin.compose.cursor import Cursor
from spin.compose.forms import MOST_PORTS, PortForm, host_range, match_ranges, port, port_range, protocol, public_host
from spin.kit.addresses import is_loopback
from spin.kit.text import quoted
from spin.model.stack import Http, Port, Protocol

PLAIN, TLS = 80, 443
EDGE_PORTS = (PLAIN, TLS)
"""Published TCP ports that mean "through the reverse proxy"."""


def port_forms(cursor: Cursor | None) -> Iterator[tuple[Cursor, PortForm]]:
    """Every entry of `ports`, short or long. Raises InvalidInput."""
    for item in cursor.items() if cursor else ():
        yield item, _long(item) if item.is_mapping() else item.read(port)


def _long(item: Cursor) -> PortForm:
    target, published = item.get("target"), item.get("published")
    kind, address, mode = item.said("protocol"), item.said("host_ip"), item.said("mode")
    if target is None:
        item.fail("the port has no `target`; write the port inside the container.")
    if mode and mode.value not in ("ingress", "host"):
        mode.fail(f"{quoted(mode.value)} is not a mode; leave `mode` out.")
    form = PortForm(
        target=target.read(port_range),
        published=published.read(host_range) if published and published.value != "" else None,
        protocol=kind.read(protocol) if kind else Protocol.TCP,
        address=address.line() if address else None,
    )
    return (
        item.at("published", published.value).read(lambda text: match_ranges(form, text))
        if form.published and published
        else form
    )


def lower_ports(cursor: Cursor) -> tuple[tuple[Port, ...], tuple[int, ...], Http | None]:
    """Published ports, exposed ports and the HTTP port of a service. Raises InvalidInput."""
    published: dict[tuple[int, Protocol], Port] = {}
    exposed: set[int] = set()
    at_edge: dict[int, tuple[int, Cursor]] = {}
    count = 0
    for item, form in port_forms(cursor.get("ports")):
        count = _counted(item, count, form.target)
        if not form.is_published or (form.address and is_loopback(form.address)):
            exposed.update(range(form.target[0], form.target[1] + 1))
            continue
        for outside, inside in form.pairs():
            if outside in EDGE_PORTS and form.protocol is Protocol.TCP:
                at_edge[outside] = (inside, item)
            elif published.setdefault((outside, form.protocol), Port(inside, outside, form.protocol)).target != inside:
                item.fail(
                    f"port {outside}/{form.protocol.value} is published twice, to different ports of the container; keep one."
                )
    expose = cursor.get("expose")
    for item in expose.items() if expose else ():
        first, last = _exposed(item)
        count = _counted(item, count, (first, last))
        exposed.update(range(first, last + 1))
    if PLAIN in at_edge and TLS in at_edge:
        exposed.add(at_edge.pop(TLS)[0])  # the edge ends TLS, and leads to the port that needs none
    http = _http(cursor, dict(at_edge.values()))
    ports = sorted(published.values(), key=lambda p: (p.published, p.protocol.value))
    return tuple(ports), tuple(sorted(exposed)), http


def _counted(item: Cursor, count: int, ports: tuple[int, int]) -> int:
    """`count` and these ports more. Raises InvalidInput where that is too many."""
    count += ports[1] - ports[0] + 1
    if count > MOST_PORTS:
        item.fail(f"the service names more than {MOST_PORTS} ports; publish fewer.")
    return count


def _exposed(item: Cursor) -> tuple[int, int]:
    text, _, kind = item.line().partition("/")
    if kind:
        item.at("protocol", kind).read(protocol)
    return Cursor(text, item.path, item.positions).read(port_range)


def _http(cursor: Cursor, found: dict[int, Cursor]) -> Http | None:
    extension = cursor.get("x-spin")
    http, hosts = (extension.get("http"), extension.get("hosts")) if extension else (None, None)
    if http:
        found = {**found, http.integer(1, 65535): http}
    names = tuple(sorted({item.read(public_host) for item in hosts.items()})) if hosts else ()
    if len(found) > 1:
        last = list(found.values())[-1]
        ports = " and ".join(str(p) for p in sorted(found))
        last.fail(
            f"ports {ports} are both named as the one that speaks HTTP; keep one: the reverse proxy ends TLS and needs no second."
        )
    if not found:
        if hosts and names:
            hosts.fail("own host names need a port that speaks HTTP; add `http: PORT` beside `hosts`.")
        return None
    return Http(next(iter(found)), names)
