"""What the Docker here knows of a stack's images: for `spin check` where no platform is asked, before anything is pushed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spin.cli import docker
from spin.errors import Failed
from spin.model.image import ImageFacts, read_facts
from spin.model.stack import StackSpec

PATIENCE = 5.0
"""Seconds for Docker to answer: a check does not wait for an engine that hangs."""


def facts_here(spec: StackSpec) -> dict[str, ImageFacts]:
    """Facts by reference, of the images that are here. None where there is no Docker, or it does not answer."""
    wanted = {shown(s.image.reference): s.image.reference for s in spec.services}
    try:
        found = docker.inspect_images(list(wanted), timeout=PATIENCE)
    except Failed:
        return {}
    return {wanted[name]: _facts(image) for image in found for name in _names(image) if name in wanted}


def shown(reference: str) -> str:
    """The reference as Docker shows it: without the name of its hub."""
    return reference.removeprefix("docker.io/").removeprefix("library/") if reference.startswith("docker.io/") else reference


def _names(image: Mapping[str, Any]) -> Iterator[str]:
    for key in ("RepoTags", "RepoDigests"):
        yield from (name for name in image.get(key) or () if isinstance(name, str))


def _facts(image: Mapping[str, Any]) -> ImageFacts:
    """The size is that of the unpacked layers: Docker keeps no other."""
    size, root = image.get("Size"), image.get("RootFS")
    layers = root.get("Layers") if isinstance(root, dict) else None
    return read_facts(
        {"config": image.get("Config"), "created": image.get("Created")},
        size_bytes=size if isinstance(size, int) else None,
        layers=len(layers) if isinstance(layers, list) else 0,
    )
