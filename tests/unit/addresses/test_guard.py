"""The table that keeps containers off their host: what it says."""

from __future__ import annotations

from dataclasses import replace

from spin.addresses.guard import guard_name, name_servers, render
from spin.model.subnets import bridge_prefix
from spin.site import Site

SITE = replace(Site(), id="site", address="0.0.0.0")
PREFIX = bridge_prefix("site")


def rules(site: Site, chain: str, **more: object) -> list[str]:
    text = render(site, **{"bridges": (), "resolvers": (), "written": "written/1", **more})  # type: ignore[arg-type]
    begin = f"add rule inet {guard_name(site.id)} {chain} "
    return [line.removeprefix(begin) for line in text.splitlines() if line.startswith(begin)]


def test_what_comes_from_a_bridge_of_the_site_meets_the_rules_and_nothing_else_does() -> None:
    assert rules(SITE, "input") == [f'iifname "{PREFIX}*" jump host', "iifname @bridges jump host"]
    assert len(PREFIX) + 7 == 15, "a name of an interface has at most fifteen characters"
    assert bridge_prefix("other") != PREFIX


def test_replies_echo_requests_and_the_platforms_own_ports_pass_and_all_else_is_refused() -> None:
    assert rules(SITE, "host") == [
        "ct state established,related accept",
        "icmp type echo-request accept",
        "tcp dport { 5000, 7070, 8080 } accept",
        "meta l4proto tcp reject with tcp reset",
        "reject",
    ]


def test_a_platform_on_one_address_is_reached_there_only_and_one_on_the_loopback_not_at_all() -> None:
    assert "ip daddr 192.0.2.7 tcp dport { 5000, 7070, 8080 } accept" in rules(replace(SITE, address="192.0.2.7"), "host")
    assert not [rule for rule in rules(replace(SITE, address="127.0.0.1"), "host") if "dport" in rule]


def test_the_hosts_resolvers_may_be_asked_for_names_and_for_nothing_else() -> None:
    allowed = rules(SITE, "host", resolvers=("192.0.2.53",))
    assert "ip daddr 192.0.2.53 meta l4proto { tcp, udp } th dport 53 accept" in allowed


def test_link_local_destinations_are_refused_also_beyond_the_host() -> None:
    assert f'iifname "{PREFIX}*" ip daddr 169.254.0.0/16 reject' in rules(SITE, "forward")


def test_bridges_of_old_names_are_in_the_set() -> None:
    text = render(SITE, ("br-0123456789ab",), (), "written/1")
    assert f'add element inet {guard_name("site")} bridges {{ "br-0123456789ab" }}' in text


def test_name_servers_that_a_container_can_ask() -> None:
    text = "# nameserver 192.0.2.1\nsearch example.org\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver fe80::1\nnameserver\n"
    assert name_servers(text) == {"192.0.2.53"}
