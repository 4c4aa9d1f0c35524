"""The health checks of containers, and their last answers."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from spin.engines.docker import labels
from spin.engines.docker.observe import moment
from spin.model.names import InstanceId, container_name
from spin.model.why import ProbeAnswer, Probed

OUTPUT = 500
"""Characters of an answer's output that are kept, the last ones: the engine has 4096."""


def probed(inspected: Mapping[str, Any]) -> Probed | None:
    """The health check of a container; None where it has none. The engine remembers the last five answers."""
    config, marks = inspected["Config"], inspected["Config"]["Labels"]
    test = command((config.get("Healthcheck") or {}).get("Test") or ())
    key = labels.key_of(marks)
    if not test or key is None:
        return None
    service = marks[labels.SERVICE]
    log = (inspected["State"].get("Health") or {}).get("Log") or ()
    return Probed(
        id=InstanceId(inspected["Id"]),
        container=container_name(key.stack, service, int(marks[labels.SLOT])),
        service=service,
        test=test,
        answers=tuple(ProbeAnswer(moment(a["End"]), int(a["ExitCode"]), a.get("Output", "").strip()[-OUTPUT:]) for a in log),
    )


def command(test: Iterable[str]) -> str:
    """A health check's `test` as people write it; empty where it is none, or left to the image and unknown here."""
    kind, *words = (*test, "")[: len(tuple(test)) or 1]
    return words[0] if kind == "CMD-SHELL" and words else shlex.join(words) if kind == "CMD" else ""
