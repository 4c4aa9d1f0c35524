"""What is wrong, since when, and what changed just before: the sentence for what users meet, and the time-line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from spin.model.event import Event, Kind
from spin.model.log import LogLine
from spin.model.names import DeploymentKey, EnvironmentName, InstanceId, ProjectName, StackName
from spin.model.revision import Deployment, Goal, Origin, Revision
from spin.model.stack import Image, ServiceSpec, StackSpec
from spin.model.status import DeploymentStatus, Failure, InstanceStatus, Progress, ServiceStatus, State
from spin.model.usage import Usage
from spin.model.why import ProbeAnswer, Probed, Source
from spin.plan.timeline import Facts
from spin.plan.why import why

KEY = DeploymentKey(ProjectName("lab"), EnvironmentName("development"), StackName("shop"))
NOW = datetime(2030, 5, 1, 12, 7, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """So many minutes after noon."""
    return datetime(2030, 5, 1, 12, tzinfo=UTC) + timedelta(minutes=minutes)


def revision(number: int, minutes: float, tag: str = "1.2", **more: Any) -> Revision:
    spec = StackSpec((ServiceSpec("web", Image(f"web:{tag}")), ServiceSpec("db", Image("mariadb:11"))))
    return Revision(number, spec, (), more.pop("author", "maria"), at(minutes), more.pop("origin", Origin.UP), **more)


def event(kind: Kind, minutes: float, text: str, **more: Any) -> Event:
    return Event(at(minutes), kind, text, project="lab", environment="development", stack="shop", **more)


def state(minutes: float, service: str | None, text: str, cause: str = "") -> Event:
    return event(Kind.STATE, minutes, f"{service or 'shop'}: {text}", service=service, cause=cause)


def instance(phase: str = "ready", service: str = "web", **more: Any) -> InstanceStatus:
    values: dict[str, Any] = {"slot": 1, "since": at(4), "current": True, "routed": False, **more}
    return InstanceStatus(f"shop-{service}-1", f"id-{service}", service, phase=phase, **values)


def facts(*services: ServiceStatus, word: State = State.HEALTHY, instances: Any = (), progress: Any = None, **more: Any) -> Facts:
    status = DeploymentStatus(1, word, services, tuple(instances), at(6), progress=progress, detail=more.pop("detail", ""))
    deployment = Deployment(KEY, 1, 7, created=at(-600))
    usual: dict[str, Any] = {"deployment": deployment, "status": status}
    usual["revisions"] = (revision(6, -300), revision(7, 3, "1.3"))
    return Facts(KEY, NOW, **usual | more)


def sick(detail: str, word: State = State.UNHEALTHY, service: str = "web") -> ServiceStatus:
    return ServiceStatus(service, word, 0, 1, detail)


def well(service: str = "db", word: State = State.HEALTHY) -> ServiceStatus:
    return ServiceStatus(service, word, 1, 1)


UNHEALTHY = (state(-300, "web", "initializing -> healthy"), state(4, "web", "healthy -> unhealthy", "health check: refused"))
PROBED = Probed(
    InstanceId("id-web"),
    "shop-web-1",
    "web",
    "curl -f http://localhost/",
    (ProbeAnswer(at(3), 0, "ok"), ProbeAnswer(at(5), 7, "curl: (7)\nconnection refused")),
)


def test_a_failing_health_check_with_its_command_and_answer_and_what_changed_before() -> None:
    found = why(
        facts(sick("unhealthy: …"), word=State.DEGRADED, instances=[instance("unhealthy")], events=UNHEALTHY, probed=(PROBED,))
    )
    assert found.sentence == (
        "web is unhealthy since 12:04 UTC (3 min): health check `curl -f http://localhost/` answers 'connection refused'; "
        "revision 7 (maria, 12:03 UTC: web: image web:1.2 -> web:1.3) came just before."
    )
    assert (found.state, found.since, found.well) == ("unhealthy", at(4), False)
    assert found.change is not None
    assert found.change.revision == 7


def test_a_crash_loop_with_its_exit_status_and_last_line_and_since_the_first_crash() -> None:
    to_and_fro = (
        state(-300, "web", "healthy"),
        state(3, "web", "healthy -> upgrading"),
        state(4, "web", "upgrading -> unhealthy"),
        state(5, "web", "unhealthy -> initializing"),
        state(6, "web", "initializing -> unhealthy"),
    )
    lines = (LogLine("shop-web-1", at(5), "stderr", "KeyError: 'DB_HOST'"), LogLine("shop-db-1", at(6), "stdout", "ready"))
    crashing = instance("starting", restarts=4, detail="exited with 1, is being restarted")
    found = why(facts(sick("exited with 1, restarted 4 times"), instances=[crashing], events=to_and_fro, lines=lines))
    assert found.sentence.startswith(
        "web is unhealthy since 12:04 UTC (3 min): exited with 1, restarted 4 times; its last line: \"KeyError: 'DB_HOST'\"; revision 7"
    )


@pytest.mark.parametrize(
    "detail",
    [
        "killed: it needed more memory than its limit of 64 MiB",
        "the registry does not let Spin pull lab/web: there is no such image, or it is private",
        "port 8080 of the engine's host is already in use by another container",
        "Secret db-password is not stored (version 1).",
    ],
)
def test_what_the_engine_says_went_wrong_is_the_reason(detail: str) -> None:
    found = why(facts(sick(detail, State.FAILED), word=State.FAILED, events=(state(5, "web", "initializing -> failed", detail),)))
    assert found.sentence.startswith(f"web has failed since 12:05 UTC (2 min): {detail.rstrip('.')}; revision 7 (maria")


def test_what_waits_for_another_service_is_not_where_the_trouble_is() -> None:
    waiting = sick("waiting for db to be healthy", State.FAILED)
    broken = sick("exited with 2", State.UNHEALTHY, "db")
    found = why(facts(waiting, broken, word=State.FAILED, events=(state(4, "db", "healthy -> unhealthy"),)))
    assert found.sentence.startswith(
        "db is unhealthy since 12:04 UTC (3 min): exited with 2 (1 other service is not well either);"
    )
    asked = why(facts(waiting, broken, word=State.FAILED, service="web"))
    assert asked.sentence.startswith("web has failed: waiting for db to be healthy")
    moving = facts(sick("waiting for db to be healthy", State.INITIALIZING), sick("starting", State.INITIALIZING, "db"))
    assert (
        "db is initializing: starting" in why(replace(moving, status=replace(moving.status, state=State.INITIALIZING))).sentence
    )


def test_an_upgrade_that_failed_with_the_containers_that_serve() -> None:
    progress = Progress(at(3), failure=Failure("web", "shop-web-1: exited with 1", at(5), held=("web",)))
    service = ServiceStatus("web", State.FAILED, 1, 1, "the upgrade failed: …")
    found = why(facts(service, word=State.FAILED, progress=progress, events=UNHEALTHY))
    assert found.sentence.startswith(
        "The upgrade to revision 7 has failed at web since 12:05 UTC (2 min): shop-web-1: exited with 1; the containers from before serve"
    )


def test_a_change_that_was_long_before_did_not_do_it() -> None:
    old = (revision(7, -300, "1.3"),)
    found = why(facts(sick("exited with 1"), word=State.UNHEALTHY, events=UNHEALTHY, revisions=old))
    assert (
        "; nothing was changed just before, the last was revision 7 (maria, 07:00 UTC: see `spin diff`), 5 h earlier."
        in found.sentence
    )


def test_what_was_changed_after_it_broke_did_not_break_it() -> None:
    later = (revision(6, 3, "1.2"), revision(7, 6, "1.3"))
    found = why(facts(sick("exited with 1"), word=State.UNHEALTHY, events=UNHEALTHY, revisions=later))
    assert found.change is not None
    assert found.change.revision == 6


def test_nothing_is_wrong() -> None:
    found = why(facts(well("web"), well(), events=(state(-300, None, "initializing -> healthy"),)))
    assert found.well
    assert found.sentence == "Nothing is wrong with shop: it is healthy since 07:00 UTC (5 h)."


def test_what_was_wrong_lately_and_what_was_refused_is_told_though_all_is_well() -> None:
    events = (
        state(-300, None, "healthy"),
        state(1, None, "healthy -> unhealthy", "web: exited with 1"),
        state(5, None, "unhealthy -> healthy"),
        event(Kind.REFUSED, 6, "up was refused", verb="up", actor="dora", cause="The project's quota is used up.\nMore."),
    )
    found = why(facts(well("web"), events=events))
    assert "before that it was unhealthy from 12:01 UTC on (web: exited with 1)" in found.sentence
    assert found.sentence.endswith("the last change was refused (up by dora, 12:06 UTC): The project's quota is used up.")


def test_an_automatic_rollback_is_told_though_all_is_well() -> None:
    back = revision(8, 5, author="spin", origin=Origin.ROLLBACK, note="Revision 7 failed: shop-web-1: exited with 1\nlast line")
    found = why(facts(well("web"), revisions=(revision(7, 3, "1.3"), back)))
    assert "revision 8 was rolled back to by Spin (12:05 UTC): Revision 7 failed: shop-web-1: exited with 1" in found.sentence


@pytest.mark.parametrize(("word", "said"), [(State.UPGRADED, "`spin confirm shop`"), (State.COMPLETED, "ended with 0")])
def test_what_waits_for_a_person_or_is_done_is_well(word: State, said: str) -> None:
    found = why(facts(well("web", word), word=word))
    assert found.well
    assert said in found.sentence


def test_stopped_by_whom() -> None:
    events = (
        event(Kind.ACCEPTED, 1, "stop db", verb="stop", actor="ann"),
        event(Kind.ACCEPTED, 2, "stop web", verb="stop", actor="dora"),
        state(3, "web", "stopping -> stopped"),
    )
    web = ServiceStatus("web", State.STOPPED, 0, 0)
    found = why(facts(web, word=State.DEGRADED, service="web", events=events))
    assert found.sentence == (
        "web is stopped since 12:03 UTC (4 min): dora asked for it (stop web, 12:02 UTC). `spin start shop/web` starts it."
    )
    whole = (event(Kind.ACCEPTED, 2, "stop the whole stack", verb="stop", actor="dora"), state(3, None, "stopped"))
    assert "dora asked for it" in why(facts(web, word=State.STOPPED, events=whole)).sentence


def test_an_engine_that_is_gone_is_not_a_dead_stack() -> None:
    found = why(facts(well("web"), unreachable="The Docker Engine does not answer: refused."))
    assert found.sentence == (
        "How shop is cannot be told: The Docker Engine does not answer: refused; when it was last seen otherwise (12:06 UTC) it was "
        "healthy, and its containers may well run on."
    )
    assert not found.well
    assert found.timeline[-1].source is Source.ENGINE


def test_being_removed_and_gone_with_who_asked() -> None:
    asked = event(Kind.ACCEPTED, 5, "the stack is to be removed", verb="rm", actor="dora")
    going = facts(word=State.REMOVING, detail="left: 1 container", events=(asked,))
    going = replace(going, deployment=replace(going.deployment, goal=Goal.REMOVED))
    assert why(going).sentence == "shop is being removed: dora asked for it (12:05 UTC); left: 1 container."
    events = (state(1, None, "healthy -> unhealthy"), asked, state(6, None, "removing -> removed"))
    found = why(Facts(KEY, NOW, events=events))
    assert found.sentence == ("shop is gone since 12:06 UTC: dora asked for its removal (12:05 UTC); it was unhealthy before.")
    assert [e.source for e in found.timeline] == [Source.STATE, Source.CHANGE, Source.STATE]


def test_what_was_never_let_in() -> None:
    no = event(Kind.REFUSED, 5, "up was refused", verb="up", actor="dora", cause="web: privileged: gives rights on the host.")
    found = why(Facts(KEY, NOW, events=(no,)))
    assert (
        found.sentence
        == "There is no stack shop: up by dora was refused at 12:05 UTC: web: privileged: gives rights on the host."
    )


def test_a_change_that_the_controller_has_not_looked_at() -> None:
    fresh = facts(well("web"))
    found = why(replace(fresh, deployment=replace(fresh.deployment, generation=2)))
    assert found.sentence.startswith("The controller has not looked at shop since it was changed. revision 7 (maria")


def test_states_of_the_stack_that_are_about_another_service_are_not_in_a_services_time_line() -> None:
    events = (
        state(1, None, "healthy -> degraded", "db: exited with 3"),
        state(2, None, "degraded -> healthy"),
        state(3, None, "healthy -> degraded", "web: health check: refused"),
    )
    services = (sick("…"), well())
    assert "db: exited with 3" in {e.cause for e in why(facts(*services, events=events)).timeline}
    only = [(e.text, e.cause) for e in why(facts(*services, events=events, service="web")).timeline if e.source is Source.STATE]
    assert only == [("shop: degraded -> healthy", ""), ("shop: healthy -> degraded", "web: health check: refused")]


def test_the_time_line_is_merged_by_time_and_each_revision_is_told_once() -> None:
    events = (
        event(Kind.ACCEPTED, 3, "revision 7: web changed", verb="up", actor="maria", revision=7),
        event(Kind.STEP, 3.5, "start shop-web-1", service="web", cause="new"),
        *UNHEALTHY,
        event(Kind.CONTAINER, 5.5, "shop-db-1: gone", service="db", container="shop-db-1"),
    )
    use = Usage(KEY, "web", at(5), failed=40)
    line = LogLine("shop-web-1", at(4.5), "stderr", "boom")
    found = why(facts(sick("…"), events=events, probed=(PROBED,), usage=(use,), lines=(line,))).timeline
    assert [(e.source.value, (e.time - at(0)) / timedelta(minutes=1)) for e in found] == [
        ("revision", -300),
        ("state", -300),
        ("revision", 3),
        ("probe", 3),
        ("step", 3.5),
        ("state", 4),
        ("log", 4.5),
        ("probe", 5),
        ("edge", 5),
        ("container", 5.5),
    ]
    assert found[-2].text == "web: visitors got 40 answers with 5xx in 5 minutes"
    only = why(facts(sick("…"), events=events, service="web"), since=at(3.2)).timeline
    assert [e.source.value for e in only] == ["step", "state"]
    assert len(why(facts(sick("…"), events=events), last=2).timeline) == 2
