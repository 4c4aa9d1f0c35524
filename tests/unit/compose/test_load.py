"""Everything that happens on the workstation around the stages: files that a document names, notices, positions."""

from __future__ import annotations

import pytest

from spin.compose import load, suggested_name
from spin.errors import InvalidInput
from support.compose import complaint, loaded, service, service_text

FILES = {
    "a.env": b"A=a\nB=a\nQ='q'\n",
    "b.env": b"B=b\nC=${A}-$SHELL\nINHERITED\n",
    "raw.env": b"R='raw' $X\n",
    "latin.env": b"\xff",
    "conf": b"\x00\xff",
    "pw": b"hunter2\n",
}
SHELL = {"SHELL": "sh", "INHERITED": "yes"}


def environment(keys: str) -> dict[str, str]:
    return dict(service(keys, variables=SHELL, files=FILES).environment)


def test_env_files_are_folded_in_later_ones_win_and_environment_wins_over_all() -> None:
    keys = "env_file: [a.env, b.env]\nenvironment: {Q: own}"
    assert environment(keys) == {"A": "a", "B": "b", "C": "a-sh", "INHERITED": "yes", "Q": "own"}


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ("env_file: a.env", {"A": "a", "B": "a", "Q": "q"}),
        ("env_file: [{path: a.env}]", {"A": "a", "B": "a", "Q": "q"}),
        ("env_file: [{path: gone.env, required: false}]", {}),
        ("env_file: [{path: raw.env, format: raw}]", {"R": "'raw' $X"}),
        ("env_file:", {}),
        ("environment: [SHELL, GONE]", {"SHELL": "sh"}),
        ("environment: {SHELL: , GONE: }", {"SHELL": "sh"}),
    ],
)
def test_the_environment_is_resolved_on_the_workstation(keys: str, found: dict[str, str]) -> None:
    assert environment(keys) == found


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ("env_file: gone.env", "services.app.env_file: 'gone.env' cannot be read: there is no such file"),
        ("env_file: [{path: gone.env}]", "services.app.env_file[0].path: 'gone.env' cannot be read"),
        ("env_file: [{required: false}]", "no `path`"),
        ("env_file: [{path: a.env, format: toml}]", "not a format"),
        ("env_file: latin.env", "not UTF-8"),
        ("configs: [c]\n", "configs.c.file: 'gone' cannot be read"),
        ("secrets: [s]\n", "secrets.s.environment: the variable GONE is not set"),
    ],
)
def test_what_cannot_be_read_is_named_with_key_and_place(keys: str, says: str) -> None:
    text = service_text(keys) + "\nconfigs: {c: {file: gone}}\nsecrets: {s: {environment: GONE}}\n"
    message = complaint(text, files=FILES)
    assert message.startswith("compose.yaml:")
    assert says in message


def test_a_file_that_may_not_be_read_says_why() -> None:
    def read(path: str) -> bytes:
        raise PermissionError(13, "Permission denied", path)

    with pytest.raises(InvalidInput, match="cannot be read: Permission denied"):
        load([("compose.yaml", service_text("env_file: {path: x, required: false}"))], {}, read)


def test_an_error_in_an_env_file_has_its_own_place() -> None:
    assert complaint(service_text("env_file: x.env"), files={"x.env": b"A=1\nB='"}).startswith("x.env:2:3: ")


def test_contents_of_configs_and_secrets_travel_beside_the_document() -> None:
    text = service_text("configs: [c, d, e, f]\nsecrets: [pw, token]") + (
        "\nconfigs: {c: {file: conf}, d: {content: 'a $SHELL'}, e: {environment: SHELL}, f: {content: !!binary /w==}}"
        "\nsecrets: {pw: {file: pw}, token: {environment: SHELL}, unused: {file: gone}}\n"
    )
    found = loaded(text, variables=SHELL, files=FILES)
    assert found.configs == {"c": b"\x00\xff", "d": b"a sh", "e": b"sh", "f": b"\xff"}
    assert found.secrets == {"pw": b"hunter2\n", "token": b"sh"}
    assert "hunter2" not in repr(found.document)


def test_binary_data_stands_nowhere_else() -> None:
    assert "only stand as the `content` of a config" in complaint(service_text("user: !!binary /w=="))


def test_a_port_without_a_port_of_the_host_is_noticed() -> None:
    (notice,) = loaded(service_text("ports:\n  - '8080'\n  - '8081:80'\n")).notices
    assert (notice.rule, notice.service, notice.position) == ("port-not-published", "app", "compose.yaml:5:9")
    assert "x-spin: {http: 8080}" in notice.instead


def test_extensions_are_allowed_and_left_behind() -> None:
    document = loaded("x-a: {b: c}\n" + service_text("x-c: d\nx-spin: {http: 80}\nenvironment: {x-e: f}")).document
    assert set(document) == {"services"}
    assert set(document["services"]["app"]) == {"image", "x-spin", "environment"}
    assert document["services"]["app"]["environment"] == {"x-e": "f"}


def test_the_stacks_own_extension_goes_along() -> None:
    found = loaded("x-spin: {confirm_after: 30m}\n" + service_text(""))
    assert found.document["x-spin"] == {"confirm_after": "30m"}
    assert found.positions["x-spin.confirm_after"] == "compose.yaml:1:10"


def test_positions_are_by_dotted_path() -> None:
    positions = loaded(service_text("ports:\n  - '8080:80'\n")).positions
    assert positions["services"] == "compose.yaml:1:1"
    assert positions["services.app.image"] == "compose.yaml:3:5"
    assert positions["services.app.ports[0]"] == "compose.yaml:5:9"


def test_the_file_may_suggest_the_stacks_name() -> None:
    assert suggested_name(loaded("name: ${N}\n" + service_text(""), variables={"N": "shop"})) == "shop"
    assert suggested_name(loaded(service_text(""))) is None


def test_version_is_accepted_and_no_file_is_not() -> None:
    assert loaded("version: '2'\n" + service_text(""))
    with pytest.raises(InvalidInput, match="name one with -f"):
        load([], {}, lambda _: b"")
