"""A supervisor keeps its child running, finds it again after a crash of its own, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from spin.kit.ports import PortUnavailable
from spin.kit.processes import Child, ProcessFailed, Supervisor
from support.platform import free_ports
from support.processes import alive, marked, soon

SERVER = """
import signal, socket, sys, os
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
address = sys.argv[1]
if address == "inherited":
    server = socket.socket(fileno=int(os.environ["LISTENER"]))
else:
    server = socket.create_server(("127.0.0.1", int(address)))
print("serving", flush=True)
while True:
    connection, _ = server.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
"""


def answering(port: int):
    async def ready() -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return bool(answer)

    return ready


def server(workplace: Path, port: int, **more) -> Child:
    return Child(
        "server", (sys.executable, "-c", SERVER, str(port)), workplace, answering(port), ports=(("127.0.0.1", port),), **more
    )


def script(workplace: Path, text: str, **more) -> Child:
    """A child that is ready once it has made the file `up`."""

    async def ready() -> bool:
        return (workplace / "up").exists()

    return Child("script", ("/bin/sh", "-c", text), workplace, ready, environment={"PATH": os.environ["PATH"]}, **more)


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def stat_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text()


def impatient(child: Child) -> Supervisor:
    return Supervisor(child, first=timedelta(milliseconds=10), most=timedelta(milliseconds=200))


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


async def test_start_returns_when_the_child_answers_and_stop_leaves_no_process(workplace, port):
    child = server(workplace, port)
    supervisor = Supervisor(child)
    await supervisor.start()
    pid = supervisor.pid
    assert await child.ready()
    await supervisor.stop()
    assert not exists(pid), "not even a zombie"
    assert not child.pid_file.exists()
    await supervisor.stop()


async def test_a_child_that_dies_is_started_again(workplace, port):
    told: list[str] = []

    async def restarted() -> None:
        told.append("restarted")

    child = server(workplace, port)
    async with Supervisor(child, first=timedelta(milliseconds=10), restarted=restarted) as supervisor:
        first = supervisor.pid
        os.kill(first, signal.SIGKILL)
        await soon(lambda: bool(told), "the restart is told")
        assert supervisor.pid not in (first, None)
        assert await child.ready()
        assert (supervisor.restarts, told) == (1, ["restarted"])
        assert not exists(first)


async def test_who_fails_when_told_of_a_restart_does_not_stop_the_supervision(workplace, port):
    async def restarted() -> None:
        raise RuntimeError("the store is away")

    async with Supervisor(server(workplace, port), first=timedelta(milliseconds=10), restarted=restarted) as supervisor:
        for times in (1, 2):
            os.kill(supervisor.pid, signal.SIGKILL)
            await soon(lambda times=times: supervisor.restarts == times, "the restart")


async def test_a_child_that_keeps_dying_is_started_at_growing_intervals(workplace):
    text = "date +%s%N >> starts; touch up; sleep 0.1; [ $(wc -l < starts) -ge 6 ] && exec sleep 100; exit 3"
    async with Supervisor(script(workplace, text), first=timedelta(milliseconds=40), most=timedelta(milliseconds=160)):
        await soon(lambda: len((workplace / "starts").read_text().splitlines()) == 6, "the sixth start")
    times = [int(line) / 1e6 for line in (workplace / "starts").read_text().splitlines()]
    gaps = [later - earlier - 100 for earlier, later in itertools.pairwise(times)]
    assert all(gap >= least for gap, least in zip(gaps, (40, 80, 160, 160, 160), strict=True)), gaps


async def test_a_child_that_never_answers_is_stopped_and_its_last_words_are_told(workplace):
    child = script(workplace, "echo the database is locked >&2; exec sleep 100", ready_within=0.3)
    with pytest.raises(ProcessFailed, match=r"script did not answer within 0.3 s.*the database is locked"):
        await Supervisor(child).start()
    assert marked(workplace) == []


async def test_a_program_that_is_not_there_is_an_error_that_says_so(workplace):
    child = script(workplace, "")
    child = Child("tool", ("/no/such/tool",), workplace, child.ready, ready_within=5)
    with pytest.raises(ProcessFailed, match=r"ended with status 127.*/no/such/tool"):
        await Supervisor(child).start()


async def test_a_child_that_ignores_sigterm_is_killed_with_its_descendants(workplace):
    child = script(workplace, "trap '' TERM; sleep 1000 & touch up; while :; do wait; done", grace=0.2)
    async with Supervisor(child):
        await soon(lambda: len(marked(workplace)) == 2, "child and descendant")
    await soon(lambda: marked(workplace) == [], "the end of what was killed")


async def test_descendants_of_a_child_that_ends_at_once_are_not_left(workplace):
    child = script(workplace, "sleep 1000 & touch up; wait")
    async with Supervisor(child):
        pass
    await soon(lambda: marked(workplace) == [], "the end of the descendant")


async def test_a_taken_port_is_reported_with_its_service_and_its_holder(workplace, port):
    async with Supervisor(server(workplace / "first", port)) as holder:
        with pytest.raises(
            PortUnavailable, match=rf"Port {port} of 127.0.0.1, wanted for the server, is taken by process \d+ \(.*python"
        ):
            await Supervisor(server(workplace / "second", port)).start()
        assert holder.pid is not None
    assert marked(workplace) == []


async def test_two_supervisors_never_share_a_child(workplace, port):
    async with Supervisor(server(workplace, port)) as first:
        with pytest.raises(ProcessFailed, match="Another process looks after the server"):
            await Supervisor(server(workplace, port)).start()
        assert await first.child.ready()


def inherited(workplace: Path, port: int) -> Child:
    argv = (sys.executable, "-c", SERVER, "inherited")
    return Child("server", argv, workplace, answering(port), listeners={"LISTENER": ("127.0.0.1", port)})


async def test_a_listening_socket_is_handed_over(workplace, port):
    async with impatient(inherited(workplace, port)) as supervisor:
        os.kill(supervisor.pid, signal.SIGKILL)
        await soon(lambda: supervisor.restarts == 1, "the restart")
        assert await supervisor.child.ready()


def left_behind(workplace: Path, port: int) -> int:
    """The pid of a child whose supervisor, in a process of its own, was killed by kill -9."""
    program = textwrap.dedent(f"""
        import asyncio, sys
        from pathlib import Path
        sys.path[:0] = {[str(Path(__file__).parent), str(Path(__file__).parents[2])]!r}
        from test_processes import server
        from spin.kit.processes import Supervisor
        async def main():
            supervisor = Supervisor(server(Path({str(workplace)!r}), {port}))
            await supervisor.start()
            print(supervisor.pid, file=sys.stderr, flush=True)
            await asyncio.Event().wait()
        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as other:
        try:
            return int(other.stderr.readline())
        finally:
            other.kill()


async def test_a_child_outlives_its_killed_supervisor_and_is_adopted_by_the_next(workplace, port):
    pid = await asyncio.to_thread(left_behind, workplace, port)
    async with impatient(server(workplace, port)) as supervisor:
        assert (supervisor.pid, supervisor.adopted) == (pid, True)
        os.kill(pid, signal.SIGKILL)
        await soon(lambda: supervisor.restarts == 1, "the end of an adopted process is noticed")
        assert await supervisor.child.ready()
    assert marked(workplace) == []


async def test_an_adopted_child_is_stopped_like_an_own_one(workplace, port):
    pid = await asyncio.to_thread(left_behind, workplace, port)
    async with Supervisor(server(workplace, port)):
        pass
    assert not alive(pid)


async def test_a_child_that_was_started_differently_is_stopped_before_the_new_one_starts(workplace, port):
    pid = await asyncio.to_thread(left_behind, workplace, port)
    async with Supervisor(server(workplace, port, identity="another configuration")) as supervisor:
        assert not supervisor.adopted
        assert not alive(pid)
        assert await supervisor.child.ready()


async def test_a_pid_that_was_used_again_is_not_mistaken_for_the_child(workplace, port):
    child = server(workplace, port)
    bystander = await asyncio.create_subprocess_exec("sleep", "1000", cwd=workplace)
    stat = stat_of(bystander.pid).split()
    stat[21] = str(int(stat[21]) - 1)  # field 22: the start time
    child.pid_file.write_text(f"{' '.join(stat)}\n{child.fingerprint}\n")
    async with Supervisor(child) as supervisor:
        assert not supervisor.adopted
    assert bystander.returncode is None
    bystander.kill()
    await bystander.wait()


@pytest.mark.parametrize("content", ["", "1", "a b\nc\n", "999999999 (x) S\nabc\n"])
async def test_a_damaged_pid_file_is_no_obstacle(workplace, port, content):
    child = server(workplace, port)
    child.pid_file.write_text(content)
    async with Supervisor(child) as supervisor:
        assert not supervisor.adopted


async def test_a_child_does_not_get_the_terminals_ctrl_c(workplace, port):
    async with Supervisor(server(workplace, port)) as supervisor:
        assert os.getpgid(supervisor.pid) == os.getsid(supervisor.pid) == supervisor.pid
        assert os.getsid(0) != supervisor.pid


async def test_the_log_is_moved_when_it_is_large(workplace, port):
    child = server(workplace, port, log_bytes=1000)
    child.log_file.write_text("x" * 1001)
    async with Supervisor(child):
        await soon(lambda: child.log_file.read_text() == "serving\n", "the new log")
    assert (workplace / "server.log.1").stat().st_size == 1001


def test_it_works_in_a_thread_that_is_not_the_main_one(workplace, port):
    seen: list[int] = []

    async def work() -> None:
        async with impatient(server(workplace, port)) as supervisor:
            os.kill(supervisor.pid, signal.SIGKILL)
            await soon(lambda: supervisor.restarts == 1, "the restart")
            seen.append(supervisor.pid)

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    thread.join()
    assert len(seen) == 1
    assert marked(workplace) == []


async def test_stopping_while_it_is_being_restarted_leaves_nothing(workplace, port):
    supervisor = Supervisor(server(workplace, port), first=timedelta(seconds=30))
    await supervisor.start()
    os.kill(supervisor.pid, signal.SIGKILL)
    await soon(lambda: supervisor.pid is None, "its end")
    await supervisor.stop()
    assert marked(workplace) == []
