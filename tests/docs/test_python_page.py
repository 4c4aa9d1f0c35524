"""The examples of docs/python.md run as they are, one after the other, against a platform."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from support.api import LAB
from support.served_api import served_api

ROOT = Path(__file__).resolve().parents[2]


def examples() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL | re.MULTILINE)


def test_the_examples_run_and_print_what_they_should(tmp_path: Path) -> None:
    printed = []
    with served_api(tmp_path) as served:
        variables = os.environ | {"SPIN_URL": served.url, "SPIN_TOKEN": served.keys["dora"], "IMAGE": f"{LAB}/web:1"}
        for example in examples():
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", example], env=variables, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{example}\n{done.stderr}"
            printed.append(done.stdout.splitlines())
    nothing_yet, deployed, failures, following, command, there, fed = printed
    assert nothing_yet == []
    assert deployed == ["healthy"]
    assert failures[0] == "not-found 5"
    assert any(re.fullmatch(r"[a-z-]+ web", line) for line in failures[1:])
    assert following[0] == "dora ['shop']"
    assert [line.rpartition(" ")[2] for line in following[1:]] == ["started", "ready"]
    assert command == ["0 hello"]
    assert there == ["from there", "0"]
    assert fed == ["shop-web-1 started", "shop-web-1 ready"]


def test_the_examples_are_typed(tmp_path: Path) -> None:
    """As a user's own type checker would read them."""
    for number, example in enumerate(examples()):
        (tmp_path / f"example_{number}.py").write_text(example)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *sorted(tmp_path.glob("*.py"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
