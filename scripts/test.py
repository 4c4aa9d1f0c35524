"""Runs the tests: `./run test [FOLDER below tests/ | option of pytest]…`, and prints one total.

Without arguments in two rounds: unit and property tests first, because what they find is nearest to its cause, then the rest.
"""

import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from subprocess import run

ROOT = Path(__file__).parent.parent
QUICK = ("unit", "property")
WORKERS = "2"
COUNTED = ("tests", "failures", "errors", "skipped")


def rounds(arguments: list[str]) -> list[list[str]]:
    """The arguments of each call of pytest."""
    folders = [a for a in arguments if (ROOT / "tests" / a).is_dir()]
    options = [a for a in arguments if a not in folders]
    if folders:
        return [[*(f"tests/{f}" for f in folders), *options]]
    if options:
        return [["tests", *options]]
    quick = [f"tests/{name}" for name in QUICK if (ROOT / "tests" / name).is_dir()]
    return [quick, ["tests", *(f"--ignore={path}" for path in quick)]]


def main() -> int:
    begin = time.monotonic()
    total: Counter[str] = Counter()
    for arguments in rounds(sys.argv[1:]):
        with tempfile.NamedTemporaryFile(suffix=".xml") as report:
            command = [sys.executable, "-m", "pytest", "-q", "-n", WORKERS, f"--junitxml={report.name}", *arguments]
            done = run(command, cwd=ROOT, check=False)
            if Path(report.name).stat().st_size:  # empty where pytest did not get as far as running tests
                for suite in ET.parse(report.name).iter("testsuite"):
                    total.update({key: int(suite.get(key, 0)) for key in COUNTED})
        if done.returncode:
            break
    counts = ", ".join(f"{total[key]} {key}" for key in COUNTED)
    print(f"total: {counts}, {time.monotonic() - begin:.0f} s")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
