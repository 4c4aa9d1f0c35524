"""One service of the document as a ServiceSpec: the keys that stand by themselves. Keys that the audit refuses are passed over."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from spin.compose.attached import configs, mounted, networks, no_target_twice, secrets
from spin.compose.cursor import Cursor
from spin.compose.forms import absolute_path, duration_ms, inner_host, signal, words
from spin.compose.kernel import (
    lower_dns,
    lower_extra_hosts,
    lower_platform,
    lower_shm,
    lower_sysctls,
    lower_ulimits,
)
from spin.compose.mappings import labels, pairs
from spin.compose.published import lower_ports
from spin.compose.references import parse_reference
from spin.compose.resources import lower_resources
from spin.compose.restarts import lower_replicas, lower_restart, says_restart
from spin.compose.schedules import lower_schedule
from spin.compose.updates import lower_update
from spin.kit.text import quoted
from spin.model.stack import IMAGES_OWN, Condition, Dependency, Healthcheck, Image, Restart, ServiceSpec

_WORKSTATION = ("env_file", "label_file", "extends", "profiles")
"""Keys that are carried out while loading; in a document that arrives at the server they would be lost."""
_OFTEN = frozenset(
    ("build", "command", "depends_on", "deploy", "environment", "healthcheck", "image", "labels", "networks", "ports", "restart")
)
"""Keys whose names are no names of services, but of what was not indented."""
_ACCOUNT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}", re.ASCII)
_CAPABILITY = re.compile(r"[A-Z][A-Z_]{1,30}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """Where the stack will live: what image names and secret names are made from."""

    stack: str
    registry_host: str
    project: str


def lower_service(name: str, cursor: Cursor, target: Target) -> ServiceSpec:
    """Raises InvalidInput."""
    ports, expose, http = lower_ports(cursor)
    mounts, binds, tmpfs = mounted(cursor)
    restart, restart_limit = lower_restart(cursor)
    schedule = lower_schedule(cursor)
    if schedule is not None and not says_restart(cursor):
        restart = Restart.NO  # a run ends; one that failed is not repeated unless its author says so
    spec = ServiceSpec(
        name=name,
        image=service_image(name, cursor, target),
        command=_command(cursor.get("command")),
        entrypoint=_command(cursor.get("entrypoint")),
        environment=_environment(cursor.get("environment")),
        labels=_labels(cursor),
        user=_optional(cursor, "user", _user),
        group_add=_group_add(cursor.get("group_add")),
        cap_add=_cap_add(cursor.get("cap_add")),
        read_only=_flag(cursor, "read_only"),
        init=_flag(cursor, "init"),
        working_dir=_optional(cursor, "working_dir", absolute_path),
        hostname=_optional(cursor, "hostname", inner_host),
        stop_signal=_optional(cursor, "stop_signal", signal),
        stop_grace_ms=_duration(cursor, "stop_grace_period", 10_000),
        restart=restart,
        restart_limit=restart_limit,
        healthcheck=_healthcheck(cursor.get("healthcheck")),
        ports=ports,
        expose=expose,
        http=http,
        mounts=mounts,
        tmpfs=tmpfs,
        secrets=secrets(cursor),
        configs=configs(cursor),
        networks=networks(cursor),
        depends_on=_depends_on(cursor.get("depends_on")),
        resources=lower_resources(cursor),
        replicas=lower_replicas(cursor),
        update=lower_update(cursor),
        retain_ip=_flag(cursor, "retain_ip"),
        schedule=schedule,
        binds=binds,
        tty=_flag(cursor, "tty"),
        stdin_open=_flag(cursor, "stdin_open"),
        domainname=_optional(cursor, "domainname", inner_host),
        shm_bytes=lower_shm(cursor),
        ulimits=lower_ulimits(cursor),
        sysctls=lower_sysctls(cursor),
        extra_hosts=lower_extra_hosts(cursor),
        dns=lower_dns(cursor),
        platform=lower_platform(cursor),
    )
    _check_cap_drop(cursor.get("cap_drop"))
    for key in _WORKSTATION:
        if left := cursor.get(key):
            left.fail(
                "only the workstation has what this names; send the document as `spin up` does, where it has been carried out."
            )
    no_target_twice(cursor, spec)
    return spec


def service_image(name: str, cursor: Cursor, target: Target) -> Image:
    """The image that the service runs; with `build`, the one that is built. Raises InvalidInput."""
    image, build = cursor.said("image"), cursor.get("build")
    if image is None and build is None:
        instead = f"indent it, if it is `{name}` of the service above" if name in _OFTEN else "write one of them"
        cursor.fail(f"the service has neither `image` nor `build`; {instead}.")
    if image is None:
        image = Cursor(f"{target.stack}-{name.lower()}", cursor.path, cursor.positions)
        try:
            reference = parse_reference(image.value)
        except ValueError:
            cursor.fail("no image name can be made from this service's name; give the service an `image:` name.")
    else:
        reference = image.read(parse_reference)
    if build is None:
        reference = reference.on_hub()
        return Image(reference.text("docker.io"), reference.digest)
    if reference.digest:
        image.fail("an image that is built here cannot be named by its digest; name it by a tag.")
    if reference.host is None:
        return Image(f"{target.registry_host}/{target.project}/{reference.text('')[1:]}")
    return Image(reference.on_hub().text(""))


def _labels(cursor: Cursor) -> tuple[tuple[str, str], ...]:
    """The containers' labels: those of `deploy`, and over them the service's own."""
    deploy = cursor.get("deploy")
    given = (
        {**dict(labels(deploy.get("labels"))), **dict(labels(cursor.get("labels")))} if deploy else labels(cursor.get("labels"))
    )
    return tuple(sorted(dict(given).items()))


def _environment(cursor: Cursor | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, value) for key, value in pairs(cursor).items() if value is not None))


def _command(cursor: Cursor | None) -> tuple[str, ...] | None:
    """Empty is not the same as none: it takes away the image's own command."""
    if cursor is None:
        return None
    if not cursor.is_text():
        return tuple(item.text() for item in cursor.items())
    try:
        return words(cursor.text())
    except ValueError as error:
        cursor.fail(str(error))


def _optional(cursor: Cursor, key: str, form: Callable[[str], str]) -> str | None:
    found = cursor.said(key)
    return None if found is None else found.read(form)


def _flag(cursor: Cursor, key: str) -> bool:
    found = cursor.get(key)
    return False if found is None else found.boolean()


def _duration(cursor: Cursor, key: str, default: int) -> int:
    found = cursor.get(key)
    return default if found is None else found.read(duration_ms)


def _user(text: str) -> str:
    name, _, group = text.partition(":")
    if not _ACCOUNT.fullmatch(name) or (group and not _ACCOUNT.fullmatch(group)):
        raise ValueError(f"{quoted(text)} is not a user; write UID, UID:GID or names of the image's own accounts.")
    return text.removesuffix(":")


def _group_add(cursor: Cursor | None) -> tuple[str, ...]:
    found: set[str] = set()
    for item in cursor.items() if cursor else ():
        group = item.line()
        if not _ACCOUNT.fullmatch(group):
            item.fail(f"{quoted(group)} is not a group; write a GID or the name of one of the image's own groups.")
        found.add(group)
    return tuple(sorted(found))


def _capability(text: str) -> str:
    name = text.upper().removeprefix("CAP_")
    if not _CAPABILITY.fullmatch(name):
        raise ValueError(f"{quoted(text)} is not a capability; write one such as NET_BIND_SERVICE.")
    return name


def _cap_add(cursor: Cursor | None) -> tuple[str, ...]:
    return tuple(sorted({item.read(_capability) for item in cursor.items()})) if cursor else ()


def _check_cap_drop(cursor: Cursor | None) -> None:
    """Every capability is dropped in any case; what is written must still be capabilities."""
    for item in cursor.items() if cursor else ():
        item.read(_capability)


def _healthcheck(cursor: Cursor | None) -> Healthcheck | None:
    if cursor is None:
        return None
    if _flag(cursor, "disable"):
        return Healthcheck(("NONE",))
    test, retries, start_interval = cursor.get("test"), cursor.get("retries"), cursor.get("start_interval")
    if test is not None and test.value in ([], ()):  # no words at all: the image's own test
        test = None
    usual = Healthcheck(()) if test is not None else IMAGES_OWN
    found = Healthcheck(
        test=() if test is None else _test(test),
        interval_ms=_duration(cursor, "interval", 0) or usual.interval_ms,
        timeout_ms=_duration(cursor, "timeout", 0) or usual.timeout_ms,
        retries=(retries.integer(0, 1_000_000) if retries else 0) or usual.retries,
        start_period_ms=_duration(cursor, "start_period", 0),
        start_interval_ms=start_interval.read(duration_ms) or None if start_interval else None,
    )
    return None if found == IMAGES_OWN else found


def _test(cursor: Cursor) -> tuple[str, ...]:
    if cursor.is_text():
        if not cursor.text().strip():
            cursor.fail("the test is blank; write a command, or `disable: true`.")
        return ("CMD-SHELL", cursor.text())
    test = tuple(item.text() for item in cursor.items())
    lengths = {"NONE": (1, 1), "CMD-SHELL": (2, len(test)), "CMD": (2, len(test))}
    low, high = lengths.get(test[0] if test else "", (1, 0))
    if not low <= len(test) <= high:
        cursor.fail(
            "a list must be [CMD, program, argument, …], [CMD-SHELL, one string] or [NONE]; add the first word, or write one string."
        )
    return test


def _depends_on(cursor: Cursor | None) -> tuple[Dependency, ...]:
    if cursor is None:
        return ()
    if not cursor.is_mapping():
        return tuple(Dependency(name) for name in sorted({item.name("service") for item in cursor.items()}))
    return tuple(sorted((_dependency(name, entry) for name, entry in cursor.entries()), key=lambda d: d.service))


def _dependency(name: str, cursor: Cursor) -> Dependency:
    if cursor.value is None:
        return Dependency(name)
    condition, required = cursor.get("condition"), cursor.get("required")
    if condition and condition.value not in [c.value for c in Condition]:
        condition.fail(f"{quoted(condition.value)} is not a condition; write one of {', '.join(c.value for c in Condition)}.")
    return Dependency(
        name,
        Condition(condition.value) if condition else Condition.STARTED,
        required.boolean() if required else True,
    )
