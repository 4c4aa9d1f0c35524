"""Fails if a tracked file names a package registry or mirror: which one to use is the machine's business, never the project's."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Host names of registries and mirrors of Python, Debian, Ubuntu, Node, Go and Rust packages, and options that point at an index.
ADDRESS = re.compile(
    r"\b(?:deb|ftp[a-z0-9.]*|security|snapshot|cdn-fastly\.deb)\.debian\."
    r"|\b(?:archive|security|ports)\.ubuntu\."
    r"|\bpypi\.(?:org|python)|\bpythonhosted\."
    r"|\bregistry\.(?:npmjs|yarnpkg)\.|\bproxy\.golang\.|\bcrates\.io\b"
    r"|^\s*--(?:extra-)?(?:index-url|find-links)\b",
    re.MULTILINE | re.IGNORECASE,
)


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found = 0
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path == Path(__file__).resolve() or not path.is_file():
            continue
        for match in ADDRESS.finditer(text := path.read_text(errors="replace")):
            found += 1
            print(f"{name}:{text.count(chr(10), 0, match.start()) + 1}: names a package registry: {match.group().strip()}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
