"""The document in Docker Compose's own long form, every key of it: what `docker compose config` would print.

Not on the way to the server, which reads short and long forms alike. It is for people who want to see what Compose makes of their files
(`spin render --compose`), with the keys that Spin ignores or refuses, and what the differential test holds against the real
Docker Compose.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from spin.compose import forms, long
from spin.errors import InvalidInput

_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git@|github\.com/|service:|target:|docker-image:|oci-layout:", re.IGNORECASE)


_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
"""The start of a path of Windows, which is absolute."""


def canonical(document: Mapping[str, Any], *, project: str, directory: str) -> dict[str, Any]:
    """The resolved `document` of a stack `project` whose files lie in `directory`. Raises InvalidInput where a form is not understood."""
    try:
        return _canonical(document, project, directory)
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidInput(f"the file cannot be written in Compose's long form: {error}") from None


def _canonical(document: Mapping[str, Any], project: str, directory: str) -> dict[str, Any]:
    found: dict[str, Any] = {"name": project}
    services = {
        name: long.within(name, lambda given: _service(given or {}, directory), entry)
        for name, entry in (document.get("services") or {}).items()
    }
    networks = {"default": None} | dict(document.get("networks") or {})
    found["services"] = services
    for section, entries, form in (
        ("networks", networks, _network),
        ("volumes", document.get("volumes") or {}, _volume_entry),
        ("configs", document.get("configs") or {}, _file_entry),
        ("secrets", document.get("secrets") or {}, _file_entry),
    ):
        used = {name for service in services.values() for name in _used(service, section)}
        found[section] = {
            name: _named(name, form(entry or {}, directory), project) for name, entry in entries.items() if name in used
        }
    return {key: value for key, value in found.items() if value}


def _used(service: Mapping[str, Any], section: str) -> list[Any]:
    """What a service uses of a section; the rest is left out, as Compose does."""
    found = service.get(section) or ()
    secrets = (service.get("build") or {}).get("secrets") or () if section == "secrets" else ()
    return [entry.get("source") if isinstance(entry, Mapping) else entry for entry in (*found, *secrets)]


def _named(name: str, entry: dict[str, Any], project: str) -> dict[str, Any]:
    return {"name": name if entry.get("external") else f"{project}_{name}"} | entry


# What is attached.


def _ports(value: Sequence[Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for entry in value:
        if isinstance(entry, Mapping):
            form = long.mapped({"target": long.integer, "published": long.scalar})(entry)
            found.append({"mode": "ingress", "protocol": "tcp"} | form)
            continue
        port = forms.port(str(long.scalar(entry)))
        usual = {"mode": "ingress", "protocol": port.protocol.value}
        if port.address:
            usual["host_ip"] = port.address.strip("[]")
        targets = range(port.target[0], port.target[1] + 1)
        if port.published is None:
            found += [usual | {"target": target} for target in targets]
        elif len(targets) == 1 and port.published[0] != port.published[1]:
            found.append(usual | {"target": targets[0], "published": f"{port.published[0]}-{port.published[1]}"})
        else:
            found += [usual | {"target": inside, "published": str(outside)} for outside, inside in port.pairs()]
    return [port for index, port in enumerate(found) if port not in found[:index]]


def _volumes(directory: str) -> long.Form:
    def one(entry: Any) -> Any:
        if isinstance(entry, Mapping):
            found = long.mapped(
                {
                    "read_only": long.flag,
                    "tmpfs": long.mapped({"size": long.size, "mode": long.integer}),
                    "volume": long.mapped({"nocopy": long.flag}),
                    "bind": long.mapped({"create_host_path": long.flag}),
                }
            )(entry)
            if found.get("type") == "bind" and found.get("source"):
                found["source"] = _absolute(directory, found["source"])
        else:
            form = forms.volume(str(entry))
            kind = "bind" if form.is_host_path else "volume"
            found = {"type": kind, "target": form.target, kind: {"create_host_path": True} if form.is_host_path else {}}
            if form.source is not None:
                found["source"] = _absolute(directory, form.source) if form.is_host_path else form.source
            for option in form.options:
                if option == "ro":
                    found["read_only"] = True
                elif option == "nocopy":
                    found["volume"] = {"nocopy": True}
                elif option in ("z", "Z"):
                    found.setdefault("bind", {})["selinux"] = option
                elif option in _PROPAGATION:
                    found.setdefault("bind", {})["propagation"] = option
        found["target"] = posixpath.normpath(found["target"])
        return found

    return long.each(one)


_PROPAGATION = ("rprivate", "private", "rshared", "shared", "rslave", "slave")


def _devices(value: Sequence[Any]) -> list[Any]:
    found = []
    for entry in value:
        if isinstance(entry, Mapping):
            found.append(dict(entry))
            continue
        parts = [*str(entry).split(":"), "", ""]
        found.append({"source": parts[0], "target": parts[1] or parts[0], "permissions": parts[2] or "rwm"})
    return found


def _grants(directory: str | None) -> long.Form:
    """`directory` is where a grant without a target lies, if Compose says so."""

    def one(entry: Any) -> Any:
        found = {"source": long.scalar(entry)} if not isinstance(entry, Mapping) else long.mapped(_GRANT)(entry)
        return {"target": f"{directory}{found.get('source')}"} | found if directory else found

    return long.each(one)


_GRANT: Mapping[str, long.Form] = {
    "uid": long.scalar,
    "gid": long.scalar,
    "mode": lambda v: int(v, 8) if isinstance(v, str) else v,
}


def _networks(value: Any) -> dict[str, Any]:
    form = long.mapped({"priority": long.integer})
    return {name: None if entry is None else form(entry) for name, entry in long.keyed(value).items()}


def _depends_on(value: Any) -> dict[str, Any]:
    usual = {"condition": "service_started", "required": True}
    form = long.mapped({"required": long.flag, "restart": long.flag})
    return {name: usual | (form(entry) if entry is not None else {}) for name, entry in long.keyed(value).items()}


def _healthcheck_test(value: Any) -> list[Any]:
    return long.texts(value) if isinstance(value, list) else ["CMD-SHELL", long.scalar(value)]


def _absolute(directory: str, path: str) -> str:
    if path.startswith("~"):
        return posixpath.expanduser(path)
    if path.startswith("/") or _DRIVE.match(path):
        return path
    return posixpath.normpath(posixpath.join(directory, path))


def _context(directory: str, path: str) -> str:
    return path if _REMOTE.match(path) else _absolute(directory, path)


def _build(value: Any, directory: str) -> Any:
    given = {"context": value} if isinstance(value, str) else value
    found = long.mapped(
        {
            "args": long.pairs,
            "labels": long.labels,
            "no_cache": long.flag,
            "pull": long.flag,
            "privileged": long.flag,
            "shm_size": long.size,
            "cache_from": long.texts,
            "cache_to": long.texts,
            "tags": long.texts,
            "platforms": long.texts,
            "extra_hosts": long.hosts,
            "ulimits": long.ulimits,
            "secrets": _grants(None),
            "additional_contexts": lambda v: {k: _context(directory, str(c)) for k, c in long.pairs(v).items()},
            "ssh": lambda v: sorted(long.texts(v) if isinstance(v, list) else [f"{k}={p}" if p else k for k, p in v.items()]),
        }
    )(given)
    found["context"] = _context(directory, found.get("context") or ".")
    if not found.get("dockerfile") and not found.get("dockerfile_inline"):
        found["dockerfile"] = "Dockerfile"
    return found


_UPDATE = long.mapped(
    {"parallelism": long.integer, "delay": long.duration, "monitor": long.duration, "max_failure_ratio": long.number}
)
_DEVICE_REQUESTS = long.each(
    long.mapped({"count": lambda v: -1 if v == "all" else long.integer(v), "driver": long.scalar, "options": long.pairs})
)


def _gpus(value: Any) -> Any:
    return _DEVICE_REQUESTS([{"count": "all"}] if value == "all" else value)


_LIMITS = long.mapped({"cpus": long.number, "memory": long.size, "pids": long.integer, "devices": _DEVICE_REQUESTS})


def _each_of(names: str, form: long.Form) -> dict[str, long.Form]:
    return dict.fromkeys(names.split(), form)


_SERVICE: Mapping[str, long.Form] = {
    **_each_of(
        "image user working_dir hostname domainname stop_signal restart network_mode pid ipc uts userns_mode "
        "cgroup cgroup_parent container_name platform runtime isolation mac_address cpuset",
        long.scalar,
    ),
    **_each_of(
        "privileged read_only init tty stdin_open oom_kill_disable attach",
        long.flag,
    ),
    **_each_of(
        "scale pids_limit cpu_count cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares oom_score_adj",
        long.integer,
    ),
    **_each_of(
        "cpus cpu_percent",
        long.number,
    ),
    **_each_of(
        "mem_limit mem_reservation memswap_limit mem_swappiness shm_size",
        long.size,
    ),
    **_each_of(
        "cap_add cap_drop dns_opt dns_search tmpfs expose group_add links external_links security_opt "
        "volumes_from device_cgroup_rules",
        long.texts,
    ),
    "dns": lambda value: [server for server in long.texts(value) if server],
    "sysctls": long.pairs,
    **_each_of("annotations storage_opt", long.labels),
    "environment": long.pairs,
    "labels": long.labels,
    "pull_policy": lambda value: "missing" if value == "if_not_present" else long.scalar(value),
    "command": long.words,
    "entrypoint": long.words,
    "stop_grace_period": long.duration,
    "extra_hosts": long.hosts,
    "ulimits": long.ulimits,
    "ports": _ports,
    "devices": _devices,
    "secrets": _grants("/run/secrets/"),
    "configs": _grants(None),
    "networks": _networks,
    "depends_on": _depends_on,
    "healthcheck": long.mapped(
        {
            "test": _healthcheck_test,
            **dict.fromkeys(("interval", "timeout", "start_period", "start_interval"), long.duration),
            "retries": long.integer,
            "disable": long.flag,
        }
    ),
    "logging": long.mapped({"options": long.labels}),
    "gpus": _gpus,
    "blkio_config": long.mapped(
        {
            "weight": long.integer,
            "weight_device": long.each(long.mapped({"weight": long.integer})),
            **dict.fromkeys(("device_read_bps", "device_write_bps"), long.each(long.mapped({"rate": long.size}))),
            **dict.fromkeys(("device_read_iops", "device_write_iops"), long.each(long.mapped({"rate": long.scalar}))),
        }
    ),
    "deploy": long.mapped(
        {
            "replicas": long.integer,
            "labels": long.labels,
            "update_config": _UPDATE,
            "rollback_config": _UPDATE,
            "restart_policy": long.mapped({"delay": long.duration, "window": long.duration, "max_attempts": long.integer}),
            "resources": long.mapped({"limits": _LIMITS, "reservations": _LIMITS}),
            "placement": long.mapped({"max_replicas_per_node": long.integer}),
        }
    ),
}


def _service(entry: Mapping[str, Any], directory: str) -> dict[str, Any]:
    found: dict[str, Any] = long.mapped({**_SERVICE, "volumes": _volumes(directory), "build": lambda v: _build(v, directory)})(
        entry
    )
    watch = (found.get("develop") or {}).get("watch")
    if isinstance(watch, list):
        found["develop"] = {"watch": [{**rule, "path": _absolute(directory, rule["path"])} for rule in watch]}
    if not found.get("network_mode") and not found.get("networks"):
        found["networks"] = {"default": None}
    if found.get("deploy") is not None and found.get("scale") is not None:
        found["deploy"] = {**found["deploy"], "replicas": found["scale"]}
    needed = implied_dependencies(found)
    if needed:
        found["depends_on"] = needed | (found.get("depends_on") or {})
    return found


def implied_dependencies(service: Mapping[str, Any]) -> dict[str, Any]:
    """What a service depends on without saying so in `depends_on`."""
    usual = {"condition": "service_started", "required": True}
    found: dict[str, Any] = {}
    for source in service.get("volumes_from") or ():
        if not source.startswith("container:"):
            found[source.split(":")[0]] = usual
    for key in ("network_mode", "ipc", "pid", "uts", "cgroup"):
        if str(service.get(key, "")).startswith("service:"):
            found[service[key].removeprefix("service:")] = usual | {"restart": True}
    for link in service.get("links") or ():
        found[link.split(":")[0]] = usual | {"restart": True}
    return found


def _external(entry: dict[str, Any]) -> dict[str, Any]:
    """The old form `external: {name: x}` as the present one."""
    external = entry.get("external")
    if isinstance(external, Mapping):
        return {**entry, "external": True, **({"name": external["name"]} if external.get("name") else {})}
    return {**entry, "external": long.flag(external)} if external is not None else entry


def _network(entry: Mapping[str, Any], _directory: str) -> dict[str, Any]:
    return _external(
        long.mapped(
            {
                "labels": long.labels,
                "driver_opts": long.pairs,
                **dict.fromkeys(("internal", "attachable", "enable_ipv6", "enable_ipv4"), long.flag),
            }
        )(entry)
    )


def _volume_entry(entry: Mapping[str, Any], directory: str) -> dict[str, Any]:
    found = _external(long.mapped({"labels": long.labels, "driver_opts": long.pairs})(entry))
    options = found.get("driver_opts") or {}
    if options.get("o") == "bind" and str(options.get("device", "")).startswith("."):
        found["driver_opts"] = {**options, "device": _absolute(directory, options["device"])}
    return found


def _file_entry(entry: Mapping[str, Any], directory: str) -> dict[str, Any]:
    found = _external(long.mapped({"labels": long.labels, "driver_opts": long.pairs})(entry))
    return {**found, "file": _absolute(directory, found["file"])} if found.get("file") else found
