"""Options that many commands share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", show_default=False, help="Print JSON for programs.")]
FormatOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--format", metavar="TEMPLATE", help="Print each by a template, such as '{{name}} {{state}}', or `json`."),
]
EnvironmentOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "-e", "--environment", "--env", metavar="NAME", envvar="SPIN_ENVIRONMENT", help="Environment; default: the site's first."
    ),
]
ProjectOption: TypeAlias = Annotated[
    str | None,
    typer.Option("-p", "--project", metavar="NAME", envvar="SPIN_PROJECT", help="Project; default: your only one."),
]
FileOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("-f", "--file", metavar="FILE", help="Compose file, `-` for stdin; repeat to merge. Default: compose.yaml …"),
]
EnvFileOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--env-file", metavar="FILE", help="Variables for the Compose file instead of .env; repeat to merge."),
]
ProjectDirectoryOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--project-directory", metavar="DIR", help="Where relative paths and .env are. Default: beside the first file."),
]
ProfileOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--profile", metavar="NAME", help="Profile to activate; repeat for several. Default: COMPOSE_PROFILES."),
]
StackOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "-s", "--stack", "--name", metavar="NAME", envvar="SPIN_STACK", help="Stack; default: `name:`, else the directory."
    ),
]
TimeoutOption: TypeAlias = Annotated[
    int,
    typer.Option("--timeout", metavar="SECONDS", min=1, help="How long to follow before giving up watching."),
]
DetachOption: TypeAlias = Annotated[bool, typer.Option("-d", "--detach", help="Return once it is accepted; do not follow.")]
WaitOption: TypeAlias = Annotated[bool, typer.Option("--wait", help="Follow to the end, which is the default.")]
NoteOption: TypeAlias = Annotated[str, typer.Option("-m", "--note", metavar="TEXT", help="Kept with the revision.")]
YesOption: TypeAlias = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]

FOLLOW_SECONDS = 600
"""Default of --timeout, as in the original CLI."""
