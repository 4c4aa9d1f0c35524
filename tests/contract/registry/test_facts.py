"""What an image says of itself: read from a real registry, and from registries that would do harm."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from spin.errors import RegistryUnavailable
from spin.model.image import ImageFacts
from spin.registry import RegistryImages
from spin.registry import images as module
from spin.registry.repository import MOST_BYTES
from spin.site import Site
from support.docker import TINY, build_image
from support.platform import docker
from support.shipping import Shipyard, put_image, writer
from support.tls import certificate

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKERFILE = f"""
FROM {TINY}
USER 1000:1000
ENV LANG=C.UTF-8
EXPOSE 8080 22/tcp 53/udp
LABEL org.example.a=b
HEALTHCHECK CMD ["true"]
ENTRYPOINT ["bash", "-c"]
CMD ["sleep 1"]
"""


@pytest.fixture(scope="session")
def pushed(yard: Shipyard, image: str) -> str:
    """A real image, built and pushed by Docker; its digest."""
    name = "spin-test/facts:1"
    build_image(name, DOCKERFILE)
    try:
        done = yard.workstation("dora").push(name, "lab/facts:1")
        assert done.returncode == 0, done.stderr
    finally:
        docker("rmi", name)
    answer = yard.call("HEAD", "/v2/lab/facts/manifests/1", writer(yard.tokens, "lab/facts"), headers={"Accept": MANIFEST_ANY})
    return str(answer.headers["docker-content-digest"])


MANIFEST_ANY = f"{MANIFEST}, application/vnd.docker.distribution.manifest.v2+json"


def put_index(yard: Shipyard, repository: str, entries: list[dict[str, Any]]) -> str:
    token = writer(yard.tokens, repository)
    body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
    answer = yard.call("PUT", f"/v2/{repository}/manifests/list", token, content=body, headers={"Content-Type": INDEX})
    assert answer.status_code == 201, answer.text
    return str(answer.headers["docker-content-digest"])


async def test_the_facts_of_a_real_image(yard, pushed):
    async with RegistryImages(yard.site, yard.tokens) as images:
        found = await images.facts(f"{yard.site.registry_host}/lab/facts@{pushed}")
    assert found is not None
    assert (found.user, found.root) == ("1000:1000", False)
    assert found.exposed == (22, 53, 8080)
    assert found.healthcheck == ("CMD", "true")
    assert ("LANG", "C.UTF-8") in found.environment
    assert (found.entrypoint, found.command) == (("bash", "-c"), ("sleep 1",))
    assert ("org.example.a", "b") in found.labels
    assert found.created is not None
    assert found.layers >= 1
    assert 10**6 < (found.size_bytes or 0) < 10**8
    assert any("EXPOSE" in step for step in found.history)


async def test_of_an_index_the_image_for_the_engine_is_read_and_attestations_are_left_out(yard, pushed):
    other = put_image(yard.url, "lab/facts", "other", writer(yard.tokens, "lab/facts"))
    sizes = {"mediaType": MANIFEST_ANY.partition(", ")[2], "size": 1}
    attestation = {**sizes, "digest": other, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    unknown = {**sizes, "digest": other, "platform": {"os": "unknown", "architecture": "unknown"}}
    arm = {**sizes, "digest": other, "platform": {"os": "linux", "architecture": "arm64"}}
    amd = {**sizes, "digest": pushed, "platform": {"os": "linux", "architecture": "amd64"}}
    name = f"{yard.site.registry_host}/lab/facts"
    async with RegistryImages(yard.site, yard.tokens) as images:
        for entries, user in (
            ([attestation, unknown, arm, amd], "1000:1000"),
            ([attestation, unknown, arm], ""),
        ):
            found = await images.facts(f"{name}@{put_index(yard, 'lab/facts', entries)}")
            assert found is not None
            assert found.user == user
        assert await images.facts(f"{name}@{put_index(yard, 'lab/facts', [attestation])}") is None


async def test_what_is_not_there_has_no_facts(yard, pushed):
    absent = "sha256:" + "1" * 64
    async with RegistryImages(yard.site, yard.tokens) as images:
        assert await images.facts(f"{yard.site.registry_host}/lab/facts@{absent}") is None
        assert await images.facts(f"{yard.site.registry_host}/lab/missing@{pushed}") is None


async def test_facts_are_asked_for_once(yard, pushed, monkeypatch):
    name = f"{yard.site.registry_host}/lab/facts@{pushed}"
    async with RegistryImages(yard.site, yard.tokens) as images:
        first = await images.facts(name)
        monkeypatch.setattr(images, "_repository", lambda *_: pytest.fail("asked again"))
        assert await images.facts(name) is first


async def test_not_all_that_was_ever_asked_is_remembered(yard, pushed, monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED", 2)
    async with RegistryImages(yard.site, yard.tokens) as images:
        images._facts.update({f"sha256:{n:064x}": ImageFacts() for n in range(5)})
        await images.facts(f"{yard.site.registry_host}/lab/facts@{pushed}")
        assert list(images._facts) == [f"sha256:{4:064x}", pushed]


# ---- Registries that would do harm -----------------------------------------------------------------------------------------

Answer = Callable[[BaseHTTPRequestHandler], None]


def body(content: bytes, status: int = 200, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    return answer


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(b" " * 65536)


@dataclass
class Hostile:
    """A registry with TLS that answers whatever a test wants; `seen` are the paths that were asked, with the authorization sent."""

    host: str
    answers: dict[str, Answer] = field(default_factory=dict)
    seen: list[tuple[str, str | None]] = field(default_factory=list)

    def manifest(self, document: Any) -> str:
        """Serve it as the manifest of `a/b`; the full reference."""
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        self.answers[f"/v2/a/b/manifests/{digest}"] = body(content)
        return f"{self.host}/a/b@{digest}"

    def image(self, config: Any, **more: Any) -> str:
        content = config if isinstance(config, bytes) else json.dumps(config).encode()
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        self.answers[f"/v2/a/b/blobs/{digest}"] = body(content)
        return self.manifest({"config": {"mediaType": CONFIG, "digest": digest}, "layers": [], **more})


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[Hostile]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_GET(self) -> None:
            hostile.seen.append((self.path, self.headers.get("Authorization")))
            with contextlib.suppress(OSError):  # the client may have had enough
                hostile.answers.get(self.path.partition("?")[0], body(b"", 404))(self)
            self.close_connection = True

        do_HEAD = do_GET  # noqa: N815 - the standard library's name

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        hostile = Hostile(f"127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield hostile
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def hostile(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate(workplace)))
    with serving(workplace) as served:
        yield served


async def facts(yard: Shipyard, pinned: str) -> Any:
    async with RegistryImages(yard.site, yard.tokens) as images:
        return await images.facts(pinned)


async def test_an_honest_answer_is_read(yard, hostile):
    found = await facts(yard, hostile.image({"config": {"User": "7"}}))
    assert found.user == "7"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[" * 100_000,
        b"\xff\xfe",
        b"9" * 10_000,
        [],
        {},
        {"config": [], "layers": []},
        {"config": {"mediaType": CONFIG, "digest": "sha256:../../x"}, "layers": []},
        {"config": {"mediaType": CONFIG, "digest": 7}, "layers": []},
        {"config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": "sha256:" + "0" * 64}, "layers": []},
        {"config": {"mediaType": ["x"], "digest": "sha256:" + "0" * 64}, "layers": []} | {"config": {}},
        {"config": {"mediaType": CONFIG, "digest": "sha256:" + "0" * 64}, "layers": [{}] * 2000},
        {"manifests": []},
        {"manifests": [1, "x", None, {}, {"digest": "latest"}, {"digest": {}, "platform": []}]},
        {"manifests": {}},
    ],
)
async def test_what_is_no_manifest_has_no_facts(yard, hostile, document):
    assert await facts(yard, hostile.manifest(document)) is None


@pytest.mark.parametrize(
    "config",
    [
        b"",
        b"{" * 50_000,
        b"null",
        [1],
        {"config": "x"},
        {"config": {"User": ["root"], "Env": {"A": 1}, "ExposedPorts": ["22"], "Cmd": [1, None, {"a": []}], "Labels": [1]}},
        {"config": {"Env": [1, "NO_EQUALS", None], "ExposedPorts": {"0/tcp": 1, "99999/tcp": 1, "x": 1, "": 1, "22/tcp/udp": 1}}},
        {"config": {"Healthcheck": [], "Entrypoint": 5}, "created": "yesterday", "history": {"a": 1}},
        {"config": {"Healthcheck": {"Test": 5}}, "created": "0000-00-00T00:00:00Z", "history": [1, {"created_by": 7}]},
        {"created": "9999-99-99T99:99:99Z"},
        {"created": "0001-01-01T00:00:00Z"},
        {"created": "1970-01-01T00:00:00Z"},
    ],
)
async def test_what_a_configuration_says_wrongly_is_left_out(yard, hostile, config):
    found = await facts(yard, hostile.image(config))
    assert found == ImageFacts(size_bytes=0)


async def test_of_a_huge_configuration_little_is_kept(yard, hostile):
    config = {
        "User": "u" * 100_000,
        "Env": [f"V{n}={'x' * 1000}" for n in range(2000)],
        "Labels": {f"l{n}": "y" * 10 for n in range(5000)},
        "ExposedPorts": {f"{n}/tcp": {} for n in range(1, 9000)},
        "Cmd": ["z" * 50] * 9000,
    }
    found = await facts(yard, hostile.image({"config": config}))
    kept = len(found.user) + sum(len(n) + len(v) for n, v in (*found.environment, *found.labels)) + sum(map(len, found.command))
    assert kept <= 65536
    assert len(found.exposed) <= 256


async def test_sizes_are_numbers_or_nothing(yard, hostile):
    layers = [{"size": 5}, {"size": -1}, {"size": 1e300}, {"size": "9"}, {"size": 2**80}, {}, 7, {"size": 6}]
    found = await facts(yard, hostile.image({}, layers=layers))
    assert (found.size_bytes, found.layers) == (11, 8)


async def test_an_index_does_not_lead_to_an_index_for_ever(yard, hostile):
    first = hostile.image({})
    for _ in range(3):
        entry = {"digest": first.partition("@")[2], "platform": {"os": "linux", "architecture": "amd64"}}
        first = hostile.manifest({"manifests": [entry]})
    assert await facts(yard, first) is None
    assert len(hostile.seen) == 2


async def test_an_answer_without_an_end_is_not_read_to_its_end(yard, hostile):
    digest = "sha256:" + "0" * 64
    hostile.answers[f"/v2/a/b/manifests/{digest}"] = endless
    with pytest.raises(RegistryUnavailable, match=f"more than {MOST_BYTES} bytes"):
        await facts(yard, f"{hostile.host}/a/b@{digest}")


async def test_an_answer_that_is_compressed_does_not_swell(yard, hostile):
    content = gzip.compress(b" " * 10**8)
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    hostile.answers[f"/v2/a/b/manifests/{digest}"] = body(content, Content_Encoding="gzip")
    assert await facts(yard, f"{hostile.host}/a/b@{digest}") is None


async def test_an_answer_that_drips_is_given_up(yard, hostile, monkeypatch):
    enough = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while not enough.wait(0.05):
            request.wfile.write(b" ")

    digest = "sha256:" + "0" * 64
    hostile.answers[f"/v2/a/b/manifests/{digest}"] = drip
    monkeypatch.setattr(module, "WITHIN", 0.5)
    try:
        with pytest.raises(RegistryUnavailable, match="does not answer"):
            await facts(yard, f"{hostile.host}/a/b@{digest}")
    finally:
        enough.set()


async def test_content_that_is_not_what_its_digest_says_is_not_believed(yard, hostile):
    honest = hostile.image({"config": {"User": "7"}})
    digest = "sha256:" + "0" * 64
    hostile.answers[f"/v2/a/b/manifests/{digest}"] = next(iter(hostile.answers.values()))
    with pytest.raises(RegistryUnavailable, match="something else than sha256:000"):
        await facts(yard, f"{hostile.host}/a/b@{digest}")
    blob = next(path for path in hostile.answers if "/blobs/" in path)
    hostile.answers[blob] = body(b'{"config": {"User": "8"}}')
    with pytest.raises(RegistryUnavailable, match="something else than"):
        await facts(yard, honest)


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:2375/containers/json",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/",
        "https://[::1]/x",
        "https://user:pass@example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "",
    ],
)
async def test_a_registry_does_not_lead_to_places_that_are_not_asked(yard, hostile, location):
    digest = "sha256:" + "0" * 64
    hostile.answers[f"/v2/a/b/manifests/{digest}"] = body(b"", 307, Location=location)
    with pytest.raises(RegistryUnavailable):
        await facts(yard, f"{hostile.host}/a/b@{digest}")
    assert len(hostile.seen) < 8


async def test_a_registry_that_leads_in_a_circle_is_given_up(yard, hostile):
    digest = "sha256:" + "0" * 64
    hostile.answers[f"/v2/a/b/manifests/{digest}"] = body(b"", 307, Location=f"https://{hostile.host}/v2/a/b/manifests/{digest}")
    with pytest.raises(RegistryUnavailable, match="without end"):
        await facts(yard, f"{hostile.host}/a/b@{digest}")


async def test_blobs_elsewhere_are_fetched_without_the_token(yard, hostile, workplace):
    pinned = hostile.image({"config": {"User": "7"}})
    blob = next(path for path in hostile.answers if "/blobs/" in path)
    manifest = next(path for path in hostile.answers if "/manifests/" in path)
    content = hostile.answers[manifest]
    realm = f'Bearer realm="https://{hostile.host}/token",service="s"'

    def guarded(request: BaseHTTPRequestHandler) -> None:
        allowed = request.headers.get("Authorization") == "Bearer public"
        (content if allowed else body(b"", 401, WWW_Authenticate=realm))(request)

    hostile.answers[manifest] = guarded
    hostile.answers["/token"] = body(b'{"token": "public"}')
    with serving(workplace) as elsewhere:
        elsewhere.answers[blob] = hostile.answers[blob]
        hostile.answers[blob] = body(b"", 307, Location=f"https://{elsewhere.host}{blob}")
        found = await facts(yard, pinned)
        assert found.user == "7"
        assert elsewhere.seen == [(blob, None)]
    assert (blob, "Bearer public") in hostile.seen


@pytest.mark.parametrize(
    "challenge",
    [
        'Bearer realm="http://127.0.0.1/token"',
        'Bearer realm="https://10.1.2.3/token"',
        'Bearer realm="https://["',
        'Bearer realm="//"',
        "Basic realm=x",
        "",
    ],
)
async def test_a_challenge_that_leads_to_odd_places_is_not_followed(yard, hostile, challenge):
    digest = "sha256:" + "0" * 64
    hostile.answers[f"/v2/a/b/manifests/{digest}"] = body(b"", 401, WWW_Authenticate=challenge)
    try:
        assert await facts(yard, f"{hostile.host}/a/b@{digest}") is None
    except RegistryUnavailable:
        assert "[" in challenge
    assert len(hostile.seen) == 1


@pytest.mark.parametrize(
    "token", [b"[" * 60_000, b'{"token": 7}', b'{"token": "a\\r\\nHost: x"}', b'{"token": "\\u2603"}', b" " * 70_000]
)
async def test_an_odd_token_is_none(yard, hostile, token):
    digest = "sha256:" + "0" * 64
    realm = f'Bearer realm="https://{hostile.host}/token"'
    hostile.answers[f"/v2/a/b/manifests/{digest}"] = body(b"", 401, WWW_Authenticate=realm)
    hostile.answers["/token"] = body(token)
    assert await facts(yard, f"{hostile.host}/a/b@{digest}") is None


async def test_the_own_registry_leads_nowhere(yard, hostile, monkeypatch):
    site = Site(registry_port=int(hostile.host.rpartition(":")[2]))
    digest = "sha256:" + "0" * 64
    hostile.answers[f"/v2/a/b/manifests/{digest}"] = body(b"", 307, Location=f"https://{hostile.host}/elsewhere")
    async with RegistryImages(site, yard.tokens) as images:
        images._own_url = f"https://{hostile.host}"
        images._direct = httpx.AsyncClient(verify=ssl.create_default_context(cafile=_trusted()))
        with pytest.raises(RegistryUnavailable, match="answered 307"):
            await images.facts(f"{site.registry_host}/a/b@{digest}")
    assert [path for path, _ in hostile.seen] == [f"/v2/a/b/manifests/{digest}"]


def _trusted() -> str:
    return os.environ["SSL_CERT_FILE"]
