"""Configs and secrets as files in real containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from spin.engines.docker import labels
from spin.engines.docker.files import file_name
from spin.errors import Failed
from spin.model.stack import Config, Grant, Network, ServiceSpec
from spin.model.steps import Create, DeliverFiles, EnsureNetwork, RemoveFiles, RemoveNetwork
from support.docker import inside, inspect, things_of
from support.engines import Bench, digest_of
from support.platform import docker

KEY = Grant("key", "/run/secrets/key", uid=1234, gid=2345, mode=0o400)
MOTD = Grant("motd", "/deep/down/motd", mode=0o644)


def delivery(bench: Bench, service: str = "web", *, digest: str | None = None, content: bytes = b"hush\x00\xff") -> DeliverFiles:
    bench.secrets.values["shop.key", 1] = content
    motd = Config("motd", b"welcome")
    return DeliverFiles(
        service, digest or digest_of(service), bench.image.pinned, ((MOTD, motd),), ((KEY, "shop.key", 1),), "test"
    )


async def running_with_files(bench: Bench, **more: object) -> str:
    spec: ServiceSpec = bench.service(secrets=(KEY,), configs=(MOTD,), **more)
    await bench.engine.execute(bench.key, delivery(bench))
    return (await bench.run(spec)).id


def modes(container: str) -> list[str]:
    return inside(container, "stat", "-c", "%u:%g %a %n", KEY.target, MOTD.target).stdout.splitlines()


@pytest.mark.parametrize("read_only", [False, True], ids=["writable root", "read-only root"])
async def test_files_have_their_content_owner_and_mode(docker_bench: Bench, read_only: bool) -> None:
    container = await running_with_files(docker_bench, read_only=read_only, user="1234:1")
    assert modes(container) == [f"1234:2345 400 {KEY.target}", f"0:0 644 {MOTD.target}"]
    seen = inside(container, "perl", "-e", f'open F, "{KEY.target}" or die; print unpack("H*", <F>)')
    assert seen.stdout == b"hush\x00\xff".hex()
    assert inside(container, "cat", MOTD.target).stdout == "welcome"


async def test_files_cannot_be_read_by_another_user_nor_written_by_root(docker_bench: Bench) -> None:
    container = await running_with_files(docker_bench)
    assert inside(container, "sh", "-c", f"echo changed > {MOTD.target}").returncode != 0
    assert inside(container, "cat", KEY.target).returncode != 0, "root without capabilities is not the owner"


async def test_files_are_still_there_after_a_restart(docker_bench: Bench) -> None:
    container = await running_with_files(docker_bench)
    docker("restart", "--time", "0", container)
    assert modes(container) == [f"1234:2345 400 {KEY.target}", f"0:0 644 {MOTD.target}"]


async def test_delivering_runs_nothing_and_leaves_nothing_but_the_files(docker_bench: Bench) -> None:
    await docker_bench.engine.execute(docker_bench.key, delivery(docker_bench))
    base = labels.files(docker_bench.site.id, docker_bench.key, "web", digest_of("web"))
    assert things_of(docker_bench.site.id) == [base, f"{base}-delivered"]
    await docker_bench.engine.execute(docker_bench.key, RemoveFiles("web", digest_of("web"), "test"))
    assert things_of(docker_bench.site.id) == []


async def test_no_secret_stands_in_what_the_engine_shows(docker_bench: Bench) -> None:
    content = b"correct horse battery staple"
    await docker_bench.engine.execute(docker_bench.key, delivery(docker_bench, content=content))
    made = await docker_bench.create(docker_bench.service(secrets=(KEY,), configs=(MOTD,)))
    assert content.decode() not in str(inspect(made.id))


async def test_a_delivery_that_was_killed_half_way_does_not_count_and_is_done_again(docker_bench: Bench) -> None:
    site, key = docker_bench.site.id, docker_bench.key
    which = {labels.SERVICE: "web", labels.DIGEST: digest_of("web")}
    half = labels.files(site, key, "web", digest_of("web"))
    marks = labels.labels_for(site, key, labels.Kind.FILES, which).items()
    docker("volume", "create", *(f"--label={n}={v}" for n, v in marks), half)
    helper = labels.labels_for(site, key, labels.Kind.HELPER, which).items()
    docker(
        *("create", f"--name={half}-helper", *(f"--label={n}={v}" for n, v in helper)),
        *("--mount", f"type=volume,src={half},dst=/.spin-files,volume-nocopy", docker_bench.image.pinned),
    )
    assert (await docker_bench.engine.observe(key)).files == ()
    assert (await docker_bench.engine.observe(key)).instances == ()
    await docker_bench.engine.execute(key, EnsureNetwork(Network("default"), "test"))
    spec = docker_bench.service(secrets=(KEY,), configs=(MOTD,))
    with pytest.raises(Failed, match="not been delivered"):
        await docker_bench.engine.execute(key, Create(spec, digest_of("web"), 1, 1, "test"))

    container = await running_with_files(docker_bench)
    assert modes(container) == [f"1234:2345 400 {KEY.target}", f"0:0 644 {MOTD.target}"]


async def test_half_a_delivery_that_nobody_wants_any_more_is_swept_away(docker_bench: Bench) -> None:
    site, key = docker_bench.site.id, docker_bench.key
    which = {labels.SERVICE: "web", labels.DIGEST: digest_of("old")}
    half = labels.files(site, key, "web", digest_of("old"))
    for kind in (labels.Kind.FILES,):
        marks = labels.labels_for(site, key, kind, which).items()
        docker("volume", "create", *(f"--label={n}={v}" for n, v in marks), half)
    await docker_bench.engine.execute(key, RemoveNetwork("default", "test"))
    assert things_of(site) == []


async def test_a_foreign_volume_of_that_name_gets_no_files(docker_bench: Bench) -> None:
    name = labels.files(docker_bench.site.id, docker_bench.key, "web", digest_of("web"))
    docker("volume", "create", name)
    try:
        with pytest.raises(Failed, match="belongs to something else"):
            await docker_bench.engine.execute(docker_bench.key, delivery(docker_bench))
        root = Path(inspect(name)["Mountpoint"])
        assert docker("run", "--rm", "-v", f"{name}:/v", docker_bench.image.pinned, "ls", "/v") == "", str(root)
    finally:
        docker("volume", "rm", name)


def test_names_of_files_follow_from_their_targets_alone() -> None:
    assert file_name("/run/secrets/a") == file_name("/run/secrets/a") != file_name("/run/secrets/b")
    assert "/" not in file_name("/a/b")
