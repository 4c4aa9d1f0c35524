"""The rules about Dockerfiles, one a file."""

from __future__ import annotations

from spin.dockerfile.rule import Rule
from spin.dockerfile.rules import (
    add_local,
    add_url,
    apt_clean,
    apt_recommends,
    apt_update,
    background,
    base_age,
    copy_all,
    entrypoint_twice,
    healthcheck,
    latest,
    login_ports,
    pip_cache,
    pip_pins,
    pipe_to_shell,
    root,
    secret,
    shell_entrypoint,
    sudo,
    unpinned,
)

RULES: tuple[Rule, ...] = (
    secret.RULE,
    root.RULE,
    background.RULE,
    shell_entrypoint.RULE,
    entrypoint_twice.RULE,
    unpinned.RULE,
    latest.RULE,
    base_age.RULE,
    add_url.RULE,
    pipe_to_shell.RULE,
    login_ports.RULE,
    sudo.RULE,
    apt_update.RULE,
    healthcheck.RULE,
    add_local.RULE,
    copy_all.RULE,
    apt_clean.RULE,
    apt_recommends.RULE,
    pip_pins.RULE,
    pip_cache.RULE,
)
"""In the order in which findings are shown."""
