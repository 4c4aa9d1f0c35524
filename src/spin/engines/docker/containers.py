"""From a service's spec to the body of the engine's "create container". Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from spin.engines.docker import labels
from spin.engines.docker.altered import limits
from spin.engines.docker.labels import Kind
from spin.model.names import DeploymentKey, container_name
from spin.model.observed import Link
from spin.model.stack import Attachment, Bind, Grant, Healthcheck, Mount, Port, Restart, ServiceSpec, Tmpfs
from spin.model.steps import Create
from spin.model.streams import Command
from spin.site import Site

HOSTNAME_LENGTH = 63
"""Linux takes 64 bytes as a host name, DNS 63 as a label."""
API_START_INTERVAL = (1, 44)
"""The version of the API from which health checks have an interval of their own during their start period."""
LEAST_INTERVAL_NS = 1_000_000_000
"""How often a health check runs at most, once it is not the first: each run costs the engine some 50 ms of CPU, and a file may ask
for one every millisecond."""
API_MANY_NETWORKS = (1, 44)
"""The version from which a container can be created on several networks at once."""
START_INTERVAL_NS = 150_000_000
"""How often a health check runs before its first success (DESIGN: every 100-200 ms)."""

Body = dict[str, Any]


def create_body(
    site: Site,
    key: DeploymentKey,
    step: Create,
    *,
    networks: Mapping[str, str],
    files: Mapping[str, str],
    api: tuple[int, int],
    cpus: int,
    sources: Mapping[str, str] = MappingProxyType({}),
    hosts: Mapping[str, str] = MappingProxyType({}),
    kept: Mapping[str, str] = MappingProxyType({}),
    image_interval: int = 0,
) -> Body:
    """What the engine is asked to create.

    `networks`: the engine's id of each network the service joins, by Compose name. `files`: path on the engine's host of each
    granted file, by its target. `cpus`: cores of the engine's host, which refuses a limit above that. `sources`: what is mounted for
    each path of one of the site's filesystems. `hosts`: addresses by name for the container's /etc/hosts. `kept`: the address that the
    container must have, by Compose name of the network.
    `image_interval`: how often the image's own health check is to run, nanoseconds; 0 where it does not say.
    """
    spec = step.spec
    body: Body = {
        "Image": spec.image.pinned,
        "Hostname": spec.hostname or hostname(key.stack, spec.name, step.slot),
        "Env": [f"{name}={value}" for name, value in spec.environment],
        "Labels": container_labels(site.id, key, step),
        "ExposedPorts": _exposed(spec),
        "StopTimeout": math.ceil(spec.stop_grace_ms / 1000),
        "HostConfig": _host_config(site, key, step, files, sources, cpus),
    }
    if spec.tty:
        body["Tty"] = True
    if spec.stdin_open:
        body["OpenStdin"] = True
    if spec.command is not None:
        body["Cmd"] = list(spec.command)
    if spec.entrypoint is not None:
        body["Entrypoint"] = list(spec.entrypoint) or [""]  # [""] takes the image's entry point away
    optional = {"User": spec.user, "WorkingDir": spec.working_dir, "StopSignal": spec.stop_signal, "Domainname": spec.domainname}
    body |= {name: value for name, value in optional.items() if value is not None}
    if spec.healthcheck is not None:
        body["Healthcheck"] = healthcheck(spec.healthcheck, api, image_interval)
    elif 0 < image_interval < LEAST_INTERVAL_NS:
        body["Healthcheck"] = {"Interval": LEAST_INTERVAL_NS}  # the rest of it stays the image's
    body["HostConfig"]["NetworkMode"] = networks[spec.networks[0].network] if spec.networks else "none"
    if spec.networks:
        at_once = spec.networks if api >= API_MANY_NETWORKS else spec.networks[:1]
        ends = {networks[a.network]: endpoint(aliases(key, spec, step.slot, a), kept.get(a.network)) for a in at_once}
        body["NetworkingConfig"] = {"EndpointsConfig": ends}
    own = {name for name, _ in spec.extra_hosts}
    lines = [(name, address) for name, address in hosts.items() if name not in own] + list(spec.extra_hosts)
    if lines:
        body["HostConfig"]["ExtraHosts"] = [f"{name}:{address}" for name, address in lines]
    body["Labels"][labels.ADDRESSES] = json.dumps(dict(kept), sort_keys=True)
    body["Labels"][labels.LIMITS] = limits(body["HostConfig"])
    return body


def one_off_body(body: Body, site: str, key: DeploymentKey, spec: ServiceSpec, command: Command) -> Body:
    """`body` (of `create_body`) for a container that runs `command` once beside the service's own.

    Nobody finds it: no published port, no name of the service's on its networks. It is not started again, and not asked for its
    health.
    """
    marks = labels.labels_for(site, key, Kind.ONE_OFF, {labels.SERVICE: spec.name})
    host = body["HostConfig"] | {"PortBindings": {}, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}}
    changed: Body = {
        "Hostname": hostname(key.stack, spec.name, "run"),
        "Cmd": list(command.argv) or body.get("Cmd"),
        "Labels": labels.user_labels(spec.labels)
        | marks
        | {labels.NETWORKS: json.dumps([[a.network, []] for a in spec.networks])},
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": host,
        "Tty": command.tty,
        "OpenStdin": command.stdin,
        "StdinOnce": command.stdin,
        "AttachStdin": command.stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "Env": [*body["Env"], *(f"{name}={value}" for name, value in command.environment)],
    }
    if command.user is not None:
        changed["User"] = command.user
    if command.workdir is not None:
        changed["WorkingDir"] = command.workdir
    if "NetworkingConfig" in body:
        changed["NetworkingConfig"] = {
            "EndpointsConfig": {name: endpoint([], None) for name in body["NetworkingConfig"]["EndpointsConfig"]}
        }
    return {name: value for name, value in (body | changed).items() if name != "ExposedPorts"}


def endpoint(aliases: list[str], address: str | None) -> Body:
    """A container's place on a network; with `address` it is always that one."""
    return {"Aliases": aliases} | ({} if address is None else {"IPAMConfig": {"IPv4Address": address}})


def peer_hosts(step: Create, links: Mapping[str, Link]) -> dict[str, str]:
    """The stable address of each of the other services' names; `links` by Compose name of the network.

    A name that means something on several networks gets the address on the first of the service's networks.
    """
    found: dict[str, str] = {}
    for attachment in step.spec.networks:
        for peer in step.peers:
            if peer.network == attachment.network and peer.network in links:
                address = links[peer.network].service_address(peer.number)
                found.update({name: address for name in peer.names if address is not None and name not in found})
    return found


def container_labels(site: str, key: DeploymentKey, step: Create) -> dict[str, str]:
    """Every label that Spin reads is set, also where it says nothing: else the engine would take one of that name from the image."""
    spec = step.spec
    ours = labels.labels_for(site, key, Kind.CONTAINER, identity(step))
    ours[labels.NETWORKS] = json.dumps([[a.network, aliases(key, spec, step.slot, a)] for a in spec.networks])
    ours[labels.HTTP] = "" if spec.http is None else str(spec.http.port)
    ours[labels.BINDS] = json.dumps([b.target for b in spec.binds]) if spec.binds else ""
    ours[labels.TTY] = "true" if spec.tty else ""
    return {**labels.user_labels(spec.labels), **ours}


def identity(step: Create) -> dict[str, str]:
    """The labels that tell one container of a deployment from all others."""
    return {
        labels.SERVICE: step.spec.name,
        labels.SLOT: str(step.slot),
        labels.ATTEMPT: str(step.attempt),
        labels.DIGEST: step.digest,
    }


def aliases(key: DeploymentKey, spec: ServiceSpec, slot: int, attachment: Attachment) -> list[str]:
    """The names under which the container is found on a network: the service's, its own, and those the Compose file adds."""
    return list(dict.fromkeys((spec.name, container_name(key.stack, spec.name, slot), *attachment.aliases)))


def hostname(stack: str, service: str, slot: int | str) -> str:
    """`stack-service-N`, its middle shortened where that is longer than a host name may be."""
    end = f"-{slot}"
    return f"{stack}-{service}"[: HOSTNAME_LENGTH - len(end)].rstrip("-._") + end


def healthcheck(check: Healthcheck, api: tuple[int, int], image_interval: int) -> Body:
    """Docker's form, times in nanoseconds; nought and an empty test mean the image's own, whose interval is `image_interval`."""
    asked = check.interval_ms * 1_000_000 or image_interval
    body: Body = {
        "Test": list(check.test),
        "Interval": max(asked, LEAST_INTERVAL_NS) if asked else 0,
        "Timeout": check.timeout_ms * 1_000_000,
        "StartPeriod": check.start_period_ms * 1_000_000,
        "Retries": check.retries,
    }
    if api >= API_START_INTERVAL and check.start_period_ms:
        wanted = check.start_interval_ms
        body["StartInterval"] = START_INTERVAL_NS if wanted is None else max(wanted * 1_000_000, START_INTERVAL_NS)
    return body


def _host_config(
    site: Site, key: DeploymentKey, step: Create, files: Mapping[str, str], sources: Mapping[str, str], cpus: int
) -> Body:
    spec, limits = step.spec, site.limits
    resources = spec.resources
    memory = resources.memory_bytes or limits.memory_bytes
    body: Body = {
        "CapDrop": ["ALL"],
        "CapAdd": list(spec.cap_add),
        "SecurityOpt": ["no-new-privileges:true"],
        "Privileged": False,
        "Memory": memory,
        "MemorySwap": memory,  # the same number: no swap beside it, so that the limit is the limit
        "NanoCpus": int(min(resources.cpus or limits.cpus, float(cpus)) * 1_000_000_000),
        "PidsLimit": resources.pids or limits.pids,
        "LogConfig": {"Type": "local", "Config": {"max-size": str(limits.log_bytes), "max-file": str(limits.log_files)}},
        "GroupAdd": list(spec.group_add),
        "ReadonlyRootfs": spec.read_only,
        "Init": spec.init,
        "RestartPolicy": restart_policy(spec),
        "PortBindings": _bindings(site, spec.ports),
        "Mounts": [_volume_mount(site.id, key, m) for m in spec.mounts]
        + [_bind_mount(b, sources[b.source]) for b in spec.binds]
        + [_tmpfs_mount(site.id, key, t) for t in spec.tmpfs]
        + [_file_mount(g, files[g.target]) for g in (*spec.configs, *spec.secrets)],
    }
    body |= _said(
        {
            "ShmSize": spec.shm_bytes,
            "Ulimits": [{"Name": u.name, "Soft": u.soft, "Hard": u.hard} for u in spec.ulimits],
            "Sysctls": dict(spec.sysctls),
            "Dns": list(spec.dns.servers),
            "DnsSearch": list(spec.dns.search),
            "DnsOptions": list(spec.dns.options),
        }
    )
    if resources.reserved_memory_bytes:
        body["MemoryReservation"] = min(resources.reserved_memory_bytes, memory)
    if resources.reserved_cpus:
        body["CpuShares"] = max(2, int(resources.reserved_cpus * 1024))  # Docker's weight: 1024 is one core's worth
    return body


def _said(values: Body) -> Body:
    return {name: value for name, value in values.items() if value}


def restart_policy(spec: ServiceSpec) -> Body:
    """Docker's `always` would also start what Spin keeps stopped, with the engine or the machine: it becomes `unless-stopped`."""
    name = Restart.UNLESS_STOPPED if spec.restart is Restart.ALWAYS else spec.restart
    return {"Name": name.value, "MaximumRetryCount": spec.restart_limit if name is Restart.ON_FAILURE else 0}


def _tmpfs_mount(site: str, key: DeploymentKey, tmpfs: Tmpfs) -> Body:
    """A tmpfs as an anonymous volume, which the engine mounts afresh at every start and removes with the container.

    The engine's own kind of tmpfs loses its mode at the second start: the runtime (runc 1.1) then takes the mode of the directory
    that it made for the first one, and a container that is not root's cannot write there after a crash.
    """
    options = ["nosuid", "nodev", *([] if tmpfs.executable else ["noexec"])]
    options += [f"mode={0o1777 if tmpfs.mode is None else tmpfs.mode:o}"]
    numbers = {"size": tmpfs.size_bytes, "uid": tmpfs.uid, "gid": tmpfs.gid}
    options += [f"{name}={number}" for name, number in numbers.items() if number is not None]
    return {
        "Type": "volume",
        "Target": tmpfs.target,
        "VolumeOptions": {
            "NoCopy": True,
            "Labels": labels.labels_for(site, key, Kind.SCRATCH),
            "DriverConfig": {"Name": "local", "Options": {"type": "tmpfs", "device": "tmpfs", "o": ",".join(options)}},
        },
    }


def _volume_mount(site: str, key: DeploymentKey, mount: Mount) -> Body:
    return {
        "Type": "volume",
        "Source": labels.volume(site, key, mount.volume),
        "Target": mount.target,
        "ReadOnly": mount.read_only,
        "VolumeOptions": {"NoCopy": mount.nocopy},
    }


def _bind_mount(bind: Bind, source: str) -> Body:
    """A path of one of the site's filesystems. What is mounted later is carried neither in nor out, and what is mounted below it on the
    host is not part of it: Docker (before 25) would leave that writable in a mount that is read-only.
    """
    return {
        "Type": "bind",
        "Source": source,
        "Target": bind.target,
        "ReadOnly": bind.read_only,
        "BindOptions": {"Propagation": "private", "NonRecursive": True},
    }


def _file_mount(grant: Grant, source: str) -> Body:
    return {"Type": "bind", "Source": source, "Target": grant.target, "ReadOnly": True}


def _port(port: Port) -> str:
    return f"{port.target}/{port.protocol.value}"


def _exposed(spec: ServiceSpec) -> dict[str, Body]:
    web = () if spec.http is None else (spec.http.port,)
    return {name: {} for name in (*(f"{p}/tcp" for p in (*spec.expose, *web)), *map(_port, spec.ports))}


def published_address(site: Site, published: int) -> str:
    """The address of the engine's host on which the site publishes that port; the loopback where no class holds the port."""
    found = site.port_class(published)
    return "127.0.0.1" if found is None else found.address


def _bindings(site: Site, ports: tuple[Port, ...]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        where = {"HostIp": published_address(site, port.published), "HostPort": str(port.published)}
        bindings.setdefault(_port(port), []).append(where)
    return bindings
