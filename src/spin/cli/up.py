"""`spin up` and `spin plan`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from spin.cli import files as compose_files
from spin.cli.changes import change_lines
from spin.cli.deploying import finish, headline, show_findings, show_preview, stop_if_refused
from spin.cli.options import (
    FOLLOW_SECONDS,
    DetachOption,
    EnvFileOption,
    EnvironmentOption,
    FileOption,
    JsonOption,
    NoteOption,
    ProfileOption,
    ProjectDirectoryOption,
    ProjectOption,
    StackOption,
    TimeoutOption,
    WaitOption,
)
from spin.cli.output import colours, data, json_data, message
from spin.cli.session import Session
from spin.cli.upgrades import confirm_it, roll_back_it
from spin.client import Stack


def up(
    *,
    files: FileOption = None,
    environment: EnvironmentOption = None,
    stack: StackOption = None,
    project: ProjectOption = None,
    env_files: EnvFileOption = None,
    project_directory: ProjectDirectoryOption = None,
    profiles: ProfileOption = None,
    detach: DetachOption = False,
    wait: WaitOption = False,
    timeout: TimeoutOption = FOLLOW_SECONDS,
    note: NoteOption = "",
    force: Annotated[bool, typer.Option("--force", help="Replace every container, also where nothing has changed.")] = False,
    force_upgrade: Annotated[bool, typer.Option("--force-upgrade", hidden=True)] = False,
    rollback_on_failure: Annotated[
        bool | None,
        typer.Option(
            "--rollback-on-failure/--no-rollback-on-failure",
            show_default=False,
            help="Whether an upgrade that fails is rolled back by itself; default: as its services and the environment say.",
        ),
    ] = None,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="What `up` does with a stack that runs.")] = False,
    confirm_upgrade: Annotated[bool, typer.Option("--confirm-upgrade", help="The same as `spin confirm`.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="The same as `spin rollback`.")] = False,
    render: Annotated[bool, typer.Option("--render", help="The same as `spin render`.")] = False,
) -> None:
    """Deploy a Compose file and follow it until it runs.

    Prints first what it will add, change and remove, and what the site's rules say of it. Ends with the stack's URLs on stdout.
    Without -f it takes compose.yaml (or docker-compose.yml) and its override file from here or the nearest directory above.
    Of a stack that runs it replaces what has changed, one container after another, and keeps the old ones until `spin confirm` or
    `spin rollback`. Ctrl-C stops watching; the stack goes on.
    """
    force = force or force_upgrade
    _exclude(
        {"--wait": wait, "--detach": detach},
        {"--confirm-upgrade": confirm_upgrade, "--rollback": rollback, "--render": render, "--force": force},
        {"--confirm-upgrade": confirm_upgrade, "--rollback": rollback, "--render": render, "--upgrade": upgrade},
        {
            "--confirm-upgrade": confirm_upgrade,
            "--rollback": rollback,
            "--render": render,
            "--[no-]rollback-on-failure": rollback_on_failure is not None,
        },
    )
    if render:
        from spin.cli import check  # noqa: PLC0415 - brings the rules, which take a while to import

        check.render(
            files=files,
            environment=environment,
            stack=stack,
            project=project,
            env_files=env_files,
            profiles=profiles,
            project_directory=project_directory,
        )
        return
    with Session(environment=environment, project=project) as session:
        loaded, target = _load(session, compose_files.Asked(files, env_files, stack, profiles, project_directory))
        if confirm_upgrade:
            confirm_it(target, detach=detach, timeout=timeout)
            return
        if rollback:
            roll_back_it(target, to=None, note=note, detach=detach, timeout=timeout)
            return
        preview = target.plan(loaded.json, force=force)
        show_preview(preview, target)
        stop_if_refused(preview, target)
        accepted = target.deploy(
            loaded.json,
            expect_generation=preview["generation"],
            note=note,
            force=force,
            on_failure=_ON_FAILURE[rollback_on_failure],
        )
        finish(target, accepted, detach=detach, timeout=timeout)


_ON_FAILURE = {None: None, True: "rollback", False: "pause"}


def _exclude(*groups: Mapping[str, bool]) -> None:
    """Raises a usage error where two flags of a group were given."""
    for group in groups:
        given = [flag for flag, said in group.items() if said]
        if len(given) > 1:
            raise typer.BadParameter(f"{' and '.join(given)} exclude each other.")


def plan(
    *,
    files: FileOption = None,
    environment: EnvironmentOption = None,
    stack: StackOption = None,
    project: ProjectOption = None,
    env_files: EnvFileOption = None,
    project_directory: ProjectDirectoryOption = None,
    profiles: ProfileOption = None,
    json: JsonOption = False,
) -> None:
    """Print what `up` would add, change and remove; change nothing."""
    with Session(environment=environment, project=project) as session:
        loaded, target = _load(session, compose_files.Asked(files, env_files, stack, profiles, project_directory))
        preview = target.plan(loaded.json)
        if json:
            json_data(preview)
        else:
            message(headline(preview, target))
            for line in change_lines(preview["changes"], colours=colours(sys.stdout)):
                data(line)
            show_findings(preview["findings"])
        stop_if_refused(preview, target)


def _load(session: Session, asked: compose_files.Asked) -> tuple[compose_files.Loaded, Stack]:
    session.require_sign_in()
    added = {"SPIN_REGISTRY": session.registry, "SPIN_PROJECT": session.project, "SPIN_ENVIRONMENT": session.environment}
    loaded = compose_files.load(asked, added)
    return loaded, session.client.stack(session.project, session.environment, loaded.stack)
