"""An HTTP server that speaks the API's contract from a script, for what the real platform shows only by chance: slow progress,
failures at a given moment, broken answers. The main ways of the command line are tested against the real API instead.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from spin.api.routers.logs import Blocks
from spin.model.log import BLOCKS, LogSource
from spin.model.names import InstanceId
from spin.model.streams import STDERR, STDOUT

KEY = "spin_k1_0123456789secret"
STATUSES = {
    "invalid-input": 422,
    "refused": 422,
    "not-signed-in": 401,
    "not-allowed": 403,
    "not-found": 404,
    "conflict": 409,
    "unavailable": 503,
    "engine-unavailable": 503,
    "failed": 500,
}
NOTHING: dict[str, list[Any]] = {"services": [], "networks": [], "volumes": [], "stack": []}


def service(name: str, state: str = "healthy", ready: int = 1, wanted: int = 1, **more: Any) -> dict[str, Any]:
    base = {"detail": "", "image": f"docker.io/library/{name}:1", "digest": "sha256:" + "ab" * 32, "urls": [], "ports": []}
    return {"name": name, "state": state, "ready": ready, "wanted": wanted, **base, **more}


def container(name: str, service: str, **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "id": "c0ffee" * 10,
        "slot": 1,
        "phase": "ready",
        "since": "2026-01-01T00:00:00+00:00",
        "current": True,
    }
    base |= {"routed": True, "address": "10.208.0.2", "restarts": 0, "detail": "", "image": f"{service}:1", "kept": False}
    return {"name": name, "service": service, **base, **more}


def view(stack: str = "shop", state: str = "healthy", services: tuple[dict[str, Any], ...] = (), **more: Any) -> dict[str, Any]:
    """A StackView."""
    settled = state in ("healthy", "upgraded", "completed", "stopped", "removed", "failed")
    base: dict[str, Any] = {"project": "demo", "environment": "development", "detail": "", "generation": 1, "revision": 1}
    base |= {
        "origin": "up",
        "author": "maria",
        "tags": {"owner": "maria"},
        "note": "",
        "created": "2026-01-01T00:00:00+00:00",
        "changed": "2026-01-01T00:00:00+00:00",
    }
    base |= {"settled": settled, "upgrade": None, "urls": [], "services": list(services), "containers": []}
    return {**base, "stack": stack, "state": state, **more}


def change(name: str, action: str, *keys: tuple[str, Any, Any], replaces: bool = True) -> dict[str, Any]:
    return {"name": name, "action": action, "replaces": replaces, "keys": [{"key": k, "old": o, "new": n} for k, o, n in keys]}


def finding(rule: str, severity: str = "refuse", **more: Any) -> dict[str, Any]:
    return {
        "rule": rule,
        "severity": severity,
        "message": "",
        "instead": "",
        "service": None,
        "key": None,
        "position": None,
        **more,
    }


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    authorization: str


@dataclass
class Problem:
    """An error that the next matching request gets."""

    code: str
    detail: str
    fields: dict[str, Any] = field(default_factory=dict)


def blocks(lines: list[dict[str, str]]) -> bytes:
    """Lines as they come over the API, as blocks."""
    form = Blocks(b"2026-01-01T00:00:00.000000000Z")
    found = form.begin()
    for line in lines:
        name = line["instance"]
        source = LogSource(InstanceId(name), "", 1, name, datetime(2026, 1, 1, tzinfo=UTC))
        stream = STDERR if line["stream"] == "stderr" else STDOUT
        found += form.piece(source, [(line["time"].encode(), stream, line["text"].encode(errors="surrogateescape"))])
    return found


class FakeApi:
    """What the server answers; tests change it directly."""

    def __init__(self) -> None:
        self.projects = [{"name": "demo", "role": "owner"}]
        self.script: dict[str, list[dict[str, Any]]] = {}
        """Stack → its views in the order in which a follower gets them; the last one stays."""
        self.after_removal = False
        """DELETE was called: the script's end is followed by "not found"."""
        self.preview: dict[str, Any] = {"changes": NOTHING, "findings": [], "empty": True, "generation": 1}
        self.generation = 1
        self.accepted: dict[str, Any] = {}
        """What is other than usual in the answer to a change."""
        self.answers: dict[tuple[str, str], Any] = {}
        """(method, path) → an answer, a Problem, or a function of what was seen, instead of the usual one."""
        self.log_lines: list[dict[str, str]] = []
        self.seen: list[Seen] = []
        self.connections = 0
        self.drop_next = 0
        """So many answers are replaced by closing the connection."""
        self.close_after_answer = False
        """Close the connection after each answer without having said so."""
        self.url = ""
        self.closing = threading.Event()
        self._lock = threading.Lock()

    def posted(self, path: str) -> Any:
        """Body of the last request to a path that ends so."""
        return next(s.body for s in reversed(self.seen) if s.path.endswith(path) and s.method != "GET")

    def methods(self) -> list[str]:
        """`METHOD path` of everything that is not a GET."""
        return [f"{s.method} {s.path.removeprefix('/api/v1')}" for s in self.seen if s.method != "GET"]

    # Below: answering.

    def answer(self, seen: Seen) -> Any:
        with self._lock:
            self.seen.append(seen)
            path = seen.path.removeprefix("/api/v1")
            fixed = self.answers.get((seen.method, path))
            if fixed is not None:
                return fixed(seen) if callable(fixed) else fixed
            if path == "/site":
                return self._site()
            if seen.authorization not in (f"Bearer {KEY}", "Basic bWFyaWE6dHJ1c3RubzE="):  # maria:trustno1
                return Problem("not-signed-in", "The key is not valid.")
            if path == "/whoami":
                return {"user": "maria", "operator": False, "projects": self.projects, "key": "k1"}
            if path == "/keys" and seen.method == "POST":
                return {"id": "k1", "name": seen.body["name"], "key": KEY, "expires": None}
            parts = path.strip("/").split("/")
            if parts[0] == "projects" and len(parts) >= 5 and parts[4] == "stacks":
                return self._stacks(seen, parts[3], *[unquote(p) for p in parts[5:]])
            return [] if seen.method == "GET" else None

    def _site(self) -> dict[str, Any]:
        environments = [{"name": n, "description": ""} for n in ("development", "production")]
        return {
            "version": "0",
            "domain": "spin.localhost",
            "registry": "localhost:5999",
            "edge_port": 8080,
            "environments": environments,
            "port_classes": [{"name": "public", "reach": "everyone", "ports": ["8080", "60000-60050"]}],
        }

    def _stacks(self, seen: Seen, environment: str, name: str = "", verb: str = "") -> Any:
        if not name:
            return [self._tagged(views[0]) for views in self.script.values()]
        if verb in ("plan", "check"):
            return self.preview if verb == "plan" else {"findings": self.preview["findings"], "ok": True}
        if verb == "logs":
            return iter(self.log_lines)
        if seen.method == "GET":
            return self._view(seen, name)
        if seen.body and seen.body.get("dry_run"):
            return self.preview
        if seen.method == "DELETE":
            self.after_removal = True
        there = seen.body.get("to", environment) if seen.body else environment
        place = {"project": "demo", "environment": there, "stack": name}
        usual = {"generation": self.generation, "revision": 1, "changes": NOTHING, "findings": [], "base": None}
        return {**place, **usual, **self.accepted}

    def _view(self, seen: Seen, name: str) -> Any:
        views = self.script.get(name)
        if not views:
            return Problem("not-found", f"There is no stack {name!r}.")
        if seen.query.get("seen") == self._tagged(views[0])["token"]:
            if len(views) > 1:
                views.pop(0)
            elif self.after_removal:
                return Problem("not-found", f"There is no stack {name!r}.")
        return self._tagged(views[0])

    @staticmethod
    def _tagged(view: dict[str, Any]) -> dict[str, Any]:
        return {"token": str(hash(json.dumps(view))), **view}


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests; anything else is a fault, and printed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20
    api: FakeApi

    def setup(self) -> None:
        super().setup()
        self.api.connections += 1

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        if self.api.drop_next:
            self.api.drop_next -= 1
            self.close_connection = True
            return
        seen = Seen(self.command, parts.path, dict(parse_qsl(parts.query)), body, self.headers.get("Authorization") or "")
        answer = self.api.answer(seen)
        if "seen" in seen.query and isinstance(answer, dict) and answer["token"] == seen.query["seen"]:
            self.api.closing.wait(min(float(seen.query["wait"]), 0.5))  # no news: hold the question, as the platform does
        if isinstance(answer, Problem):
            self._send(STATUSES[answer.code], "application/problem+json", json.dumps(self._problem(answer)).encode())
        elif isinstance(answer, bytes):
            self._send(502, "text/html", answer)
        elif isinstance(answer, Iterator):
            if BLOCKS in (self.headers.get("Accept") or ""):
                self._send(200, BLOCKS, blocks(list(answer)))
            else:
                text = "".join(json.dumps(line) + "\n" for line in answer)
                self._send(200, "application/x-ndjson", text.encode())
        elif answer is None:
            self._send(204, "application/json", b"")
        else:
            self._send(200, "application/json", json.dumps(answer).encode())
        self.close_connection = self.close_connection or self.api.close_after_answer

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the library's names

    @staticmethod
    def _problem(problem: Problem) -> dict[str, Any]:
        status = STATUSES[problem.code]
        return {"type": "about:blank", "title": problem.code, "status": status, "detail": problem.detail} | {
            "code": problem.code,
            "fields": problem.fields,
        }

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def fake_api() -> Iterator[FakeApi]:
    """A server on a free port of this machine."""
    api = FakeApi()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": api}))
    server.daemon_threads = True
    server.block_on_close = False
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield api
    finally:
        api.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
