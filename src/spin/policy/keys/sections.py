"""Keys at the top level of a file, and of networks, volumes, configs and secrets."""

from __future__ import annotations

from spin.policy.keys.service import SERVICE
from spin.policy.keys.verdicts import VALUE, ByValue, Ignored, Refused, Ruled, Supported, Translated, each

_OWN_NAME = Ignored(
    "the platform names things by project, environment and stack, so that stacks do not meet",
    "Leave it out; the key is its name here.",
)
_MODELS = Refused(
    "would need a model runner beside the stack, and there is none", "Reach the model through its HTTP address in `environment`."
)

_BRIDGE_OPTIONS = Ignored("the platform makes the networks, each a bridge of its own")

NETWORK = Supported(
    keys={
        **each("internal labels", VALUE),
        "name": _OWN_NAME,
        "external": ByValue(
            {"false": VALUE},
            Refused(
                "would join the stack to a network of others",
                "Leave it out: for HTTP write `x-spin: {http: PORT}`, and the platform's proxy reaches the service on any network; "
                "for the rest publish a port.",
            ),
        ),
        "driver": ByValue(
            {
                "bridge": VALUE,
                "default": VALUE,
                "overlay": Ignored("there is one machine, so the network is a bridge"),
            },
            Refused("would open the host's own network to the containers", "Leave it out: each network is a bridge of its own."),
        ),
        "driver_opts": Supported(
            keys={
                "com.docker.network.bridge.enable_icc": Refused(
                    "is not carried out: services of one network reach each other",
                    "Leave it out, and give services that must not meet different `networks`.",
                ),
                "com.docker.network.bridge.enable_ip_masquerade": Refused(
                    "would change the way out", "Leave it out; write `internal: true`."
                ),
            },
            named=_BRIDGE_OPTIONS,
        ),
        "ipam": Ignored(
            "the platform gives out the subnets, so that no two stacks collide",
            "Leave it out; use service names in the place of addresses.",
        ),
        "attachable": Ignored("only the stack's own containers join its networks"),
        **each(
            "enable_ipv4 enable_ipv6",
            Ignored("networks inside the platform are IPv4", "Leave it out; visitors come through the proxy."),
        ),
    }
)

VOLUME = Supported(
    keys={
        "labels": VALUE,
        "driver": ByValue(
            {"local": VALUE},
            Ignored("the platform decides where a volume lies", "Leave it out; ask the operators where data lies."),
        ),
        "driver_opts": Ruled("host-path"),
        "name": _OWN_NAME,
        "external": ByValue(
            {"false": VALUE},
            Translated(
                "is the stack's own volume of that key: with its data, where the stack has had it before, else new and empty; volumes of "
                "other stacks are not reached",
                tell="Leave it out: each stack makes its volumes, and keeps them when it is removed.",
            ),
        ),
    }
)

CONFIG = Supported(
    keys={
        **each("file content environment", VALUE),
        "name": _OWN_NAME,
        "labels": Ignored("a config is a part of the stack's revision and has no labels"),
        "external": Refused(
            "names what is not in the file, and configs are kept with the stack alone", "Write `file:` or `content:`."
        ),
        "template_driver": Refused(
            "would have the engine fill in templates", "Write the finished text in `content:`, with `${VARIABLE}`."
        ),
    }
)

SECRET = Supported(
    keys={
        **each("file environment external name", VALUE),
        "labels": Ignored("secrets have no labels"),
        **each("driver driver_opts", Refused("names another store of secrets", "Leave it out: `spin secret create` stores it.")),
        "template_driver": Refused("would have the engine fill in templates", "Write the finished content into the secret."),
    }
)

_EXTENSION = Supported(
    keys={
        **each("confirm_after tags", VALUE),
        **each("http hosts", Refused("is for one service", "Write it in the `x-spin` of the service that speaks HTTP.")),
        **each(
            "schedule overlap timeout keep",
            Refused("is for one service", "Write it in the `x-spin` of the service that is to run."),
        ),
    }
)

FILE = Supported(
    keys={
        "name": VALUE,
        "version": Translated("is read and means nothing: one set of keys holds for all versions"),
        "services": Supported(named=SERVICE),
        "networks": Supported(named=NETWORK),
        "volumes": Supported(named=VOLUME),
        "configs": Supported(named=CONFIG),
        "secrets": Supported(named=SECRET),
        "x-spin": _EXTENSION,
        "include": VALUE,
        "models": _MODELS,
        "jobs": Refused(
            "are not read by this version",
            'Write a service with `x-spin: {schedule: "15 3 * * *"}`; or one that ends by itself, with `restart: "no"`: it runs at each '
            "`up` that changes it.",
        ),
    }
)
"""The whole file."""
