"""All commands: the table behind `spin --help` and the CLI's reference."""

from __future__ import annotations

from collections.abc import Mapping

from spin.cli.lazy import Command, Noun, Row, Table

_SIGN_IN: dict[str, Row] = {
    "login": Command("spin.cli.login:login", "Sign in to a platform and keep an API key for it."),
    "logout": Command("spin.cli.login:logout", "Forget the key that `spin login` has kept."),
    "completion": Command("spin.cli.completion:completion", "Print a script that completes commands, options and names."),
    "whoami": Command("spin.cli.login:whoami", "Show who you are, where, and in which projects."),
    "environment": Noun(
        "The places where stacks run.",
        {"ls": Command("spin.cli.environment:ls", "List the environments and whether their engines answer.")},
    ),
}

_SHIP: dict[str, Row] = {
    "build": Command("spin.cli.images:build", "Build the images of services with `build:` on this machine."),
    "push": Command("spin.cli.images:push", "Push built images to the site's registry."),
}

_RUN: dict[str, Row] = {
    "check": Command("spin.cli.check:check", "Check a Compose file against the site's rules; change nothing."),
    "render": Command("spin.cli.check:render", "Print the Compose file as Spin understands it; needs no platform."),
    "plan": Command("spin.cli.up:plan", "Print what `up` would add, change and remove; change nothing."),
    "up": Command("spin.cli.up:up", "Deploy a Compose file and follow it until it runs."),
    "scale": Command("spin.cli.scale:scale", "Change how many containers services have."),
    "confirm": Command("spin.cli.upgrades:confirm", "Keep an upgrade: remove the containers from before."),
    "rollback": Command("spin.cli.upgrades:rollback", "Give up an upgrade: the containers from before run again."),
    "promote": Command("spin.cli.promote:promote", "Copy a stack, same images, to another environment."),
    "start": Command("spin.cli.lifecycle:start", "Start a stopped stack or service."),
    "stop": Command("spin.cli.lifecycle:stop", "Stop a stack or service; it stays defined."),
    "restart": Command("spin.cli.lifecycle:restart", "Replace the containers of a stack or service by fresh ones."),
    "job": Noun(
        "Jobs: services with a schedule, and their runs.",
        {
            "ls": Command("spin.cli.job:ls", "List jobs: their schedule (UTC), what is due next, and how the last run ended."),
            "run": Command("spin.cli.job:run", "Run a job now, beside its schedule."),
            "history": Command(
                "spin.cli.job:history",
                "List the runs of a job that are remembered, the newest first: when, why, how they ended, and how long they took.",
            ),
            "logs": Command("spin.cli.job:logs", "Print what a run of a job has written."),
        },
    ),
    "wait": Command("spin.cli.wait:wait", "Wait until a stack or service is in a state."),
    "rm": Command("spin.cli.lifecycle:rm", "Remove a stack; its volumes are kept unless told otherwise."),
}

_REACH: dict[str, Row] = {
    "exec": Command("spin.cli.exec:exec_", "Run a command in a container: a terminal, or a pipe.", program=True),
    "run": Command("spin.cli.exec:run", "Run a command in a one-off container beside a service.", program=True),
    "cp": Command("spin.cli.copying:cp", "Copy files into a container, or out of one."),
    "port-forward": Command("spin.cli.forward:port_forward", "Reach a container's port at a port of this machine."),
    "open": Command("spin.cli.open:open_", "Open a stack or service in the browser."),
}

_LOOK: dict[str, Row] = {
    "ps": Command("spin.cli.ps:ps", "List services, or containers, with their state and addresses."),
    "logs": Command("spin.cli.logs:logs", "Print what containers have written."),
    "top": Command("spin.cli.top:top", "Show all your stacks on one screen, live."),
    "why": Command("spin.cli.why:why", "Print what is wrong with a stack, since when, and what changed just before."),
    "stats": Command("spin.cli.stats:stats", "Print what containers use: now, in the last hours, and whether limits fit."),
    "events": Command("spin.cli.events:events", "Print what happened to stacks: when, who or what did it, and why."),
    "audit": Command(
        "spin.cli.events:audit", "Print who asked for which change, from where, and whether it was accepted or refused."
    ),
    "revisions": Command("spin.cli.revisions:revisions", "List a stack's revisions: who changed what, and when."),
    "diff": Command("spin.cli.revisions:diff", "Print what differs between two revisions of a stack."),
    "inspect": Command("spin.cli.inspect:inspect", "Print everything known of a stack, or of another thing, as JSON."),
    "diagram": Command("spin.cli.diagram:diagram", "Draw a stack, with the list of its public and private ports."),
    "export": Command("spin.cli.export:export", "Write a stack's Compose file to a folder or tar file."),
    "stack": Noun("Stacks.", {"ls": Command("spin.cli.stack:ls", "List stacks.")}),
    "volume": Noun("Volumes.", {"ls": Command("spin.cli.volume:ls", "List volumes, also of stacks that are gone.")}),
    "secret": Noun(
        "Secrets: stored encrypted, never shown again.",
        {
            "ls": Command("spin.cli.secret:ls", "List secrets, without their values."),
            "create": Command("spin.cli.secret:create", "Store a secret, or a new version of it."),
            "rm": Command("spin.cli.secret:rm", "Remove a secret with all its versions."),
        },
    ),
}

_PEOPLE: dict[str, Row] = {
    "key": Noun(
        "API keys.",
        {
            "ls": Command("spin.cli.key:ls", "List your API keys."),
            "create": Command("spin.cli.key:create", "Make an API key; it is shown this once."),
            "rm": Command("spin.cli.key:rm", "Revoke an API key."),
        },
    ),
    "project": Noun(
        "Projects: who owns what.",
        {
            "ls": Command("spin.cli.project:ls", "List projects."),
            "create": Command("spin.cli.project:create", "Make a project."),
            "member": Noun(
                "The people of a project.",
                {
                    "ls": Command("spin.cli.project:member_ls", "List the members of the project."),
                    "set": Command("spin.cli.project:member_set", "Add a member, or change a member's role."),
                    "rm": Command("spin.cli.project:member_rm", "Remove a member from the project."),
                },
            ),
            "account": Noun(
                "The project's collaboration accounts on the site's filesystems.",
                {
                    "ls": Command("spin.cli.project:account_ls", "List the project's collaboration accounts."),
                    "set": Command(
                        "spin.cli.project:account_set", "Make a collaboration account, or change its numbers (for operators)."
                    ),
                    "rm": Command("spin.cli.project:account_rm", "Remove a collaboration account (for operators)."),
                },
            ),
        },
    ),
    "user": Noun(
        "Users (for operators).",
        {
            "ls": Command("spin.cli.user:ls", "List users."),
            "create": Command("spin.cli.user:create", "Make a user."),
            "set": Command("spin.cli.user:set_", "Say who a user is on the site's filesystems."),
        },
    ),
}

_ELSEWHERE = {
    "down": "rm",
    "delete": "rm",
    "remove": "rm",
    "deploy": "up",
    "apply": "up",
    "config": "render",
    "validate": "check",
    "list": "ps",
    "ls": "ps",
    "status": "ps",
    "describe": "inspect",
    "history": "revisions",
    "undo": "rollback",
    "jobs": "job ls",
    "cron": "job ls",
    "cronjob": "job ls",
    "upgrade": "up",
    "env": "environment",
    "environments": "environment",
    "env ls": "environment ls",
    "stacks": "stack ls",
    "secrets": "secret ls",
    "volumes": "volume ls",
    "keys": "key ls",
    "users": "user ls",
    "projects": "project ls",
    "copy": "promote",
    "viz": "diagram",
    "graph": "diagram",
    "draw": "diagram",
    "ports": "diagram",
    "port": "diagram",
    "execute": "exec",
    "shell": "exec",
    "ssh": "exec",
    "attach": "exec",
    "forward": "port-forward",
    "browse": "open",
    "usage": "stats",
    "explain": "why",
}
"""Words of Docker Compose, Kubernetes and the original Spin, and what does the same here."""


def table(extra: Mapping[str, Command]) -> Table:
    """The whole table; `extra` commands come from above the CLI (the platform itself)."""
    sections: dict[str, Mapping[str, Row]] = {
        "Sign in": _SIGN_IN,
        "Build and ship": _SHIP,
        "Run and copy": _RUN,
        "Reach": _REACH,
        "Look": _LOOK,
        "People": _PEOPLE,
    }
    if extra:
        sections["The platform"] = extra
    return Table(sections, _ELSEWHERE)
