"""The units of examples/systemd are good ones, say what the platform does, and are what docs/service.md tells of them."""

from __future__ import annotations

import inspect
import re
import shlex
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest

from spin.addresses.program import program
from spin.main.data import DataDirectory, default_data
from spin.main.serve import serve

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "service.md"
UNITS = sorted((ROOT / "examples" / "systemd").glob("*.service"))


def parsed(name: str) -> RawConfigParser:
    found = RawConfigParser(strict=True)
    found.optionxform = str  # type: ignore[assignment,method-assign]  # as the documentation of configparser has it
    found.read(ROOT / "examples" / "systemd" / name)
    return found


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_no_fault_with_a_unit(unit: Path, tmp_path: Path) -> None:
    text = unit.read_text().replace("/opt/spin/bin/spin", str(Path(sys.executable).with_name("spin")))
    (tmp_path / unit.name).write_text(text.replace("/usr/sbin/nft", program() or "/usr/sbin/nft"))
    done = subprocess.run(["systemd-analyze", "verify", tmp_path / unit.name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_service_starts_the_platform_with_options_that_it_has() -> None:
    _, command, *words = shlex.split(parsed("spin.service")["Service"]["ExecStart"])
    options = {word for word in words if word.startswith("--")}
    assert command == "serve"
    assert options == {"--data", "--config"}
    assert options <= {f"--{name.replace('_', '-')}" for name in inspect.signature(serve).parameters}


def test_the_guard_loads_the_file_that_the_platform_keeps_before_the_engine_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    where = default_data()
    data = DataDirectory(tmp_path / "data")
    data.keep_guard("add table inet x\n")
    [file] = (tmp_path / "data").glob("*.nft")
    data.keep_guard("")
    assert not file.exists()
    data.keep_guard("")
    data.close()
    unit = parsed("spin-guard.service")
    assert unit["Unit"]["ConditionPathExists"] == str(where / file.name)
    assert unit["Service"]["ExecStart"].endswith(f" -f {where / file.name}")
    assert unit["Unit"]["Before"] == "docker.service"


def test_the_page_tells_of_settings_that_the_units_have() -> None:
    there = {
        (key, word)
        for unit in UNITS
        for section in parsed(unit.name).values()
        for key in section
        for word in section[key].split()
    }
    there |= {(key, "") for key, _ in there}
    said = set(re.findall(r"^\| `(\w+)=([\w.-]*)`", PAGE.read_text(), re.MULTILINE))
    assert len(said) >= 6
    assert said <= there
