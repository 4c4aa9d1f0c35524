"""Paths of a site's filesystem in real containers: who reads, who writes, and what is never mounted."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from spin.engines.docker.groups import foreign
from spin.engines.docker.paths import MOST_LINKS, Paths, walk
from spin.errors import Failed, Refused
from spin.model.paths import AclEntry, AclTag, PathKind, granted
from spin.model.stack import Bind, Image
from spin.model.steps import Create
from spin.model.streams import Command
from spin.site import Filesystem
from support.docker import LocalRegistry, build_image, inside, inspect, things_of, tiny_image
from support.engines import Bench
from support.platform import docker

ANN = (46311, 75137)


@pytest.fixture
def cfs() -> Iterator[Path]:
    """A directory that stands for the filesystem, with a project's directory and its data."""
    with tempfile.TemporaryDirectory(prefix="spin-cfs-") as folder:
        root = Path(folder)
        (root / "physics" / "data").mkdir(parents=True)
        for place, mode in ((root, 0o755), (root / "physics", 0o741), (root / "physics/data", 0o750)):
            place.chmod(mode)
        (root / "physics/data/numbers").write_text("1 2 3\n")
        (root / "physics/data/numbers").chmod(0o640)
        for place in (root / "physics/data", root / "physics/data/numbers"):
            os.chown(place, *ANN)
        yield root


@pytest_asyncio.fixture
async def bench(docker_bench: Bench, cfs: Path) -> AsyncIterator[Bench]:
    """A Bench whose site has that filesystem."""
    docker_bench.site = replace(docker_bench.site, filesystems=(Filesystem("cfs", str(cfs)),))
    async with docker_bench.second() as engine:
        docker_bench.engine = engine
        yield docker_bench


def data(cfs: Path, *, read_only: bool = True) -> tuple[Bind, ...]:
    return (Bind(str(cfs / "physics/data"), "/data", read_only),)


async def test_a_container_reads_as_its_account_and_cannot_write_what_is_read_only(bench: Bench, cfs: Path) -> None:
    made = await bench.run(bench.service(user="46311:75137", binds=data(cfs)))
    assert inside(made.id, "cat", "/data/numbers").stdout == "1 2 3\n"
    written = inside(made.id, "touch", "/data/new")
    assert written.returncode != 0
    assert "Read-only file system" in written.stderr
    assert not (cfs / "physics/data/new").exists()


async def test_somebody_else_does_not_even_read(bench: Bench, cfs: Path) -> None:
    made = await bench.run(bench.service(user="46312:75138", binds=data(cfs)))
    assert "Permission denied" in inside(made.id, "cat", "/data/numbers").stderr


async def test_a_group_that_is_added_counts(bench: Bench, cfs: Path) -> None:
    made = await bench.run(bench.service(user="46312:75138", group_add=("75137",), binds=data(cfs)))
    assert inside(made.id, "cat", "/data/numbers").stdout == "1 2 3\n"


async def test_a_writable_mount_is_written_as_the_account(bench: Bench, cfs: Path) -> None:
    made = await bench.run(bench.service(user="46311:75137", binds=data(cfs, read_only=False)))
    assert inside(made.id, "touch", "/data/new").returncode == 0
    seen = (cfs / "physics/data/new").stat()
    assert (seen.st_uid, seen.st_gid) == ANN


async def test_a_program_that_would_become_root_does_not(bench: Bench, cfs: Path) -> None:
    made = await bench.run(bench.service(user="46311:75137", binds=data(cfs)))
    program = cfs / "physics/data/id"
    docker("cp", f"{made.id}:/bin/id", str(program))
    os.chown(program, 0, 0)
    program.chmod(0o4755)
    assert inside(made.id, "/data/id", "-u").stdout.strip() == "46311"


async def test_what_is_mounted_later_is_carried_neither_in_nor_out(bench: Bench, cfs: Path) -> None:
    made = await bench.create(bench.service(user="46311:75137", binds=data(cfs)))
    (mount,) = inspect(made.id)["HostConfig"]["Mounts"]
    assert mount == {
        "Type": "bind",
        "Source": str(cfs / "physics/data"),
        "Target": "/data",
        "ReadOnly": True,
        "BindOptions": {"Propagation": "private", "NonRecursive": True},
    }


async def test_a_link_within_the_filesystem_is_followed_to_its_end_and_the_end_is_mounted(bench: Bench, cfs: Path) -> None:
    (cfs / "physics/current").symlink_to("data")
    made = await bench.run(bench.service(user="46311:75137", binds=(Bind(str(cfs / "physics/current"), "/data", True),)))
    (cfs / "physics/current").unlink()
    (cfs / "physics/current").symlink_to("/etc")
    assert inspect(made.id)["HostConfig"]["Mounts"][0]["Source"] == str(cfs / "physics/data")
    assert inside(made.id, "cat", "/data/numbers").stdout == "1 2 3\n"


@pytest.mark.parametrize("target", ["/etc", "../../..", "/"])
async def test_a_directory_that_has_become_a_link_to_elsewhere_is_not_mounted(bench: Bench, cfs: Path, target: str) -> None:
    (cfs / "physics/data/numbers").unlink()
    (cfs / "physics/data").rmdir()
    (cfs / "physics/data").symlink_to(target)
    with pytest.raises(Failed, match="which is not on cfs"):
        await bench.create(bench.service(user="46311:75137", binds=data(cfs)))
    assert [name for name in things_of(bench.site.id) if "web" in name] == []


@pytest.mark.parametrize("source", ["/etc", "/var/run/docker.sock"])
async def test_what_is_of_no_filesystem_is_not_mounted_whatever_admission_said(bench: Bench, source: str) -> None:
    with pytest.raises(Failed, match="not of a filesystem of this site"):
        await bench.create(bench.service(user="46311:75137", binds=(Bind(source, "/x", True),)))


async def test_a_directory_that_is_not_there_is_not_made(bench: Bench, cfs: Path) -> None:
    with pytest.raises(Failed, match="there is no"):
        await bench.create(bench.service(user="46311:75137", binds=(Bind(str(cfs / "physics/dta"), "/data", True),)))
    assert not (cfs / "physics/dta").exists()


async def test_a_socket_is_not_mounted(bench: Bench, cfs: Path) -> None:
    os.mkfifo(cfs / "physics/pipe")
    with pytest.raises(Failed, match="neither a directory nor a file"):
        await bench.create(bench.service(user="46311:75137", binds=(Bind(str(cfs / "physics/pipe"), "/data", True),)))


async def test_a_command_beside_a_filesystem_is_its_own_user_and_nobody_else(bench: Bench, cfs: Path) -> None:
    spec = bench.service(user="46311:75137", binds=data(cfs))
    made = await bench.run(spec)
    for user in ("0", "root", "46312:75137", "46311", ""):
        with pytest.raises(Refused, match="its own user, 46311:75137"):
            async with bench.engine.exec(bench.key, made.id, Command(("id",), user=user)):
                pass
        with pytest.raises(Refused, match="its own user"):
            async with bench.engine.run(bench.key, Create(spec, "d" * 64, 0, 1, "run"), Command(("id",), user=user)):
                pass
    for user in (None, "46311:75137"):
        async with bench.engine.exec(bench.key, made.id, Command(("cat", "/data/numbers"), user=user)) as stream:
            assert await stream.read() == (1, b"1 2 3\n")


async def test_the_engine_copies_no_files_as_root_beside_a_filesystem(bench: Bench, cfs: Path) -> None:
    made = await bench.run(bench.service(user="46311:75137", binds=data(cfs, read_only=False)))
    for path in ("/data/numbers", "/etc/passwd"):
        with pytest.raises(Refused, match="as root"):
            await bench.engine.stat(bench.key, made.id, path)
        with pytest.raises(Refused, match="as root"):
            async with bench.engine.read_files(bench.key, made.id, path):
                pass
    with pytest.raises(Refused, match="as root"):
        async with bench.engine.write_files(bench.key, made.id, "/data"):
            pass


@pytest.fixture(scope="session")
def misnamed(registry: LocalRegistry) -> Image:
    """An image whose /etc/group gives names to groups that are not its own."""
    return with_groups(registry, "misnamed", r"nginx:x:101:\n75137:x:80001:\nphysics:x:80001:\nwheel:x:0:\n80003:x:what\n80004\n")


@pytest.fixture(scope="session")
def own_groups(registry: LocalRegistry) -> Image:
    """An image with a group of its own."""
    return with_groups(registry, "own-groups", r"root:x:0:\nnginx:x:101:\n")


def with_groups(registry: LocalRegistry, name: str, groups: str, more: str = "") -> Image:
    made = build_image(f"spin-test/{name}:1", f"FROM {tiny_image()}\nRUN printf '{groups}' > /etc/group{more}\n")
    repository, _, digest = registry.push(made, f"test/{name}:1").partition("@")
    return Image(f"{repository}:1", digest)


async def test_the_engine_takes_a_groups_number_for_a_name(docker_bench: Bench, misnamed: Image) -> None:
    # This is why what the image says of groups is looked at.
    made = await docker_bench.run(replace(docker_bench.service(user="46311:46311", group_add=("75137",)), image=misnamed))
    assert inside(made.id, "id", "-G").stdout.split() == ["46311", "80001"]
    other = await docker_bench.run(replace(docker_bench.service("other", user="46311:75137"), image=misnamed))
    assert "80001" in inside(other.id, "id", "-G").stdout.split(), "the group of `user` too"


@pytest.mark.parametrize(
    ("gid", "groups"), [(75137, ()), (46311, ("75137",)), (46311, ("physics",)), (46311, ("wheel",)), (80003, ()), (80004, ())]
)
async def test_an_image_does_not_smuggle_in_another_group(
    bench: Bench, cfs: Path, misnamed: Image, gid: int, groups: tuple[str, ...]
) -> None:
    spec = bench.service(user=f"46311:{gid}", group_add=groups, binds=data(cfs))
    with pytest.raises(Failed, match=r"cannot be created: .*group"):
        await bench.create(replace(spec, image=misnamed))
    assert [name for name in things_of(bench.site.id) if "web" in name] == []


@pytest.mark.parametrize("change", ["chmod 666 /etc/group", "chmod 777 /etc", "chown 46311 /etc/group"])
async def test_a_container_cannot_change_its_groups_for_the_next_start(
    bench: Bench, cfs: Path, registry: LocalRegistry, change: str
) -> None:
    # perl stands for chown, which the tiny image lacks
    more = f" && {change}" if change.startswith("chmod") else " && perl -e 'chown 46311, 0, \"/etc/group\"'"
    image = with_groups(registry, "open", r"nginx:x:101:\n", more)
    spec = replace(bench.service(user="46311:75137", binds=data(cfs)), image=image)
    with pytest.raises(Failed, match=r"change /.*`read_only: true`"):
        await bench.create(spec)
    made = await bench.run(replace(spec, read_only=True))
    assert inside(made.id, "cat", "/data/numbers").stdout == "1 2 3\n"


async def test_an_images_own_group_is_let_pass(bench: Bench, cfs: Path, own_groups: Image) -> None:
    made = await bench.run(replace(bench.service(user="46311:75137", group_add=("nginx",), binds=data(cfs)), image=own_groups))
    assert inside(made.id, "id", "-G").stdout.split() == ["75137", "101"]
    assert len([name for name in things_of(bench.site.id) if "web" in name]) == 1, "the helper is gone"


async def test_an_image_without_groups_has_none_to_mistake(bench: Bench, cfs: Path) -> None:
    made = await bench.run(bench.service(user="46311:75137", group_add=("80001",), binds=data(cfs)))
    assert inside(made.id, "id", "-G").stdout.split() == ["75137", "80001"]


async def test_the_host_is_asked_and_answers_without_following(bench: Bench, cfs: Path) -> None:
    path = str(cfs / "physics/data")
    facts = (await bench.engine.look([path, str(cfs / "nope")]))[path]
    assert (facts.real, facts.missing, facts.unknown) == (path, "", "")
    assert [c.path for c in facts.way][-2:] == [str(cfs / "physics"), path]
    assert (facts.way[-1].mode, facts.way[-1].uid, facts.way[-1].gid) == (0o750, *ANN)


async def test_of_an_engine_elsewhere_nothing_is_told(bench: Bench) -> None:
    async with bench.second(bench.site) as here:
        assert (await here.look(["/"]))["/"].real == "/"


# The walk itself.


def test_links_on_the_way_are_followed_and_what_they_pass_is_told(cfs: Path) -> None:
    (cfs / "one").symlink_to("physics/../two")
    (cfs / "two").symlink_to(cfs / "physics")
    facts = walk(str(cfs / "one/data/numbers"))
    assert facts.real == str(cfs / "physics/data/numbers")
    assert facts.way[-1].kind is PathKind.FILE
    assert str(cfs / "physics") in [c.path for c in facts.way]


def test_a_path_that_ends_on_the_way_up_is_told_last(cfs: Path) -> None:
    (cfs / "up").symlink_to("physics/data/..")
    facts = walk(str(cfs / "up"))
    assert (facts.real, facts.way[-1].path) == (str(cfs / "physics"), str(cfs / "physics"))
    assert walk("/").real == "/"


def test_links_that_lead_round_in_a_circle_end(cfs: Path) -> None:
    (cfs / "a").symlink_to("b")
    (cfs / "b").symlink_to("a")
    assert str(MOST_LINKS) in walk(str(cfs / "a")).unknown


def test_what_is_not_there_is_named(cfs: Path) -> None:
    assert walk(str(cfs / "physics/dta/x")).missing == str(cfs / "physics/dta")
    assert walk(str(cfs / "physics/data/numbers/x")).missing == str(cfs / "physics/data/numbers/x")


def test_an_access_control_list_is_read_as_the_kernel_has_it(cfs: Path) -> None:
    place = cfs / "physics"
    entries = [(0x01, 7, 2**32 - 1), (0x02, 5, 46311), (0x04, 0, 2**32 - 1), (0x10, 5, 2**32 - 1), (0x20, 0, 2**32 - 1)]
    raw = (2).to_bytes(4, "little") + b"".join(
        t.to_bytes(2, "little") + b.to_bytes(2, "little") + i.to_bytes(4, "little") for t, b, i in entries
    )
    try:
        os.setxattr(place, "system.posix_acl_access", raw)
    except OSError as error:
        pytest.skip(f"this filesystem has no access control lists: {error}")
    component = next(c for c in walk(str(place / "data")).way if c.path == str(place))
    assert AclEntry(AclTag.USER, 5, 46311) in component.acl
    assert granted(component, 46311, {75137}) == 5
    assert granted(component, 46312, {75137}) == 0


async def test_a_filesystem_that_hangs_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading  # noqa: PLC0415

    release = threading.Event()
    monkeypatch.setattr("spin.engines.docker.paths.WAIT_SECONDS", 0.01)
    monkeypatch.setattr("spin.engines.docker.paths.walk", lambda _: release.wait(60))
    paths = Paths()
    try:
        assert "does not answer" in (await paths.look(["/global"]))["/global"].unknown
    finally:
        release.set()
        paths.close()


@pytest.mark.parametrize(
    ("groups", "text", "wrong"),
    [
        (("101",), "nginx:x:101:\n", False),
        (("75137",), "", False),
        (("75137",), "physics:x:75137:ann\n", False),
        (("75137",), "75137:x:80001:\n", True),
        (("75137",), "physics:x:75137:\n75137:x:80001:\n", True),
        (("75137",), "75137:x:75137:\n", False),
        (("75137",), "75137:x:eleven:\n", True),
        (("75137",), "75137\n", True),
        (("75137",), "  75137:x:80001:\r\n", True),
        (("nginx",), "nginx:x:101:\n", False),
        (("nginx",), "nginx:x:1000:\n", True),
        (("nginx",), "nginx:x:0:\n", True),
        (("nginx",), "broken\n:::\nnginx:x:999:\n", False),
        (("nobody",), "nginx:x:101:\n", False),  # the engine refuses it itself
    ],
)
def test_what_an_image_calls_its_groups(groups: tuple[str, ...], text: str, wrong: bool) -> None:
    assert bool(foreign(groups, text, 1000)) is wrong
