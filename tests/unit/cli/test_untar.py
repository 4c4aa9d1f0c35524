"""Whatever a container sends as a tar stream, nothing is written outside of the folder that was named."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from spin.cli.copying import Packer, parse_remote
from spin.cli.forward import Forward, parse_forward
from spin.cli.untar import unpack
from spin.errors import Failed, InvalidInput


def member(name: str, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for made, content in members:
            made.size = len(content)
            archive.addfile(made, io.BytesIO(content))
    packed.seek(0)
    return packed


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=kind, linkname=target), b""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`in` to unpack in, beside `out`, which must stay as it is."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "kept").write_text("kept")
    return tmp_path / "in"


def untouched(folder: Path) -> bool:
    out = folder.parent / "out"
    return [p.name for p in out.iterdir()] == ["kept"] and (out / "kept").read_text() == "kept"


def take(stream: io.BytesIO, folder: Path) -> list[str]:
    said: list[str] = []
    unpack(stream, folder, lambda name: name, said.append)
    return said


def test_files_folders_modes_and_links_within_arrive(folder: Path) -> None:
    packed = tar(
        (member("a", type=tarfile.DIRTYPE, mode=0o500), b""),
        (member("a/script", mode=0o4755, mtime=1_000_000_000), b"#!/bin/sh\n"),
        link("a/near", "script"),
        link("same", "a/script", tarfile.LNKTYPE),
    )
    assert take(packed, folder) == []
    assert (folder / "a" / "script").stat().st_mode & 0o7777 == 0o755, "without set-uid"
    assert (folder / "a" / "script").stat().st_mtime == 1_000_000_000
    assert (folder / "a").stat().st_mode & 0o7777 == 0o500
    assert (folder / "a" / "near").readlink() == Path("script")
    assert (folder / "same").samefile(folder / "a" / "script")


@pytest.mark.parametrize("name", ["/etc/evil", "../out/evil", "a/../../out/evil", "a/b/../../../out/evil"])
def test_a_name_that_leads_out_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(Failed, match="leads out"):
        take(tar((member(name), b"x")), folder)
    assert untouched(folder)


@pytest.mark.parametrize("target", ["../out", "/etc", "../../anywhere", "./.././out"])
def test_a_link_that_leads_out_is_left_out_and_nothing_is_written_through_it(folder: Path, target: str) -> None:
    said = take(tar(link("door", target), (member("door/evil"), b"x")), folder)
    assert "door" in said[0]
    assert untouched(folder)
    assert (folder / "door").is_dir()
    assert not (folder / "door").is_symlink()


def test_a_link_by_way_of_another_link_leads_out_no_better(folder: Path) -> None:
    packed = tar(
        (member("a/b/file"), b"x"),
        link("a/b/up", "../.."),
        link("a/b/door", "up/../out"),  # by its words within the folder; `up` makes it the folder beside
        link("a/b/near", "../../a/./b/file"),
    )
    said = take(packed, folder)
    assert [text.partition(":")[0] for text in said] == ["a/b/door"]
    assert (folder / "a/b/up").is_symlink()
    assert (folder / "a/b/near").read_text() == "x"


def test_nothing_is_written_through_links_that_lead_within_or_that_were_there(folder: Path) -> None:
    (folder / "old").symlink_to(folder.parent / "out")
    with pytest.raises(Failed, match="through a link"):
        take(tar((member("old/evil"), b"x")), folder)
    with pytest.raises(Failed, match="through a link"):
        take(tar((member("a", type=tarfile.DIRTYPE), b""), link("b", "a"), (member("b/evil"), b"x")), folder)
    assert untouched(folder)


def test_a_file_takes_the_place_of_a_link_and_does_not_follow_it(folder: Path) -> None:
    (folder / "name").symlink_to(folder.parent / "out" / "kept")
    take(tar((member("name"), b"new")), folder)
    assert (folder / "name").read_bytes() == b"new"
    assert untouched(folder)


def test_a_hard_link_reaches_only_what_was_unpacked(folder: Path) -> None:
    for target in ("../out/kept", "/etc/passwd"):
        with pytest.raises(Failed):
            take(tar(link("hard", target, tarfile.LNKTYPE)), folder)
    (folder / "soft").symlink_to(folder.parent / "out" / "kept")
    take(tar(link("hard", "soft", tarfile.LNKTYPE), (member("hard"), b"x")), folder)
    assert untouched(folder)


def test_devices_and_pipes_are_left_out(folder: Path) -> None:
    said = take(
        tar((member("disk", type=tarfile.BLKTYPE, devmajor=8), b""), (member("pipe", type=tarfile.FIFOTYPE), b"")), folder
    )
    assert len(said) == 2
    assert list(folder.iterdir()) == []


def test_a_stream_that_breaks_off_is_a_failure(folder: Path) -> None:
    whole = tar((member("a"), b"x" * 100_000)).getvalue()
    with pytest.raises(Failed):
        take(io.BytesIO(whole[:50_000]), folder)


def test_what_is_packed_is_what_was_there(tmp_path: Path, folder: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "file").write_text("content")
    (source / "deep" / "file").chmod(0o640)
    (source / "link").symlink_to("deep/file")
    os.mkfifo(source / "pipe")
    packer = Packer(source, "named")
    with os.fdopen(os.dup(packer.read), "rb") as stream:
        content = io.BytesIO(stream.read())
    packer.close()
    assert packer.count == 2
    with tarfile.open(fileobj=content) as archive:
        assert {m.name: (m.uid, m.gid) for m in archive} == dict.fromkeys(
            ("named", "named/deep", "named/deep/file", "named/link"), (0, 0)
        )
    content.seek(0)
    assert take(content, folder) == []
    assert (folder / "named" / "link").read_text() == "content"


@pytest.mark.parametrize(
    ("text", "found"),
    [("5432", Forward(5432, 5432)), ("15432:5432", Forward(15432, 5432)), ("0:80", Forward(0, 80)), (":80", Forward(0, 80))],
)
def test_ports_to_forward(text: str, found: Forward) -> None:
    assert parse_forward(text) == found


@pytest.mark.parametrize("text", ["", "80:", "a:80", "80:0", "70000:80", "80:70000", "1:2:3"])
def test_ports_that_are_none(text: str) -> None:
    with pytest.raises(InvalidInput, match="LOCAL:REMOTE"):
        parse_forward(text)


def test_which_paths_are_in_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = parse_remote("shop/web/2:/var/log")
    assert found is not None
    assert (str(found.ref), found.path) == ("shop/web/2", "/var/log")
    for text in ("-", "file", "./a:b", "/a:/b", "../x:/y"):
        assert parse_remote(text) is None
    (tmp_path / "a:b").touch()
    assert parse_remote("a:b") is None, "it is there"
    with pytest.raises(InvalidInput, match="absolute"):
        parse_remote("shop/web:etc")
