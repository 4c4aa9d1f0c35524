"""What two looks at a deployment say has happened between them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from spin.model.event import Event, Kind
from spin.model.names import DeploymentKey, EnvironmentName, InstanceId, ProjectName, StackName
from spin.model.status import DeploymentStatus, Failure, InstanceStatus, Progress, ServiceStatus, State
from spin.model.steps import PullImage, Start
from spin.plan import happenings

NOW = datetime(2030, 5, 1, tzinfo=UTC)
KEY = DeploymentKey(ProjectName("lab"), EnvironmentName("development"), StackName("shop"))


def container(
    name: str = "shop-web-1", phase: str = "ready", restarts: int = 0, detail: str = "", id: str = ""
) -> InstanceStatus:
    return InstanceStatus(name, id or name, "web", 1, phase, NOW, current=True, routed=True, restarts=restarts, detail=detail)


def status(
    state: State = State.HEALTHY, *containers: InstanceStatus, detail: str = "", progress: Progress | None = None
) -> DeploymentStatus:
    services = (ServiceStatus("web", state, 1, 1, detail),)
    return DeploymentStatus(1, state, services, containers, NOW, detail, progress=progress)


def told(old: DeploymentStatus | None, new: DeploymentStatus) -> list[str]:
    return [_line(e) for e in happenings.happenings(KEY, 3, old, new)]


def _line(event: Event) -> str:
    return f"{event.kind.value}: {event.text}" + (f" -- {event.cause}" if event.cause else "")


def test_the_first_look_tells_everything_that_is_there() -> None:
    assert told(None, status(State.INITIALIZING, container(phase="starting"))) == [
        "container: shop-web-1: starting",
        "state: web: initializing",
        "state: shop: initializing",
    ]


def test_nothing_new_is_nothing_told() -> None:
    assert told(status(State.HEALTHY, container()), status(State.HEALTHY, container())) == []


def test_a_change_of_state_says_from_what_to_what_and_why() -> None:
    assert told(status(State.HEALTHY), status(State.UNHEALTHY, detail="exit 1")) == [
        "state: web: healthy -> unhealthy -- exit 1",
        "state: shop: healthy -> unhealthy -- exit 1",
    ]


def test_a_container_that_comes_changes_restarts_or_goes_is_told_once() -> None:
    before = status(State.HEALTHY, container("shop-web-1"), container("shop-web-2"), container("shop-web-3"))
    after = status(
        State.HEALTHY,
        container("shop-web-1", restarts=2, detail="exit 137", phase="starting"),
        container("shop-web-2", phase="exited", detail="exit 0"),
        container("shop-web-4", phase="starting"),
    )
    assert told(before, after) == [
        "container: shop-web-1: started again by the engine (restart 2) -- exit 137",
        "container: shop-web-2: ready -> exited -- exit 0",
        "container: shop-web-4: starting",
        "container: shop-web-3: gone",
    ]


def test_a_container_that_takes_another_ones_name_is_a_new_one() -> None:
    assert told(status(State.HEALTHY, container(id="old")), status(State.HEALTHY, container(id="new"))) == [
        "container: shop-web-1: ready",
        "container: shop-web-1: gone",
    ]


def test_an_upgrade_that_fails_is_told_once_with_its_reason() -> None:
    failure = Failure("web", "shop-web-1: unhealthy", NOW)
    failed = status(State.FAILED, progress=Progress(NOW, failure=failure))
    before = status(State.FAILED, progress=Progress(NOW))
    assert told(before, failed) == ["failed: the upgrade to revision 3 failed at web -- shop-web-1: unhealthy"]
    assert told(failed, replace(failed, observed=NOW)) == []


def test_a_service_that_left_the_stack_is_told() -> None:
    before = status()
    assert told(before, replace(before, services=())) == ["state: web: gone from the stack"]


def test_steps_say_what_was_done_and_why_and_pulling_is_passed_over() -> None:
    steps = [(Start(InstanceId("1"), "shop-web-1", "it was stopped"), "web"), (PullImage("x@sha256:0", "missing"), "web")]
    (event,) = happenings.done(KEY, 4, steps, NOW)
    assert _line(event) == "step: start shop-web-1 -- it was stopped"
    assert (event.stack, event.service, event.revision, event.actor) == ("shop", "web", 4, "spin")


def test_failures_of_one_pass_are_told_once_each() -> None:
    found = happenings.failed(KEY, 4, [("web", "no such image"), ("web", "no such image"), (None, "no network")], NOW)
    assert [(e.service, e.cause) for e in found] == [("web", "no such image"), (None, "no network")]
    assert {e.kind for e in found} == {Kind.FAILED}
