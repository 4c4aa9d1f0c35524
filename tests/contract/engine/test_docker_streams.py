"""Streams of real containers: terminals, hang-ups, back-pressure, one-off containers, half-closed connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from spin.errors import Failed
from spin.model.observed import Instance, Phase
from spin.model.stack import Attachment, Config, Grant, Mount, Network, Volume
from spin.model.steps import Create, DeliverFiles, EnsureNetwork, EnsureVolume, RemoveNetwork, RemoveVolume
from spin.model.streams import STDERR, STDOUT, WINDOW, Command, Size
from spin.ports.streams import Stream
from support.docker import inspect
from support.engines import Bench, digest_of, docker_engine
from support.platform import docker, eventually


async def running(bench: Bench, **more: object) -> Instance:
    made = await bench.run(bench.service(**more))
    return await bench.until_phase(made, Phase.READY)


async def everything(stream: Stream) -> bytes:
    found = b""
    while (piece := await stream.read()) is not None:
        found += piece[1]
    return found


def one_offs(bench: Bench) -> list[str]:
    chosen = (f"label=spin.site={bench.site.id}", "label=spin.kind=one-off")
    return docker("ps", "-aq", "--no-trunc", *(word for text in chosen for word in ("--filter", text))).split()


def processes(container: str) -> str:
    return docker("top", container, "-eo", "pid,args")


async def until(check: Callable[[], object]) -> None:
    await asyncio.to_thread(eventually, check)


async def gone(container: str, word: str) -> None:
    await until(lambda: word not in processes(container))


async def until_read(stream: Stream, text: bytes) -> None:
    seen = b""
    async with asyncio.timeout(30):
        while text not in seen:
            piece = await stream.read()
            assert piece is not None, seen
            seen += piece[1]


async def test_stdout_and_stderr_stay_apart(docker_bench: Bench) -> None:
    made = await running(docker_bench)
    async with docker_bench.engine.exec(
        docker_bench.key, made.id, Command(("sh", "-c", "echo out; echo err >&2; exit 3"))
    ) as stream:
        pieces = [await stream.read(), await stream.read(), await stream.read()]
        assert set(pieces) == {(STDOUT, b"out\n"), (STDERR, b"err\n"), None}
        assert await stream.wait() == 3


async def test_a_terminal_has_the_size_it_is_told(docker_bench: Bench) -> None:
    made = await running(docker_bench)
    # stty is not in the image: TIOCGWINSZ, as it asks.
    ask = 'print "ready\\n"; while (<STDIN>) { ioctl(STDIN, 0x5413, my $w = ""); printf "[%d %d]\\n", unpack("S2", $w) }'
    command = Command(("perl", "-e", f"$| = 1; {ask}"), tty=True, stdin=True, size=Size(31, 97))
    async with docker_bench.engine.exec(docker_bench.key, made.id, command) as stream:
        await until_read(stream, b"ready")
        await stream.write(b"\n")
        await until_read(stream, b"[31 97]")
        await stream.resize(Size(40, 120))
        await stream.write(b"\n")
        await until_read(stream, b"[40 120]")
        await stream.write(b"\x04")
        await everything(stream)
        assert await stream.wait() == 0


async def test_ctrl_c_in_a_terminal_interrupts_the_program_in_it(docker_bench: Bench) -> None:
    made = await running(docker_bench)
    command = Command(("sh", "-c", "echo ready; sleep 300"), tty=True, stdin=True)
    async with docker_bench.engine.exec(docker_bench.key, made.id, command) as stream:
        await until_read(stream, b"ready")
        await stream.write(b"\x03")
        await everything(stream)
        assert await stream.wait() == 130


async def test_whoever_leaves_ends_the_command_and_all_that_it_has_started(docker_bench: Bench) -> None:
    made = await running(docker_bench)
    script = "trap '' HUP TERM; sleep 3001 & env -i sleep 3002 & perl -e 'use POSIX; setsid; exec \"sleep\", \"3003\"' & echo ready; wait"
    async with docker_bench.engine.exec(docker_bench.key, made.id, Command(("sh", "-c", script), stdin=True)) as stream:
        await until_read(stream, b"ready")
        assert "sleep 3001" in processes(made.id)
    for word in ("sleep 3001", "sleep 3002", "sleep 3003"):
        await gone(made.id, word)
    assert inspect(made.id)["State"]["Running"], "the container's own process goes on"


async def test_what_another_machine_runs_is_ended_by_a_shell_in_the_container(docker_bench: Bench, tmp_path: Path) -> None:
    """As where the engine's processes are not to be seen in /proc."""
    made = await running(docker_bench)
    docker_bench.engine._streams.execs._proc = tmp_path
    async with docker_bench.engine.exec(docker_bench.key, made.id, Command(("sleep", "3004"), stdin=True)):
        await until(lambda: "sleep 3004" in processes(made.id))
    await gone(made.id, "sleep 3004")


async def test_what_a_killed_platform_has_left_running_is_ended_by_the_next(docker_bench: Bench) -> None:
    made = await running(docker_bench)
    await docker_bench.engine.overview()
    async with docker_bench.engine.exec(docker_bench.key, made.id, Command(("sleep", "3005"))):
        await until(lambda: "sleep 3005" in processes(made.id))
        await docker_bench.engine.overview()
        assert "sleep 3005" in processes(made.id), "its own are left alone"
        async with docker_bench.second() as other:
            await other.overview()
        assert "sleep 3005" not in processes(made.id)
    assert inspect(made.id)["State"]["Running"]


async def test_streams_work_with_an_engine_that_is_reached_over_tcp(docker_bench: Bench) -> None:
    """With the end of the input, which has to cross as the end of one direction of the connection."""
    made = await running(docker_bench)
    async with (
        relayed() as url,
        docker_engine(docker_bench.site, docker_bench.secrets, docker_bench.access, url) as engine,
        engine.exec(docker_bench.key, made.id, Command(("cat",), stdin=True)) as stream,
    ):
        await stream.write(b"over there")
        await stream.end()
        assert await everything(stream) == b"over there"
        assert await stream.wait() == 0


@asynccontextmanager
async def relayed() -> AsyncIterator[str]:
    """The engine's socket at a TCP port."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_unix_connection("/var/run/docker.sock")
        try:
            await asyncio.gather(pump(reader, outer), pump(inner, writer), return_exceptions=True)
        finally:
            for one in (outer, writer):
                one.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.ensure_future(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def test_a_command_ends_with_its_container(docker_bench: Bench) -> None:
    made = await running(docker_bench)
    async with docker_bench.engine.exec(docker_bench.key, made.id, Command(("sh", "-c", "echo ready; sleep 300"))) as stream:
        await until_read(stream, b"ready")
        docker("kill", made.id)
        async with asyncio.timeout(30):
            await everything(stream)
            assert await stream.wait() == 137


async def test_a_reader_that_stops_stops_the_writer(docker_bench: Bench) -> None:
    """What the pipes and sockets in between hold is all that a command can write ahead."""
    made = await running(docker_bench)
    script = (
        'my $b = "x" x 65536; my $n = 0; while (1) { $n += syswrite(STDOUT, $b); open F, ">", "/tmp/n"; print F $n; close F }'
    )
    async with docker_bench.engine.exec(docker_bench.key, made.id, Command(("perl", "-e", script))) as stream:
        assert await stream.read() is not None
        before, last = -1, -2
        async with asyncio.timeout(60):
            while before != last:  # nothing more has been written for a second
                before = last
                await asyncio.sleep(1)
                last = int(docker("exec", made.id, "cat", "/tmp/n") or 0)
    assert 0 < last < 16 * WINDOW


@asynccontextmanager
async def server(bench: Bench, program: str) -> AsyncIterator[Instance]:
    preface = "$| = 1; my $s = IO::Socket::INET->new(LocalPort => 7000, Listen => 5, ReuseAddr => 1) or die; my $c = $s->accept; "
    command = ("perl", "-MIO::Socket::INET", "-e", preface + program)
    made = await bench.run(bench.service(command=command, networks=(Attachment("default"),)))
    await bench.until(lambda s: any(i.id == made.id and i.address for i in s.instances))
    yield made


@asynccontextmanager
async def dialled(bench: Bench, made: Instance) -> AsyncIterator[Stream]:
    """Once it listens."""
    for _ in range(200):
        try:
            async with bench.engine.dial(bench.key, made.id, 7000) as stream:
                yield stream
                return
        except Failed:
            await asyncio.sleep(0.05)
    raise AssertionError("nothing listens")


async def test_a_connection_whose_client_has_said_all_still_gets_the_answer(docker_bench: Bench) -> None:
    program = 'my $n = 0; while (sysread($c, my $b, 65536)) { $n += length $b } syswrite($c, "got $n"); close $c; sleep 300'
    async with server(docker_bench, program) as made, dialled(docker_bench, made) as stream:
        for _ in range(100):
            await stream.write(bytes(10_000))
        await stream.end()
        assert await everything(stream) == b"got 1000000"
        assert await stream.wait() == 0


async def test_a_connection_whose_server_has_said_all_still_takes_what_comes(docker_bench: Bench) -> None:
    program = 'syswrite($c, "bye"); shutdown($c, 1); my $n = 0; while (sysread($c, my $b, 65536)) { $n += length $b } '
    program += 'open F, ">", "/tmp/n"; print F $n; close F; sleep 300'
    async with server(docker_bench, program) as made, dialled(docker_bench, made) as stream:
        assert await everything(stream) == b"bye"
        waiting = asyncio.create_task(stream.wait())
        await stream.write(bytes(12_345))
        await stream.end()
        assert await waiting == 0
        await until(lambda: docker("exec", made.id, "cat", "/tmp/n", check=False) == "12345")


async def ready_for_one_off(bench: Bench) -> Create:
    """A service with a network, a volume and a config, on the engine."""
    config = Config("motto", content=b"festina lente")
    grant = Grant("motto", "/etc/motto")
    spec = bench.service(
        networks=(Attachment("default"),), mounts=(Mount("data", "/data"),), configs=(grant,), environment=(("COLOUR", "blue"),)
    )
    await bench.engine.execute(bench.key, EnsureNetwork(Network("default"), "test"))
    await bench.engine.execute(bench.key, EnsureVolume(Volume("data"), "test"))
    await bench.engine.execute(
        bench.key, DeliverFiles("web", digest_of("web"), bench.image.pinned, ((grant, config),), (), "test")
    )
    return Create(spec, digest_of("web"), 0, 1, "run")


async def test_a_one_off_container_has_what_the_service_has_and_goes_with_its_command(docker_bench: Bench) -> None:
    step = await ready_for_one_off(docker_bench)
    script = 'echo "$COLOUR"; cat /etc/motto; echo; echo kept > /data/note; echo oops >&2; exit 5'
    async with docker_bench.engine.run(docker_bench.key, step, Command(("sh", "-c", script))) as stream:
        [container] = one_offs(docker_bench)
        found = inspect(container)
        assert found["HostConfig"]["CapDrop"] == ["ALL"]
        assert found["HostConfig"]["Memory"] == docker_bench.site.limits.memory_bytes
        aliases = next(iter(found["NetworkSettings"]["Networks"].values()))["Aliases"] or []
        assert "web" not in aliases, "callers of the service must not get there"
        assert (await docker_bench.engine.observe(docker_bench.key)).instances == ()
        pieces: dict[int, bytes] = {}
        while (piece := await stream.read()) is not None:
            pieces[piece[0]] = pieces.get(piece[0], b"") + piece[1]
        assert sorted(pieces.values()) == [b"blue\nfestina lente\n", b"oops\n"], "the two come as they are written, each in order"
        assert await stream.wait() == 5
    await until(lambda: not one_offs(docker_bench))
    async with docker_bench.engine.run(docker_bench.key, step, Command(("cat", "/data/note"))) as stream:
        assert await everything(stream) == b"kept\n"


async def test_whoever_leaves_a_one_off_container_ends_and_removes_it(docker_bench: Bench) -> None:
    step = await ready_for_one_off(docker_bench)
    async with docker_bench.engine.run(docker_bench.key, step, Command(("sleep", "300"))):
        assert len(one_offs(docker_bench)) == 1
    await until(lambda: not one_offs(docker_bench))


async def test_a_one_off_container_that_a_killed_platform_has_left_is_removed_by_the_next(docker_bench: Bench) -> None:
    step = await ready_for_one_off(docker_bench)
    async with docker_bench.engine.run(docker_bench.key, step, Command(("sleep", "300"))):
        await docker_bench.engine.overview()
        assert len(one_offs(docker_bench)) == 1, "its own are left alone"
        async with docker_bench.second() as other:
            await other.overview()
        assert one_offs(docker_bench) == []


async def test_a_stack_can_be_removed_while_a_one_off_container_holds_its_network_and_volume(docker_bench: Bench) -> None:
    step = await ready_for_one_off(docker_bench)
    async with docker_bench.engine.run(docker_bench.key, step, Command(("sleep", "300"))) as stream:
        await docker_bench.engine.execute(docker_bench.key, RemoveVolume("data", "test"))
        await docker_bench.engine.execute(docker_bench.key, RemoveNetwork("default", "test"))
        await everything(stream)
        assert await stream.wait() == 137
