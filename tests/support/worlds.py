"""A world for the planner: a simulated engine, tables that lead to containers, a clock, and a watchman that objects to any unsafe step."""

from __future__ import annotations

from datetime import datetime, timedelta

from spin.errors import SpinError
from spin.model.observed import Phase, Snapshot
from spin.model.steps import RouteTo, Start, Step, Unroute
from spin.plan import plan, routes, text
from support.planned import PASS_SECONDS, SIMULATED, SITE, run
from support.watchman import Watchman


class World(Watchman):
    """One deployment and its surroundings, in which passes are made."""

    def execute(self, step: Step, observed: Snapshot) -> None:
        """Do `step`, planned from `observed`, under the eyes of the watchman. Faults of the engine are the next pass's business."""
        before = self.observe()
        led = {i.id for i in before.instances if self._is_led_to(i)}
        self._object_before(step, before, observed)
        try:
            if isinstance(step, RouteTo | Unroute):
                self.tables = routes.lead(self.key, self.desired, before, self.tables, (step,), SITE)
            else:
                run(self.engine.execute(self.key, step))
        except SpinError as error:
            self.done.append(f"{text(step)} !! {error.message}")
            self._must(self.tolerant or error.message == SIMULATED, step, f"the engine refused it: {error.message}")
        else:
            self.done.append(text(step))
        if isinstance(step, Start) and any(i.id == step.id and self.desired.job(i.service) for i in before.instances):
            self.run_starts.append(step.name)
        self._note_unrouted(led)
        self._object_after(step, before)

    def do_plan(self) -> None:
        """One whole pass."""
        observed = self.look()
        for step in plan(self.desired, observed, self.clock.now()).steps:
            self.execute(step, observed)

    def settle_for(self, seconds: float) -> None:
        """Passes, one after the other, for as long as that."""
        end = self.clock.now() + timedelta(seconds=seconds)
        while self.clock.now() < end:
            self.do_plan()
            self.clock.pass_by(PASS_SECONDS)

    def settle(self, *, passes: int = 300) -> list[str]:
        """Plan and do everything until nothing is left to do or to wait for; returns the steps' texts, in order."""
        first = len(self.done)
        for _ in range(passes):
            observed = self.look()
            todo = plan(self.desired, observed, self.clock.now())
            for step in todo.steps:
                self.execute(step, observed)
            if todo.steps:
                self.clock.pass_by(PASS_SECONDS)
                continue
            self.tidy()
            waiting = any(i.phase is Phase.STARTING for i in observed.instances)
            if not waiting and todo.wake_after is None:
                return self.done[first:]
            pause = todo.wake_after or timedelta(seconds=1)
            self.clock.time += min(pause, timedelta(seconds=1)) if waiting else pause
        raise AssertionError(f"not settled after {passes} passes:\n" + "\n".join(self.done[-40:]))

    def live_until(self, time: datetime, *, passes: int = 2000) -> None:
        """Passes up to that moment, the clock moving on as the plans say."""
        for _ in range(passes):
            observed = self.look()
            todo = plan(self.desired, observed, self.clock.now())
            for step in todo.steps:
                self.execute(step, observed)
            if todo.steps:
                self.clock.pass_by(PASS_SECONDS)
            elif self.clock.now() >= time:
                return
            else:
                going = any(i.alive and (self.desired.job(i.service) or i.phase is Phase.STARTING) for i in observed.instances)
                pause = min(timedelta(seconds=10) if going else timedelta(days=1), todo.wake_after or timedelta(days=1))
                self.clock.time = min(time, self.clock.now() + pause)
        raise AssertionError(f"not there after {passes} passes:\n" + "\n".join(self.done[-40:]))
