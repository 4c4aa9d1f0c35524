"""The document in Docker Compose's own long form, every key of it: what `docker compose config` would print.

Not on the way to the server, which reads short and long forms alike. It is for people who want to see what Compose makes of their files
(`spin render --compose`), with the keys that Spin ignores or refuses, and what the differential test holds against the real
Docker Compose.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

from spin.compose import forms
from spin.compose.scalars import as_text
from spin.errors import InvalidInput

Form: TypeAlias = Callable[[Any], Any]

_NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_NANOSECONDS |= {"d": 24 * _NANOSECONDS["h"], "w": 7 * 24 * _NANOSECONDS["h"]}
_DURATION_PART = re.compile(r"([0-9]*\.?[0-9]+|[0-9]+\.)(ns|us|µs|ms|s|m|h|d|w)")
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
        name: _within(name, lambda given: _service(given or {}, directory), entry)
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


# Scalars.


def _text(value: Any) -> Any:
    return as_text(value) if isinstance(value, str | int | float) else value


def _integer(value: Any) -> Any:
    return int(value) if isinstance(value, str | float) else value


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str | int) else value


def _flag(value: Any) -> Any:
    return value.lower() in ("true", "yes", "y", "on", "1") if isinstance(value, str) else value


def _bytes(value: Any) -> Any:
    """Sizes are printed as digits; -1 stands for no limit."""
    text = str(_text(value)).strip()
    return text if re.fullmatch(r"-?[0-9]+", text) else str(forms.size_bytes(text))


def _duration(value: Any) -> str:
    """As Go prints it: `1m30s`, `1.5s`, `500ms`."""
    text, total, at = str(value).strip(), Fraction(0), 0
    for part in _DURATION_PART.finditer(text):
        total += Fraction(part[1].strip(".") if part[1].endswith(".") else part[1]) * _NANOSECONDS[part[2]]
        at = part.end()
    if at != len(text) and text != "0":
        raise ValueError(f"{text!r} is not a duration; write a number with a unit, such as 30s, 1m30s or 500ms.")
    return _go_duration(int(total))


def _go_duration(nanoseconds: int) -> str:
    if nanoseconds < _NANOSECONDS["s"]:
        for unit in ("ms", "µs", "ns"):
            if nanoseconds >= _NANOSECONDS[unit]:
                return _decimal(Fraction(nanoseconds, _NANOSECONDS[unit])) + unit
        return "0s"
    hours, rest = divmod(nanoseconds, _NANOSECONDS["h"])
    minutes, rest = divmod(rest, _NANOSECONDS["m"])
    seconds = _decimal(Fraction(rest, _NANOSECONDS["s"])) + "s"
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + seconds


def _decimal(value: Fraction) -> str:
    whole, rest = divmod(value, 1)
    return str(whole) + (f".{int(rest * 10**9):09d}".rstrip("0") if rest else "")


# Lists and mappings.


def _same(value: Any) -> Any:
    return value


def _texts(value: Any) -> list[Any]:
    return [_text(item) for item in value] if isinstance(value, list) else [_text(value)]


def _words(value: Any) -> Any:
    return _texts(value) if isinstance(value, list) else list(forms.words(_text(value)))


def _pairs(value: Any, *, missing: str | None = None) -> dict[str, Any]:
    """A mapping, or a list of KEY=value, with `missing` for a key without a value."""
    if isinstance(value, Mapping):
        return {key: missing if item is None else _text(item) for key, item in value.items()}
    found: dict[str, Any] = {}
    for item in value:
        key, sign, text = str(_text(item)).partition("=")
        found[key] = text if sign else missing
    return found


def _labels(value: Any) -> dict[str, Any]:
    return _pairs(value, missing="")


def _keyed(value: Any) -> dict[str, Any]:
    """A list of names, or a mapping from names."""
    return dict(value) if isinstance(value, Mapping) else {_text(name): None for name in value}


def _mapped(rules: Mapping[str, Form]) -> Form:
    def form(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {
            key: _within(key, rules.get(key, _same), item)
            for key, item in value.items()
            if not key.startswith("x-") and item is not None
        }

    return form


def _within(key: str, form: Form, value: Any) -> Any:
    """The form of what stands at `key`. Raises ValueError that names the key."""
    try:
        return form(value)
    except (TypeError, AttributeError):
        raise ValueError(f"{key}: this is not a form that it can have.") from None
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def _each(form: Form) -> Form:
    return lambda value: [form(item) for item in value] if isinstance(value, list) else value


def _hosts(value: Any) -> list[str]:
    pairs: list[tuple[str, str]] = []
    if isinstance(value, Mapping):
        for host, addresses in value.items():
            pairs += [(host, str(one)) for one in (addresses if isinstance(addresses, list) else [addresses])]
    else:
        for line in value:
            sign = "=" if "=" in line else ":"
            host, _, address = line.partition(sign)
            pairs.append((host, address))
    return sorted(f"{host}={address[1:-1] if address[:1] == '[' else address}" for host, address in pairs)


def _ulimits(value: Any) -> Any:
    form = _mapped({"soft": _integer, "hard": _integer})
    return {name: form(limit) if isinstance(limit, Mapping) else _integer(limit) for name, limit in value.items()}


# What is attached.


def _ports(value: Sequence[Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for entry in value:
        if isinstance(entry, Mapping):
            form = _mapped({"target": _integer, "published": _text})(entry)
            found.append({"mode": "ingress", "protocol": "tcp"} | form)
            continue
        port = forms.port(str(_text(entry)))
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


def _volumes(directory: str) -> Form:
    def one(entry: Any) -> Any:
        if isinstance(entry, Mapping):
            found = _mapped(
                {
                    "read_only": _flag,
                    "tmpfs": _mapped({"size": _bytes, "mode": _integer}),
                    "volume": _mapped({"nocopy": _flag}),
                    "bind": _mapped({"create_host_path": _flag}),
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

    return _each(one)


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


def _grants(directory: str | None) -> Form:
    """`directory` is where a grant without a target lies, if Compose says so."""

    def one(entry: Any) -> Any:
        found = {"source": _text(entry)} if not isinstance(entry, Mapping) else _mapped(_GRANT)(entry)
        return {"target": f"{directory}{found.get('source')}"} | found if directory else found

    return _each(one)


_GRANT: Mapping[str, Form] = {"uid": _text, "gid": _text, "mode": lambda v: int(v, 8) if isinstance(v, str) else v}


def _networks(value: Any) -> dict[str, Any]:
    form = _mapped({"priority": _integer})
    return {name: None if entry is None else form(entry) for name, entry in _keyed(value).items()}


def _depends_on(value: Any) -> dict[str, Any]:
    usual = {"condition": "service_started", "required": True}
    form = _mapped({"required": _flag, "restart": _flag})
    return {name: usual | (form(entry) if entry is not None else {}) for name, entry in _keyed(value).items()}


def _healthcheck_test(value: Any) -> list[Any]:
    return _texts(value) if isinstance(value, list) else ["CMD-SHELL", _text(value)]


def _absolute(directory: str, path: str) -> str:
    if path.startswith("~"):
        return posixpath.expanduser(path)
    if _DRIVE.match(path):
        return path
    return posixpath.normpath(posixpath.join(directory, path))


def _context(directory: str, path: str) -> str:
    return path if _REMOTE.match(path) else _absolute(directory, path)


def _build(value: Any, directory: str) -> Any:
    given = {"context": value} if isinstance(value, str) else value
    found = _mapped(
        {
            "args": _pairs,
            "labels": _labels,
            "no_cache": _flag,
            "pull": _flag,
            "privileged": _flag,
            "shm_size": _bytes,
            "cache_from": _texts,
            "cache_to": _texts,
            "tags": _texts,
            "platforms": _texts,
            "extra_hosts": _hosts,
            "ulimits": _ulimits,
            "secrets": _grants(None),
            "additional_contexts": lambda v: {k: _context(directory, str(c)) for k, c in _pairs(v).items()},
            "ssh": lambda v: sorted(_texts(v) if isinstance(v, list) else [f"{k}={p}" if p else k for k, p in v.items()]),
        }
    )(given)
    found["context"] = _context(directory, found.get("context") or ".")
    if not found.get("dockerfile") and not found.get("dockerfile_inline"):
        found["dockerfile"] = "Dockerfile"
    return found


_UPDATE = _mapped({"parallelism": _integer, "delay": _duration, "monitor": _duration, "max_failure_ratio": _number})
_DEVICE_REQUESTS = _each(_mapped({"count": lambda v: -1 if v == "all" else _integer(v), "driver": _text, "options": _pairs}))


def _gpus(value: Any) -> Any:
    return _DEVICE_REQUESTS([{"count": "all"}] if value == "all" else value)


_LIMITS = _mapped({"cpus": _number, "memory": _bytes, "pids": _integer, "devices": _DEVICE_REQUESTS})


def _each_of(names: str, form: Form) -> dict[str, Form]:
    return dict.fromkeys(names.split(), form)


_SERVICE: Mapping[str, Form] = {
    **_each_of(
        "image user working_dir hostname domainname stop_signal restart network_mode pid ipc uts userns_mode "
        "cgroup cgroup_parent container_name platform runtime isolation mac_address cpuset",
        _text,
    ),
    **_each_of(
        "privileged read_only init tty stdin_open oom_kill_disable attach",
        _flag,
    ),
    **_each_of(
        "scale pids_limit cpu_count cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares oom_score_adj",
        _integer,
    ),
    **_each_of(
        "cpus cpu_percent",
        _number,
    ),
    **_each_of(
        "mem_limit mem_reservation memswap_limit mem_swappiness shm_size",
        _bytes,
    ),
    **_each_of(
        "cap_add cap_drop dns_opt dns_search tmpfs expose group_add links external_links security_opt "
        "volumes_from device_cgroup_rules",
        _texts,
    ),
    "dns": lambda value: [server for server in _texts(value) if server],
    "sysctls": _pairs,
    **_each_of("annotations storage_opt", _labels),
    "environment": _pairs,
    "labels": _labels,
    "pull_policy": lambda value: "missing" if value == "if_not_present" else _text(value),
    "command": _words,
    "entrypoint": _words,
    "stop_grace_period": _duration,
    "extra_hosts": _hosts,
    "ulimits": _ulimits,
    "ports": _ports,
    "devices": _devices,
    "secrets": _grants("/run/secrets/"),
    "configs": _grants(None),
    "networks": _networks,
    "depends_on": _depends_on,
    "healthcheck": _mapped(
        {
            "test": _healthcheck_test,
            **dict.fromkeys(("interval", "timeout", "start_period", "start_interval"), _duration),
            "retries": _integer,
            "disable": _flag,
        }
    ),
    "logging": _mapped({"options": _labels}),
    "gpus": _gpus,
    "blkio_config": _mapped(
        {
            "weight": _integer,
            "weight_device": _each(_mapped({"weight": _integer})),
            **dict.fromkeys(("device_read_bps", "device_write_bps"), _each(_mapped({"rate": _bytes}))),
            **dict.fromkeys(("device_read_iops", "device_write_iops"), _each(_mapped({"rate": _text}))),
        }
    ),
    "deploy": _mapped(
        {
            "replicas": _integer,
            "labels": _labels,
            "update_config": _UPDATE,
            "rollback_config": _UPDATE,
            "restart_policy": _mapped({"delay": _duration, "window": _duration, "max_attempts": _integer}),
            "resources": _mapped({"limits": _LIMITS, "reservations": _LIMITS}),
            "placement": _mapped({"max_replicas_per_node": _integer}),
        }
    ),
}


def _service(entry: Mapping[str, Any], directory: str) -> dict[str, Any]:
    found: dict[str, Any] = _mapped({**_SERVICE, "volumes": _volumes(directory), "build": lambda v: _build(v, directory)})(entry)
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
    return {**entry, "external": _flag(external)} if external is not None else entry


def _network(entry: Mapping[str, Any], _directory: str) -> dict[str, Any]:
    return _external(
        _mapped(
            {
                "labels": _labels,
                "driver_opts": _pairs,
                **dict.fromkeys(("internal", "attachable", "enable_ipv6", "enable_ipv4"), _flag),
            }
        )(entry)
    )


def _volume_entry(entry: Mapping[str, Any], directory: str) -> dict[str, Any]:
    found = _external(_mapped({"labels": _labels, "driver_opts": _pairs})(entry))
    options = found.get("driver_opts") or {}
    if options.get("o") == "bind" and str(options.get("device", "")).startswith("."):
        found["driver_opts"] = {**options, "device": _absolute(directory, options["device"])}
    return found


def _file_entry(entry: Mapping[str, Any], directory: str) -> dict[str, Any]:
    found = _external(_mapped({"labels": _labels, "driver_opts": _pairs})(entry))
    return {**found, "file": _absolute(directory, found["file"])} if found.get("file") else found
