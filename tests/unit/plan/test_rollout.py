"""The arithmetic of roll-outs."""

from __future__ import annotations

import doctest
from itertools import product
from types import ModuleType

import pytest

from spin.model.stack import UpdateOrder
from spin.plan import masking, rollout
from spin.plan.rollout import Budget, budget_for, least_serving, room_to_create, room_to_start, room_to_unroute


@pytest.mark.parametrize("module", [rollout, masking], ids=lambda m: m.__name__)
def test_the_worked_examples_are_true(module: ModuleType) -> None:
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0


def test_a_budget_that_allows_no_exchange_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing could ever be replaced"):
        Budget(1, surge=0, unavailable=0)


def test_a_budget_has_no_negative_numbers() -> None:
    with pytest.raises(ValueError, match="negative"):
        Budget(-1, surge=1, unavailable=0)


@pytest.mark.parametrize("order", list(UpdateOrder))
def test_rooms_are_never_negative_and_never_exceed_the_budget(order: UpdateOrder) -> None:
    for replicas, count in product(range(6), range(12)):
        budget = budget_for(order, replicas)
        most = replicas + budget.surge
        assert 0 <= room_to_start(budget, running=count) <= most
        assert count + room_to_start(budget, running=count) <= max(count, most)
        assert room_to_create(budget, live=count) >= room_to_start(budget, running=count)
        left = count - room_to_unroute(budget, serving=count)
        assert left == min(count, least_serving(budget))
