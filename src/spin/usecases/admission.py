"""Admission: the one gate through which every revision passes, whichever verb makes it.

It has two halves. `examine` does what needs registries and engines: read the document, audit it, pin the images, apply the
defaults, ask whether the ports are free. `admit` does what needs the store, within the caller's transaction: names, ports and
hosts that others hold, and secrets. Problems of both halves are told together, and nothing is written unless there are none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from spin.access import Action
from spin.compose import lower
from spin.errors import Conflict, EngineUnavailable, InvalidInput, NotFound, Refused, RegistryUnavailable
from spin.model.finding import Finding, Severity
from spin.model.names import DeploymentKey, EnvironmentName, StackName, check_name
from spin.model.principal import Principal
from spin.model.revision import Deployment, Revision
from spin.model.stack import Port, StackSpec
from spin.model.submission import Submission, locate
from spin.policy import apply_defaults, audit, audit_engine, audit_features
from spin.policy.beyond import PORTS_OF_ENGINE, SECRET_MISSING
from spin.ports.engine import Engine
from spin.ports.store import UnitOfWork
from spin.site import Site
from spin.usecases.claims import claims_of, held_by_others, port_taken
from spin.usecases.grounds import ground_of
from spin.usecases.images import pin
from spin.usecases.known import known_of
from spin.usecases.operate import refuse_removed
from spin.usecases.platform import Platform
from spin.usecases.problems import Problem, raise_if_any, refusal
from spin.usecases.rights import allow, check_generation, readable
from spin.usecases.secrets import check_secret

OWNER = "owner"
"""The tag that every stack has."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stack that somebody wants, after the first half."""

    key: DeploymentKey
    spec: StackSpec
    findings: tuple[Finding, ...] = ()
    """Those that do not stop it."""
    problems: tuple[Problem, ...] = ()
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """New values by stored name."""
    positions: Mapping[str, str] = field(default_factory=dict, repr=False)
    unreachable: EngineUnavailable | None = None
    """The engine did not answer when it was asked about ports."""
    versions: tuple[tuple[str, int], ...] | None = None
    """The versions of secrets that an earlier revision had; None: the newest."""


@dataclass(frozen=True, slots=True)
class Current:
    """What is wanted of the deployment so far; nothing for a new one."""

    deployment: Deployment | None = None
    revision: Revision | None = None

    @property
    def generation(self) -> int:
        return 0 if self.deployment is None else self.deployment.generation

    @property
    def spec(self) -> StackSpec | None:
        return None if self.revision is None else self.revision.spec

    @property
    def secret_versions(self) -> tuple[tuple[str, int], ...]:
        return () if self.revision is None else self.revision.secret_versions


async def target(
    platform: Platform,
    work: UnitOfWork,
    principal: Principal,
    action: Action,
    project: str,
    environment: str,
    stack: str,
    *,
    expect_generation: int | None = None,
) -> tuple[DeploymentKey, Current]:
    """The deployment that a new revision is for, which need not exist yet.

    Raises NotFound and NotAllowed (see `rights.allow`), InvalidInput for a name no stack can have, and Conflict: the name is
    taken in this environment, the project has as many stacks there as it may, the stack is being removed, or it is no longer at
    `expect_generation`.
    """
    name = await allow(work, principal, action, project)
    where = EnvironmentName(platform.environment(environment).name)
    key = DeploymentKey(name, where, StackName(check_name("stack", stack)))
    holder = await work.holder(where, key.stack)
    if holder is not None and holder.project != name:
        whose = f"project {holder.project!r}" if readable(principal, holder.project) else "another project"
        raise Conflict(
            f"The name {stack!r} is taken in {where} by {whose}: choose another with `--stack`.", environment=where, stack=stack
        )
    deployment = await work.deployment(key)
    current = Current() if deployment is None else Current(deployment, await work.revision(key, deployment.revision))
    if deployment is not None:
        refuse_removed(deployment)
    elif len(await work.deployments(name, where)) >= (most := platform.site.limits.stacks):
        raise Conflict(
            f"Project {name!r} has {most} stacks in {where}, and this site allows no more: remove one that nobody needs "
            "(`spin rm`), or ask the operators.",
            environment=where,
            most=most,
        )
    check_generation(key, expect_generation, current.generation)
    return key, current


async def examine(
    platform: Platform, principal: Principal, key: DeploymentKey, submission: Submission, current: Current
) -> Candidate:
    """The first half for a document, which is to follow on `current`. Raises InvalidInput, RegistryUnavailable."""
    owner = dict(current.spec.tags if current.spec else ()).get(OWNER, principal.user)
    spec = await asyncio.to_thread(_read, submission, key, platform.site, owner)
    secrets = _stored_values(spec, submission.secrets, by_stored_name=False)
    unreachable: RegistryUnavailable | None = None
    pinned, missing = spec, list[Problem]()
    try:
        pinned, missing = await pin(platform, principal, key, spec)
    except RegistryUnavailable as error:
        unreachable = error
    known = await known_of(platform, principal, key, pinned)
    ground = await ground_of(platform, principal, key, spec)
    found = await asyncio.to_thread(audit, submission, pinned, platform.site, known, ground)
    if unreachable is not None and all(f.severity is not Severity.REFUSE for f in found):
        raise unreachable  # what is wrong with the document can be told without the registry
    findings = (*submission.notices, *found)
    return await _complete(platform, key, pinned, findings, missing, secrets, submission.positions)


async def reexamine(
    platform: Platform, principal: Principal, key: DeploymentKey, spec: StackSpec, secrets: Mapping[str, bytes], *, moved: bool
) -> Candidate:
    """The first half for the state of another deployment (`moved`), where the ports may be taken and the images must still be there,
    or of the desired revision with small changes: today's rules, that revision's digests.

    `secrets` by their name in the Compose file or in the store. Raises InvalidInput, RegistryUnavailable.
    """
    values = _stored_values(spec, secrets, by_stored_name=True)
    missing: list[Problem] = []
    if moved:
        spec, missing = await pin(platform, principal, key, spec)
    known = await known_of(platform, principal, key, spec, accepted=not moved)
    ground = await ground_of(platform, principal, key, spec, repeats=True)
    findings = audit(Submission({}), spec, platform.site, known, ground)  # no document: the rules look at what it came to
    return await _complete(platform, key, spec, findings, missing, values, {}, ports=moved)


async def revive(platform: Platform, principal: Principal, key: DeploymentKey, revision: Revision) -> Candidate:
    """The first half for an earlier revision of the same deployment: today's rules, that revision's digests and secrets. What its images
    say of themselves was told when it was made, and the way back does not wait for it.

    Its images must still be in the registry, or on the engine. Raises RegistryUnavailable where neither can be told.
    """
    spec = revision.spec
    ground = await ground_of(platform, principal, key, spec, repeats=True)
    findings = audit(Submission({}), spec, platform.site, ground=ground)
    missing: list[Problem] = []
    if not await _on_engine(platform, key, spec):
        spec, missing = await pin(platform, principal, key, spec)
    candidate = await _complete(platform, key, spec, findings, missing, {}, {})
    return replace(candidate, versions=revision.secret_versions)


async def _on_engine(platform: Platform, key: DeploymentKey, spec: StackSpec) -> bool:
    """Whether the engine has every image; it need not answer."""
    try:
        present = (await platform.engine(key.environment).observe(key)).images
    except EngineUnavailable:
        return False
    return all(s.image.digest is not None and s.image.pinned in present for s in spec.services)


async def admit(work: UnitOfWork, platform: Platform, principal: Principal, candidate: Candidate) -> None:
    """The second half, within the transaction that writes the revision. Raises Refused, NotFound or Conflict with all problems.

    Only a stack without problems meets the question whether its engine is there: raises EngineUnavailable.
    """
    problems = list(candidate.problems)
    claims = claims_of(candidate.spec)
    if claims:
        revisions = [*(await work.desired_revisions()).items(), *(await work.base_revisions()).items()]
        held = list(held_by_others(platform.site, principal, candidate.key, claims, revisions))
        named = {(p.finding.rule, p.finding.key) for p in held}
        problems = [p for p in problems if (p.finding.rule, p.finding.key) not in named] + held
    problems += await _missing_secrets(work, candidate)
    placed = [replace(p, finding=_placed(p.finding, candidate.positions)) for p in problems]
    raise_if_any(placed, candidate.findings)
    if candidate.unreachable is not None:
        raise EngineUnavailable(
            f"The engine of {candidate.key.environment} does not answer: nothing was changed. "
            f"Try again when `spin environment ls` shows it as reachable. ({candidate.unreachable.message})",
            environment=candidate.key.environment,
        )


async def secret_versions(work: UnitOfWork, candidate: Candidate) -> tuple[tuple[str, int], ...]:
    """The (stored name, version) pairs that the revision would have, without writing anything."""
    if candidate.versions is not None:
        return candidate.versions
    key = candidate.key
    newest = {s.name: s.version for s in await work.secrets(key.project, key.environment)}
    versions: dict[str, int] = {}
    for ref in candidate.spec.secrets:
        version = newest.get(ref.stored, 0)
        value = candidate.secrets.get(ref.stored)
        if value is not None and (
            not version or await work.secret_value(key.project, key.environment, ref.stored, version) != value
        ):
            version += 1
        versions[ref.stored] = version
    return tuple(sorted(versions.items()))


def _read(submission: Submission, key: DeploymentKey, site: Site, owner: str) -> StackSpec:
    """The stack. One that names no owner keeps the one that it has, or gets whoever brings it up."""
    spec = lower(submission, stack=key.stack, registry_host=site.registry_host, project=key.project)
    if OWNER not in dict(spec.tags):
        spec = replace(spec, tags=tuple(sorted([*spec.tags, (OWNER, owner)])))
    return spec


async def _complete(
    platform: Platform,
    key: DeploymentKey,
    spec: StackSpec,
    findings: tuple[Finding, ...],
    problems: list[Problem],
    secrets: Mapping[str, bytes],
    positions: Mapping[str, str],
    *,
    ports: bool = True,
) -> Candidate:
    site = platform.site
    capabilities = platform.engine(key.environment).capabilities
    findings += audit_engine(spec, site, positions, service_addresses=capabilities.service_addresses)
    said = {(f.rule, f.service) for f in findings}
    stops = [Problem(f, Refused) for f in findings if f.severity is Severity.REFUSE]
    stops += [p for p in problems if (p.finding.rule, p.finding.service) not in said]
    unreachable: EngineUnavailable | None = None
    try:
        stops += await _ask_engine(platform, key, spec if ports else None)
        stops += await _lacking(platform, key, spec, positions)
    except EngineUnavailable as error:
        unreachable = error
    harmless = tuple(f for f in findings if f.severity is not Severity.REFUSE)
    return Candidate(key, apply_defaults(spec, site), harmless, tuple(stops), secrets, positions, unreachable)


async def _ask_engine(platform: Platform, key: DeploymentKey, spec: StackSpec | None) -> list[Problem]:
    """Published ports of `spec` that something outside of Spin holds. Raises EngineUnavailable."""
    engine = platform.engine(key.environment)
    wanted = () if spec is None else claims_of(spec).ports
    if not wanted:
        health = await engine.health()
        if not health.reachable:
            raise EngineUnavailable(health.detail)
        return []
    if not engine.capabilities.published_ports:
        return [_cannot_publish(engine, port, service) for port, service in wanted]
    taken = dict(await engine.taken_ports(key, tuple(port for port, _ in wanted)))
    return [port_taken(port, service, taken[port]) for port, service in wanted if port in taken]


async def _lacking(platform: Platform, key: DeploymentKey, spec: StackSpec, positions: Mapping[str, str]) -> list[Problem]:
    """What the engine cannot do for `spec`. Raises EngineUnavailable."""
    engine = platform.engine(key.environment)
    runs = ""
    if any(s.platform for s in spec.services):
        health = await engine.health()
        if not health.reachable:
            raise EngineUnavailable(health.detail)
        runs = health.platform
    can = engine.capabilities
    found = audit_features(spec, platform.site, positions, kind=can.kind, lacks=can.lacks, platform=runs)
    return [Problem(f, Refused) for f in found]


def _cannot_publish(engine: Engine, port: Port, service: str) -> Problem:
    return refusal(
        Refused,
        PORTS_OF_ENGINE,
        f"Service {service!r}: port {port.published} cannot be published: the engine ({engine.capabilities.kind}) has no such ports.",
        "Let the edge lead to it (`x-spin: {http: PORT}`), or use another environment.",
        service=service,
        key=f"services.{service}.ports",
    )


async def _missing_secrets(work: UnitOfWork, candidate: Candidate) -> list[Problem]:
    key = candidate.key
    if candidate.versions is not None:
        return [_gone(key, *pair) for pair in candidate.versions if not await _there(work, key, *pair)]
    needed = [ref for ref in candidate.spec.secrets if ref.stored not in candidate.secrets]
    if not needed:
        return []
    there = {s.name for s in await work.secrets(key.project, key.environment)}
    return [
        refusal(
            NotFound,
            SECRET_MISSING,
            f"There is no secret {ref.stored!r} in {key.environment}.",
            f"Create it: `spin secret create -e {key.environment} {ref.stored} FILE`.",
            key=f"secrets.{ref.name}",
        )
        for ref in needed
        if ref.stored not in there
    ]


async def _there(work: UnitOfWork, key: DeploymentKey, stored: str, version: int) -> bool:
    return await work.secret_value(key.project, key.environment, stored, version) is not None


def _gone(key: DeploymentKey, stored: str, version: int) -> Problem:
    return refusal(
        NotFound,
        SECRET_MISSING,
        f"Version {version} of the secret {stored!r} is no longer in {key.environment}.",
        "Bring that revision's Compose file up with `spin up`: it takes the newest version.",
        key=f"secrets.{stored}",
    )


def _stored_values(spec: StackSpec, values: Mapping[str, bytes], *, by_stored_name: bool) -> dict[str, bytes]:
    """Values by stored name. Raises InvalidInput for one that the stack has no own secret for, or that is too large."""
    own = {ref.name: ref.stored for ref in spec.secrets if not ref.external}
    if by_stored_name:
        own |= {ref.stored: ref.stored for ref in spec.secrets if not ref.external}
    stored: dict[str, bytes] = {}
    for name, value in values.items():
        if name not in own:
            known = ", ".join(sorted(ref.name for ref in spec.secrets if not ref.external)) or "none"
            raise InvalidInput(f"The stack has no secret {name!r} of its own to give a value to. It has: {known}.", secret=name)
        check_secret(own[name], value)
        stored[own[name]] = value
    return stored


def _placed(finding: Finding, positions: Mapping[str, str]) -> Finding:
    """With the line of the user's file, where it is known and not yet said."""
    if finding.position is not None or finding.key is None:
        return finding
    return replace(finding, position=locate(positions, finding.key))
