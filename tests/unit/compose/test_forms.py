"""The small languages inside values: each form that Compose knows, and a sentence for what is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spin.compose import forms
from spin.compose.references import parse_reference
from spin.model.stack import Protocol


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("30s", 30_000),
        ("1m30s", 90_000),
        ("1h30m", 5_400_000),
        ("1.5s", 1500),
        (".5s", 500),
        ("500ms", 500),
        ("10us", 1),
        ("10µs", 1),
        ("1500us", 2),
        ("1ns", 1),
        ("1d", 86_400_000),
        ("1w", 604_800_000),
        ("0s", 0),
        ("0", 0),
    ],
)
def test_durations(text: str, milliseconds: int) -> None:
    assert forms.duration_ms(text) == milliseconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1024", 1024),
        ("64b", 64),
        ("64kb", 65536),
        ("64k", 65536),
        ("512m", 512 * 1024**2),
        ("512M", 512 * 1024**2),
        ("512MiB", 512 * 1024**2),
        ("1.5g", 1_610_612_736),
        ("2 gb", 2 * 1024**3),
        (".5g", 1024**3 // 2),
        ("1e+08", 10**8),
        ("1t", 1024**4),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert forms.size_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b", ("a", "b")),
        ("", ()),
        ("  \n", ()),
        ("a 'b c' \"d e\"", ("a", "b c", "d e")),
        (r"a\ b", ("a b",)),
        ("''", ("",)),
        ("a'b'\"c\"", ("abc",)),
        ('"a\\"b\\\\c\\d"', ('a"b\\cd',)),
        (r"'a\b'", (r"a\b",)),
        ("sh -c 'echo $X; ls'", ("sh", "-c", "echo $X; ls")),
        ("a # b", ("a", "#", "b")),
        ("echo $(date +%s)-`id -u` $ $x", ("echo", "$(date +%s)-`id -u`", "$", "$x")),
        ("one\n  two", ("one", "two")),
    ],
)
def test_a_command_line_is_split_as_a_shell_does(text: str, words: tuple[str, ...]) -> None:
    assert forms.words(text) == words


@pytest.mark.parametrize(
    ("text", "published", "target", "protocol", "address"),
    [
        ("8080", None, (8080, 8080), Protocol.TCP, None),
        ("3000-3002", None, (3000, 3002), Protocol.TCP, None),
        ("80:8080", (80, 80), (8080, 8080), Protocol.TCP, None),
        ("53:5353/udp", (53, 53), (5353, 5353), Protocol.UDP, None),
        ("53:53/TCP", (53, 53), (53, 53), Protocol.TCP, None),
        ("8000-8002:9000-9002/udp", (8000, 8002), (9000, 9002), Protocol.UDP, None),
        ("127.0.0.1:80:8080", (80, 80), (8080, 8080), Protocol.TCP, "127.0.0.1"),
        ("0:8080", (0, 0), (8080, 8080), Protocol.TCP, None),
        ("127.0.0.1::8080", None, (8080, 8080), Protocol.TCP, "127.0.0.1"),
        ("[::1]:80:8080", (80, 80), (8080, 8080), Protocol.TCP, "[::1]"),
    ],
)
def test_ports(
    text: str, published: tuple[int, int] | None, target: tuple[int, int], protocol: Protocol, address: str | None
) -> None:
    form = forms.port(text)
    assert (form.published, form.target, form.protocol, form.address) == (published, target, protocol, address)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("data:/x", forms.VolumeForm("data", "/x")),
        ("data:/x:ro,nocopy", forms.VolumeForm("data", "/x", ("ro", "nocopy"))),
        ("/x", forms.VolumeForm(None, "/x")),
        ("c:/x", forms.VolumeForm("c", "/x")),
        ("c:/x:ro", forms.VolumeForm("c", "/x", ("ro",))),
        ("./x:/y", forms.VolumeForm("./x", "/y")),
        (".:/y", forms.VolumeForm(".", "/y")),
        ("/:/y", forms.VolumeForm("/", "/y")),
        ("C:\\x:/y", forms.VolumeForm("C:\\x", "/y")),
        ("C:/x:/y", forms.VolumeForm("C:/x", "/y")),
    ],
)
def test_volumes(text: str, form: forms.VolumeForm) -> None:
    assert forms.volume(text) == form


@pytest.mark.parametrize("source", ["/", "/x", ".", "..", "./x", "../x", "~", "~/x", "~root", "C:\\x", "c:/x", "\\\\.\\pipe\\x"])
def test_a_source_that_is_a_path_is_told_from_a_volume(source: str) -> None:
    assert forms.is_host_path(source)


@pytest.mark.parametrize(("text", "path"), [("/a", "/a"), ("/a/", "/a"), ("//a/./b//", "/a/b"), ("/", "/")])
def test_paths_are_normalised(text: str, path: str) -> None:
    assert forms.absolute_path(text) == path


@pytest.mark.parametrize("text", ["SIGTERM", "TERM", "SIGUSR1", "15", "SIGRTMIN+3", "RTMAX-1"])
def test_signals(text: str) -> None:
    assert forms.signal(text) == forms.signal(text.lower()) == text


@pytest.mark.parametrize(("text", "mode"), [("0440", 0o440), ("440", 0o440), ("0o1777", 0o1777)])
def test_modes_are_octal(text: str, mode: int) -> None:
    assert forms.octal_mode(text) == mode


@pytest.mark.parametrize(
    ("text", "host"), [("a.example.org", "a.example.org"), ("A.Example.org.", "a.example.org"), ("x-1.de", "x-1.de")]
)
def test_own_host_names(text: str, host: str) -> None:
    assert forms.public_host(text) == host


@pytest.mark.parametrize(
    ("form", "text", "says"),
    [
        (forms.duration_ms, "10", "with a unit"),
        (forms.duration_ms, "s", "with a unit"),
        (forms.duration_ms, "-1s", "with a unit"),
        (forms.duration_ms, "1s ", "with a unit"),
        (forms.duration_ms, "999999h", "longer than a year"),
        (forms.size_bytes, "1x", "512m"),
        (forms.size_bytes, "-1", "512m"),
        (forms.size_bytes, "9999999p", "too large"),
        (forms.words, "a 'b", "not closed"),
        (forms.words, "a\\", "backslash"),
        (forms.words, "a `b", "backquote"),
        (forms.port, "", "1 to 65535"),
        (forms.port, "0", "1 to 65535"),
        (forms.port, "70000", "1 to 65535"),
        (forms.port, "a:80", "1 to 65535"),
        (forms.port, "80:", "1 to 65535"),
        (forms.port, "80:80/sctp", "tcp or udp"),
        (forms.port, "8002-8000:1-3", "smaller port first"),
        (forms.port, "8000-8002:80", "same number of ports"),
        (forms.port, "1-65535:1-65535", "publish fewer"),
        (forms.volume, "a:/b:ro:x", "too many parts"),
        (forms.absolute_path, "a", "begin it with /"),
        (forms.absolute_path, "/a/../b", "`..`"),
        (forms.host_name, "-a", "host name"),
        (forms.host_name, "a_b", "host name"),
        (forms.inner_host, "a b", "underscores"),
        (forms.inner_host, "a_b.-c", "underscores"),
        (forms.host_name, "a" * 64, "host name"),
        (forms.host_name, "a..b", "host name"),
        (forms.public_host, "*.example.org", "wildcard"),
        (forms.public_host, "a.example.org:80", "port"),
        (forms.public_host, "https://a.example.org", "scheme"),
        (forms.public_host, "localhost", "full DNS name"),
        (forms.public_host, "10.0.0.1", "full DNS name"),
        (forms.public_host, "xn--é.example.org", "host name"),
        (forms.signal, "KILL ME", "SIGTERM"),
        (forms.signal, "SIGNOW", "SIGTERM"),
        (forms.signal, "65", "SIGTERM"),
        (forms.octal_mode, "0888", "octal"),
        (forms.octal_mode, "rw", "octal"),
        (parse_reference, "Nginx", "lower case"),
        (parse_reference, "a b", "not an image"),
        (parse_reference, "a:b c", "tag"),
        (parse_reference, "a@sha256:12", "64 hexadecimal"),
        (parse_reference, "http://a/b", "not an image"),
        (parse_reference, "a//b", "not an image"),
        (parse_reference, "a/" * 200 + "b", "not an image"),
        (parse_reference, "", "not an image"),
        (parse_reference, "example.org/", "not an image"),
    ],
)
def test_what_is_none_is_answered_with_a_sentence(form: Callable[[str], object], text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        form(text)
    assert says in str(caught.value)


DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("bitnami/nginx", "docker.io/bitnami/nginx:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx:latest"),
        ("registry-1.docker.io/a/b:c", "docker.io/a/b:c"),
        ("localhost/a", "localhost/a:latest"),
        ("localhost:5000/team/web:1", "localhost:5000/team/web:1"),
        ("ghcr.io/a/b/c:d", "ghcr.io/a/b/c:d"),
        ("[::1]:5000/a:b", "[::1]:5000/a:b"),
        (f"nginx@{DIGEST}", "docker.io/library/nginx"),
        (f"nginx:1@{DIGEST}", "docker.io/library/nginx:1"),
    ],
)
def test_image_references_are_read_as_docker_reads_them(text: str, full: str) -> None:
    reference = parse_reference(text).on_hub()
    assert reference.text("docker.io") == full
    assert reference.digest == (DIGEST if "@" in text else None)
