"""What differs between two states of a stack, in the words of the Compose file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from spin.model.stack import Image, Network, ServiceSpec, StackSpec, Volume, template_digest
from spin.plan.masking import masked
from spin.plan.wording import stack_words, words_of

Versions = tuple[tuple[str, int], ...]


class Action(Enum):
    """What happens to a part of the stack."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One key, by its dotted path within the part; None where it is not there. Secret values are masked."""

    key: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class ServiceChange:
    name: str
    action: Action
    replaces: bool = False
    """Its containers are exchanged for new ones. False where only their number, order or host names change, or how they are exchanged."""
    keys: tuple[KeyChange, ...] = ()

    @property
    def only_scales(self) -> bool:
        return self.action is Action.CHANGE and not self.replaces and [k.key for k in self.keys] == ["replicas"]


@dataclass(frozen=True, slots=True)
class PartChange:
    """A network or a volume."""

    name: str
    action: Action
    keys: tuple[KeyChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """All parts of both states, sorted by name; those that stay as they are too."""

    services: tuple[ServiceChange, ...] = ()
    networks: tuple[PartChange, ...] = ()
    volumes: tuple[PartChange, ...] = ()
    stack: tuple[KeyChange, ...] = ()
    """Keys of the stack itself; none for a stack that does not exist yet."""

    @property
    def empty(self) -> bool:
        parts: tuple[ServiceChange | PartChange, ...] = (*self.services, *self.networks, *self.volumes)
        return not self.stack and all(part.action is Action.UNCHANGED for part in parts)

    @property
    def summary(self) -> str:
        """Such as `web changed, db added`; the services first, then networks and volumes."""
        said = {Action.ADD: "added", Action.CHANGE: "changed", Action.REMOVE: "removed"}
        parts: tuple[ServiceChange | PartChange, ...] = (*self.services, *self.networks, *self.volumes)
        found = [f"{part.name} {said[part.action]}" for part in parts if part.action in said]
        return ", ".join(found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "") if found else "nothing differs"

    def service(self, name: str) -> ServiceChange | None:
        return next((s for s in self.services if s.name == name), None)


def compare(
    old: StackSpec | None,
    new: StackSpec,
    *,
    old_secrets: Iterable[tuple[str, int]] = (),
    new_secrets: Iterable[tuple[str, int]] = (),
) -> Changes:
    """What `new` changes. `old` is None for a stack that does not exist yet; the secrets are (stored name, version) pairs.

    A volume that is no longer named is said to be removed from the stack; its data is kept.
    """
    before = old if old is not None else StackSpec(services=(), networks=())
    was, becomes = tuple(old_secrets), tuple(new_secrets)
    return Changes(
        tuple(_service(name, before, new, was, becomes) for name in _names(before.services, new.services)),
        tuple(_part(name, before.networks, new.networks) for name in _names(before.networks, new.networks)),
        tuple(_part(name, before.volumes, new.volumes) for name in _names(before.volumes, new.volumes)),
        () if old is None else tuple(_keys(stack_words(old), stack_words(new))),
    )


def _names(*groups: Iterable[ServiceSpec | Network | Volume]) -> list[str]:
    return sorted({part.name for group in groups for part in group})


def _service(name: str, old: StackSpec, new: StackSpec, was: Versions, becomes: Versions) -> ServiceChange:
    before, after = old.service(name), new.service(name)
    if before is None:
        return ServiceChange(name, Action.ADD)
    if after is None:
        return ServiceChange(name, Action.REMOVE)
    differs = template_digest(old, before, was) != template_digest(new, after, becomes)
    replaces = differs and (before.schedule is None or after.schedule is None)  # a job's next run is made anew in any case
    keys = [
        *_image(before.image, after.image),
        *_keys(words_of(old, before, was), words_of(new, after, becomes)),
    ]
    return ServiceChange(name, Action.CHANGE if keys or differs else Action.UNCHANGED, replaces, tuple(keys))


def _image(old: Image, new: Image) -> Iterable[KeyChange]:
    """Compared by digest where both have one: a tag may have moved, and two tags may name one image."""
    pinned = old.digest is not None and new.digest is not None
    if (old.digest != new.digest) if pinned else (old.reference != new.reference):
        yield KeyChange("image", _image_text(old), _image_text(new))


def _image_text(image: Image) -> str:
    name = image.reference.partition("@")[0]
    return name if image.digest is None else f"{name} ({image.digest.removeprefix('sha256:')[:12]})"


def _part(name: str, old: Iterable[Network | Volume], new: Iterable[Network | Volume]) -> PartChange:
    before = next((p for p in old if p.name == name), None)
    after = next((p for p in new if p.name == name), None)
    if before is None or after is None:
        return PartChange(name, Action.ADD if before is None else Action.REMOVE)
    keys = tuple(_keys(_part_words(before), _part_words(after)))
    return PartChange(name, Action.CHANGE if keys else Action.UNCHANGED, keys)


def _part_words(part: Network | Volume) -> dict[str, str]:
    words = {f"labels.{key}": value for key, value in part.labels}
    if isinstance(part, Network) and part.internal:
        words["internal"] = "true"
    return words


def _keys(old: dict[str, str], new: dict[str, str]) -> Iterable[KeyChange]:
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if before != after:
            yield KeyChange(key, _shown(key, before), _shown(key, after))


def _shown(key: str, value: str | None) -> str | None:
    """Only what users write freely can hide a secret; a `secrets` key names one and shows its version."""
    if value is None:
        return None
    head, _, name = key.partition(".")
    if head in ("environment", "labels"):
        return masked(name, value)
    return masked("", value) if head in ("command", "entrypoint", "healthcheck") else value
