"""The application: middleware around routers, and one form of error for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.exceptions import HTTPException

import spin
from spin.api.context import PREFIX
from spin.api.middleware import Bodies, BodyLimit, Frame, SignIn
from spin.api.openapi import Api
from spin.api.problems import on_http_error, on_invalid_request, on_spin_error
from spin.api.routers import (
    events,
    health,
    jobs,
    keys,
    logs,
    projects,
    rules,
    secrets,
    site,
    stacks,
    stats,
    streams,
    users,
    volumes,
    why,
)
from spin.errors import SpinError
from spin.usecases.platform import Platform

NOUNS = (health, site, rules, users, projects, keys, stacks, streams, logs, jobs, stats, why, events, secrets, volumes)


def document() -> dict[str, Any]:
    """The OpenAPI document. It is the same for every platform of this version."""
    return _api().openapi()


def build(platform: Platform, *, extra_routers: Sequence[APIRouter] = ()) -> FastAPI:
    """The API of `platform`. `extra_routers` are served beside it, without a prefix, and see to their own sign-in."""
    app = _api()
    app.state.platform = platform
    # The last one added is the outermost.
    app.add_middleware(Bodies)
    app.add_middleware(SignIn, platform=platform)
    app.add_middleware(BodyLimit)
    app.add_middleware(Frame)
    app.add_exception_handler(SpinError, on_spin_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(WebSocketRequestValidationError, on_invalid_request)
    app.add_exception_handler(HTTPException, on_http_error)
    for router in extra_routers:
        app.include_router(router, include_in_schema=False)  # other protocols, documented elsewhere

    return app


def _api() -> Api:
    return Api(
        title="Spin",
        version=spin.__version__,
        description="A container platform whose contract is Docker Compose. Errors are `application/problem+json`.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # the pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        # Given as they are: routers that are included get built anew at the first request of each route, some 50 ms in all.
        routes=[route for noun in NOUNS for route in noun.router.routes],
    )
