"""Admission's rules, one a file, each with a code, a severity, a message and what to write instead.

Pure. `audit` gives every finding of a stack at once; whether one of severity REFUSE stops the change is the use case's step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from spin.model.feature import Feature
from spin.model.finding import Description, Finding, Severity
from spin.model.stack import StackSpec
from spin.model.submission import Submission
from spin.policy import (
    anonymous_volume,
    background_process,
    beyond,
    capabilities,
    ceilings,
    cgroup_parent,
    database_scaled,
    devices,
    dns,
    edge_tls,
    engine_lacks,
    extra_hosts,
    filesystem_capabilities,
    filesystem_depth,
    filesystem_environment,
    filesystem_group,
    filesystem_home,
    filesystem_link,
    filesystem_missing,
    filesystem_public_write,
    filesystem_read_only,
    filesystem_root,
    filesystem_traverse,
    filesystem_unknown,
    filesystem_user,
    filesystem_write,
    foreign_service,
    health_shell,
    heavy_compute,
    host_address,
    host_namespaces,
    host_path,
    host_reserved,
    identity_service,
    ignored_key,
    image_age,
    image_health,
    image_ports,
    image_root,
    image_size,
    image_source,
    job_form,
    job_often,
    job_timeout,
    latest,
    log_file,
    login_service,
    loopback_port,
    memory_files,
    network_count,
    no_limits,
    own_hosts,
    plain_secret,
    privileged,
    published_ports,
    refused_key,
    replica_count,
    replicated_port,
    reserved_labels,
    rollback_config,
    secret_names,
    security_opt,
    service_addresses,
    service_count,
    service_names,
    several_concerns,
    shared_volume,
    stack_size,
    stack_tags,
    sysctls,
    tag_reused,
    translated_key,
    ulimits,
    unknown_key,
    unofficial_image,
    update_order,
    volume_names,
)
from spin.policy.case import NOTHING, Case, Known, Parameter, Place, Rule
from spin.policy.defaults import apply_defaults
from spin.policy.ground import NOTHING_KNOWN, Ground, Runner
from spin.site import Site

RULES: tuple[Rule, ...] = (
    privileged.RULE,
    host_namespaces.RULE,
    devices.RULE,
    host_path.RULE,
    capabilities.RULE,
    filesystem_user.RULE,
    filesystem_group.RULE,
    filesystem_capabilities.RULE,
    filesystem_home.RULE,
    filesystem_root.RULE,
    filesystem_read_only.RULE,
    filesystem_public_write.RULE,
    security_opt.RULE,
    cgroup_parent.RULE,
    sysctls.RULE,
    ulimits.RULE,
    memory_files.RULE,
    extra_hosts.RULE,
    dns.RULE,
    published_ports.RULE,
    host_address.RULE,
    loopback_port.RULE,
    edge_tls.RULE,
    image_source.RULE,
    own_hosts.RULE,
    host_reserved.RULE,
    reserved_labels.RULE,
    anonymous_volume.RULE,
    replicated_port.RULE,
    job_form.RULE,
    service_count.RULE,
    replica_count.RULE,
    network_count.RULE,
    ceilings.RULE,
    stack_size.RULE,
    login_service.RULE,
    database_scaled.RULE,
    unknown_key.RULE,
    refused_key.RULE,
    ignored_key.RULE,
    translated_key.RULE,
    shared_volume.RULE,
    stack_tags.RULE,
    identity_service.RULE,
    heavy_compute.RULE,
    plain_secret.RULE,
    image_ports.RULE,
    tag_reused.RULE,
    image_size.RULE,
    background_process.RULE,
    foreign_service.RULE,
    filesystem_depth.RULE,
    filesystem_write.RULE,
    update_order.RULE,
    rollback_config.RULE,
    health_shell.RULE,
    service_names.RULE,
    volume_names.RULE,
    secret_names.RULE,
    latest.RULE,
    unofficial_image.RULE,
    several_concerns.RULE,
    log_file.RULE,
    image_root.RULE,
    image_health.RULE,
    image_age.RULE,
    no_limits.RULE,
    job_timeout.RULE,
    job_often.RULE,
)
"""Every rule, in the order in which findings are shown: what is refused first."""

GROUNDED: tuple[Rule, ...] = (
    filesystem_environment.RULE,
    filesystem_missing.RULE,
    filesystem_link.RULE,
    filesystem_traverse.RULE,
    filesystem_unknown.RULE,
)
"""Rules that find something only where facts of this one change are known (`Ground`)."""

WITHOUT_ADDRESSES: tuple[Rule, ...] = (service_addresses.RULE,)
"""Rules for a stack on an engine that gives its services no stable addresses."""

DESCRIPTIONS: tuple[Description, ...] = (*RULES, *GROUNDED, *WITHOUT_ADDRESSES, engine_lacks.RULE, *beyond.BEYOND)
"""All that admission can find, in this order."""

MOST_FINDINGS = 200
"""Most findings of one rule: more help nobody, and a document may be made to give millions."""


def audit(
    submission: Submission, spec: StackSpec, site: Site, known: Known = NOTHING, ground: Ground = NOTHING_KNOWN
) -> tuple[Finding, ...]:
    """Every finding about the stack. `spec` is what `submission` was lowered to; `known` what registries and the store say of it;
    `ground` what is known of this change.

    Rules about the Compose file look at the submission's document, all others at `spec`: a stack that comes without a document
    (promotion, scaling) is audited with `Submission({})`. The submission's own notices are not repeated.
    """
    case = Case(submission.document, spec, site, known, ground=ground)
    return _judge((*RULES, *GROUNDED), case, submission.positions)


def audit_engine(spec: StackSpec, site: Site, positions: Mapping[str, str], *, service_addresses: bool) -> tuple[Finding, ...]:
    """What it means to the stack whether the engine gives stable addresses; none of it stops the change."""
    return () if service_addresses else _judge(WITHOUT_ADDRESSES, Case({}, spec, site), positions)


def audit_features(
    spec: StackSpec, site: Site, positions: Mapping[str, str], *, kind: str, lacks: Iterable[Feature], platform: str = ""
) -> tuple[Finding, ...]:
    """What an engine of that kind cannot do for the stack. `platform`: what it runs images for; empty where it does not say."""
    return _judge([engine_lacks.of(kind, sorted(lacks, key=lambda f: f.value), platform)], Case({}, spec, site), positions)


def _judge(rules: Iterable[Rule], case: Case, positions: Mapping[str, str]) -> tuple[Finding, ...]:
    return tuple(finding for rule in rules for finding in islice(rule.findings(case, positions), MOST_FINDINGS))


def refusals(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Those that stop the change."""
    return tuple(f for f in findings if f.severity is Severity.REFUSE)


__all__ = [
    "DESCRIPTIONS",
    "GROUNDED",
    "RULES",
    "WITHOUT_ADDRESSES",
    "Case",
    "Ground",
    "Known",
    "Parameter",
    "Place",
    "Rule",
    "Runner",
    "apply_defaults",
    "audit",
    "audit_engine",
    "audit_features",
    "refusals",
]
