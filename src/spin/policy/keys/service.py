"""Keys of a service."""

from __future__ import annotations

from spin.policy.keys.build import BUILD
from spin.policy.keys.deploy import DEPLOY
from spin.policy.keys.verdicts import VALUE, ByValue, Ignored, Refused, Ruled, Supported, Translated, Verdict, each

_OUT = "Leave it out."
_LIMITS = "Write limits in `deploy.resources.limits`."
_WINDOWS = "is for Windows containers, which do not run here"
_ADDRESS = Refused(
    "cannot be chosen, the platform gives out the addresses",
    "Leave it out; use service names and `aliases`. Each service keeps its address through upgrades.",
)

_PINNED = Ignored("each `up` finds out what the image's tag means, and pins it")


def _later(instead: str) -> Refused:
    return Refused("is not carried out by this version", instead)


PORT = Supported(
    keys={
        **each("target published protocol", VALUE),
        "mode": Translated("`host` and `ingress` are the same: one machine publishes the port"),
        "host_ip": Ruled("host-address"),
        "name": Ignored("a port needs no name here"),
        "app_protocol": Ignored(
            "the platform's proxy knows HTTP from `x-spin`", "Leave it out; for HTTP write `x-spin: {http: PORT}`."
        ),
    }
)

MOUNT = Supported(
    keys={
        **each("type source target read_only", VALUE),
        "volume": Supported(
            keys={
                "nocopy": VALUE,
                "subpath": _later("Give each path a volume of its own."),
                "labels": Ignored(
                    "a volume has its labels from the file's top level", "Write `labels` at the volume, below `volumes:`."
                ),
            }
        ),
        "tmpfs": Supported(keys={"size": VALUE, "mode": VALUE}),
        "bind": Ruled("host-path"),
        "image": Ruled("host-path"),
        "consistency": Ignored("it speaks to Docker Desktop alone"),
    }
)

GRANT = Supported(keys=each("source target uid gid mode", VALUE))

DEPENDENCY = Supported(
    keys={
        "condition": VALUE,
        "required": VALUE,
        "restart": Ignored("services find each other by names that stay when containers change"),
    }
)

ATTACHMENT = Supported(
    keys={
        "aliases": VALUE,
        **each("ipv4_address ipv6_address link_local_ips mac_address", _ADDRESS),
        "interface_name": Refused(
            "cannot be chosen, the engine numbers the interfaces", "Leave it out and bind to all addresses (`0.0.0.0`)."
        ),
        **each(
            "priority gw_priority",
            Ignored("the way out leads over a network that has one", "Leave it out; `internal: true` closes a network."),
        ),
        "driver_opts": Refused("would change the host's side of the network", _OUT),
        "use_service_name_alias": ByValue(
            {"false": Refused("would take the service's own name away", "Leave it out: services are found by their names.")},
            VALUE,
        ),
    }
)

HEALTHCHECK = Supported(keys=each("test interval timeout retries start_period start_interval disable", VALUE))

LABELS = Supported(
    keys={
        "io.rancher.container.start_once": Translated('`true` means `restart: "no"`: the container runs once'),
        "io.rancher.container.pull_image": Translated(
            "is what always happens: each `up` finds out anew what the image's tag means"
        ),
    },
    named=VALUE,
    pairs=True,
)

_EXTENSION = Supported(
    keys={
        **each("http hosts schedule overlap timeout keep", VALUE),
        **each("confirm_after tags", Refused("is for the whole stack", "Write it in an `x-spin` at the top level of the file.")),
    }
)

_SUPPORTED: dict[str, Verdict] = {
    **each(
        "extends profiles label_file image command entrypoint environment env_file expose restart user group_add cap_drop cap_add "
        "read_only tmpfs init "
        "stop_signal stop_grace_period working_dir hostname domainname scale retain_ip tty "
        "stdin_open shm_size extra_hosts dns dns_search dns_opt platform",
        VALUE,
    ),
    "build": BUILD,
    "ports": Supported(items=PORT),
    "volumes": Supported(items=MOUNT),
    "secrets": Supported(items=GRANT),
    "configs": Supported(items=GRANT),
    "networks": Supported(named=ATTACHMENT),
    "depends_on": Supported(named=DEPENDENCY),
    "healthcheck": HEALTHCHECK,
    "ulimits": Supported(named=Supported(keys=each("soft hard", VALUE))),
    "sysctls": VALUE,
    "deploy": DEPLOY,
    "labels": LABELS,
    "x-spin": _EXTENSION,
}

_TRANSLATED: dict[str, Verdict] = {
    "mem_limit": Translated("becomes `deploy.resources.limits.memory`"),
    "mem_reservation": Translated("becomes `deploy.resources.reservations.memory`"),
    "cpus": Translated("becomes `deploy.resources.limits.cpus`"),
    "pids_limit": Translated("becomes `deploy.resources.limits.pids`; -1 and 0 leave it to the site"),
    "cpu_quota": Translated("divided by `cpu_period` it becomes `deploy.resources.limits.cpus`; -1 and 0 leave it to the site"),
    "cpu_period": Translated("is what `cpu_quota` is divided by (100000 where it is left out)"),
    "cpu_shares": Translated("becomes `deploy.resources.reservations.cpus`, 1024 being one core"),
    "container_name": Translated(
        "becomes one more name of the service on its networks; containers are named STACK-SERVICE-N",
        tell="Leave it out if nobody looks for that name: other services reach this one by its service name.",
    ),
    "links": Translated("become aliases of the linked services on the networks that both are on, and `depends_on`"),
    "network_mode": Ruled("host-namespaces"),
    "start_on_create": ByValue(
        {
            "false": Translated(
                "`false` means `scale: 0`: nothing runs until `spin scale` says so",
                tell="Write `scale: 0`, and start it with `spin scale`.",
            )
        },
        VALUE,
    ),
    "upgrade_strategy": Translated(
        "becomes `deploy.update_config`: `start_first` its `order`, `batch_size` its `parallelism`, `interval_millis` its `delay`",
        Supported(keys=each("start_first batch_size interval_millis", VALUE)),
    ),
}

_RULED: dict[str, Verdict] = {
    "privileged": Ruled("privileged"),
    **each("pid ipc uts userns_mode cgroup", Ruled("host-namespaces")),
    **each("devices device_cgroup_rules gpus runtime", Ruled("devices")),
    "security_opt": Ruled("security-opt"),
    "cgroup_parent": Ruled("cgroup-parent"),
}

_IGNORED: dict[str, Verdict] = {
    "logging": Ignored(
        "the platform keeps and rotates the logs", "Leave it out; write logs to stdout and stderr, read them with `spin logs`."
    ),
    "pull_policy": ByValue({"always": Translated("is what always happens")}, _PINNED),
    "pull_refresh_after": _PINNED,
    "attach": Ignored("`spin up` shows no logs", "Leave it out; read logs with `spin logs`."),
    "develop": Ignored("it is for Compose's watch on a workstation"),
    "annotations": Ignored(
        "they speak to the container runtime, which is the site's", "Write `labels` for what people and programs are to read."
    ),
    "blkio_config": Ignored("the platform shares its disks out evenly"),
    "cpuset": Ignored("the platform runs containers on all cores, within their limit", _LIMITS),
    **each("cpu_count cpu_percent", Ignored(f"it {_WINDOWS}; the site's limit holds", _LIMITS)),
    **each("memswap_limit mem_swappiness", Ignored("containers have no swap, their memory limit is the limit", _LIMITS)),
    "oom_score_adj": Ignored("a container is stopped when it goes over its own limit", _LIMITS),
    "storage_opt": Ignored("the engine's storage is the site's", "Leave it out; put data on a volume."),
    "volume_driver": Ignored("the platform decides where a volume lies", "Leave it out; ask the operators where data lies."),
    "health_check": Ignored(
        "it was the check of Rancher's own balancer",
        'Write `healthcheck`, for example `test: ["CMD", "wget", "-qO-", "http://localhost:8080/health"]`; without one the platform '
        "waits until the port of `x-spin: {http: PORT}` takes connections.",
    ),
    **each("metadata drain_timeout_ms", Ignored("it was for Rancher's own services")),
}

_REFUSED: dict[str, Verdict] = {
    "volumes_from": Refused(
        "would mount whatever another container has", "Declare named volumes and mount them in both services."
    ),
    "external_links": Refused(
        "would reach containers outside the stack", "Publish a port or an HTTP name of the other stack and use that."
    ),
    "use_api_socket": Refused("would give the container the engine's API", "Leave it out: whoever has that API owns the host."),
    "credential_spec": Refused(_WINDOWS, _OUT),
    "isolation": ByValue({"default": VALUE}, Refused(_WINDOWS, _OUT)),
    "provider": Refused(
        "would run a program of the workstation in the place of the service", "Write the service with an `image`."
    ),
    "mac_address": _ADDRESS,
    "oom_kill_disable": Refused("would let a container take the host's memory", "Leave it out and set a limit that fits."),
    **each("cpu_rt_period cpu_rt_runtime", Refused("would let the container take the processor from all others", _LIMITS)),
    "umask": Refused(
        "cannot be set from outside by the engine", "Set it in the image: `umask 027` before `exec` in the entrypoint."
    ),
    "models": Refused(
        "would need a model runner beside the stack, and there is none",
        "Reach the model through its HTTP address in `environment`.",
    ),
    **each(
        "post_start pre_stop",
        Refused(
            "would not run when the engine itself starts a crashed container again, so that containers of one service would differ",
            "Do it in the image: an entrypoint that prepares and then `exec`s the program, and that minds its stop signal.",
        ),
    ),
    "pre_start": Refused(
        "would be a container of its own",
        'Write it as a service with `restart: "no"`, and wait for it: `depends_on: {init: {condition: service_completed_successfully}}`.',
    ),
    "lb_config": Refused(
        "was for Rancher's balancer", "Write `x-spin: {http: PORT, hosts: [NAME]}` at the service that is to be reached."
    ),
}

SERVICE = Supported(keys={**_SUPPORTED, **_TRANSLATED, **_RULED, **_IGNORED, **_REFUSED})
