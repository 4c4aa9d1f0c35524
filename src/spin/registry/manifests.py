"""Manifests of images: bytes of a stranger's become what Spin wants to know of them. Docker's schema 2 and OCI's name things alike.

Whatever is not as the specifications say is no image that can be read: None, never an exception.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
IMAGES = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
CONFIGS = frozenset({"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"})
ACCEPT = ", ".join((*INDEXES, *IMAGES))
"""A list of platforms comes first: its digest is right on every engine."""
PLATFORM = ("linux", "amd64")
"""Of several images in an index this one is looked at; where there is none, the first."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
MOST_LAYERS = 1000
"""More than any engine mounts (127)."""
_NOT_AN_IMAGE = "vnd.docker.reference.type"
"""Annotation of BuildKit's attestations, which stand in an index like images."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Of one image: where its configuration is, and its layers."""

    config: str
    """Digest of the configuration."""
    size_bytes: int
    """Sum of the layers, as they are transferred."""
    layers: int


def read_json(body: bytes) -> Any:
    """The value, None where there is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def read_manifest(body: bytes) -> Manifest | str | None:
    """The image's manifest; the digest of the one to look at where it is an index; None where it is neither."""
    document = read_json(body)
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("manifests"), list):
        return _chosen(document["manifests"])
    config, layers = document.get("config"), document.get("layers")
    if not isinstance(config, dict) or not isinstance(layers, list) or len(layers) > MOST_LAYERS:
        return None
    if config.get("mediaType") not in CONFIGS:
        return None
    digest = _digest(config)
    sizes = [_size(layer) for layer in layers]
    return None if digest is None else Manifest(digest, sum(sizes), len(sizes))


def _chosen(entries: list[Any]) -> str | None:
    images = [entry for entry in entries if isinstance(entry, dict) and _digest(entry) and not _is_attestation(entry)]
    best = next((entry for entry in images if _platform(entry) == PLATFORM), images[0] if images else None)
    return None if best is None else _digest(best)


def _is_attestation(entry: Mapping[str, Any]) -> bool:
    annotations = entry.get("annotations")
    return (isinstance(annotations, dict) and _NOT_AN_IMAGE in annotations) or _platform(entry) == ("unknown", "unknown")


def _platform(entry: Mapping[str, Any]) -> tuple[object, object] | None:
    platform = entry.get("platform")
    return (platform.get("os"), platform.get("architecture")) if isinstance(platform, dict) else None


def _digest(entry: Mapping[str, Any]) -> str | None:
    digest = entry.get("digest")
    return digest if isinstance(digest, str) and DIGEST.fullmatch(digest) else None


def _size(layer: Any) -> int:
    size = layer.get("size") if isinstance(layer, dict) else None
    return size if isinstance(size, int) and 0 <= size < 2**50 else 0
