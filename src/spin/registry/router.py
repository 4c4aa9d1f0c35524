"""The token endpoint: `docker login`, `push` and `pull` come here with a user name and an API key (or password).

A token grants what is asked for as far as the person may; what they may not is left out of it, and the registry answers "denied".
So nobody learns here whether a project or an image exists.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from spin.access import Action
from spin.errors import NotAllowed, NotFound, NotSignedIn
from spin.model.principal import Principal
from spin.ports.passwords import Signer
from spin.registry.tokens import LIFETIME, SERVICE, grant
from spin.usecases.platform import Platform
from spin.usecases.rights import allow
from spin.usecases.sign_in import authenticate

PATH = "/registry/token"
MOST_SCOPES = 20
"""Scopes of one request that are looked at; Docker asks for two (the second to mount a layer from elsewhere)."""
ACTIONS = {"pull": Action.READ, "push": Action.DEPLOY, "delete": Action.REMOVE}
# Distribution's grammar of names, of which the first component is the project's name.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_SCOPE = re.compile(rf"repository:(?P<name>(?P<project>{_COMPONENT})(?:/{_COMPONENT})+):(?P<actions>[a-z*,]+)", re.ASCII)
LONGEST_SCOPE = 512
CATALOG = "registry:catalog:*"
"""The list of all repositories of all projects: for operators only."""


def router(platform: Platform, signer: Signer) -> APIRouter:
    """The endpoint, to be served beside the API."""
    routes = APIRouter(tags=["registry"])

    @routes.get(PATH, summary="A registry token for `docker login`, `push` and `pull`")
    async def token(request: Request) -> JSONResponse:
        user, secret = _credentials(request.headers.get("authorization"))
        principal = await authenticate(platform, user, secret)
        asked = [s for text in request.query_params.getlist("scope") for s in text.split()]
        access = [found for scope in asked[:MOST_SCOPES] if (found := await _granted(platform, principal, scope))]
        text = signer.sign(principal.user, access)
        issued = platform.clock.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        answer = {"token": text, "access_token": text, "expires_in": int(LIFETIME.total_seconds()), "issued_at": issued}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    return routes


def _credentials(authorization: str | None) -> tuple[str | None, str]:
    """User and secret of a Basic header. Raises NotSignedIn: nobody pulls from this registry without an account."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        raise NotSignedIn(f"Sign in: `docker login` with your user name and an API key ({SERVICE}).")
    try:
        user, _, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise NotSignedIn("The Basic credentials cannot be read.") from None
    return user or None, secret


async def _granted(platform: Platform, principal: Principal, scope: str) -> dict[str, object] | None:
    """What of `scope` the person may do; None for nothing, and for a scope of another form."""
    if scope == CATALOG and principal.operator:
        return {"type": "registry", "name": "catalog", "actions": ["*"]}
    match = _SCOPE.fullmatch(scope) if len(scope) <= LONGEST_SCOPE else None
    if match is None:
        return None
    wanted = [name for name in ACTIONS if name in match["actions"].split(",") or match["actions"] == "*"]
    async with platform.store.begin() as work:
        granted = []
        for name in wanted:
            try:
                await allow(work, principal, ACTIONS[name], match["project"])
            except (NotFound, NotAllowed):
                continue
            granted.append(name)
    return grant(match["name"], *granted) if granted else None
