"""The one table of the keys of this version: what is supported, what is refused and why, what other rules speak about.

A key that stands nowhere here is unknown, and refused too. `x-…` keys are allowed anywhere and mean nothing, but for `x-spin` at the
top level and on a service. Types and values of supported keys are `spin.compose.lower`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shape:
    """A supported value. With none of the three it is looked into no further."""

    keys: Mapping[str, Shape | Refused | Ruled] | None = None
    """A mapping with these keys."""
    named: Shape | None = None
    """A mapping from names that people choose."""
    items: Shape | None = None
    """A list (each item), where it is not a mapping."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A key of Compose that this version does not carry out."""

    reason: str
    instead: str


@dataclass(frozen=True, slots=True)
class Ruled:
    """A key of Compose that another rule judges."""

    rule: str


def _later(instead: str) -> Refused:
    return Refused("is not supported yet by this version", instead)


def _each(names: str, entry: T) -> dict[str, T]:
    """`entry` for each of the names."""
    return dict.fromkeys(names.split(), entry)


VALUE = Shape()
_OUT = "Leave it out."
_LIMITS = "Write it in `deploy.resources.limits`."
_TO_IMAGE = "Leave it out; set it in the image or in the program's own configuration."
_NO_NAME = Refused("cannot be chosen, the platform names things by project, environment and stack", _OUT)

_BUILD = Shape(
    keys={
        **_each("context dockerfile dockerfile_inline target no_cache pull args labels", VALUE),
        **_each(
            "additional_contexts cache_from cache_to entitlements extra_hosts isolation network platforms privileged provenance sbom "
            "secrets shm_size ssh tags ulimits",
            _later("Leave it out, or build with `docker build` and push the image."),
        ),
    }
)

_LIMIT = Shape(keys={"cpus": VALUE, "memory": VALUE, "pids": VALUE})
_RESERVATION = Shape(
    keys={"cpus": VALUE, "memory": VALUE, "devices": Ruled("devices"), "generic_resources": _later(_OUT), "pids": _later(_LIMITS)}
)
_UPDATE = Shape(keys=_each("parallelism delay failure_action monitor max_failure_ratio order", VALUE))
_DEPLOY = Shape(
    keys={
        "replicas": VALUE,
        "resources": Shape(keys={"limits": _LIMIT, "reservations": _RESERVATION}),
        "restart_policy": _later("Write `restart` at the service."),
        "labels": _later("Write `labels` at the service."),
        "update_config": _UPDATE,
        "rollback_config": _UPDATE,
        "mode": _later("Leave it out and write `replicas`."),
        "endpoint_mode": _later(_OUT),
        "placement": _later("Leave it out; the platform chooses where containers run."),
    }
)

_PORT = Shape(
    keys={
        **_each("target published protocol mode", VALUE),
        "host_ip": Ruled("host-address"),
        "name": _later(_OUT),
        "app_protocol": _later("Leave it out; for HTTP write `x-spin: {http: PORT}`."),
    }
)

_VOLUME_OPTIONS = Shape(keys={"nocopy": VALUE, "subpath": _later("Give each path a volume of its own."), "labels": _later(_OUT)})
_MOUNT = Shape(
    keys={
        **_each("type source target read_only", VALUE),
        "volume": _VOLUME_OPTIONS,
        "tmpfs": Shape(keys={"size": VALUE, "mode": VALUE}),
        "bind": Ruled("host-path"),
        "image": Ruled("host-path"),
        "consistency": _later(_OUT),
    }
)

_GRANT = Shape(keys=_each("source target uid gid mode", VALUE))
_DEPENDENCY = Shape(
    keys={
        "condition": VALUE,
        "required": VALUE,
        "restart": _later("Leave it out; services reach each other by name also after a restart."),
    }
)
_ATTACHMENT = Shape(
    keys={
        "aliases": VALUE,
        **_each(
            "ipv4_address ipv6_address link_local_ips mac_address",
            Refused("cannot be chosen, the platform allocates addresses", "Leave it out; use service names and `aliases`."),
        ),
        **_each("priority gw_priority interface_name driver_opts", _later(_OUT)),
    }
)
_HEALTHCHECK = Shape(keys=_each("test interval timeout retries start_period start_interval disable", VALUE))

_SUPPORTED: dict[str, Shape] = {
    **_each(
        "image command entrypoint environment env_file expose restart user group_add cap_drop cap_add read_only tmpfs init "
        "stop_signal stop_grace_period working_dir hostname labels scale retain_ip",
        VALUE,
    ),
    "build": _BUILD,
    "ports": Shape(items=_PORT),
    "volumes": Shape(items=_MOUNT),
    "secrets": Shape(items=_GRANT),
    "configs": Shape(items=_GRANT),
    "networks": Shape(named=_ATTACHMENT),
    "depends_on": Shape(named=_DEPENDENCY),
    "healthcheck": _HEALTHCHECK,
    "deploy": _DEPLOY,
    "x-spin": Shape(
        keys={
            "http": VALUE,
            "hosts": VALUE,
            **_each(
                "confirm_after tags", Refused("is for the whole stack", "Write it in an `x-spin` at the top level of the file.")
            ),
        }
    ),
}

_RULED: dict[str, Ruled] = {
    "privileged": Ruled("privileged"),
    **_each("network_mode pid ipc uts userns_mode cgroup", Ruled("host-namespaces")),
    **_each("devices device_cgroup_rules gpus runtime", Ruled("devices")),
    "security_opt": Ruled("security-opt"),
    "cgroup_parent": Ruled("cgroup-parent"),
    "sysctls": Ruled("sysctls"),
}

_NEVER: dict[str, Refused] = {
    "container_name": Refused(
        "cannot be chosen, containers are named stack-service-N",
        "Leave it out; other services reach this one by its service name.",
    ),
    "volumes_from": Refused(
        "would mount whatever another container has", "Declare named volumes and mount them in both services."
    ),
    "external_links": Refused(
        "would reach containers outside the stack", "Publish a port or an HTTP name of the other stack and use that."
    ),
    "links": Refused(
        "is not needed", "Leave it out: services reach each other by name; for other names write `aliases` in `networks`."
    ),
    "use_api_socket": Refused("would give the container the engine's API", "Leave it out: whoever has that API owns the host."),
    "credential_spec": Refused("is for Windows containers, which do not run here", _OUT),
    "isolation": Refused("is for Windows containers, which do not run here", _OUT),
    "provider": Refused(
        "would run a program of the workstation in the place of the service", "Write the service with an `image`."
    ),
    "mac_address": Refused("cannot be chosen, the platform allocates addresses", _OUT),
    "logging": Refused(
        "cannot be chosen, the platform keeps and rotates the logs", "Leave it out; write logs to stdout and stderr."
    ),
    "oom_kill_disable": Refused("would let a container take the host's memory", "Leave it out and set a limit that fits."),
    "oom_score_adj": Refused("would let a container outlive its neighbours", "Leave it out and set a limit that fits."),
    "storage_opt": Refused("cannot be chosen, the engine's storage is the site's", _OUT),
    "pull_policy": Refused("is not needed, images are pinned by digest", _OUT),
    "attach": Refused("has no meaning on a platform", "Leave it out; read logs with `spin logs`."),
    "develop": Refused("has no meaning on a platform", "Put it into a file that only Docker Compose reads."),
}

_NOT_YET: dict[str, Refused] = {
    "profiles": _later("Put the services into a file of their own and name it with -f."),
    "extends": _later("Use an anchor with `<<`, or several files with -f."),
    "platform": _later(_OUT),
    "annotations": _later("Write `labels`."),
    "label_file": _later("Write `labels`."),
    **_each(
        "dns dns_opt dns_search domainname extra_hosts",
        _later("Leave it out; use service names or full DNS names."),
    ),
    **_each("post_start pre_stop", _later("Do it in the image's entrypoint.")),
    "models": _later("Reach the model through its HTTP address in `environment`."),
    "shm_size": _later('Write `tmpfs: ["/dev/shm:size=64m"]`.'),
    **_each("stdin_open tty ulimits blkio_config", _later(_TO_IMAGE)),
    **_each("mem_limit cpus pids_limit cpu_quota cpu_count cpu_percent", _later(_LIMITS)),
    "mem_reservation": _later("Write it in `deploy.resources.reservations`."),
    **_each(
        "cpu_period cpu_rt_period cpu_rt_runtime cpu_shares cpuset mem_swappiness memswap_limit",
        _later("Leave it out and write `deploy.resources.limits`."),
    ),
    **_each("start_on_create health_check", _later("Leave it out; write `healthcheck`.")),
}

SERVICE = Shape(keys={**_SUPPORTED, **_RULED, **_NEVER, **_NOT_YET})

NETWORK = Shape(
    keys={
        "internal": VALUE,
        "labels": VALUE,
        "name": _NO_NAME,
        "external": _later("Leave it out; stacks reach each other through published ports and HTTP names."),
        **_each(
            "driver driver_opts ipam enable_ipv4 enable_ipv6 attachable",
            Refused("cannot be chosen, the platform makes the networks", _OUT),
        ),
    }
)

VOLUME = Shape(
    keys={
        "labels": VALUE,
        "driver": Ruled("host-path"),
        "driver_opts": Ruled("host-path"),
        "name": _NO_NAME,
        "external": _later("Leave it out; the stack makes its volume, and keeps it when the stack is removed."),
    }
)

CONFIG = Shape(
    keys={
        **_each("file content environment", VALUE),
        "name": _NO_NAME,
        **_each("external labels template_driver", _later("Leave it out; write `file:` or `content:`.")),
    }
)

SECRET = Shape(
    keys={
        **_each("file environment external name", VALUE),
        **_each("labels driver driver_opts template_driver", _later(_OUT)),
    }
)

FILE = Shape(
    keys={
        "name": VALUE,
        "version": VALUE,
        "services": Shape(named=SERVICE),
        "networks": Shape(named=NETWORK),
        "volumes": Shape(named=VOLUME),
        "configs": Shape(named=CONFIG),
        "secrets": Shape(named=SECRET),
        "x-spin": Shape(
            keys={
                "confirm_after": VALUE,
                "tags": VALUE,
                **_each("http hosts", Refused("is for one service", "Write it in the `x-spin` of the service that speaks HTTP.")),
            }
        ),
        "include": _later("Give the files with -f."),
        "models": _later("Reach the model through its HTTP address in `environment`."),
    }
)
"""The whole file."""
