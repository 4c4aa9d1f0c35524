"""A Docker Engine in tests: a tiny image, a registry of one's own, and the promise that nothing is left behind.

Images can be pinned only once a registry has them, so tests push to one of their own, on a free port:

    with LocalRegistry() as registry:
        pinned = registry.push(tiny_image(), "demo/tiny:1")     # localhost:PORT/demo/tiny@sha256:…

    with engine_site() as site_id:                              # everything with that site's label is removed at the end
        ...
"""

from __future__ import annotations

import datetime as dt
import http.client
import json
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from support.platform import docker, eventually, free_ports

TINY = "spin-test/tiny:1"
# Shell, a few tools and Perl (for servers and sockets), with the libraries they need: all from the base image, nothing is fetched.
_TINY_DOCKERFILE = r"""
FROM debian:bookworm-slim AS full
RUN set -eu; mkdir -p /tiny/bin /tiny/tmp /tiny/etc; \
    for tool in bash cat chmod env id ls mkdir perl rm sleep stat touch; do \
      path=$(command -v $tool); cp $path /tiny/bin/$tool; \
      ldd $path | grep -o '/[^ ]*' | while read -r library; do cp --parents -L $library /tiny; done; \
    done; \
    ln -s bash /tiny/bin/sh; cp --parents -r /usr/lib/*/perl-base /tiny; \
    chmod 1777 /tiny/tmp; echo 'root:x:0:0::/:/bin/sh' > /tiny/etc/passwd
FROM scratch
COPY --from=full /tiny /
CMD ["sleep", "infinity"]
"""
_TINY_LABEL = "spin.test.recipe"


def tiny_image() -> str:
    """Name of the tiny image (some 14 MB) on the engine; built once, and again when its recipe changes. It stays for the next run."""
    recipe = str(uuid.uuid5(uuid.NAMESPACE_OID, _TINY_DOCKERFILE))
    if docker("images", "--quiet", "--filter", f"reference={TINY}", "--filter", f"label={_TINY_LABEL}={recipe}"):
        return TINY
    return build_image(TINY, f"{_TINY_DOCKERFILE}LABEL {_TINY_LABEL}={recipe}\n")


def build_image(name: str, dockerfile: str) -> str:
    """Build from a Dockerfile that needs no other file; returns `name`."""
    subprocess.run(
        ["docker", "build", "--quiet", "--force-rm", "--tag", name, "-"],
        input=dockerfile.encode(),
        capture_output=True,
        check=True,
    )
    return name


def perl_server(port: int, after: float = 0) -> tuple[str, ...]:
    """Command that answers each TCP connection on `port` with one line of HTTP, beginning `after` seconds from its start."""
    program = (
        f"select(undef, undef, undef, {after}); "
        f'my $s = IO::Socket::INET->new(LocalPort => {port}, Listen => 5, ReuseAddr => 1) or die "$!"; '
        'while (my $c = $s->accept) { print $c "HTTP/1.0 200 OK\\r\\n\\r\\nhello\\n"; close $c; }'
    )
    return ("perl", "-MIO::Socket::INET", "-e", program)


def inside(container: str, *command: str) -> subprocess.CompletedProcess[str]:
    """`docker exec`, whatever its exit status."""
    return subprocess.run(["docker", "exec", container, *command], capture_output=True, text=True, check=False)


def inspect(thing: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("inspect", thing))[0]
    return found


@contextmanager
def engine_site() -> Iterator[str]:
    """Id of a site of one's own. At the end everything on the engine that carries it is removed."""
    site = f"t{uuid.uuid4().hex[:10]}"
    try:
        yield site
    finally:
        remove_site(site)


def remove_site(site: str) -> None:
    """Remove all containers, networks and volumes of the site."""
    chosen = f"label=spin.site={site}"
    for listing, removal in (
        (("ps", "--all", "--quiet", "--no-trunc"), ("rm", "--force", "--volumes")),
        (("network", "ls", "--quiet", "--no-trunc"), ("network", "rm")),
        (("volume", "ls", "--quiet"), ("volume", "rm", "--force")),
    ):
        found = docker(*listing, "--filter", chosen).split()
        if found:
            docker(*removal, *found)


def things_of(site: str) -> list[str]:
    """Names of everything on the engine that carries the site's label."""
    chosen = f"label=spin.site={site}"
    named = "{{.Name}}"
    found = docker("ps", "--all", "--filter", chosen, "--format", "{{.Names}}").split()
    found += docker("network", "ls", "--filter", chosen, "--format", named).split()
    return sorted(found + docker("volume", "ls", "--filter", chosen, "--format", named).split())


@dataclass(frozen=True)
class TokenKey:
    """A key and its certificate: what signs, and what a registry trusts (Distribution's token authentication)."""

    private: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls) -> TokenKey:
        private = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(private.public_key())
            .serial_number(1)
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .sign(private, hashes.SHA256())
        )
        return cls(private, certificate)

    def token(self, repository: str, *actions: str) -> str:
        """A bearer token for `repository` (without host)."""
        now = int(dt.datetime.now(dt.UTC).timestamp())
        claims = {
            "iss": "test",
            "aud": "test",
            "sub": "test",
            "jti": uuid.uuid4().hex,
            "iat": now,
            "nbf": now - 60,
            "exp": now + 300,
            "access": [{"type": "repository", "name": repository, "actions": list(actions)}],
        }
        chain = self.certificate.public_bytes(serialization.Encoding.PEM).decode().splitlines()[1:-1]
        return jwt.encode(claims, self.private, algorithm="ES256", headers={"x5c": ["".join(chain)]})


class LocalRegistry:
    """A CNCF Distribution registry on a free port of the loopback, which Docker trusts without TLS. A context manager.

    With `key` it asks for tokens signed by that key; otherwise everybody may do everything. With `storage` it has the images of
    that registry, which must outlive it.
    """

    def __init__(self, key: TokenKey | None = None, *, storage: LocalRegistry | None = None) -> None:
        self._key = key
        self._storage = storage
        self._folder = tempfile.TemporaryDirectory(prefix="spin-registry-")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def host(self) -> str:
        """As it stands in image references."""
        return f"localhost:{self.port}"

    def push(self, local: str, name: str) -> str:
        """Push the engine's image `local` as `name` (repository:tag, without host); returns `host/repository@sha256:…`."""
        target = f"{self.host}/{name}"
        docker("tag", local, target)
        docker("push", "--quiet", target)
        repository = target.rpartition(":")[0]
        digests = inspect(target)["RepoDigests"]
        return next(d for d in digests if d.startswith(f"{repository}@"))

    def forget(self) -> None:
        """Take this registry's images off the engine, so that they have to be pulled."""
        listed = docker("images", "--digests", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}")
        for repository, tag, digest in (line.split() for line in listed.splitlines()):
            if repository.startswith(f"{self.host}/"):
                references = [f"{repository}:{tag}"] * (tag != "<none>") + [f"{repository}@{digest}"] * (digest != "<none>")
                docker("rmi", "--force", "--no-prune", *references, check=False)

    def __enter__(self) -> Self:
        self.port = free_ports(1)[0]
        folder = Path(self._folder.name)
        data = Path((self._storage or self)._folder.name) / "data"
        config: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(data)}},
            "http": {"addr": f"127.0.0.1:{self.port}"},
        }
        if self._key is not None:
            bundle = folder / "trusted.pem"
            bundle.write_bytes(self._key.certificate.public_bytes(serialization.Encoding.PEM))
            realm = f"http://{self.host}/token"  # nobody answers there: who has no token gets none
            config["auth"] = {"token": {"realm": realm, "service": "test", "issuer": "test", "rootcertbundle": str(bundle)}}
        (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                # Also when the tests are killed no registry stays: Linux sends the signal when the parent ends.
                ["setpriv", "--pdeathsig", "TERM", "docker-registry", "serve", str(folder / "config.yml")],
                stdout=log,
                stderr=log,
            )
        try:
            eventually(self._answers, within=20, what="the test registry answers")
        except AssertionError as error:
            self.close()
            raise AssertionError(f"{error}: {(folder / 'log').read_text()}") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.forget()
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None
        self._folder.cleanup()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status in (200, 401)
        finally:
            connection.close()
