"""What surrounds every request: an identifier, a limit on its body, who is asking, and an answer even when a bug strikes.

Plain ASGI: nothing here holds back a response, so streams keep their back-pressure.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import time
import uuid
from collections import Counter

import structlog
from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spin.api.metrics import REQUESTS, SECONDS
from spin.api.problems import from_error, problem
from spin.errors import Failed, InvalidInput, NotSignedIn, SpinError, Unavailable
from spin.model.event import Caller
from spin.model.principal import Principal
from spin.usecases.journal import caller
from spin.usecases.platform import Platform
from spin.usecases.sign_in import authenticate

log = structlog.get_logger("spin.api")

BODY_LIMIT = 10 * 1024 * 1024
"""Bytes of a request's body."""
MOST_PARTS = 300_000
"""Entries of all lists and objects of a JSON body: the largest document (`spin.api.schemas`) with the positions of its keys. A body
within the limit of bytes could hold millions, each of which takes a hundred bytes of memory."""
BODIES_OF_PERSON = 32 * 1024 * 1024
"""Bytes of all bodies of one person's requests that are under way."""
LARGE = 1024 * 1024
"""Bytes from which on a body is a large one: as values it may take a hundred MiB."""
LARGE_AT_ONCE = 4
AT_ONCE = 400
"""Requests and streams of one person that are under way: a fifth of what the server serves at a time."""
PREFIX = "/api/"
OPEN = frozenset({"/api/v1/site", "/api/v1/openapi.json"})
"""Addresses below the prefix that need no credentials. All others do, also those that do not exist."""
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
METRICS = "/metrics"
"""Needs credentials as the API does: it names every stack."""
_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}", re.ASCII)


class Frame:
    """Gives each request an identifier (the client's `X-Request-Id`, or a new one), and answers 500 where nobody else answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._stream(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        status = 0

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                headers["X-Request-Id"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        began = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, framed)
            except ClientDisconnect:
                log.debug("client hung up", method=scope["method"], path=scope["path"])
            except Exception:
                # The last resort: whatever it is, the person gets a sentence and the log gets the traceback.
                log.exception("request failed", method=scope["method"], path=scope["path"])
                if status:
                    raise
                detail = f"Something went wrong inside the platform. Tell the operators this number: {request_id}."
                await problem(500, Failed.code, detail, {"request_id": request_id})(scope, receive, framed)
            _measure(scope, status, time.monotonic() - began)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A stream tells its client itself what went wrong; a bug ends it, and the log gets the traceback."""
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        refused = False

        async def framed(message: Message) -> None:
            nonlocal refused
            refused = refused or message["type"] == "websocket.http.response.body"
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, framed)
            except Exception:
                log.exception("stream failed", path=scope["path"])
            while refused and (await receive())["type"] != "websocket.disconnect":
                pass  # the server takes an application that returns sooner for one that has forgotten to answer


def _measure(scope: Scope, status: int, seconds: float) -> None:
    """Count the request, and log it: changes always, looks only for debugging."""
    method = scope["method"] if scope["method"] in _METHODS else "other"
    route = getattr(scope.get("route"), "path", "none")  # the pattern, so that names do not make a series each
    REQUESTS.labels(method, route, str(status)).inc()
    SECONDS.labels(method, route).observe(seconds)
    tell = log.info if method not in ("GET", "HEAD") else log.debug
    tell("request", method=scope["method"], path=scope["path"], status=status, ms=round(seconds * 1000, 1))


class BodyLimit:
    """Ends the reading of a body that is too large, announced or not."""

    def __init__(self, app: ASGIApp, limit: int = BODY_LIMIT) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        detail = f"The request is larger than {self._limit // 1024**2} MiB."
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or int(announced) > self._limit:
            await problem(413, InvalidInput.code, detail, headers={"Connection": "close"})(scope, receive, send)
            return
        size = 0

        async def limited() -> Message:
            nonlocal size
            message = await receive()
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                if size > self._limit:
                    raise HTTPException(413, detail, {"Connection": "close"})
            return message

        await self._app(scope, limited, send)


class Bodies:
    """Reads whole bodies, of people who have signed in; of each only so much at a time, and only a few large ones are worked on at once.
    Ends what would take much more memory as values than it does as text.
    """

    def __init__(self, app: ASGIApp, most_parts: int = MOST_PARTS, share: int = BODIES_OF_PERSON) -> None:
        self._app = app
        self._most_parts = most_parts
        self._share = share
        self._held: Counter[str] = Counter()
        """Bytes, by person."""
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_guarded(scope["path"]) or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)  # what strangers send is not read at all
            return
        person = scope["state"]["principal"].user
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            size = len(message.get("body", b""))
            self._held[person] += size
            taken += size
            if self._held[person] > self._share:
                said = f"More than {self._share // 1024**2} MiB of your requests are under way. Try again when they are answered."
                raise HTTPException(429, said, {"Retry-After": "1", "Connection": "close"})
            return message

        try:
            await self._read(scope, limited, send)
        finally:
            self._held[person] -= taken
            if not self._held[person]:
                del self._held[person]

    async def _read(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _whole(receive)
        except HTTPException as error:  # too large: this far out nobody else answers it
            code = Unavailable.code if error.status_code == 429 else InvalidInput.code
            await problem(error.status_code, code, error.detail, headers=error.headers)(scope, receive, send)
            return
        if len(body) < LARGE:
            await self._checked(scope, body, receive, send)
            return
        async with self._large:
            await self._checked(scope, body, receive, send)

    async def _checked(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        most = self._most_parts
        if parts(body) > most and await asyncio.to_thread(parts_outside_strings, body) > most:
            detail = f"The request is not valid: it has more than {most} entries."
            await problem(422, InvalidInput.code, detail)(scope, receive, send)
            return
        whole: Message | None = {"type": "http.request", "body": body, "more_body": False}
        del body

        async def replayed() -> Message:
            nonlocal whole
            if whole is None:
                return await receive()
            message, whole = whole, None
            return message

        await self._app(scope, replayed, send)


async def _whole(receive: Receive) -> bytes:
    """The request's body. Raises ClientDisconnect."""
    chunks: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(chunks)


def parts(json: bytes) -> int:
    """Not fewer than the lists, objects and entries in the text; more where strings hold such characters."""
    return json.count(b",") + json.count(b"[") + json.count(b"{")


def parts_outside_strings(json: bytes) -> int:
    """Not fewer than the lists, objects and entries; takes a third of a second for the largest body."""
    return parts(_STRING.sub(b"", json))


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def is_guarded(path: str) -> bool:
    """Whether an address needs credentials."""
    return (path.startswith(PREFIX) and path not in OPEN) or path == METRICS


class SignIn:
    """Finds out who asks, before a byte of the body is read: an endpoint cannot be left open by mistake."""

    def __init__(self, app: ASGIApp, platform: Platform, at_once: int = AT_ONCE) -> None:
        self._app = app
        self._platform = platform
        self._at_once = at_once
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and is_guarded(scope["path"]):
            try:
                principal = await sign_in(self._platform, Headers(scope=scope).get("authorization"))
            except SpinError as error:
                await from_error(error)(scope, receive, send)
                return
            scope.setdefault("state", {})["principal"] = principal
            caller.set(_caller(scope))
            await self._shared(principal.user, scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _shared(self, person: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Nobody takes the server for himself: of each person only so many requests are answered at a time."""
        if self._open[person] >= self._at_once:
            said = (
                f"{self._at_once} requests of yours are under way, and no more are taken. Try again when one of them has ended."
            )
            await problem(429, Unavailable.code, said, headers={"Retry-After": "1"})(scope, receive, send)
            return
        self._open[person] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open[person] -= 1
            if not self._open[person]:
                del self._open[person]


def _caller(scope: Scope) -> Caller:
    """From where the request came, for the journal."""
    address = scope["client"][0] if scope.get("client") else ""
    agent = "".join(c for c in Headers(scope=scope).get("user-agent", "") if c.isprintable())
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    return Caller(address[:64], agent[:120], request=request_id)


async def sign_in(platform: Platform, authorization: str | None) -> Principal:
    """Who the `Authorization` header says it is. Raises NotSignedIn."""
    scheme, _, credentials = (authorization or "").partition(" ")
    credentials = credentials.strip()
    match scheme.lower():
        case "bearer" if credentials:
            return await authenticate(platform, None, credentials)
        case "basic" if credentials:
            try:
                text = base64.b64decode(credentials, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                raise NotSignedIn("The Basic credentials cannot be read.") from None
            user, _, secret = text.partition(":")
            return await authenticate(platform, user or None, secret)
        case _:
            raise NotSignedIn("You are not signed in. Sign in with `spin login`.")
