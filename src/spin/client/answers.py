"""What both transports know: addresses, credentials, and which error an answer stands for. No I/O."""

from __future__ import annotations

import base64
import json
import ssl
from typing import Any
from urllib.parse import quote, urlsplit

from spin import __version__
from spin.errors import Failed, InvalidInput, NotSignedIn, SpinError, Unavailable, from_code

DEFAULT_URL = "http://127.0.0.1:7070"
"""Where `spin serve` listens unless told otherwise (`spin.site.Site`)."""

PREFIX = "/api/v1"
PROBLEM_BYTES = 1024 * 1024
"""More than this is not read of an answer that reports an error."""


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, by its name alone."""
    return host in ("localhost", "::1") or host.startswith("127.") or host.endswith(".localhost")


def normalise_url(url: str) -> str:
    """`url` with a scheme and without a slash at the end; a bare `host:port` is http for this machine, else https.

    Raises InvalidInput for anything that is not the address of a platform.
    """
    text = url.strip()
    if "://" not in text:
        host = text.partition("/")[0].rpartition(":")[0] or text.partition("/")[0]
        text = ("http://" if is_loopback(host.strip("[]")) else "https://") + text
    parts = urlsplit(text)
    try:
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment:
        raise InvalidInput(f"{url!r} is not the address of a platform; write it like http://127.0.0.1:7070.", url=url)
    if parts.username is not None:
        raise InvalidInput("An address with a password in it would end up in logs; use `spin login URL --user NAME`.")
    return text.rstrip("/")


def path_of(*parts: str) -> str:
    """An API path of `parts`, each escaped."""
    return "".join("/" + quote(part, safe="") for part in parts)


def headers_of(token: str | None, basic: tuple[str, str] | None) -> dict[str, str]:
    """The headers of every request."""
    headers = {"Accept": "application/json", "User-Agent": f"spin/{__version__}"}
    if basic is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(basic).encode()).decode()
    elif token:
        headers["Authorization"] = f"Bearer {token}"
    return headers


def refusal(url: str, status: int, data: bytes, location: str | None) -> SpinError:
    """The error that an answer of 300 and above stands for."""
    if 300 <= status < 400:
        return Unavailable(f"{url} redirects to {location or 'elsewhere'}. Sign in there: `spin login URL`.")
    try:
        problem = json.loads(data)
        code, detail, fields = problem["code"], problem.get("detail") or problem["title"], problem.get("fields") or {}
    except (ValueError, KeyError, TypeError):
        return not_spin(url, status)
    reserved = {"message", "self"}  # would clash with the error's own parameters
    return from_code(str(code), str(detail), {str(k): v for k, v in dict(fields).items() if k not in reserved})


def not_spin(url: str, status: int) -> SpinError:
    """The error for an answer that is none of the API's."""
    if status == 401:
        return NotSignedIn(f"{url} asks for credentials. Sign in with `spin login {url}`.")
    if status in (502, 503, 504):
        return Unavailable(f"The platform behind {url} does not answer now (HTTP {status}).")
    if status >= 500:
        return Failed(f"{url} failed on this request (HTTP {status}).")
    return Unavailable(f"What answers at {url} is not a Spin platform (HTTP {status}). Set SPIN_URL or run `spin login URL`.")


def no_websocket(url: str) -> SpinError:
    return Unavailable(f"{url} does not speak WebSocket. A proxy in between has to pass the header Upgrade on.")


def too_old(url: str, accept: str) -> SpinError:
    """The error for an answer in another form than was asked for."""
    return Unavailable(f"{url} does not know {accept}: it is older than this spin. Have it upgraded.")


def line_of(text: bytes | str) -> Any:
    """A line of an answer of lines. Raises the error that its last one stands for (docs/reference/logs.md), and ValueError."""
    said = json.loads(text)
    if isinstance(said, dict) and said.keys() == {"error"}:
        raise from_code(str(said["error"]["code"]), str(said["error"]["detail"]), {})
    return said


def broke_off(url: str, error: Exception) -> SpinError:
    """The error for a stream that ends before its end."""
    return Unavailable(f"The answer of {url} broke off: {error or type(error).__name__}.")


def unavailable(url: str, error: BaseException, *, timeout: float, speaks_http: bool = True) -> SpinError:
    """The error for no answer at all. `error`: the reason, as the standard library tells it. `timeout`: in seconds, what was waited."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unavailable(
            f"The certificate of {url} is not trusted: {error.verify_message}. "
            "Add its authority to the system's trust store, or name it in SSL_CERT_FILE."
        )
    if isinstance(error, ssl.SSLError):
        return Unavailable(f"{url} does not speak TLS as expected: {error.reason}. Is it https at all?")
    if isinstance(error, TimeoutError):
        return Unavailable(f"{url} took longer than {timeout:.0f} seconds to answer. Try again, or look at the platform.")
    if not speaks_http:
        return Unavailable(f"What answers at {url} does not speak HTTP. Set SPIN_URL or run `spin login URL`.")
    return Unavailable(
        f"No Spin platform answers at {url}. Is `spin serve` running? Set SPIN_URL or run `spin login URL`.",
        url=url,
        reason=str(error) or type(error).__name__,
    )
