"""Errors as `application/problem+json` (RFC 9457): the one place that knows which error has which HTTP status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from spin.errors import (
    Conflict,
    Failed,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotSignedIn,
    Refused,
    SpinError,
    Unavailable,
)

STATUSES: Mapping[type[SpinError], int] = {
    InvalidInput: 422,
    Refused: 422,
    NotSignedIn: 401,
    NotAllowed: 403,
    NotFound: 404,
    Conflict: 409,
    Unavailable: 503,
    Failed: 500,
}
SHOWN_ERRORS = 20
"""Validation errors that are told at once."""


def problem(
    status: int, code: str, detail: str, fields: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    title = HTTPStatus(status).phrase
    content = {
        "type": f"urn:spin:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "fields": dict(fields or {}),
    }
    return JSONResponse(content, status, dict(headers or {}), media_type="application/problem+json")


def from_error(error: SpinError) -> JSONResponse:
    """The problem that an error of the tree comes to."""
    status = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)
    headers: dict[str, str] = {}
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = 'Basic realm="spin", charset="UTF-8"'
        if "retry_after" in error.fields:
            status = 429
            headers["Retry-After"] = str(error.fields["retry_after"])
    return problem(status, error.code, error.message, error.fields, headers)


async def on_spin_error(_request: Request, error: Exception) -> JSONResponse:
    return from_error(cast("SpinError", error))


async def on_http_error(request: Request, error: Exception) -> JSONResponse:
    """What the framework says by itself: no such route, wrong method, a body that cannot be read."""
    raised = cast("HTTPException", error)
    status = 422 if raised.status_code == 400 else raised.status_code
    code = NotFound.code if status == 404 else InvalidInput.code if status < 500 else Failed.code
    detail = raised.detail
    if status == 404:
        detail = "There is no such address here."
    elif status == 405:
        detail = f"{request.method} cannot be used here."
    return problem(status, code, detail, headers=raised.headers)


async def on_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    """A request that does not fit its schema. Tells where and why, never what was sent: that may be a secret."""
    errors = cast("RequestValidationError", error).errors()
    found = [{"where": _where(e["loc"]), "message": _reason(e)} for e in errors[:SHOWN_ERRORS]]
    detail = "; ".join(f"{e['where']}: {e['message']}" for e in found)
    return problem(422, InvalidInput.code, f"The request is not valid: {detail}.", {"errors": found})


def _where(location: Sequence[Any]) -> str:
    return ".".join(str(part)[:80] for part in location[:8])


def _reason(error: Mapping[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return f"not valid JSON: {error.get('ctx', {}).get('error', '')}"
    return str(error["msg"]).removeprefix("Value error, ")
