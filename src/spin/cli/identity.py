"""The numbers that people and projects have on the site's filesystems, as the command line reads and shows them."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from spin.client.shapes import IdentityView
from spin.errors import InvalidInput

UidOption: TypeAlias = Annotated[
    int | None, typer.Option("--uid", metavar="NUMBER", min=0, help="User id on the site's filesystems.")
]
GidOption: TypeAlias = Annotated[int | None, typer.Option("--gid", metavar="NUMBER", min=0, help="Id of its own group.")]
GidsOption: TypeAlias = Annotated[str, typer.Option("--gids", metavar="A,B,…", help="Ids of further groups; leave out for none.")]


def read(uid: int, gid: int, gids: str) -> IdentityView:
    """Raises InvalidInput for groups that are no numbers."""
    try:
        further = [int(part) for part in gids.split(",") if part.strip()]
    except ValueError:
        raise InvalidInput(f"--gids: numbers with commas between them are expected, such as 75137,80001, not {gids!r}.") from None
    return IdentityView(uid=uid, gid=gid, gids=further)


def short(identity: IdentityView | None) -> str:
    """`46311:75137`, as Compose writes a user; empty where there is none."""
    return "" if identity is None else f"{identity['uid']}:{identity['gid']}"


def groups(identity: IdentityView | None) -> str:
    """The further groups."""
    return "" if identity is None else ",".join(str(gid) for gid in identity["gids"])
