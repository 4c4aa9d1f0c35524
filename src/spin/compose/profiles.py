"""Which services take part: those without a profile, and those of the profiles that are active."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spin.compose.cursor import Cursor

EVERY = "*"
"""Stands for all profiles, as in Docker Compose."""


def active_profiles(given: Iterable[str], variables: Mapping[str, str]) -> frozenset[str]:
    """Those named by `--profile`; where none is, those of COMPOSE_PROFILES, which are joined by commas. Where there is none either, it is
    the profile without a name, so that `profiles: ["${WHICH:-}"]` is a service like any other.
    """
    named = [name.strip() for name in given]
    return frozenset(named or (name.strip() for name in variables.get("COMPOSE_PROFILES", "").split(",")))


def select(root: Cursor, active: frozenset[str]) -> None:
    """Takes the services of other profiles out of the document, and `profiles` out of the others, where it has done its work.

    Raises InvalidInput where a service needs one that is left out.
    """
    services = root.get("services")
    if services is None:
        return
    profiles = {name: _profiles(entry) for name, entry in services.entries()}
    left_out = {name: of for name, of in profiles.items() if of and not active.intersection(of) and EVERY not in active}
    if left_out and len(left_out) == len(profiles):
        names = ", ".join(sorted({name for of in left_out.values() for name in of}))
        services.fail(f"every service belongs to a profile that is not active; activate one with --profile ({names}).")
    for name, entry in services.entries():
        if name not in left_out and isinstance(entry.value, dict):
            _check(name, entry, left_out)
    document: Any = root.value
    document["services"] = {
        name: {key: v for key, v in value.items() if key != "profiles"} if isinstance(value, dict) else value
        for name, value in services.mapping().items()
        if name not in left_out
    }


def _profiles(entry: Cursor) -> list[str]:
    found = entry.get("profiles") if isinstance(entry.value, dict) else None
    return [item.text() for item in found.items()] if found else []


def _check(name: str, entry: Cursor, left_out: Mapping[str, list[str]]) -> None:
    """Compose would start what a service needs only if its profile is active; it says so rather than going without."""
    needs = entry.get("depends_on")
    if needs is None:
        return
    for needed, how in [(item.text(), None) for item in needs.items()] if not needs.is_mapping() else list(needs.entries()):
        if needed not in left_out:
            continue
        required = how.get("required") if how is not None and how.is_mapping() else None
        if required is None or required.boolean():
            needs.fail(
                f"{name} depends on {needed}, which belongs to a profile that is not active; activate it with "
                f"--profile {left_out[needed][0]}, or write `required: false` there."
            )
