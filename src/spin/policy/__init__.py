"""Admission's rules, one a file, each with a code, a severity, a message and what to write instead.

Pure. `audit` gives every finding of a stack at once; whether one of severity REFUSE stops the change is the use case's step.
"""

from __future__ import annotations

from spin.model.finding import Finding, Severity
from spin.model.stack import StackSpec
from spin.model.submission import Submission
from spin.policy import (
    anonymous_volume,
    capabilities,
    cgroup_parent,
    devices,
    host_address,
    host_namespaces,
    host_path,
    image_source,
    latest,
    own_hosts,
    privileged,
    published_ports,
    replica_count,
    replicated_port,
    reserved_labels,
    security_opt,
    service_count,
    service_names,
    shared_volume,
    sysctls,
    unknown_key,
)
from spin.policy.case import Case, Place, Rule
from spin.policy.defaults import apply_defaults
from spin.site import Site

RULES: tuple[Rule, ...] = (
    privileged.RULE,
    host_namespaces.RULE,
    devices.RULE,
    host_path.RULE,
    capabilities.RULE,
    security_opt.RULE,
    cgroup_parent.RULE,
    sysctls.RULE,
    published_ports.RULE,
    host_address.RULE,
    image_source.RULE,
    own_hosts.RULE,
    reserved_labels.RULE,
    anonymous_volume.RULE,
    replicated_port.RULE,
    service_count.RULE,
    replica_count.RULE,
    unknown_key.RULE,
    shared_volume.RULE,
    service_names.RULE,
    latest.RULE,
)
"""Every rule, in the order in which findings are shown: what is refused first."""

MOST_FINDINGS = 200
"""Most findings of one rule: more help nobody, and a document may be made to give millions."""


def audit(submission: Submission, spec: StackSpec, site: Site) -> tuple[Finding, ...]:
    """Every finding about the stack. `spec` is what `submission` was lowered to.

    Rules about the Compose file look at the submission's document, all others at `spec`: a stack that comes without a document
    (promotion, scaling) is audited with `Submission({})`. The submission's own notices are not repeated.
    """
    case = Case(submission.document, spec, site)
    found: list[Finding] = []
    for rule in RULES:
        for count, finding in enumerate(rule.findings(case, submission.positions)):
            if count == MOST_FINDINGS:
                break
            found.append(finding)
    return tuple(found)


def refusals(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Those that stop the change."""
    return tuple(f for f in findings if f.severity is Severity.REFUSE)


__all__ = ["RULES", "Case", "Place", "Rule", "apply_defaults", "audit", "refusals"]
