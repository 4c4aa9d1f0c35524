"""From started to up, or to a reason why not."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from spin.errors import Failed
from spin.model.observed import Phase
from spin.model.stack import Healthcheck, Http, Image, Port, Resources, Restart
from spin.model.steps import Start, Stop
from support.docker import LocalRegistry, build_image, inside, perl_server
from support.engines import Bench
from support.platform import docker, free_ports

HOURLY = 3_600_000


def check(command: str, **more: int) -> Healthcheck:
    return Healthcheck(("CMD-SHELL", command), **{"interval_ms": HOURLY, "timeout_ms": 5_000, **more})


async def test_a_health_check_with_a_long_interval_does_not_keep_a_container_from_being_up(docker_bench: Bench) -> None:
    spec = docker_bench.service(command=("sh", "-c", "sleep 0.5; touch /tmp/up; sleep 100"), healthcheck=check("test -e /tmp/up"))
    made = await docker_bench.run(spec)
    seen = await docker_bench.until_phase(made, Phase.STARTING, Phase.READY)
    assert seen.phase is Phase.STARTING
    await docker_bench.until_phase(made, Phase.READY)  # the engine itself asks for the first time after an hour
    assert docker("inspect", "--format", "{{.State.Health.Status}}", made.id).strip() == "starting"


async def test_what_the_health_check_says_is_shown_while_it_fails(docker_bench: Bench) -> None:
    made = await docker_bench.run(docker_bench.service(healthcheck=check("echo the database is away; exit 1")))
    (seen,) = (await docker_bench.until_seen(lambda s: bool(s.instances[0].detail))).instances
    assert (seen.phase, seen.detail) == (Phase.STARTING, "health check: the database is away")
    assert made.id == seen.id


async def test_the_health_check_runs_as_the_services_user_with_its_environment_and_directory(docker_bench: Bench) -> None:
    test = 'test "$(id -u)" = 1234 && test "$COLOUR" = red && test "$PWD" = /etc'
    spec = docker_bench.service(user="1234", environment=(("COLOUR", "red"),), working_dir="/etc", healthcheck=check(test))
    await docker_bench.until_phase(await docker_bench.run(spec), Phase.READY)


async def test_a_health_check_of_the_image_counts(docker_bench: Bench, registry: LocalRegistry) -> None:
    dockerfile = f"FROM {docker_bench.image.pinned}\nHEALTHCHECK --interval=1h CMD test -e /tmp/up\n"
    built = build_image(f"spin-test/{docker_bench.site.id}:1", dockerfile)
    repository, _, digest = registry.push(built, "test/checked:1").partition("@")
    docker("rmi", built)
    spec = docker_bench.service(command=("sh", "-c", "sleep 0.4; touch /tmp/up; sleep 100"))
    made = await docker_bench.run(replace(spec, image=Image(f"{repository}:1", digest)))
    assert (await docker_bench.until_phase(made, Phase.STARTING, Phase.READY)).phase is Phase.STARTING
    await docker_bench.until_phase(made, Phase.READY)


async def test_a_health_check_of_the_image_runs_once_a_second_at_most(docker_bench: Bench, registry: LocalRegistry) -> None:
    dockerfile = f"FROM {docker_bench.image.pinned}\nHEALTHCHECK --interval=1ms --retries=7 CMD true\n"
    built = build_image(f"spin-test/{docker_bench.site.id}:3", dockerfile)
    repository, _, digest = registry.push(built, "test/often:1").partition("@")
    docker("rmi", built)
    made = await docker_bench.run(replace(docker_bench.service(), image=Image(f"{repository}:1", digest)))
    told = docker("inspect", "--format", "{{.Config.Healthcheck.Interval}} {{.Config.Healthcheck.Retries}}", made.id)
    assert told.split() == ["1s", "7"]
    await docker_bench.until_phase(made, Phase.READY)


async def test_labels_of_an_image_do_not_imitate_spins(docker_bench: Bench, registry: LocalRegistry) -> None:
    forged = (
        "http=nonsense",
        "addresses=nonsense",
        "networks=nonsense",
        "limits=nonsense",
        "slot=9",
        "kind=helper",
        "site=other",
    )
    dockerfile = f"FROM {docker_bench.image.pinned}\nLABEL {' '.join(f'spin.{label}' for label in forged)}\n"
    built = build_image(f"spin-test/{docker_bench.site.id}:2", dockerfile)
    repository, _, digest = registry.push(built, "test/forged:1").partition("@")
    docker("rmi", built)
    spec = docker_bench.service(command=("sleep", "100"))
    made = await docker_bench.run(replace(spec, image=Image(f"{repository}:1", digest)))
    seen = await docker_bench.until_phase(made, Phase.READY)
    assert (seen.slot, seen.altered) == (1, "")
    told = docker("inspect", "--format", "{{json .Config.Labels}}", made.id)
    assert "nonsense" not in told
    assert "other" not in told


async def test_the_engines_own_verdict_unhealthy_stands_and_says_why(docker_bench: Bench) -> None:
    command = ("sh", "-c", "touch /tmp/up; sleep 1.2; rm /tmp/up; sleep 100")
    test = check("test -e /tmp/up || { echo it; echo fell over; exit 1; }", interval_ms=300, retries=2)
    made = await docker_bench.run(docker_bench.service(command=command, healthcheck=test))
    await docker_bench.until_phase(made, Phase.READY)
    seen = await docker_bench.until_phase(made, Phase.UNHEALTHY)
    assert seen.detail == "health check: it fell over"


async def test_a_web_service_is_up_when_its_port_answers(docker_bench: Bench) -> None:
    made = await docker_bench.run(docker_bench.service(command=perl_server(7001, after=1.5), http=Http(7001)))
    (seen,) = (await docker_bench.until_seen(lambda s: bool(s.instances[0].detail))).instances
    assert (seen.phase, seen.detail) == (Phase.STARTING, "nothing answers on port 7001 yet")
    await docker_bench.until_phase(made, Phase.READY)


async def test_an_engine_adapter_that_was_restarted_knows_at_once_which_web_services_are_up(docker_bench: Bench) -> None:
    made = await docker_bench.run(docker_bench.service(command=perl_server(7001), http=Http(7001)))
    await docker_bench.until_phase(made, Phase.READY)
    async with docker_bench.second() as restarted:
        assert [i.phase for i in (await restarted.observe(docker_bench.key)).instances] == [Phase.READY]


async def test_a_container_that_nothing_can_be_asked_of_is_up_after_a_second(docker_bench: Bench) -> None:
    begun = time.monotonic()
    made = await docker_bench.run(docker_bench.service())
    await docker_bench.until_phase(made, Phase.READY)
    assert time.monotonic() - begun >= 1


async def test_an_engine_adapter_that_was_restarted_asks_nothing_anew_of_what_has_run_for_long(docker_bench: Bench) -> None:
    made = await docker_bench.run(docker_bench.service())
    await docker_bench.until_phase(made, Phase.READY)
    async with docker_bench.second() as restarted:
        assert [i.phase for i in (await restarted.observe(docker_bench.key)).instances] == [Phase.READY]


async def test_a_container_that_was_restarted_has_to_come_up_again(docker_bench: Bench) -> None:
    made = await docker_bench.run(docker_bench.service(healthcheck=check("test -e /tmp/up")))
    assert inside(made.id, "touch", "/tmp/up").returncode == 0
    await docker_bench.until_phase(made, Phase.READY)
    assert inside(made.id, "rm", "/tmp/up").returncode == 0
    await docker_bench.kill(made)
    seen = await docker_bench.until(lambda s: s.instances[0].restarts == 1 and s.instances[0].address is not None)
    assert seen.instances[0].phase is Phase.STARTING


async def test_a_container_that_was_kept_stopped_has_to_come_up_again(docker_bench: Bench) -> None:
    made = await docker_bench.run(docker_bench.service(command=perl_server(7001, after=0.7), http=Http(7001)))
    first = await docker_bench.until_phase(made, Phase.READY)
    await docker_bench.engine.execute(docker_bench.key, Stop(made.id, made.name, 0, "test"))
    await docker_bench.engine.execute(docker_bench.key, Start(made.id, made.name, "test"))  # nobody has looked in between
    assert (await docker_bench.until_phase(made, Phase.STARTING, Phase.READY)).phase is Phase.STARTING
    assert (await docker_bench.until_phase(made, Phase.READY)).since > first.since


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"command": ("no-such-program",)}, 'The command "no-such-program" is not in the image.'),
        ({"command": ("/etc/passwd",), "init": False}, 'The command "/etc/passwd" is not an executable file in the image.'),
        ({"user": "nobody-here"}, 'The image has no user "nobody-here": give a number, or add the user to the image.'),
    ],
    ids=["no such command", "not executable", "no such user"],
)
async def test_a_start_that_fails_says_why_in_one_sentence_and_is_seen_as_ended(
    docker_bench: Bench, fields: dict[str, object], reason: str
) -> None:
    spec = docker_bench.service(**{"init": False, **fields})
    with pytest.raises(Failed) as caught:
        await docker_bench.run(spec)
    assert caught.value.message == reason
    (seen,) = (await docker_bench.engine.observe(docker_bench.key)).instances
    assert seen.phase is Phase.EXITED
    assert seen.exit_code
    assert f"{seen.detail}." == reason[:1].lower() + reason[1:]


async def test_a_port_that_another_container_holds_makes_the_start_fail_by_its_number(docker_bench: Bench) -> None:
    number = free_ports(1)[0]
    await docker_bench.run(docker_bench.service("web", ports=(Port(80, number),)))
    second = await docker_bench.create(docker_bench.service("api", ports=(Port(80, number),)))
    with pytest.raises(Failed, match=f"Port {number} of the engine's host is already in use"):
        await docker_bench.engine.execute(docker_bench.key, Start(second.id, second.name, "test"))
    seen = next(i for i in (await docker_bench.engine.observe(docker_bench.key)).instances if i.id == second.id)
    assert seen.phase is Phase.EXITED
    assert str(number) in seen.detail


async def test_a_container_that_crashes_is_brought_back_by_the_engine_and_the_restarts_are_counted(docker_bench: Bench) -> None:
    made = await docker_bench.run(docker_bench.service(restart=Restart.ALWAYS))
    await docker_bench.until_phase(made, Phase.READY)
    await docker_bench.kill(made)
    await docker_bench.until(lambda s: s.instances[0].restarts == 1 and s.instances[0].phase is Phase.READY)


async def test_a_container_that_keeps_ending_is_starting_with_its_exit_code(docker_bench: Bench) -> None:
    made = await docker_bench.run(docker_bench.service(command=("sh", "-c", "exit 3"), restart=Restart.ALWAYS))
    seen = await docker_bench.until(lambda s: s.instances[0].restarts >= 2 and bool(s.instances[0].detail))
    (looping,) = seen.instances
    assert looping.id == made.id
    assert looping.phase is Phase.STARTING
    assert (looping.exit_code, looping.detail) == (3, "exited with 3, is being restarted")


async def test_a_container_that_ended_says_with_what(docker_bench: Bench) -> None:
    made = await docker_bench.run(docker_bench.service(command=("sh", "-c", "exit 3"), restart=Restart.NO))
    seen = await docker_bench.until_phase(made, Phase.EXITED)
    assert (seen.exit_code, seen.detail) == (3, "exited with 3")


async def test_a_container_that_needs_more_memory_than_it_may_is_said_to_have(docker_bench: Bench) -> None:
    spec = docker_bench.service(
        command=("perl", "-e", "$x = 'a' x 200_000_000; sleep 100"),
        init=False,
        restart=Restart.NO,
        resources=Resources(memory_bytes=32 * 2**20),
    )
    made = await docker_bench.run(spec)
    seen = await docker_bench.until_phase(made, Phase.EXITED)
    assert seen.oom_killed
    assert seen.detail == "killed: it needed more memory than its limit of 32 MiB"


async def test_a_paused_container_is_not_well_and_can_be_stopped(docker_bench: Bench) -> None:
    made = await docker_bench.run(docker_bench.service())
    docker("pause", made.id)
    seen = await docker_bench.until_phase(made, Phase.UNHEALTHY)
    assert seen.detail == "paused"
    await docker_bench.engine.execute(docker_bench.key, Stop(made.id, made.name, 20_000, "test"))
    ended = (await docker_bench.engine.observe(docker_bench.key)).instances[0]
    assert (ended.phase, ended.exit_code) == (Phase.EXITED, 143), "it ended by the signal, within its grace"
