"""Commands, files and ports of containers, through the engine port."""

from __future__ import annotations

import asyncio
import io
import tarfile

import pytest

from spin.errors import Conflict, Failed, NotFound
from spin.model.observed import Instance, Phase
from spin.model.steps import Create, Remove, Stop
from spin.model.streams import STDERR, STDOUT, Command, Size
from spin.ports.streams import Stream
from support.engines import Bench, digest_of


async def running(bench: Bench) -> Instance:
    made = await bench.run(bench.service())
    return await bench.until_phase(made, Phase.READY)


async def everything(stream: Stream) -> dict[int, bytes]:
    found = {STDOUT: b"", STDERR: b""}
    while (piece := await stream.read()) is not None:
        found[piece[0]] += piece[1]
    return found


async def put(bench: Bench, instance: Instance, packed: bytes) -> None:
    """Unpack a tar stream in /tmp."""
    async with bench.engine.write_files(bench.key, instance.id, "/tmp") as stream:
        await stream.write(packed)
        await stream.end()
        assert await stream.read() is None
        assert await stream.wait() == 0


async def test_a_command_has_output_and_an_exit_status(bench: Bench) -> None:
    made = await running(bench)
    async with bench.engine.exec(bench.key, made.id, Command(("sh", "-c", "echo hello there"))) as stream:
        assert (await everything(stream), await stream.wait()) == ({STDOUT: b"hello there\n", STDERR: b""}, 0)
    async with bench.engine.exec(bench.key, made.id, Command(("sh", "-c", "exit 7"))) as stream:
        assert (await everything(stream), await stream.wait()) == ({STDOUT: b"", STDERR: b""}, 7)


async def test_a_program_that_is_not_there_is_told_as_shells_tell_it(bench: Bench) -> None:
    made = await running(bench)
    async with bench.engine.exec(bench.key, made.id, Command(("no-such-program",))) as stream:
        found = await everything(stream)
        assert (found[STDOUT], b"no-such-program" in found[STDERR]) == (b"", True)
        assert await stream.wait() in (126, 127)


async def test_the_end_of_the_input_reaches_the_command_and_its_output_still_comes(bench: Bench) -> None:
    made = await running(bench)
    async with bench.engine.exec(bench.key, made.id, Command(("cat",), stdin=True)) as stream:
        await stream.write(b"one\n")
        assert await stream.read() == (STDOUT, b"one\n")
        await stream.write(b"two\n")
        await stream.end()
        assert (await everything(stream))[STDOUT] == b"two\n"
        assert await stream.wait() == 0


async def test_without_input_a_command_that_reads_ends_at_once(bench: Bench) -> None:
    made = await running(bench)
    async with bench.engine.exec(bench.key, made.id, Command(("cat",))) as stream:
        assert await stream.read() is None
        assert await stream.wait() == 0


async def test_a_container_that_is_gone_or_stopped_runs_no_command(bench: Bench) -> None:
    made = await running(bench)
    await bench.engine.execute(bench.key, Stop(made.id, made.name, 1000, "test"))
    with pytest.raises(Conflict):
        async with bench.engine.exec(bench.key, made.id, Command(("cat",))):
            pass
    await bench.engine.execute(bench.key, Remove(made.id, made.name, "test"))
    with pytest.raises(Conflict, match="gone"):
        async with bench.engine.exec(bench.key, made.id, Command(("cat",))):
            pass


async def test_a_container_of_another_stack_is_not_reached(bench: Bench) -> None:
    made = await running(bench)
    other = bench.another("other")
    with pytest.raises((Conflict, Failed)):
        async with bench.engine.exec(other, made.id, Command(("cat",))):
            pass
    with pytest.raises((Conflict, Failed)):
        await bench.engine.stat(other, made.id, "/tmp")
    with pytest.raises((Conflict, Failed)):
        async with bench.engine.dial(other, made.id, 80):
            pass


async def test_files_go_in_and_come_out_as_tar_streams(bench: Bench) -> None:
    made = await running(bench)
    assert await bench.engine.stat(bench.key, made.id, "/tmp/greeting") is None
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("greeting")
        member.size = 6
        tar.addfile(member, io.BytesIO(b"hello\n"))
    await put(bench, made, packed.getvalue())
    stat = await bench.engine.stat(bench.key, made.id, "/tmp/greeting")
    assert stat is not None
    assert (stat.name, stat.size, stat.kind) == ("greeting", 6, "file")
    async with bench.engine.read_files(bench.key, made.id, "/tmp/greeting") as stream:
        content = (await everything(stream))[STDOUT]
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        [member] = tar.getmembers()
        file = tar.extractfile(member)
        assert file is not None
        assert (member.name, file.read()) == ("greeting", b"hello\n")
    folder = await bench.engine.stat(bench.key, made.id, "/tmp")
    assert folder is not None
    assert folder.kind == "directory"


async def test_what_is_no_tar_stream_is_refused_and_what_is_not_there_cannot_be_read(bench: Bench) -> None:
    made = await running(bench)
    with pytest.raises(Failed):
        await put(bench, made, b"no tar at all" * 100)
    with pytest.raises(NotFound):
        async with bench.engine.read_files(bench.key, made.id, "/tmp/nosuch"):
            pass


async def test_a_port_on_which_nothing_answers_is_a_failure_with_its_name(bench: Bench) -> None:
    made = await bench.run(bench.service(networks=()))
    made = await bench.until_phase(made, Phase.READY)
    with pytest.raises(Failed):
        async with bench.engine.dial(bench.key, made.id, 4711):
            pass


async def test_a_one_off_container_runs_its_command_and_is_no_instance(bench: Bench) -> None:
    made = await running(bench)
    step = Create(bench.service(), digest_of("web"), 0, 1, "run")
    async with bench.engine.run(bench.key, step, Command(("cat",), stdin=True)) as stream:
        await stream.write(b"x")
        assert await stream.read() == (STDOUT, b"x")
        assert [i.id for i in (await bench.engine.observe(bench.key)).instances] == [made.id]
        await stream.end()
        assert await stream.read() is None
        assert await stream.wait() == 0


async def test_leaving_the_block_ends_a_command_that_still_runs(bench: Bench) -> None:
    made = await running(bench)
    async with bench.engine.exec(bench.key, made.id, Command(("sleep", "300"), tty=True, size=Size(20, 70))) as stream:
        waiting = asyncio.create_task(stream.wait())
        await asyncio.sleep(0)
    async with asyncio.timeout(60):
        assert await waiting != 0
