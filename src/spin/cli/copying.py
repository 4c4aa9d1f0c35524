"""`spin cp`, with the meaning of `docker cp`."""

from __future__ import annotations

import os
import posixpath
import sys
import tarfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated

import typer

from spin.cli.options import EnvironmentOption, ProjectOption
from spin.cli.output import message
from spin.cli.refs import Ref, parse_ref
from spin.cli.session import Session
from spin.cli.tables import clean
from spin.cli.untar import unpack
from spin.client import Stack
from spin.client.shapes import FileView
from spin.errors import InvalidInput, NotFound
from spin.model.streams import STDOUT

_LINKS = 10
"""Links that are followed one after the other, before that counts as a ring."""


@dataclass(frozen=True, slots=True)
class Remote:
    """`STACK[/SERVICE[/N]]:/PATH`."""

    ref: Ref
    path: str


def cp(
    *,
    source: Annotated[str, typer.Argument(metavar="SOURCE")],
    target: Annotated[str, typer.Argument(metavar="TARGET")],
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing.")] = False,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
) -> None:
    """Copy files into a container, or out of one.

    One of the two is in a container: STACK[/SERVICE[/N]]:/PATH. Folders are copied whole, into TARGET if that is a folder; `FOLDER/.`
    means what is in it. `-` in place of the other is a tar stream on stdin or stdout. What leads out of TARGET is not unpacked.
    """
    there, here = (parse_remote(source), target), (parse_remote(target), source)
    if (there[0] is None) is (here[0] is None):
        raise InvalidInput("One of SOURCE and TARGET is in a container: STACK/SERVICE:/PATH.")
    with Session(environment=environment, project=project) as session:
        remote = there[0] or here[0]
        assert remote is not None  # noqa: S101 - one of them is
        stack = session.client.stack(session.project, session.environment, remote.ref.stack)
        said = _copy_out(stack, remote, target) if there[0] is not None else _copy_in(stack, source, remote)
    if not quiet:
        message(said)


def parse_remote(text: str) -> Remote | None:
    """None for a path of this machine: what has a slash or a dot before the first colon that no reference has. Raises InvalidInput."""
    name, colon, path = text.partition(":")
    if not colon or text.startswith(("/", ".", "~")) or Path(text).exists():
        return None
    if not path.startswith("/"):
        raise InvalidInput(f"{text!r}: a path in a container is absolute: {name}:/{path}.")
    return Remote(parse_ref(name), path)


# Out of a container.


def _copy_out(stack: Stack, remote: Remote, target: str) -> str:
    found = stack.file(remote.path, service=remote.ref.service, slot=remote.ref.slot)
    service, slot = found["service"], found["slot"]
    if target == "-":
        with stack.read_files(remote.path, service=service, slot=slot) as stream:
            stream.begin()
            sys.stdout.flush()
            stream.carry(None, {STDOUT: sys.stdout.fileno()})
        return f"{found['container']}:{remote.path}, as a tar stream"
    contents = remote.path.endswith("/.")
    path = posixpath.normpath(remote.path)
    if found["kind"] == "link" and not remote.path.endswith("/"):
        found, path = _followed(stack, path, found)
    folder, name = _place(Path(target), posixpath.basename(path), is_folder=found["kind"] == "directory", contents=contents)
    base = found["name"]

    def rename(member: str) -> str | None:
        first, _, rest = member.strip("/").partition("/")
        if first not in (base, posixpath.basename(path), "."):
            return member  # is refused where it leads elsewhere
        return "/".join(part for part in (name, rest) if part)

    with stack.read_files(path, service=service, slot=slot) as stream:
        stream.begin()
        count = _through_pipe(
            lambda write: stream.carry(None, {STDOUT: write}),
            lambda read: unpack(read, folder, rename, lambda text: message(clean(text))),
        )
    return f"{count} {'file' if count == 1 else 'files'} from {found['container']}:{remote.path}"


def _followed(stack: Stack, path: str, found: FileView) -> tuple[FileView, str]:
    """What a link leads to, as `docker cp` copies it."""
    for _ in range(_LINKS):
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), found["target"]))
        found = stack.file(path, service=found["service"], slot=found["slot"])
        if found["kind"] != "link":
            return found, path
    raise NotFound(f"{path} is one of a ring of links.")


def _place(target: Path, name: str, *, is_folder: bool, contents: bool) -> tuple[Path, str]:
    """The folder to unpack in, made if it has to be, and what the copy is called there; "": the folder's own contents."""
    if target.is_dir():
        return target, "" if contents else name
    if target.exists() and is_folder:
        raise InvalidInput(f"{target} is a file; a folder cannot be copied onto it.")
    parent = target.parent
    if not parent.is_dir():
        raise NotFound(f"There is no folder {parent} on this machine.")
    if is_folder:
        target.mkdir()
        return target, ""
    return parent, target.name


def _through_pipe(produce: Callable[[int], object], consume: Callable[[IO[bytes]], int]) -> int:
    """`produce` writes to a pipe from which `consume` reads in a thread; what `consume` returns. The first error of the two is raised."""
    read, write = os.pipe()
    results: list[int] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with os.fdopen(read, "rb") as stream:
                results.append(consume(stream))
                while stream.read(65536):  # what comes after the end of the archive
                    pass
        except BaseException as error:  # noqa: BLE001 - it is raised again below
            errors.append(error)

    thread = threading.Thread(target=run, name="unpack", daemon=True)
    thread.start()
    try:
        produce(write)
    except BrokenPipeError:
        if not errors:
            thread.join()
        if not errors:
            raise
    finally:
        os.close(write)
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


# Into a container.


def _copy_in(stack: Stack, source: str, remote: Remote) -> str:
    if source == "-":
        found = stack.file(posixpath.normpath(remote.path), service=remote.ref.service, slot=remote.ref.slot)
        if found["kind"] == "file":
            raise InvalidInput(f"{remote.path} is a file; a tar stream is unpacked in a folder.")
        with stack.write_files(remote.path, service=remote.ref.service, slot=remote.ref.slot) as stream:
            ready = stream.begin()
            stream.carry(sys.stdin.fileno(), {})
        return f"a tar stream to {ready.container}:{remote.path}"
    path = Path(source)
    if not (path.exists() or path.is_symlink()):
        raise NotFound(f"There is no file {source} on this machine.")
    folder, name, where = _remote_place(stack, remote, path, contents=source.endswith("/."))
    with stack.write_files(folder, service=where["service"], slot=where["slot"]) as stream:
        stream.begin()
        packer = Packer(path, name)
        try:
            stream.carry(packer.read, {})
        finally:
            packer.close()
    return f"{packer.count} {'file' if packer.count == 1 else 'files'} to {where['container']}:{remote.path}"


def _remote_place(stack: Stack, remote: Remote, path: Path, *, contents: bool) -> tuple[str, str, FileView]:
    """The folder to unpack in, what the copy is called there ("": the folder's own contents), and a file of that container's."""
    is_folder = path.is_dir()
    wanted = posixpath.normpath(remote.path)
    try:
        found = stack.file(wanted, service=remote.ref.service, slot=remote.ref.slot)
        if found["kind"] == "link":
            found, wanted = _followed(stack, wanted, found)
    except NotFound as error:
        if "path" not in error.fields:
            raise
        if remote.path.endswith("/") and not is_folder:
            raise NotFound(f"There is no folder {remote.path} in the container.", path=remote.path) from None
        parent = posixpath.dirname(wanted)
        return parent, posixpath.basename(wanted), stack.file(parent, service=remote.ref.service, slot=remote.ref.slot)
    if found["kind"] == "directory":
        return wanted, "" if is_folder and contents else path.resolve().name, found
    if is_folder:
        raise InvalidInput(f"{remote.path} is a file; a folder cannot be copied onto it.")
    return posixpath.dirname(wanted), posixpath.basename(wanted), found


class Packer:
    """Packs `path` as `name` ("": what is in it) into a tar stream, in a thread, to be read from the descriptor `read`.

    The files belong to root in the container: who they belong to here means nothing there. Modes and links are kept.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.read, self._write = os.pipe()
        self.count = 0
        self._path = path
        self._name = name
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="pack", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Raises what went wrong with reading the files."""
        os.close(self.read)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with (
                os.fdopen(self._write, "wb") as stream,
                tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar,
            ):
                if self._name:
                    # A link that is named itself stands for what it leads to.
                    tar.add(self._path.resolve(), self._name, filter=self._member)
                else:
                    for child in sorted(self._path.iterdir()):
                        tar.add(child, child.name, filter=self._member)
        except BrokenPipeError:
            pass  # nobody wants more, and who reads knows why
        except BaseException as error:  # noqa: BLE001 - it is raised again by `close`
            self._error = error

    def _member(self, member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
            message(f"{member.name}: left out, as it is neither file, folder nor link")
            return None
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        self.count += not member.isdir()
        return member
