"""`spin export`."""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from spin.cli.options import EnvironmentOption, ProjectOption
from spin.cli.output import data, message
from spin.cli.refs import parse_ref
from spin.cli.session import Session
from spin.errors import Conflict, Failed


def export(
    *,
    stack: Annotated[str, typer.Argument(metavar="STACK")],
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="DIR", help="Folder; default: one named after the stack.")
    ] = None,
    file: Annotated[
        str | None, typer.Option("--file", metavar="TAR", help="A tar file instead of a folder, `-` for stdout.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    environment: EnvironmentOption = None,
    project: ProjectOption = None,
) -> None:
    """Write a stack's Compose file to a folder or tar file.

    Images are pinned to the digests that run. Values of secrets are never exported; their names are told.
    """
    name = parse_ref(stack, depth=1).stack
    if output and file:
        raise typer.BadParameter("-o and --file exclude each other.")
    with Session(environment=environment, project=project) as session:
        exported = session.client.stack(session.project, session.environment, name).export()
    texts = {_safe(path): text for path, text in exported["files"].items()}
    try:
        if file is not None:
            _tar(file, name, texts, force=force)
        else:
            _folder(Path(output or name), texts, force=force)
    except OSError as error:
        raise Failed(f"{error.filename or file or output} cannot be written: {error.strerror}.") from None
    if exported["missing_secrets"]:
        message(f"Without the values of these secrets: {', '.join(exported['missing_secrets'])}.")


def _safe(path: str) -> PurePosixPath:
    """A path from the platform that stays in the folder it is written to. Raises Failed."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise Failed(f"The platform sent a file that does not belong into an export: {path!r}.")
    return pure


def _folder(folder: Path, texts: Mapping[PurePosixPath, str], *, force: bool) -> None:
    taken = [folder / path for path in texts if (folder / path).exists()]
    if taken and not force:
        raise Conflict(f"{taken[0]} is there already. Choose another folder with -o, or overwrite with --force.")
    for path, text in texts.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        data(str(target))


def _tar(file: str, stack: str, texts: Mapping[PurePosixPath, str], *, force: bool) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for path, text in texts.items():
            encoded = text.encode()
            member = tarfile.TarInfo(str(PurePosixPath(stack) / path))
            member.size = len(encoded)
            tar.addfile(member, io.BytesIO(encoded))
    if file == "-":
        sys.stdout.buffer.write(content.getvalue())
        return
    if Path(file).exists() and not force:
        raise Conflict(f"{file} is there already. Choose another name, or overwrite with --force.")
    Path(file).write_bytes(content.getvalue())
    data(file)
