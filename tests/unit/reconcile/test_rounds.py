"""Which deployments a round asks for a pass."""

from dataclasses import replace

from spin.model.names import DeploymentKey, EnvironmentName, ProjectName, StackName
from spin.model.observed import Route
from spin.reconcile.rounds import ROUNDS_FOR_ALL, Glance, Rounds

MINUTE = 60.0


def key(number: int) -> DeploymentKey:
    return DeploymentKey(ProjectName("p"), EnvironmentName("e"), StackName(f"s{number:03}"))


KEYS = [key(number) for number in range(100)]
GLANCE = Glance(1, "web:running", (Route("h", "o", ("10.0.0.1:80",)),))
ALL = dict.fromkeys(KEYS, GLANCE)
SHARE = len(KEYS) // ROUNDS_FOR_ALL


def settled() -> Rounds:
    """Everything was looked at, one after the other, and found in order."""
    rounds = Rounds()
    assert rounds.needed(ALL, 0) == KEYS
    for number, one in enumerate(KEYS):
        rounds.passed(one, 1 + number / 100, quiet=True)
    return rounds


def test_at_first_everything_needs_a_pass_and_afterwards_only_the_part_whose_pass_is_longest_ago() -> None:
    rounds = settled()
    assert rounds.needed(ALL, MINUTE) == KEYS[:SHARE]


def test_all_get_a_pass_once_in_so_many_rounds_though_nothing_is_seen_to_change() -> None:
    rounds = settled()
    asked: list[DeploymentKey] = []
    for number in range(1, ROUNDS_FOR_ALL + 1):
        needed = rounds.needed(ALL, number * MINUTE)
        assert len(needed) == SHARE
        asked += needed
        for one in needed:
            rounds.passed(one, number * MINUTE + 1, quiet=True)
    assert sorted(asked) == KEYS


def test_whatever_differs_from_what_it_was_gets_a_pass() -> None:
    changes = {
        KEYS[50]: replace(GLANCE, generation=2),
        KEYS[60]: replace(GLANCE, overview="web:exited"),
        KEYS[70]: replace(GLANCE, routes=()),
        KEYS[80]: replace(GLANCE, overview=None),
        KEYS[90]: replace(GLANCE, routes=None),
    }
    assert settled().needed(ALL | changes, MINUTE) == [*KEYS[:SHARE], *sorted(changes)]


def test_what_is_new_gets_a_pass_and_what_is_gone_is_forgotten() -> None:
    rounds = settled()
    rounds.needed(ALL, MINUTE)
    without = {k: g for k, g in ALL.items() if k != KEYS[50]}
    assert key(500) in rounds.needed(without | {key(500): GLANCE}, 2 * MINUTE)
    assert KEYS[50] in rounds.needed(ALL, 3 * MINUTE)


def test_a_pass_that_began_before_the_glance_proves_nothing_about_it() -> None:
    rounds = settled()
    rounds.needed(ALL, MINUTE)
    changed = ALL | {KEYS[50]: replace(GLANCE, overview="web:exited")}
    assert KEYS[50] in rounds.needed(changed, 2 * MINUTE)
    rounds.passed(KEYS[50], 2 * MINUTE - 1, quiet=True)
    assert KEYS[50] in rounds.needed(changed, 3 * MINUTE)
    rounds.passed(KEYS[50], 3 * MINUTE + 1, quiet=True)
    assert KEYS[50] not in rounds.needed(changed, 4 * MINUTE)


def test_a_glance_that_changes_between_two_rounds_is_not_proven_by_the_pass_in_between() -> None:
    rounds = settled()
    changed = ALL | {KEYS[50]: replace(GLANCE, overview="web:exited")}
    assert KEYS[50] in rounds.needed(changed, MINUTE)
    rounds.passed(KEYS[50], MINUTE + 1, quiet=True)
    assert KEYS[50] in rounds.needed(ALL, 2 * MINUTE)


def test_as_long_as_a_pass_has_something_to_do_the_next_round_asks_again() -> None:
    rounds = settled()
    rounds.passed(KEYS[50], 30, quiet=False)
    assert KEYS[50] in rounds.needed(ALL, MINUTE)
    rounds.passed(KEYS[50], MINUTE + 1, quiet=True)
    assert KEYS[50] not in rounds.needed(ALL, 2 * MINUTE)


def test_a_single_deployment_gets_a_pass_in_each_round() -> None:
    rounds = Rounds()
    for number in range(3):
        assert rounds.needed({KEYS[0]: GLANCE}, number * MINUTE) == [KEYS[0]]
        rounds.passed(KEYS[0], number * MINUTE + 1, quiet=True)
