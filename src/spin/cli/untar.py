"""Unpacking a tar stream that a container sends: whatever it holds, nothing is written outside of the folder that was named.

Each step of a name is opened by itself, below the one before, and never through a symbolic link (openat with O_NOFOLLOW), so neither
`..` nor absolute names nor links, in the stream or put there meanwhile, lead elsewhere. Devices and pipes are left out.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from itertools import dropwhile
from pathlib import Path
from typing import IO

from spin.errors import Failed

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_PIECE = 256 * 1024


def unpack(stream: IO[bytes], folder: Path, rename: Callable[[str], str | None], skipped: Callable[[str], None]) -> int:
    """Unpack into `folder`, which must be there; the number of files.

    `rename` makes each member's name one below `folder`, "" for the folder itself; None leaves the member out. `skipped` is told what
    is not unpacked, and why. Raises Failed for a stream that is broken, or that wants to write elsewhere.
    """
    count = 0
    modes: list[tuple[list[str], int]] = []
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                name = rename(member.name)
                if name is None:
                    continue
                parts = _parts(name)
                mode = stat.S_IMODE(member.mode) & 0o777
                if member.isdir():
                    with _below(root, parts):
                        modes.append((parts, mode))
                elif not parts:
                    raise Failed(f"The container sent {member.name!r}, which is no folder, in place of one.")
                elif member.isfile() or member.islnk() or member.issym():
                    _one(root, parts, member, tar, mode, rename, skipped)
                    count += 1
                else:
                    skipped(f"{member.name}: left out, as it is neither file, folder nor link")
        for parts, mode in reversed(modes):  # last: a folder may not be writable
            if parts:
                with _below(root, parts[:-1]) as parent, contextlib.suppress(OSError):
                    os.chmod(parts[-1], mode, dir_fd=parent, follow_symlinks=True)
    except tarfile.TarError as error:
        raise Failed(f"What the container sent is no good tar stream: {error}.") from None
    finally:
        os.close(root)
    return count


def _one(
    root: int,
    parts: list[str],
    member: tarfile.TarInfo,
    tar: tarfile.TarFile,
    mode: int,
    rename: Callable[[str], str | None],
    skipped: Callable[[str], None],
) -> None:
    with _below(root, parts[:-1]) as parent:
        _clear(parent, parts)
        if member.issym():
            if _leads_out(parts, member.linkname):
                skipped(f"{member.name}: left out, as it is a link to {member.linkname}, outside of what is copied")
                return
            os.symlink(member.linkname, parts[-1], dir_fd=parent)
        elif member.islnk():
            name = rename(member.linkname)
            if name is None or not _parts(name):
                raise Failed(f"The container sent {member.name!r}, a hard link to what is not copied.")
            first = _parts(name)
            with _below(root, first[:-1]) as elsewhere:
                os.link(first[-1], parts[-1], src_dir_fd=elsewhere, dst_dir_fd=parent, follow_symlinks=False)
        else:
            source = tar.extractfile(member)
            descriptor = os.open(parts[-1], _FILE, 0o600, dir_fd=parent)
            with os.fdopen(descriptor, "wb") as target:
                if source is not None:
                    shutil.copyfileobj(source, target, _PIECE)
                if target.tell() != member.size:
                    raise Failed(f"{member.name} has arrived in part only: {target.tell()} of {member.size} bytes.")
                os.fchmod(descriptor, mode)
            os.utime(parts[-1], (member.mtime, member.mtime), dir_fd=parent, follow_symlinks=False)


def _parts(name: str) -> list[str]:
    """Raises Failed for a name that leads out of its folder."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise Failed(
            f"The container sent a file with the name {name!r}, which leads out of the folder. Nothing more is unpacked."
        )
    return parts


def _leads_out(parts: list[str], target: str) -> bool:
    """Whether a link at `parts` may lead out of the folder: `..` counts from where the link lies, so it may stand at the beginning only;
    what stands before a later one may be a link itself.
    """
    steps = [part for part in target.split("/") if part not in ("", ".")]
    up = len(steps) - len(list(dropwhile(lambda step: step == "..", steps)))
    return target.startswith("/") or up > len(parts) - 1 or ".." in steps[up:]


@contextlib.contextmanager
def _below(root: int, parts: list[str]) -> Iterator[int]:
    """A descriptor of the folder `parts`, made where it is missing."""
    current = os.dup(root)
    try:
        for part in parts:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=current)
            try:
                deeper = os.open(part, _FOLDER, dir_fd=current)
            except OSError as error:
                if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                    raise
                raise Failed(
                    f"{'/'.join(parts)}: {part} is there already, and no folder; through a link nothing is unpacked."
                ) from None
            os.close(current)
            current = deeper
        yield current
    finally:
        os.close(current)


def _clear(parent: int, parts: list[str]) -> None:
    """Make room for a file."""
    try:
        os.unlink(parts[-1], dir_fd=parent)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
        raise Failed(f"{'/'.join(parts)} is a folder here, and a file in the container.") from None
