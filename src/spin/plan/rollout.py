"""The arithmetic of a roll-out. Every function is a few additions; the worked examples are run as tests.

`running` counts the containers of a service in which a process runs or may run, whatever template they were made from. `serving`
counts those that do the service's work: ready, and routed where the service speaks HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass

from spin.model.stack import UpdateOrder


@dataclass(frozen=True, slots=True)
class Budget:
    """How far a roll-out may stray from `replicas`: at most `surge` more running, at most `unavailable` fewer serving."""

    replicas: int
    surge: int
    unavailable: int

    def __post_init__(self) -> None:
        if min(self.replicas, self.surge, self.unavailable) < 0:
            raise ValueError("a budget has no negative numbers")
        if self.surge + self.unavailable == 0:
            raise ValueError("with neither surge nor unavailability nothing could ever be replaced")


def budget_for(order: UpdateOrder, replicas: int, parallelism: int = 1) -> Budget:
    """`parallelism` containers are exchanged at a time (0: all). START_FIRST: so many more may run, and none may be missing.
    STOP_FIRST: none more may run, so as many have to be missing.

    >>> budget_for(UpdateOrder.START_FIRST, 3)
    Budget(replicas=3, surge=1, unavailable=0)
    >>> budget_for(UpdateOrder.STOP_FIRST, 1)
    Budget(replicas=1, surge=0, unavailable=1)
    >>> budget_for(UpdateOrder.START_FIRST, 3, parallelism=0)
    Budget(replicas=3, surge=3, unavailable=0)
    >>> budget_for(UpdateOrder.STOP_FIRST, 3, parallelism=5)
    Budget(replicas=3, surge=0, unavailable=3)
    """
    at_once = max(1, min(parallelism or replicas, replicas))
    if order is UpdateOrder.START_FIRST:
        return Budget(replicas, surge=at_once, unavailable=0)
    return Budget(replicas, surge=0, unavailable=at_once)


def room_to_create(budget: Budget, *, live: int) -> int:
    """How many successors may be made beside what runs. `live` are the containers that run or were created and wait.

    A container that waits costs next to nothing and shortens the exchange, so stop-first makes the new one ahead as well. A slot
    in which nothing runs gets its container in any case.

    An upgrade, start-first: one beside the three old ones, and no more until an old one is gone.
    >>> room_to_create(Budget(3, surge=1, unavailable=0), live=3)
    1
    >>> room_to_create(Budget(3, surge=1, unavailable=0), live=4)
    0

    An upgrade, stop-first: the new one is made while the old one still runs.
    >>> room_to_create(Budget(1, surge=0, unavailable=1), live=1)
    1
    """
    return max(0, budget.replicas + budget.surge + budget.unavailable - live)


def room_to_start(budget: Budget, *, running: int) -> int:
    """How many more may run.

    Start-first: the new one beside the old one; stop-first: only when the old one has ended.
    >>> room_to_start(Budget(1, surge=1, unavailable=0), running=1)
    1
    >>> room_to_start(Budget(1, surge=0, unavailable=1), running=1)
    0
    >>> room_to_start(Budget(1, surge=0, unavailable=1), running=0)
    1

    Scaled from five down to one, with a new template: nothing starts until the surplus has gone.
    >>> room_to_start(Budget(1, surge=1, unavailable=0), running=5)
    0
    """
    return max(0, budget.replicas + budget.surge - running)


def least_serving(budget: Budget) -> int:
    """How many have to serve, whatever is being exchanged.

    >>> least_serving(Budget(3, surge=1, unavailable=0)), least_serving(Budget(1, surge=0, unavailable=1))
    (3, 0)
    >>> least_serving(Budget(0, surge=0, unavailable=1))
    0
    """
    return max(0, budget.replicas - budget.unavailable)


def room_to_unroute(budget: Budget, *, serving: int) -> int:
    """How many of those that serve may cease to.

    Start-first: the old one stays until the new one serves beside it.
    >>> room_to_unroute(Budget(1, surge=1, unavailable=0), serving=1)
    0
    >>> room_to_unroute(Budget(1, surge=1, unavailable=0), serving=2)
    1

    Stop-first: it has to go before the new one starts.
    >>> room_to_unroute(Budget(1, surge=0, unavailable=1), serving=1)
    1
    """
    return max(0, serving - least_serving(budget))


def enough_for_dependents(budget: Budget) -> int:
    """How many ready containers make a service healthy in the eyes of those that depend on it: one at least.

    >>> enough_for_dependents(Budget(3, surge=1, unavailable=0)), enough_for_dependents(Budget(1, surge=0, unavailable=1))
    (3, 1)
    """
    return max(1, least_serving(budget))
