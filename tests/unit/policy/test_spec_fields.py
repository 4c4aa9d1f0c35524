"""A verb without a document (promote, scale, rollback) passes on a spec: each of its fields has somebody who judges it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from spin.model.stack import ServiceSpec, StackSpec

JUDGED_IN_SPEC = {
    StackSpec: {
        "services": "service_count",
        "networks": "reserved_labels",
        "volumes": "reserved_labels",
        "configs": "bounded by lowering; files in the stack's own volumes",
        "secrets": "admission: secret-missing",
        "confirm_after_ms": "a wish about upgrades",
        "tags": "stack_tags",
    },
    ServiceSpec: {
        "name": "service_names; characters by lowering",
        "image": "image_source, latest, admission: image-missing",
        "labels": "reserved_labels",
        "cap_add": "capabilities",
        "ports": "published_ports, replicated_port, admission: port-taken",
        "http": "own_hosts, host_reserved, admission: host-taken",
        "mounts": "shared_volume; named volumes of the stack only, by type",
        "binds": "host_path, filesystem_*; resolved and checked once more by the engine",
        "replicas": "replica_count",
        "update": "update_order",
        "retain_ip": "service_addresses",
        "schedule": "job_form, job_timeout, job_often; its form by lowering",
        "user": "inside the container; filesystem_user, filesystem_traverse",
        "group_add": "inside the container; filesystem_group, filesystem_traverse",
        "restart": "service_addresses",
        "networks": "networks of the stack only, by lowering",
        "shm_bytes": "memory_files",
        "ulimits": "ulimits; engine_lacks",
        "sysctls": "sysctls; engine_lacks",
        "extra_hosts": "extra_hosts; engine_lacks",
        "dns": "dns; engine_lacks",
        "platform": "engine_lacks",
        **dict.fromkeys(
            (
                *("command", "entrypoint", "environment", "read_only", "init", "working_dir", "hostname"),
                *("stop_signal", "stop_grace_ms", "restart_limit", "healthcheck", "expose", "tmpfs", "secrets", "configs"),
                *("depends_on", "resources", "tty", "stdin_open", "domainname"),
            ),
            "inside the container, or within the platform's limits",
        ),
    },
}
"""Who judges each field of what reaches an engine. A field without a row is a way past the audit until somebody has thought about it."""


@pytest.mark.parametrize("kind", JUDGED_IN_SPEC, ids=lambda kind: kind.__name__)
def test_every_field_that_reaches_an_engine_has_been_thought_about(kind: Any) -> None:
    """Promotion, scaling and rolling back have no document: what they pass on is in these fields, and nowhere else."""
    assert {field.name for field in fields(kind)} == set(JUDGED_IN_SPEC[kind])
