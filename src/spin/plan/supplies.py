"""What containers need before they can be created, and what can go when no container needs it any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spin.model.observed import Snapshot
from spin.model.steps import (
    DeliverFiles,
    EnsureNetwork,
    EnsureVolume,
    PullImage,
    RemoveFiles,
    RemoveNetwork,
    RemoveVolume,
    Step,
)
from spin.plan.desired import Desired, DesiredService
from spin.plan.services import Survey


def is_supplied(service: DesiredService, observed: Snapshot) -> bool:
    """Everything is there for creating a container of `service`."""
    return (
        service.spec.image.pinned in observed.images
        and all(n.name in observed.networks for n in service.networks)
        and all(v.name in observed.volumes for v in service.volumes)
        and not lacks_files(service, observed)
    )


def supply(services: Sequence[DesiredService], running: Sequence[DesiredService], observed: Snapshot) -> list[Step]:
    """What has to be fetched or made for `services`: each thing once, whoever needs it. A network that somebody has removed is made
    again for those that are to be `running`, whether or not they need anything else."""
    pulls = _users((s.spec.image.pinned, s.name) for s in services if s.spec.image.pinned not in observed.images)
    networks = {n.name: n for s in running for n in s.networks if n.name not in observed.networks}
    volumes = {v.name: v for s in services for v in s.volumes if v.name not in observed.volumes}
    network_users = _users((n.name, s.name) for s in running for n in s.networks)
    volume_users = _users((v.name, s.name) for s in services for v in s.volumes)
    return [
        *(PullImage(pinned, f"for {', '.join(users)}") for pinned, users in sorted(pulls.items())),
        *(EnsureNetwork(networks[name], f"for {', '.join(network_users[name])}") for name in sorted(networks)),
        *(EnsureVolume(volumes[name], f"for {', '.join(volume_users[name])}") for name in sorted(volumes)),
        *(_deliver(s) for s in services if s.spec.image.pinned in observed.images and lacks_files(s, observed)),
    ]


def clear_away(desired: Desired, found: Survey, observed: Snapshot) -> list[Step]:
    """What no container uses any more and none will. Volumes only when the whole stack goes and a person has approved it."""
    steps: list[Step] = []
    wanted_files = {(s.name, s.digest) for s in (*desired.services, *desired.jobs)}
    used_files = {(i.service, i.digest) for i in observed.instances}
    for service, digest in sorted(set(observed.files) - wanted_files - used_files):
        steps.append(RemoveFiles(service, digest, "no container uses them any more"))
    # Which networks an outdated container has joined is not known; those of the wanted templates join wanted networks only.
    outdated = bool(found.strays) or any(not view.is_current(i) for view in found.views for i in view.leftovers)
    current = {(s.name, s.digest) for s in desired.jobs}
    outdated = outdated or any((i.service, i.digest) not in current for i in observed.instances if desired.run_of(i) is not None)
    if not outdated:
        unused = sorted(set(observed.networks) - set(desired.networks))
        steps += [RemoveNetwork(name, "no container is attached to it any more") for name in unused]
    if desired.removed and desired.remove_volumes and not observed.instances:
        steps += [RemoveVolume(name, "its removal was asked for with the stack's") for name in sorted(observed.volumes)]
    return steps


def lacks_files(service: DesiredService, observed: Snapshot) -> bool:
    """Its configs and secrets are not on the engine: not yet, or not any more."""
    return service.has_files and (service.name, service.digest) not in observed.files


def _deliver(service: DesiredService) -> Step:
    cause = " and ".join(word for word, grants in (("configs", service.configs), ("secrets", service.secrets)) if grants)
    return DeliverFiles(service.name, service.digest, service.spec.image.pinned, service.configs, service.secrets, f"its {cause}")


def _users(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for thing, user in pairs:
        found.setdefault(thing, []).append(user)
    return found
