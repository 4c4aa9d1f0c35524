"""The table of service addresses as text for nftables, and back."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from spin.addresses.render import Written, checked, marker, read, read_held, refuse_clashes, render, table_name
from spin.errors import Failed
from spin.model.observed import ServiceAddress

RANGE = "10.208.0.64/26"
OWNER = "research/development/shop"
API = ServiceAddress(OWNER, "default", "api", "10.208.0.126", RANGE, "br-0123456789ab", ("10.208.0.2", "10.208.0.3"))
DB = ServiceAddress(OWNER, "default", "db", "10.208.0.125", RANGE, "br-0123456789ab", ("10.208.0.4",))
HELD = ServiceAddress(OWNER, "default", "queue", "10.208.0.124", RANGE, "br-0123456789ab", (), hold=True)
GONE = ServiceAddress(OWNER, "default", "web", "10.208.0.123", RANGE, "br-0123456789ab", ())

REFUSAL = """\
add chain ip spin-site raw { type filter hook prerouting priority raw - 5; policy accept; }
flush chain ip spin-site raw
add rule ip spin-site raw ip daddr @ranges iifname . ip daddr != @known notrack
add chain ip spin-site prerouting { type nat hook prerouting priority dstnat - 5; policy accept; }
flush chain ip spin-site prerouting
add rule ip spin-site prerouting ip daddr @ranges ip protocol tcp ct timeout set "brief"
add rule ip spin-site prerouting iifname . ip daddr vmap @services
add chain ip spin-site input { type filter hook input priority filter - 5; policy accept; }
flush chain ip spin-site input
add rule ip spin-site input ip daddr @ranges meta l4proto tcp reject with tcp reset
add rule ip spin-site input ip daddr @ranges reject
add chain ip spin-site forward { type filter hook forward priority filter - 5; policy accept; }
flush chain ip spin-site forward
add rule ip spin-site forward ip daddr @ranges meta l4proto tcp reject with tcp reset
add rule ip spin-site forward ip daddr @ranges reject
add chain ip spin-site output { type filter hook output priority -105; policy accept; }
flush chain ip spin-site output
add rule ip spin-site output ip daddr @ranges meta l4proto tcp reject with tcp reset
add rule ip spin-site output ip daddr @ranges reject
add chain ip spin-site postrouting { type nat hook postrouting priority srcnat - 5; policy accept; }
flush chain ip spin-site postrouting
"""
ANEW = """\
add table ip spin-site
delete table ip spin-site
add table ip spin-site
add ct timeout ip spin-site brief { protocol tcp; l3proto ip; policy = { time_wait : 1, close : 1 }; }
add chain ip spin-site written/1
add map ip spin-site services { type ifname . ipv4_addr : verdict; }
add set ip spin-site ranges { type ipv4_addr; flags interval; }
add set ip spin-site known { type ifname . ipv4_addr; }
"""
KNOWN = "add set ip spin-site known { type ifname . ipv4_addr; }\n"
FILLED = "add element ip spin-site ranges { 10.208.0.64/26 }\n"
CHANGED = """\
add table ip spin-site
add chain ip spin-site written/1
delete chain ip spin-site written/0
add map ip spin-site services { type ifname . ipv4_addr : verdict; }
add set ip spin-site ranges { type ipv4_addr; flags interval; }
add set ip spin-site known { type ifname . ipv4_addr; }
"""


def text(*entries: ServiceAddress, before: Written | None = None, masquerade: bool = False) -> str:
    return render("spin-site", before or Written(), entries, marker("1"), masquerade=masquerade)


def kept(*entries: ServiceAddress) -> Written:
    return Written(entries, marker("0"), clean=True)


def test_each_service_has_a_chain_that_leads_to_its_containers_holds_or_lets_pass_to_the_refusal() -> None:
    services = """\
add chain ip spin-site to/research/development/shop/default/api
flush chain ip spin-site to/research/development/shop/default/api
add rule ip spin-site to/research/development/shop/default/api numgen inc mod 2 0 dnat to 10.208.0.2
add rule ip spin-site to/research/development/shop/default/api dnat to 10.208.0.3
add chain ip spin-site to/research/development/shop/default/db
flush chain ip spin-site to/research/development/shop/default/db
add rule ip spin-site to/research/development/shop/default/db dnat to 10.208.0.4
add chain ip spin-site to/research/development/shop/default/queue
flush chain ip spin-site to/research/development/shop/default/queue
add rule ip spin-site to/research/development/shop/default/queue drop
add chain ip spin-site to/research/development/shop/default/web
flush chain ip spin-site to/research/development/shop/default/web
add rule ip spin-site to/research/development/shop/default/web dnat to 10.208.0.123
add element ip spin-site services { \
"br-0123456789ab" . 10.208.0.126 : goto to/research/development/shop/default/api, \
"br-0123456789ab" . 10.208.0.125 : goto to/research/development/shop/default/db, \
"br-0123456789ab" . 10.208.0.124 : goto to/research/development/shop/default/queue, \
"br-0123456789ab" . 10.208.0.123 : goto to/research/development/shop/default/web }
add element ip spin-site known { \
"br-0123456789ab" . 10.208.0.126, "br-0123456789ab" . 10.208.0.125, "br-0123456789ab" . 10.208.0.124, "br-0123456789ab" . 10.208.0.123 }
"""
    assert text(GONE, HELD, DB, API) == ANEW.replace(KNOWN, FILLED + KNOWN) + services + REFUSAL


def test_a_site_without_entries_has_all_that_refuses_and_no_range() -> None:
    assert text() == ANEW + REFUSAL


def test_new_targets_change_the_rules_of_that_service_and_no_element_of_the_map() -> None:
    moved = replace(API, targets=("10.208.0.3", "10.208.0.8", "10.208.0.9"))
    rules = """\
add chain ip spin-site to/research/development/shop/default/api
flush chain ip spin-site to/research/development/shop/default/api
add rule ip spin-site to/research/development/shop/default/api numgen inc mod 3 0 dnat to 10.208.0.3
add rule ip spin-site to/research/development/shop/default/api numgen inc mod 2 0 dnat to 10.208.0.8
add rule ip spin-site to/research/development/shop/default/api dnat to 10.208.0.9
"""
    assert text(moved, DB, before=kept(API, DB)) == CHANGED + rules + REFUSAL


def test_a_service_that_goes_takes_its_element_and_its_chain_with_it() -> None:
    element = """\
delete element ip spin-site services { "br-0123456789ab" . 10.208.0.125 }
delete element ip spin-site known { "br-0123456789ab" . 10.208.0.125 }
"""
    chain = """\
flush chain ip spin-site to/research/development/shop/default/db
delete chain ip spin-site to/research/development/shop/default/db
"""
    assert text(API, before=kept(API, DB)) == CHANGED + element + chain + REFUSAL


def test_the_range_of_a_network_comes_with_its_first_service_and_goes_with_its_last() -> None:
    front = replace(DB, network="front", address="10.208.0.254", within="10.208.0.192/26")

    def ranges(commands: str) -> list[str]:
        return [c for c in commands.splitlines() if "element ip spin-site ranges" in c]

    assert ranges(text(API, DB, before=kept(API))) == []
    assert ranges(text(API, front, before=kept(API))) == ["add element ip spin-site ranges { 10.208.0.192/26 }"]
    assert ranges(text(front, before=kept(API, front))) == ["delete element ip spin-site ranges { 10.208.0.64/26 }"]


def test_a_network_that_was_made_again_has_another_bridge() -> None:
    commands = text(replace(DB, interface="br-new"), before=kept(DB)).splitlines()
    assert [c for c in commands if "element" in c] == [
        'delete element ip spin-site services { "br-0123456789ab" . 10.208.0.125 }',
        'delete element ip spin-site known { "br-0123456789ab" . 10.208.0.125 }',
        'add element ip spin-site services { "br-new" . 10.208.0.125 : goto to/research/development/shop/default/db }',
        'add element ip spin-site known { "br-new" . 10.208.0.125 }',
    ]


def test_what_is_not_as_it_was_written_is_made_anew_as_a_whole() -> None:
    assert text(API, DB, before=replace(kept(API, DB), clean=False)) == text(API, DB)


def test_where_bridged_packets_are_not_tracked_only_flows_to_service_addresses_come_back_through_the_host() -> None:
    rule = "add rule ip spin-site postrouting ct status dnat ct original ip daddr @ranges masquerade\n"
    assert text(API, masquerade=True) == text(API) + rule


def test_a_site_id_that_nftables_does_not_take_is_replaced_and_no_other_has_the_same() -> None:
    assert table_name("t-ab12") == "spin-t-ab12"
    assert table_name("my site") != table_name("my-site")
    assert " " not in table_name("my site")


@pytest.mark.parametrize(
    "wrong",
    [
        replace(API, owner="another/one/there"),
        replace(API, interface='x" ; flush ruleset'),
        replace(API, interface="br-0123456789abcdef"),
        replace(API, service="api }"),
        replace(API, network="a/b"),
        replace(API, address="::1"),
        replace(API, address="10.208.0.12"),
        replace(API, within="10.208.0.64/24"),
        replace(API, within="0.0.0.0/0 }; flush ruleset"),
        replace(API, targets=("10.208.0.2; drop",)),
        replace(API, targets=("10.208.0.3", "10.208.0.2")),
        replace(API, targets=("10.208.0.2", "10.208.0.2")),
    ],
)
def test_what_cannot_be_a_rule_is_refused_before_nftables_sees_it(wrong: ServiceAddress) -> None:
    with pytest.raises(Failed, match="cannot have the address"):
        checked(OWNER, (wrong,))


def test_entries_are_kept_sorted_and_each_service_of_a_network_once() -> None:
    assert checked(OWNER, (GONE, API)) == (API, GONE)
    with pytest.raises(Failed, match="named twice"):
        checked(OWNER, (API, replace(API, address="10.208.0.118")))


def test_an_address_clashes_only_on_the_same_bridge() -> None:
    same = replace(DB, address=API.address)
    refuse_clashes(((API,), (replace(same, interface="br-other"),)))
    with pytest.raises(Failed, match="is taken by service api"):
        refuse_clashes(((API,), (same,)))


def test_ranges_may_be_the_same_but_do_not_overlap() -> None:
    refuse_clashes(((API,), (replace(DB, interface="br-other"),)))
    for within in ("10.208.0.64/27", "10.208.0.0/24"):
        with pytest.raises(Failed, match="overlaps"):
            refuse_clashes(((API,), (replace(API, interface="br-other", within=within),)))


LISTING: list[dict[str, Any]] = [
    {"metainfo": {"version": "1.0.6"}},
    {"table": {"name": "spin-site"}},
    {"chain": {"name": "written/1"}},
    {"chain": {"name": "prerouting"}},
    {"chain": {"name": "to/research/development/shop/default/api"}},
    {
        "rule": {
            "chain": "to/research/development/shop/default/api",
            "expr": [
                {"match": {"op": "==", "left": {"numgen": {"mode": "inc", "mod": 2, "offset": 0}}, "right": 0}},
                {"dnat": {"addr": "10.208.0.2"}},
            ],
        }
    },
    {"rule": {"chain": "to/research/development/shop/default/api", "expr": [{"dnat": {"addr": "10.208.0.3"}}]}},
    {"set": {"name": "ranges", "elem": [{"prefix": {"addr": "10.208.0.64", "len": 26}}]}},
    {"set": {"name": "known", "elem": [{"concat": ["br-0123456789ab", "10.208.0.126"]}]}},
    {
        "map": {
            "name": "services",
            "elem": [
                [
                    {"concat": ["br-0123456789ab", "10.208.0.126"]},
                    {"goto": {"target": "to/research/development/shop/default/api"}},
                ]
            ],
        }
    },
]


def test_the_kernels_table_says_all_that_has_to_be_known() -> None:
    assert read({"nftables": LISTING}) == Written((API,), "written/1", clean=True)


def test_the_ranges_of_all_sites_are_read_and_nobody_elses_sets() -> None:
    def ranges(table: str, address: str, name: str = "ranges") -> dict[str, Any]:
        return {"set": {"table": table, "name": name, "elem": [{"prefix": {"addr": address, "len": 26}}]}}

    listing = [
        {"metainfo": {"json_schema_version": 1}},
        ranges("spin-a", "10.208.0.64"),
        ranges("spin-b", "10.208.0.192"),
        {"set": {"table": "spin-c", "name": "ranges"}},
        ranges("spin-c", "10.208.1.64", name="known"),
        ranges("firewall", "10.208.2.64"),
    ]
    assert read_held({"nftables": listing}) == {IPv4Network("10.208.0.64/26"), IPv4Network("10.208.0.192/26")}


@pytest.mark.parametrize(
    ("spoilt", "entries"),
    [
        ([*LISTING, {"chain": {"name": "visitors"}}], (API,)),
        ([*LISTING, {"set": {"name": "visitors"}}], (API,)),
        ([*LISTING, {"chain": {"name": "written/2"}}], (API,)),
        ([*LISTING, {"chain": {"name": "to/a/b/c/default/lost"}}], (API,)),
        ([*LISTING, {"rule": {"chain": "to/research/development/shop/default/api", "expr": [{"drop": None}]}}], ()),
        ([thing for thing in LISTING if "rule" not in thing], ()),
        ([thing for thing in LISTING if "map" not in thing], ()),
        ([thing for thing in LISTING if thing.get("set", {}).get("name") != "ranges"], ()),
        ([thing for thing in LISTING if thing.get("set", {}).get("name") != "known"], (API,)),
        ([*LISTING, {"set": {"name": "ranges", "elem": [{"prefix": {"addr": "10.0.0.0", "len": 26}}]}}], ()),
        ([*LISTING, {"set": {"name": "ranges", "elem": [{"prefix": {"addr": "10.208.0.64", "len": 26}}, "10.0.0.1"]}}], (API,)),
        ([*LISTING[:-1], {"map": {"name": "services", "elem": [["10.208.0.126", {"drop": None}]]}}], ()),
    ],
)
def test_a_table_that_somebody_has_changed_is_not_clean(
    spoilt: list[dict[str, Any]], entries: tuple[ServiceAddress, ...]
) -> None:
    found = read({"nftables": spoilt})
    assert (found.entries, found.clean) == (entries, False)
