"""The data directory: everything that must outlive the process, in one place that one process at a time owns."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

from spin.errors import Conflict, Failed

KEY_BYTES = 32


def default_data() -> Path:
    """/var/lib/spin for root, else $XDG_DATA_HOME/spin (~/.local/share/spin)."""
    if os.geteuid() == 0:
        return Path("/var/lib/spin")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "spin"


class DataDirectory:
    """Paths below the data directory. Creating one takes its lock, which the kernel gives back when the process ends, however.

    Raises Conflict when another process serves from it, Failed when it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.chmod(0o700)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Failed(
                f"The data directory {path} cannot be used ({error.strerror}). Choose one of your own with --data.",
                path=str(path),
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._lock, 20, 0).decode(errors="replace").strip()
            os.close(self._lock)
            raise Conflict(
                f"Another `spin serve` (process {holder or 'unknown'}) uses the data directory {path}. "
                "Stop it, or choose another directory with --data.",
                path=str(path),
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    @property
    def database(self) -> Path:
        return self.path / "spin.db"

    @property
    def operator_key(self) -> Path:
        """Where the first start leaves the operator's API key."""
        return self.path / "operator.key"

    def keep_guard(self, commands: str) -> None:
        """Keep what makes the table that protects the host, for the host's next boot; nothing for the empty text. Raises OSError."""
        path = self.path / "guard.nft"
        if commands:
            write_private(path, commands.encode())
        else:
            path.unlink(missing_ok=True)

    def folder(self, name: str) -> Path:
        """A sub-directory for one part of the platform, made if missing, for the owner only."""
        folder = self.path / name
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder

    def store_key(self) -> bytes:
        """The key that encrypts secrets in the store: 32 random bytes, made on the first start.

        Raises Failed when the file is there and is not such a key: it is never overwritten, since the secrets would be lost with it.
        """
        path = self.path / "store.key"
        if not path.exists():
            write_private(path, secrets.token_bytes(KEY_BYTES))
        key = path.read_bytes()
        if len(key) != KEY_BYTES:
            raise Failed(f"{path} is not a store key ({len(key)} bytes, not {KEY_BYTES}). Put back the file from your backup.")
        return key

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._lock)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all, safe against a power cut."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
