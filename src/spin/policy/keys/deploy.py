"""Keys below `deploy`."""

from __future__ import annotations

from spin.policy.keys.verdicts import VALUE, ByValue, Ignored, Refused, Ruled, Supported, Translated, each

UPDATE = Supported(keys=each("parallelism delay failure_action monitor max_failure_ratio order", VALUE))

_RESTART = Supported(
    keys={
        **each("condition max_attempts", VALUE),
        **each("delay window", Ignored("the platform waits longer after each attempt, by a plan of its own")),
    }
)

_RESERVATIONS = Supported(
    keys={
        **each("cpus memory", VALUE),
        "devices": Ruled("devices"),
        "generic_resources": Refused(
            "asks for special hardware of a Swarm", "Leave it out; ask the operators if the service needs it."
        ),
        "pids": Ignored("processes are limited, not set aside", "Write `limits: {pids: …}`."),
    }
)

DEPLOY = Supported(
    keys={
        "replicas": VALUE,
        "resources": Supported(keys={"limits": Supported(keys=each("cpus memory pids", VALUE)), "reservations": _RESERVATIONS}),
        "update_config": UPDATE,
        "rollback_config": UPDATE,
        "restart_policy": Translated(
            "becomes the service's `restart`, and wins over it as with Compose (`any` is `always`, `none` is `no`)", _RESTART
        ),
        "labels": Translated("become labels of the containers, where `labels` of the service says nothing else"),
        "mode": ByValue(
            {
                "replicated": VALUE,
                "replicated-job": Translated('runs to its end and is not restarted, as with `restart: "no"`'),
                "global-job": Translated('runs to its end in one container, as with `restart: "no"`'),
                "global": Translated(
                    "becomes one container: there is one machine", tell="Write `replicas` to say how many containers there are."
                ),
            },
            Refused("is no way in which services run here", "Leave it out and write `replicas`."),
        ),
        "endpoint_mode": Ignored(
            "how a service's address leads to its containers is the platform's", "Leave it out; use the service's name."
        ),
        "placement": Ignored("the platform chooses where containers run"),
    }
)
