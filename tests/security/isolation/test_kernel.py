"""From inside a container, as root with every capability that can be had: what is the host's stays the host's."""

from __future__ import annotations

import io
import os
import platform as machine
import subprocess
import tarfile
from pathlib import Path

import pytest

from security.isolation.conftest import CAPABILITIES, Scene
from support.platform import SPIN

BITS = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "KILL": 5, "SETGID": 6, "SETUID": 7, "NET_BIND_SERVICE": 10}
CALLS = {
    # keyctl, mount, unshare, bpf, init_module, reboot, clock_settime, open_by_handle_at
    "x86_64": (250, 165, 272, 321, 175, 169, 227, 304),
}


def test_root_in_a_container_has_the_capabilities_that_were_asked_for_and_no_others(scene: Scene) -> None:
    status = dict(line.split(":\t", 1) for line in scene.inside("cat", "/proc/1/status").splitlines() if ":\t" in line)
    allowed = sum(1 << BITS[name] for name in CAPABILITIES)
    for held in ("CapPrm", "CapEff", "CapBnd"):
        assert int(status[held], 16) == allowed, held
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"


@pytest.mark.skipif(machine.machine() not in CALLS, reason="the numbers of system calls are known for x86_64 only")
def test_nothing_that_only_the_hosts_root_may_do_is_done(scene: Scene) -> None:
    told = scene.inside("perl", "/attempts.pl", *map(str, CALLS[machine.machine()]))
    answers = dict(line.split(": ", 1) for line in told.splitlines())
    assert len(answers) == 18, told
    assert not [name for name, answer in answers.items() if answer == "done"], told
    refused = ("Operation not permitted", "Permission denied", "Read-only file system")
    for name in (
        "raw socket",
        "packet socket",
        "core pattern",
        "block device",
        "mount",
        "new namespaces",
        "keyctl",
        "bpf",
    ):
        assert answers[name] in refused, (name, answers[name])


def test_a_device_that_is_copied_in_cannot_be_opened(scene: Scene) -> None:
    """The engine unpacks as root, devices too: the control group's list of devices is what keeps the host's disks closed."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, kind, numbers in (
            ("disk", tarfile.BLKTYPE, disk()),
            ("kmsg", tarfile.CHRTYPE, (1, 11)),
            ("mem", tarfile.CHRTYPE, (1, 1)),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.mode, (member.devmajor, member.devminor) = kind, 0o666, numbers
            archive.addfile(member)
    copied = subprocess.run(
        [SPIN, "cp", "-", "attacker/app:/tmp"],
        input=packed.getvalue(),
        env=os.environ | {"SPIN_URL": scene.platform.url, "SPIN_TOKEN": scene.platform.key, "SPIN_PROJECT": "demo"},
        capture_output=True,
        check=False,
    )
    for name in ("disk", "kmsg", "mem"):
        read = scene.inside("sh", "-c", f"cat /tmp/{name} 2>&1 || true")
        assert "Operation not permitted" in read or (copied.returncode and "No such file" in read), read


def disk() -> tuple[int, int]:
    """The device that carries the host's root, or what looks like one."""
    number = Path("/").stat().st_dev
    return (os.major(number), os.minor(number)) if os.major(number) else (8, 0)


def test_no_process_of_the_host_is_seen(scene: Scene) -> None:
    seen = scene.inside("sh", "-c", "cat /proc/[0-9]*/comm").split()
    assert set(seen) <= {"docker-init", "tini", "sleep", "sh", "cat"}, seen
