"""Interpolation in all of Compose's forms."""

from __future__ import annotations

import pytest

from spin.compose.interpolate import TemplateError, substitute
from support.compose import complaint, loaded, service, service_text

VARIABLES = {"V": "value", "EMPTY": "", "DOLLAR": "$V"}


def done(text: str) -> tuple[str, list[str]]:
    unset: list[str] = []
    return substitute(text, VARIABLES.get, unset.append), unset


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$V", "value"),
        ("${V}", "value"),
        ("a$V-b", "avalue-b"),
        ("a${V}b", "avalueb"),
        ("$$V", "$V"),
        ("$$$V", "$value"),
        ("$${V}", "${V}"),
        ("$DOLLAR", "$V"),
        ("${V:-d}", "value"),
        ("${EMPTY:-d}", "d"),
        ("${NO:-d}", "d"),
        ("${V-d}", "value"),
        ("${EMPTY-d}", ""),
        ("${NO-d}", "d"),
        ("${NO:-}", ""),
        ("${V:?e}", "value"),
        ("${EMPTY?e}", ""),
        ("${V:+r}", "r"),
        ("${EMPTY:+r}", ""),
        ("${NO:+r}", ""),
        ("${V+r}", "r"),
        ("${EMPTY+r}", "r"),
        ("${NO+r}", ""),
        ("${NO:-${V}}", "value"),
        ("${NO:-${NEITHER:-c}}", "c"),
        ("${NO:-a$V}", "avalue"),
        ("${NO:-$$}", "$"),
        ("${V:+<${V}>}", "<value>"),
        ("${NO:-x:y-z?w+v}", "x:y-z?w+v"),
        ("no variables at all", "no variables at all"),
    ],
)
def test_every_form_gives_what_compose_gives(text: str, result: str) -> None:
    assert done(text) == (result, [])


@pytest.mark.parametrize("text", ["$", "$5", "$(date)", "a $ b", "100%$", "$-"])
def test_a_dollar_that_begins_no_variable_stays_as_it_does_in_compose(text: str) -> None:
    assert done(text) == (text, [])


@pytest.mark.parametrize("text", ["$NO", "${NO}", "${EMPTY:-${NO}}"])
def test_a_variable_that_is_not_set_is_blank_and_noticed(text: str) -> None:
    assert done(text) == ("", ["NO"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("${", "closing"),
        ("${V", "closing"),
        ("${NO:-${V}", "closing"),
        ("${}", "names no variable"),
        ("${ V }", "names no variable"),
        ("${1}", "names no variable"),
        ("${V!}", "not understood after V"),
        ("${V:}", "not understood after V"),
        ("${NO:?}", "NO is required and not set; set it"),
        ("${NO?say why}", "NO is required and not set: say why"),
        ("${EMPTY:?say $V}", "EMPTY is required and empty: say value"),
        ("${A:-" * 30 + "}" * 30, "nested"),
    ],
)
def test_what_cannot_be_interpolated_is_one_sentence(text: str, says: str) -> None:
    with pytest.raises(TemplateError) as caught:
        done(text)
    assert says in str(caught.value)


def test_a_required_variable_is_refused_with_its_place() -> None:
    message = complaint(service_text("environment:\n  A: ${PASSWORD:?ask the owner}\n"))
    assert message.startswith("compose.yaml:5:10: services.app.environment.A: the variable PASSWORD is required")
    assert "ask the owner" in message


def test_keys_are_left_alone_and_values_in_lists_are_not() -> None:
    found = service('environment: {"$V": a}\ncommand: [echo, "$V"]\n', variables={"V": "v"})
    assert found.environment == (("$V", "a"),)
    assert found.command == ("echo", "v")


def test_what_comes_out_becomes_a_number_or_boolean_where_the_key_takes_one() -> None:
    found = service('scale: ${N}\nread_only: "${B}"\nports: ["${P}:80"]\n', variables={"N": "3", "B": "true", "P": "8080"})
    assert (found.replicas, found.read_only, found.ports[0].published) == (3, True, 8080)


def test_an_unset_variable_is_noticed_once_a_line_with_service_key_and_position() -> None:
    notices = loaded(service_text('command: ["$NO", "$NO"]\nuser: "10${NO}"\n')).notices
    assert [(n.rule, n.service, n.key, n.position) for n in notices] == [
        ("unset-variable", "app", "services.app.command[0]", "compose.yaml:4:15"),
        ("unset-variable", "app", "services.app.user", "compose.yaml:5:11"),
    ]
    assert "NO" in notices[0].message


def test_variables_of_the_shell_win_over_those_of_dotenv() -> None:
    text = service_text("command: [$A, $B]\n")
    assert loaded(text, variables={"A": "shell"}, dotenv="A=file\nB=file\n").document["services"]["app"]["command"] == [
        "shell",
        "file",
    ]
