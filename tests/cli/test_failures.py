"""What failures and changes look like."""

from __future__ import annotations

from spin.cli.changes import change_lines, summary, value
from spin.cli.failures import describe, finding_line
from spin.errors import Conflict, NotFound, NotSignedIn, Refused
from support.fake_api import change, finding


def test_a_finding_says_where_which_rule_what_and_what_instead() -> None:
    full = finding(
        "privileged",
        message="a privileged container owns the host.",
        instead="remove the key",
        service="web",
        key="services.web.privileged",
        position="compose.yaml:4",
    )
    assert (
        finding_line(full)
        == "compose.yaml:4  web  services.web.privileged  privileged: a privileged container owns the host. → remove the key"
    )
    assert finding_line(finding("tags", "warn", message="reused tag."), severity=True) == "warning  tags: reused tag."


def test_a_refusal_prints_every_finding_and_the_harmless_ones_last() -> None:
    findings = [finding("tags", "advise", message="c"), finding("pid", message="a"), finding("ports", message="b")]
    assert describe(Refused("a b", findings=findings)) == [
        "spin: 2 findings stop this; nothing was changed.",
        "pid: a",
        "ports: b",
        "advice  tags: c",
    ]


def test_one_missing_image_is_one_sentence_and_two_are_two_lines() -> None:
    one = [finding("image", message="There is no image x:1.")]
    assert describe(NotFound("There is no image x:1. Push it.", findings=one)) == ["spin: There is no image x:1. Push it."]
    two = [*one, finding("image", message="There is no image y:1.")]
    assert describe(NotFound("…", findings=two))[1:] == ["image: There is no image x:1.", "image: There is no image y:1."]


def test_an_error_is_one_line_even_if_the_message_has_several() -> None:
    assert describe(Conflict("a\nb\x1b[0m")) == ["spin: a b"]


def test_who_is_not_signed_in_is_told_how() -> None:
    assert describe(NotSignedIn("The key is not valid.")) == ["spin: The key is not valid.", "Sign in with `spin login URL`."]


def test_a_change_names_each_key_that_differs() -> None:
    changes = {
        "services": [
            change("api", "change", ("environment.MODE", "old", "new"), ("command", None, ["run"])),
            change("db", "change", ("replicas", 1, 3), replaces=False),
            change("old", "remove"),
            change("same", "unchanged"),
            change("web", "add"),
        ],
        "networks": [],
        "volumes": [change("data", "add")],
        "stack": [{"key": "x-spin.confirm_after", "old": None, "new": "1800s"}],
    }
    assert change_lines(changes) == [
        "  ~ stack",
        "      x-spin.confirm_after: (none) → 1800s",
        "  ~ service api (containers are replaced)",
        "      environment.MODE: old → new",
        '      command: (none) → ["run"]',
        "  ~ service db (running containers stay)",
        "      replicas: 1 → 3",
        "  - service old",
        "  + service web",
        "  + volume data",
    ]
    assert summary(changes) == "2 to add, 3 to change, 1 to remove"


def test_values_are_cut_and_an_empty_text_is_visible() -> None:
    assert value("") == '""'
    assert value("x" * 100).endswith("…")
    assert value(True) == "true"
