"""Which digest does a reference name now? Asked of the site's own registry, and of public ones as anybody may ask them."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from spin.errors import RegistryUnavailable
from spin.kit.clock import SystemClock
from spin.registry import RegistryImages, RegistryTokens, SigningKey, registry_program
from spin.registry.images import DOCKER_HUB, split
from spin.registry.tokens import ISSUER, SERVICE, grant
from spin.site import Site
from support.platform import eventually, free_ports
from support.shipping import put_image, writer
from support.tls import certificate

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("docker.io/library/mariadb:11", ("docker.io", "library/mariadb", "11")),
        ("localhost:5000/lab/web:1.0", ("localhost:5000", "lab/web", "1.0")),
        ("localhost:5000/lab/web", ("localhost:5000", "lab/web", "latest")),
        (f"localhost:5000/lab/web@{DIGEST}", ("localhost:5000", "lab/web", DIGEST)),
        (f"quay.io/a/b/c:1@{DIGEST}", ("quay.io", "a/b/c", DIGEST)),
    ],
)
def test_a_reference_is_host_repository_and_tag_or_digest(reference, parts):
    assert split(reference) == parts


def test_docker_hub_is_asked_where_it_answers():
    assert DOCKER_HUB["docker.io"] == "registry-1.docker.io"


async def test_an_own_image_is_found_by_tag_and_by_digest(yard):
    digest = put_image(yard.url, "lab/found", "1", writer(yard.tokens, "lab/found"))
    own = f"{yard.site.registry_host}/lab/found"
    async with RegistryImages(yard.site, yard.tokens) as images:
        for reference in (f"{own}:1", f"{own}@{digest}", f"{own}:1@{digest}"):
            assert await images.digest(reference) == digest


async def test_an_own_image_that_is_not_there_is_none(yard):
    put_image(yard.url, "lab/found", "1", writer(yard.tokens, "lab/found"))
    own = f"{yard.site.registry_host}/lab"
    async with RegistryImages(yard.site, yard.tokens) as images:
        for reference in (f"{own}/found:2", f"{own}/found@{DIGEST}", f"{own}/missing:1", f"{own}/missing"):
            assert await images.digest(reference) is None


async def test_an_own_registry_that_is_away_is_unavailable_by_name(yard):
    site = Site(registry_port=free_ports(1)[0])
    async with RegistryImages(site, yard.tokens) as images:
        with pytest.raises(RegistryUnavailable, match=f"The registry {site.registry_host} does not answer"):
            await images.digest(f"{site.registry_host}/lab/web:1")


@pytest.fixture
def public(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A registry of somebody else's, with TLS and tokens for the public: `open/…` may be pulled by all, the rest by nobody."""
    trusted = certificate(workplace)
    with _public_registry(workplace) as host:
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        yield host


async def test_a_public_image_is_found_as_anybody_would(public, workplace, yard):
    digest = _publish(public, workplace, "open/base")
    async with RegistryImages(yard.site, yard.tokens) as images:
        assert await images.digest(f"{public}/open/base:1") == digest
        assert await images.digest(f"{public}/open/base:2") is None


async def test_an_image_that_is_not_public_is_none(public, workplace, yard):
    _publish(public, workplace, "closed/base")
    async with RegistryImages(yard.site, yard.tokens) as images:
        assert await images.digest(f"{public}/closed/base:1") is None


async def test_a_foreign_registry_never_gets_a_token_of_the_site(public, workplace, yard):
    async with RegistryImages(yard.site, yard.tokens) as images:
        assert await images.digest(f"{public}/open/nothing:1") is None
    seen = [json.loads(line) for line in (workplace / "asked").read_text().splitlines()]
    assert seen
    assert not [headers for headers in seen if "authorization" in {name.lower() for name in headers}]


async def test_a_foreign_registry_that_is_away_is_unavailable_by_name(yard):
    away = f"127.0.0.1:{free_ports(1)[0]}"
    async with RegistryImages(yard.site, yard.tokens) as images:
        with pytest.raises(RegistryUnavailable, match=f"The registry {away} does not answer") as raised:
            await images.digest(f"{away}/library/base:1")
    assert raised.value.fields["registry"] == away


async def test_a_server_that_is_no_registry_is_unavailable(yard):
    foreign = Site(registry_port=yard.site.api_port)  # an HTTP server that knows nothing of images and answers 404 to all
    async with RegistryImages(foreign, yard.tokens) as images:
        assert await images.digest(f"{foreign.registry_host}/lab/web:1") is None
    async with RegistryImages(yard.site, yard.tokens) as images:
        with pytest.raises(RegistryUnavailable):  # it does not speak TLS
            await images.digest(f"127.0.0.1:{yard.site.api_port}/lab/web:1")


def _token_server(port: int, directory: Path) -> HTTPServer:
    """Grants the public what is `open/…`, and writes down the headers that it was sent."""
    tokens = RegistryTokens(SigningKey.load(directory), SystemClock())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with (directory / "asked").open("a") as asked:
                asked.write(json.dumps(dict(self.headers)) + "\n")
            name = parse_qs(urlsplit(self.path).query)["scope"][0].split(":")[1]
            body = json.dumps(
                {"token": tokens.sign("anybody", [grant(name, "pull")] if name.startswith("open/") else [])}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server


@contextmanager
def _public_registry(directory: Path) -> Iterator[str]:
    port, token_port = free_ports(2)
    SigningKey.load(directory)
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(directory / "storage")}},
        "http": {
            "addr": f"127.0.0.1:{port}",
            "tls": {"certificate": str(directory / "tls.crt"), "key": str(directory / "tls.key")},
        },
        "auth": {
            "token": {
                "realm": f"https://127.0.0.1:{token_port}/token",
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(directory / "token.crt"),
            }
        },
    }
    (directory / "config.yml").write_text(json.dumps(config))
    program = registry_program()
    assert program is not None
    with (
        _token_server(token_port, directory) as server,
        subprocess.Popen(
            [program, "serve", str(directory / "config.yml")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=directory,
        ) as registry,
    ):
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            eventually(lambda: ssl.get_server_certificate(("127.0.0.1", port)), what="the registry")
            yield f"127.0.0.1:{port}"
        finally:
            server.shutdown()
            thread.join()
            registry.kill()


def _publish(host: str, directory: Path, repository: str) -> str:
    tokens = RegistryTokens(SigningKey.load(directory), SystemClock())
    context = ssl.create_default_context(cafile=str(directory / "tls.crt"))
    return put_image(f"https://{host}", repository, "1", writer(tokens, repository), verify=context)
