"""What a picture shows, and how each form writes it."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree as ET

import pytest

from spin.diagram import Picture, Surroundings, mermaid, picture, svg, text
from spin.diagram.layout import Box, Layout, layout
from spin.diagram.picture import ANY, EDGE, NO_CLASS, TIMES, Network, Service
from spin.kit.canonical import primitive
from spin.model.stack import Dependency, Image, ServiceSpec, StackSpec
from spin.site import Site
from support.compose import stack

SHOP = """
    services:
      web:
        image: nginx:1.27
        x-spin: {http: 8080, hosts: [shop.example.org]}
        depends_on: {api: {condition: service_healthy}}
        networks: [front]
        deploy: {replicas: 3}
      api:
        image: api:1
        networks: [front, back]
        expose: ["9000"]
        depends_on: [db]
        secrets: [password]
        configs: [rules]
      db:
        image: postgres:16
        networks: [back]
        ports: ["5432:5432", "60001:22"]
        volumes: ["data:/data", "seed:/seed:ro"]
        secrets: [password]
    networks: {front: , back: {internal: true}}
    volumes: {data: , seed: }
    secrets: {password: {external: true}}
    configs: {rules: {content: x}}
"""


def drawn(spec: StackSpec, site: Site | None = None) -> Picture:
    return picture(spec, Surroundings.of_site("shop", "development", site or Site()))


@pytest.fixture
def shop() -> Picture:
    return drawn(stack(SHOP))


def many(count: int, *, needs: int = 0) -> Picture:
    """A stack of `count` services, each of which needs the next `needs` ones."""
    names = [f"service-{n:03}" for n in range(count)]
    services = [
        ServiceSpec(name, Image("image:1"), depends_on=tuple(Dependency(other) for other in names[n + 1 : n + 1 + needs]))
        for n, name in enumerate(names)
    ]
    return drawn(StackSpec(tuple(services)))


# What is shown.


def test_a_service_comes_before_what_it_needs(shop: Picture) -> None:
    assert [s.name for s in shop.services] == ["web", "api", "db"]


def test_public_ports_are_host_names_and_published_ports_with_their_class(shop: Picture) -> None:
    assert [(p.service, p.published, p.target, p.way, p.reach) for p in shop.public] == [
        ("web", "http://web.shop.development.spin.localhost:8080/", "8080/tcp", EDGE, "whoever reaches the site's edge"),
        ("web", "http://shop.example.org:8080/", "8080/tcp", EDGE, "whoever reaches the site's edge"),
        ("db", "5432/tcp", "5432/tcp", "institution", "the institution's networks"),
        ("db", "60001/tcp", "22/tcp", "public", "everyone"),
    ]


def test_a_port_in_no_class_is_shown_as_what_it_is() -> None:
    (port,) = drawn(stack('services: {app: {image: a, ports: ["99:99/udp"]}}')).public
    assert (port.published, port.way) == ("99/udp", NO_CLASS)


def test_private_ports_say_who_reaches_them_and_a_service_that_names_none_is_listed_too(shop: Picture) -> None:
    assert [(p.service, p.port, p.networks, p.callers) for p in shop.private] == [
        ("web", "8080/tcp", ("front",), ("api",)),
        ("api", "9000/tcp", ("back", "front"), ("db", "web")),
        ("db", "22/tcp", ("back",), ("api",)),
        ("db", "5432/tcp", ("back",), ("api",)),
    ]
    assert [p.port for p in drawn(stack("services: {app: {image: a}}")).private] == [ANY]


def test_networks_that_nobody_joins_are_not_drawn(shop: Picture) -> None:
    assert shop.networks == (Network("back", True, ("api", "db")), Network("front", False, ("api", "web")))


def test_a_circle_of_needs_is_drawn_all_the_same() -> None:
    a = ServiceSpec("a", Image("i"), depends_on=(Dependency("b"),))
    b = ServiceSpec("b", Image("i"), depends_on=(Dependency("a"),))
    circle = drawn(StackSpec((a, b)))
    assert [s.name for s in circle.services] == ["a", "b"]
    assert "2 arrows are not drawn" in svg(circle)


# Text.


def test_the_text_form(shop: Picture) -> None:
    assert text(shop) == (
        """\
shop in development

● web  *3  nginx:1.27
├─ visitors  http://web.shop.development.spin.localhost:8080/ → 8080/tcp
├─ visitors  http://shop.example.org:8080/ → 8080/tcp
├─ needs     api (healthy)
└─ network   front

● api  *1  api:1
├─ needs    db (started)
├─ secret   password at /run/secrets/password
├─ config   rules at /rules
└─ network  back, front

● db  *1  postgres:16
├─ institution  5432/tcp → 5432/tcp
├─ public       60001/tcp → 22/tcp
├─ volume       data at /data
├─ volume       seed at /seed (read only)
├─ secret       password at /run/secrets/password
└─ network      back

Who shares what
  network back (internal: no way out)   api, db
  network front                         api, web
  volume data                           db
  volume seed                           db
  secret password                       api, db
  config rules                          api

Public ports: reached from outside the stack
  PUBLISHED                                          SERVICE   PORT       CLASS         REACHED BY
  http://web.shop.development.spin.localhost:8080/   web       8080/tcp   edge          whoever reaches the site's edge
  http://shop.example.org:8080/                      web       8080/tcp   edge          whoever reaches the site's edge
  5432/tcp                                           db        5432/tcp   institution   the institution's networks
  60001/tcp                                          db        22/tcp     public        everyone

Private ports: reached on the stack's own networks only
  SERVICE   PORT       NETWORK       REACHED BY
  web       8080/tcp   front         api
  api       9000/tcp   back, front   db, web
  db        22/tcp     back          api
  db        5432/tcp   back          api
""".replace("*", TIMES)
    )


def test_a_stack_without_public_ports_says_so() -> None:
    closed = drawn(stack("services: {app: {image: a}}"))
    assert "Public ports: none." in text(closed)
    assert "none: nothing of this stack is reached from outside" in svg(closed)


# Mermaid.

_LABEL = r'"[^"]*"'
_LINES = [
    r"---",
    r"title: '([^']|'')*'",
    r"flowchart LR",
    r"    \w+\(\[" + _LABEL + r"\]\):::way",
    r"    subgraph n\d+\[" + _LABEL + r"\]",
    r"        s\d+\[" + _LABEL + r"\]:::service",
    r"    end",
    r"    v\d+\[\(" + _LABEL + r"\)\]:::volume",
    r"    k\d+\{\{" + _LABEL + r"\}\}:::secret",
    r"    c\d+\[/" + _LABEL + r"/\]:::config",
    r"    \w+ (-->|---)\|" + _LABEL + r"\| \w+",
    r"    \w+ -\.- \w+",
    r"    classDef \w+ fill:#\w+,stroke:#\w+,color:#\w+",
]


def grammatical(written: str) -> bool:
    """Every line is one of the flowchart forms of Mermaid's documentation that are used here."""
    return all(re.fullmatch("|".join(_LINES), line) for line in written.splitlines())


def test_the_mermaid_form(shop: Picture) -> None:
    written = mermaid(shop)
    assert grammatical(written)
    for line in (
        '    w0(["visitors, HTTP"]):::way',
        '    subgraph n0["network front"]',
        '    subgraph n1["networks back (internal) + front"]',
        '    s0 -->|"healthy"| s1',
        '    w0 -->|"shop.example.org:8080 → 8080/tcp"| s0',
        '    s2 ---|"/seed (read only)"| v1',
        "    s1 -.- k0",
        '    c0[/"config rules"/]:::config',
    ):
        assert line in written.splitlines()


# SVG.


def words(written: str) -> str:
    """All that can be read in a drawing; raises where it is not well-formed."""
    return " ".join(ET.fromstring(written).itertext())


def test_the_svg_form_shows_all_names_and_both_lists(shop: Picture) -> None:
    shown = words(svg(shop))
    for name in (
        "web",
        "nginx:1.27",
        "shop.example.org:8080",
        "back (internal)",
        "data",
        "seed",
        "password",
        "rules",
        "Public ports",
    ):
        assert name in shown
    assert "60001/tcp → 22/tcp, public" in shown


def test_the_svg_loads_nothing_and_runs_nothing(shop: Picture) -> None:
    root = ET.fromstring(svg(shop))
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "title", "style", "defs", "marker", "path", "rect", "line", "g", "text"}
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not [name for name in attributes if "href" in name or name.startswith("on")]


# Hostile and big.

HOSTILE = [
    "<script>alert(1)</script>",
    "\"quotes'",
    "]]></style><x>",
    "%%{init: {}}%%",
    "`a` #quot; &amp; \\",
    "z" * 5000,
    "نص\u202e",
    "\x00\x1b[2J\n",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_only_ever_text(shop: Picture, name: str) -> None:
    service = replace(stack(SHOP).services[0], name=name, image=Image(name))
    hostile = picture(StackSpec((service,)), Surroundings(name, name, name, 80, ()))
    for form in (text(hostile), mermaid(hostile), svg(hostile)):
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", form)
        assert len(form) < 30_000
    assert grammatical(mermaid(hostile))
    shown = svg(hostile)
    root = ET.fromstring(shown)
    assert not [element for element in root.iter() if element.tag.rpartition("}")[2] in ("script", "x")]
    assert "<script" not in mermaid(hostile)


@pytest.mark.parametrize("needs", [0, 1, 5, 199])
def test_two_hundred_services_stay_bounded(needs: int) -> None:
    big = many(200, needs=needs)
    before = time.process_time()
    written = svg(big)
    forms = [written, mermaid(big), text(big), json.dumps(primitive(big))]
    assert time.process_time() - before < 10
    assert max(map(len, forms)) < 3_000_000
    assert words(written).count("service-100") > 0
    if needs in (1, 199):
        assert ("arrows are not drawn" in written) == (needs == 199)


# The layout.


def crossings(drawing: Layout) -> list[tuple[str, str]]:
    """Arrows with a level part inside a box that is neither their beginning nor their end."""
    found = []
    for way in drawing.ways:
        level = list(zip(way.points[::2], way.points[1::2], strict=False))
        for (x1, y), (x2, _) in level:
            for name, box in drawing.boxes.items():
                if name in (way.start, way.end):
                    continue
                if x1 < box.x + box.width - 0.01 and x2 > box.x + 0.01 and box.y < y < box.y + box.height:
                    found.append((f"{way.start}→{way.end}", name))
    return found


@pytest.mark.parametrize("needs", [0, 1, 3, 7])
def test_no_box_covers_another_and_no_arrow_crosses_a_box(needs: int) -> None:
    boxes = [Box(f"b{n}", 100 + 13 * (n % 7), 40 + 11 * (n % 5), stretch=n % 2 == 0) for n in range(40)]
    arrows = [(f"b{n}", f"b{(n * 7 + k * 11) % 40}") for n in range(40) for k in range(1, needs + 1) if (n * 7 + k * 11) % 40 > n]
    drawing = layout(boxes, arrows)
    assert set(drawing.boxes) == {box.id for box in boxes}
    for a, b in combinations(drawing.boxes.values(), 2):
        apart = a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
        assert apart
    assert crossings(drawing) == []
    assert all(
        box.x + box.width <= drawing.width + 0.01 and box.y + box.height <= drawing.height + 0.01
        for box in drawing.boxes.values()
    )


def test_arrows_lead_from_left_to_right() -> None:
    drawing = layout([Box(name, 50, 30) for name in "abcd"], [("a", "b"), ("b", "c"), ("a", "c"), ("d", "c")])
    for way in drawing.ways:
        assert [x for x, _ in way.points] == sorted(x for x, _ in way.points)
        assert drawing.boxes[way.start].x + drawing.boxes[way.start].width < drawing.boxes[way.end].x


def test_the_json_form_is_the_picture_itself(shop: Picture) -> None:
    told = primitive(shop)
    assert told["services"][0]["name"] == "web"
    assert set(told["services"][0]) == set(Service.__dataclass_fields__)


def test_a_job_shows_when_it_runs_in_every_form() -> None:
    drawing = drawn(stack('services: {backup: {image: "alpine:3.20", x-spin: {schedule: "15 3 * * *"}}}'))
    assert drawing.services[0].schedule == "15 3 * * *"
    assert "● backup  15 3 * * * UTC  alpine:3.20" in text(drawing)
    assert "15 3" in mermaid(drawing)
    assert "job, 15 3 * * * UTC" in svg(drawing)
